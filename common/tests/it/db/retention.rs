//! What is past its time goes, and nothing else, with a clock that is moved.

use common::clock::{Clock as _, SystemClock};
use common::db::retention::{self, BATCH};
use common::db::{Client, namespaces};
use common::testing::{self, Role, given};
use jiff::{Timestamp, ToSpan as _};

async fn count(owner: &Client, table: &str) -> i64 {
    let sql = format!("select count(*) from {table}");
    owner.query_one(&sql, &[]).await.unwrap().get(0)
}

async fn purge(client: &Client, at: Timestamp) -> u64 {
    retention::purge_some(client, at).await.unwrap().0
}

#[tokio::test]
async fn a_deleted_functions_code_goes_after_a_day_and_its_name_after_the_executions() {
    let database = testing::database().await;
    let tenant = given::tenant(&database).await;
    let kept = given::tenant(&database).await;
    let now = SystemClock.now();
    let mut api = database.connect(Role::Api).client().await.unwrap();
    namespaces::delete(&mut api, tenant.account, tenant.namespace, now)
        .await
        .unwrap();
    let client = database.connect(Role::Scheduler).client().await.unwrap();
    let owner = database.connect(Role::Owner).client().await.unwrap();
    assert_eq!(purge(&client, now + 23.hours()).await, 0);
    assert_eq!(purge(&client, now + 25.hours()).await, 1);
    assert_eq!(count(&owner, "versions").await, 1);
    assert_eq!(purge(&client, now + (24 * 91 - 1).hours()).await, 0);
    assert_eq!(
        purge(&client, now + (24 * 91 + 1).hours()).await,
        1,
        "its functions go along"
    );
    assert_eq!(count(&owner, "functions").await, 1);
    let left: uuid::Uuid = owner
        .query_one("select id from namespaces", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(left, kept.namespace.uuid());
}

#[tokio::test]
async fn a_lock_goes_with_the_last_version_that_has_it() {
    let database = testing::database().await;
    let tenant = given::tenant(&database).await;
    let owner = database.connect(Role::Owner).client().await.unwrap();
    let client = database.connect(Role::Scheduler).client().await.unwrap();
    let locks = "insert into locks (digest, text, created_at)
        select sha256(n::text::bytea), n::text, '2029-01-01' from generate_series(1, 2) n";
    owner.execute(locks, &[]).await.unwrap();
    let used = "update versions set lock_digest = sha256('1') where id = $1";
    owner
        .execute(used, &[&tenant.version.uuid()])
        .await
        .unwrap();
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let late = at("2029-01-02T00:00:01Z");
    assert_eq!(purge(&client, at("2029-01-02T00:00:00Z")).await, 0);
    assert_eq!(purge(&client, late).await, 1);
    assert_eq!(count(&owner, "locks").await, 1);
    owner
        .execute("update versions set lock_digest = null", &[])
        .await
        .unwrap();
    assert_eq!(purge(&client, late).await, 1);
}

#[tokio::test]
async fn keys_and_tokens_go_after_their_time_a_batch_at_once() {
    let database = testing::database().await;
    let tenant = given::tenant(&database).await;
    let owner = database.connect(Role::Owner).client().await.unwrap();
    let (account, user) = (tenant.account.uuid(), tenant.user.uuid());
    owner
        .execute(
            "insert into idempotency_keys select $1, sha256(n::text::bytea), $1, '2030-01-01',
                sha256(''), '2030-01-02T00:00:00Z' from generate_series(0, $2::bigint) n",
            &[&account, &BATCH],
        )
        .await
        .unwrap();
    owner
        .execute(
            "insert into refresh_tokens values
                (sha256('a'), $1, $1, $2, now(), '2030-01-01T00:00:00Z', null)",
            &[&account, &user],
        )
        .await
        .unwrap();
    owner
        .execute(
            "insert into api_keys (id, account_id, name, secret_hash, scopes, created_at,
                revoked_at) values ($1, $1, 'n', 'h', '{a}', now(), '2029-12-03T00:00:00Z'),
                ($2, $1, 'n', 'h', '{a}', now(), null)",
            &[&account, &user],
        )
        .await
        .unwrap();
    let client = database.connect(Role::Scheduler).client().await.unwrap();
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    assert_eq!(purge(&client, at("2030-01-02T00:00:00Z")).await, 0);
    let (gone, more) = retention::purge_some(&client, at("2030-01-02T00:00:01Z"))
        .await
        .unwrap();
    // A batch of keys, the token, and the key that was revoked 30 days ago.
    assert_eq!((gone, more), (u64::try_from(BATCH).unwrap() + 2, true));
    assert_eq!(purge(&client, at("2030-01-02T00:00:01Z")).await, 1);
    assert_eq!(count(&owner, "api_keys").await, 1);
    assert_eq!(count(&owner, "idempotency_keys").await, 0);
}
