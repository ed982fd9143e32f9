//! Publishing versions.

use common::clock::{Clock as _, SystemClock};
use common::db::publish::{self, Publish, Published};
use common::db::versions::DeclaredEnv;
use common::db::{functions, versions};
use common::ids::{AccountId, FunctionId, NamespaceId, VersionId};
use common::limits;
use common::names::FunctionName;
use common::testing::{self, Role, TestDatabase, given};
use tokio_postgres::error::SqlState;

struct Publisher {
    database: TestDatabase,
    account: AccountId,
    namespace: NamespaceId,
}

impl Publisher {
    async fn new() -> Self {
        let database = testing::database().await;
        let (account, _) = given::account(&database).await;
        let (namespace, _) = given::namespace(&database, account).await;
        Self {
            database,
            account,
            namespace,
        }
    }

    async fn publish(&self, body: u8, change: impl FnOnce(&mut Publish<'_>)) -> Published {
        let name: FunctionName = "total".parse().unwrap();
        let mut wanted = Publish {
            namespace: self.namespace,
            name: &name,
            function: FunctionId::new(&SystemClock),
            version: VersionId::new(&SystemClock),
            expected: None,
            most: None,
            code: b"sealed",
            body_digest: [body; 32],
            description: None,
            input_schema: Some("{\"const\": \"\\u0000\"}"),
            output_schema: None,
            tags: &[],
            annotations: None,
            timeout_ms: 1_000,
            memory_mib: 64,
            concurrency: Some(2),
            max_attempts: Some(1),
            requirements: &[],
            lock: None,
            env: &DeclaredEnv::default(),
            network: &[],
            now: SystemClock.now(),
        };
        change(&mut wanted);
        let mut client = self.database.connect(Role::Api).client().await.unwrap();
        publish::publish(&mut client, self.account, &wanted)
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn an_unchanged_body_is_no_new_version_and_a_changed_one_is_the_next() {
    let publisher = Publisher::new().await;
    let first = publisher.publish(1, |_| ()).await;
    assert_eq!(first, Published::Created { number: 1 });
    let again = publisher.publish(1, |_| ()).await;
    assert!(
        matches!(again, Published::Unchanged { number: 1, .. }),
        "{again:?}"
    );
    // Ready, and nothing is known of it: its import wanted values that weren't there.
    let owner = publisher
        .database
        .connect(Role::Owner)
        .client()
        .await
        .unwrap();
    let ready = "update versions set status = 'ready', built_at = created_at,
        import_env = '{TOKEN}', entry_point = $1";
    owner.execute(ready, &[&None::<&str>]).await.unwrap();
    let described = publisher.publish(1, |_| ()).await;
    assert!(
        matches!(described, Published::Updated { number: 2, .. }),
        "{described:?}"
    );
    owner.execute(ready, &[&Some("main")]).await.unwrap();
    let again = publisher.publish(1, |_| ()).await;
    assert!(
        matches!(again, Published::Unchanged { number: 2, .. }),
        "{again:?}"
    );
    let second = publisher.publish(2, |_| ()).await;
    assert!(
        matches!(second, Published::Updated { number: 3, .. }),
        "{second:?}"
    );
    // Back to the first body is a change.
    let third = publisher.publish(1, |_| ()).await;
    assert!(
        matches!(third, Published::Updated { number: 4, .. }),
        "{third:?}"
    );
}

#[tokio::test]
async fn parallel_publishers_get_numbers_without_gaps() {
    let publisher = Publisher::new().await;
    let (a, b, c) = tokio::join!(
        publisher.publish(1, |_| ()),
        publisher.publish(2, |_| ()),
        publisher.publish(3, |_| ()),
    );
    let mut numbers: Vec<_> = [a, b, c]
        .into_iter()
        .map(|published| match published {
            Published::Created { number } | Published::Updated { number, .. } => number,
            other => panic!("{other:?}"),
        })
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3]);
}

#[tokio::test]
async fn a_version_that_is_expected_and_is_not_current_stops_it() {
    let publisher = Publisher::new().await;
    let missing = publisher
        .publish(1, |wanted| wanted.expected = Some(1))
        .await;
    assert_eq!(missing, Published::Mismatch { current: None });
    publisher.publish(1, |_| ()).await;
    let wrong = publisher
        .publish(2, |wanted| wanted.expected = Some(2))
        .await;
    assert!(matches!(wrong, Published::Mismatch { .. }), "{wrong:?}");
    let right = publisher
        .publish(2, |wanted| wanted.expected = Some(1))
        .await;
    assert!(
        matches!(right, Published::Updated { number: 2, .. }),
        "{right:?}"
    );
}

#[tokio::test]
async fn functions_are_bounded_and_another_accounts_namespace_is_none() {
    let publisher = Publisher::new().await;
    let bounded = publisher.publish(1, |wanted| wanted.most = Some(0)).await;
    assert_eq!(bounded, Published::TooMany);
    let (stranger, _) = given::account(&publisher.database).await;
    let (foreign, _) = given::namespace(&publisher.database, stranger).await;
    let refused = publisher
        .publish(1, |wanted| wanted.namespace = foreign)
        .await;
    assert_eq!(refused, Published::NoNamespace);
}

#[tokio::test]
async fn a_version_with_wrong_syntax_is_taken_back_with_its_function() {
    let publisher = Publisher::new().await;
    let id = VersionId::new(&SystemClock);
    publisher.publish(1, |wanted| wanted.version = id).await;
    let owner = publisher
        .database
        .connect(Role::Owner)
        .client()
        .await
        .unwrap();
    let mut client = publisher
        .database
        .connect(Role::Api)
        .client()
        .await
        .unwrap();
    let withdraw = async |client: &mut _| publish::withdraw(client, publisher.account, id).await;
    assert!(!withdraw(&mut client).await.unwrap(), "it is being built");
    owner
        .batch_execute(
            "update versions set status = 'broken', broken_kind = 'syntax', built_at = now()",
        )
        .await
        .unwrap();
    assert!(withdraw(&mut client).await.unwrap());
    let found = functions::find(&client, publisher.account, publisher.namespace, "total").await;
    assert_eq!(found.unwrap(), None);
}

#[tokio::test]
async fn a_version_reads_back_as_it_was_published() {
    let publisher = Publisher::new().await;
    let id = VersionId::new(&SystemClock);
    publisher.publish(1, |wanted| wanted.version = id).await;
    let client = publisher
        .database
        .connect(Role::Api)
        .client()
        .await
        .unwrap();
    let version = versions::find(&client, publisher.account, id).await;
    let version = version.unwrap().unwrap();
    assert_eq!(
        version.input_schema.as_deref(),
        Some("{\"const\": \"\\u0000\"}")
    );
    assert_eq!(
        (version.concurrency, version.max_attempts),
        (Some(2), Some(1))
    );
    assert_eq!((version.timeout_ms, version.memory_mib), (1_000, 64));
    assert_eq!(version.status, versions::Status::Building);
    let page = versions::list(&client, publisher.account, version.function, None, 10).await;
    assert_eq!(page.unwrap(), std::slice::from_ref(&version));
    let before = versions::list(&client, publisher.account, version.function, Some(1), 10).await;
    assert_eq!(before.unwrap(), []);
    let (stranger, _) = given::account(&publisher.database).await;
    assert_eq!(versions::find(&client, stranger, id).await.unwrap(), None);
    let foreign = versions::by_number(&client, stranger, version.function, 1).await;
    assert_eq!(foreign.unwrap(), None);
}

#[tokio::test]
async fn the_hosts_a_version_names_are_kept_as_they_are_up_to_a_bound() {
    let publisher = Publisher::new().await;
    let database = &publisher.database;
    let hosts: Vec<String> = (0..limits::NETWORK_HOSTS_MOST)
        .map(|port| format!("*.b.example:{}", port + 1))
        .collect();
    let named: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let place = (publisher.account, publisher.namespace);
    let asked = ("def main(): pass", &[][..], &named[..]);
    let (_, id) = given::naming(database, place, &"total".parse().unwrap(), asked).await;
    let worker = database.connect(Role::Worker).client().await.unwrap();
    let find = async || versions::find(&worker, publisher.account, id).await;
    let kept = find().await.unwrap().unwrap().network;
    let kept: Vec<String> = kept.iter().map(ToString::to_string).collect();
    assert_eq!(kept, hosts);
    let owner = database.connect(Role::Owner).client().await.unwrap();
    let more = "update versions set network_allow = network_allow || '{a.example}'";
    let refused = owner.batch_execute(more).await.unwrap_err();
    assert_eq!(refused.code(), Some(&SqlState::CHECK_VIOLATION));
    // What this release can't read allows nothing.
    let strange = "update versions set network_allow = '{http://a.example}'";
    owner.batch_execute(strange).await.unwrap();
    let unread = find().await.unwrap_err();
    assert!(unread.to_string().contains("network_allow"), "{unread}");
}
