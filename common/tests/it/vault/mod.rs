//! Sealing under keys that live in a database of their own.

use std::sync::Arc;

use base64::Engine as _;
use common::clock::SystemClock;
use common::ids::{AccountId, ExecutionId};
use common::testing::{self, KEK, Role, TestDatabase};
use common::vault::{self, Purpose, Ring, RingError, SealError, Vault, VaultError};

fn account() -> AccountId {
    AccountId::new(&SystemClock)
}

fn row() -> uuid::Uuid {
    ExecutionId::new(&SystemClock).uuid()
}

fn line(id: &str, byte: u8) -> String {
    let key = base64::engine::general_purpose::STANDARD.encode([byte; 32]);
    format!("{id}:{key}\n")
}

fn over(database: &TestDatabase, ring: &str) -> Vault {
    let ring = Ring::parse(ring).unwrap();
    Vault::over(
        ring,
        database.connect_keys(Role::Api),
        Arc::new(SystemClock),
    )
}

#[tokio::test]
async fn a_text_opens_for_its_account_purpose_and_row_in_another_process() {
    let database = testing::database().await;
    let (mine, theirs, row) = (account(), account(), row());
    let api = database.vault(Role::Api);
    let sealed = api
        .seal(mine, Purpose::Code, row, b"def main(): ...")
        .await
        .unwrap();
    api.seal(theirs, Purpose::Code, row, b"").await.unwrap();
    let worker = database.vault(Role::Worker);
    let opened = worker
        .open(mine, Purpose::Code, row, &sealed)
        .await
        .unwrap();
    assert_eq!(opened, b"def main(): ...");
    for (account, purpose, id) in [
        (theirs, Purpose::Code, row),
        (mine, Purpose::Input, row),
        (mine, Purpose::Code, super::vault::row()),
    ] {
        let swapped = worker.open(account, purpose, id, &sealed).await;
        assert!(
            matches!(
                swapped,
                Err(VaultError::Text {
                    source: SealError::Refused,
                    ..
                })
            ),
            "{swapped:?}"
        );
    }
}

#[tokio::test]
async fn the_planted_word_is_in_no_table_and_the_key_in_none_of_the_main_database() {
    let database = testing::database().await;
    let (mine, id) = (account(), row());
    let vault = database.vault(Role::Api);
    let sealed = vault
        .seal(mine, Purpose::Input, id, b"plantedword")
        .await
        .unwrap();
    assert!(!sealed.windows(11).any(|some| some == b"plantedword"));
    let keys = database.connect_keys(Role::Owner).client().await.unwrap();
    let rows = keys
        .query("select wrapped from data_keys", &[])
        .await
        .unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].get::<_, &[u8]>(0).len(), 1 + 12 + 32 + 16);
}

#[tokio::test]
async fn two_processes_that_make_an_accounts_key_at_once_agree_on_one() {
    let database = testing::database().await;
    let (mine, id) = (account(), row());
    let vaults: Vec<_> = (0..4).map(|_| database.vault(Role::Api)).collect();
    let seal = |at: usize| vaults[at].seal(mine, Purpose::Output, id, b"text");
    let (a, b, c, d) = tokio::join!(seal(0), seal(1), seal(2), seal(3));
    let fresh = database.vault(Role::Worker);
    for sealed in [a, b, c, d] {
        let opened = fresh
            .open(mine, Purpose::Output, id, &sealed.unwrap())
            .await;
        assert_eq!(opened.unwrap(), b"text");
    }
}

#[tokio::test]
async fn an_account_without_key_an_unknown_wrapper_and_a_wrong_one_are_named() {
    let database = testing::database().await;
    let (mine, id) = (account(), row());
    let none = database
        .vault(Role::Worker)
        .open(mine, Purpose::Input, id, b"")
        .await;
    assert!(
        matches!(none, Err(VaultError::NoKey(who)) if who == mine),
        "{none:?}"
    );
    let sealed = database
        .vault(Role::Api)
        .seal(mine, Purpose::Input, id, b"x")
        .await
        .unwrap();
    let unwrap = async |ring: &str| match over(&database, ring)
        .open(mine, Purpose::Input, id, &sealed)
        .await
    {
        Err(VaultError::Unwrap { source, .. }) => source,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        unwrap(&line("other", 1)).await,
        RingError::Unknown("test".to_owned())
    );
    let wrong = unwrap(&line("test", 1)).await;
    assert!(matches!(wrong, RingError::Refused { .. }), "{wrong:?}");
}

#[tokio::test]
async fn a_wrapped_key_moved_to_another_account_does_not_open() {
    let database = testing::database().await;
    let (mine, theirs, id) = (account(), account(), row());
    let api = database.vault(Role::Api);
    let sealed = api.seal(mine, Purpose::Input, id, b"x").await.unwrap();
    api.seal(theirs, Purpose::Input, id, b"y").await.unwrap();
    let owner = database.connect_keys(Role::Owner).client().await.unwrap();
    owner
        .execute(
            "update data_keys set wrapped = (select wrapped from data_keys where account_id = $1)
            where account_id = $2",
            &[&mine.uuid(), &theirs.uuid()],
        )
        .await
        .unwrap();
    let fresh = database.vault(Role::Api);
    let moved = fresh.open(theirs, Purpose::Input, id, &sealed).await;
    assert!(matches!(moved, Err(VaultError::Unwrap { .. })), "{moved:?}");
}

#[tokio::test]
async fn keys_are_wrapped_anew_and_the_old_wrapper_may_go() {
    let database = testing::database().await;
    let id = row();
    let accounts: Vec<_> = (0..250).map(|_| account()).collect();
    let before = database.vault(Role::Api);
    let mut sealed = Vec::new();
    for one in &accounts {
        sealed.push(
            before
                .seal(*one, Purpose::Input, id, b"text")
                .await
                .unwrap(),
        );
    }
    let both = format!("{}{KEK}", line("new", 9));
    let ring = Ring::parse(&both).unwrap();
    let owner = database.connect_keys(Role::Owner);
    let rotated = vault::rotate(&owner, &ring, &SystemClock).await.unwrap();
    assert_eq!(rotated, 250);
    assert_eq!(vault::rotate(&owner, &ring, &SystemClock).await.unwrap(), 0);
    let after = over(&database, &line("new", 9));
    for (one, sealed) in accounts.iter().zip(&sealed) {
        let opened = after.open(*one, Purpose::Input, id, sealed).await.unwrap();
        assert_eq!(opened, b"text");
    }
    let old = database
        .vault(Role::Api)
        .open(accounts[0], Purpose::Input, id, &sealed[0])
        .await;
    assert!(matches!(old, Err(VaultError::Unwrap { .. })), "{old:?}");
}

#[tokio::test]
async fn without_the_keys_database_what_is_cached_still_opens() {
    let database = testing::database().await;
    let (mine, id) = (account(), row());
    let vault = database.vault(Role::Api);
    let sealed = vault.seal(mine, Purpose::Input, id, b"x").await.unwrap();
    let owner = database.connect(Role::Owner).client().await.unwrap();
    let name: String = owner
        .query_one("select current_database()::text", &[])
        .await
        .unwrap()
        .get(0);
    let sql = format!("drop database \"{name}_keys\" with (force)");
    owner.batch_execute(&sql).await.unwrap();
    assert_eq!(
        vault.open(mine, Purpose::Input, id, &sealed).await.unwrap(),
        b"x"
    );
    vault.forget_keys();
    let gone = vault
        .open(mine, Purpose::Input, id, &sealed)
        .await
        .unwrap_err();
    assert!(gone.is_unavailable(), "{gone:?}");
}
