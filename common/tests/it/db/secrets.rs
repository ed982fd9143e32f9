//! Environment values of namespaces: bounded, one tenant's, and heard of.

use std::sync::Mutex;
use std::time::Duration;

use common::announce::{self, Change, News, Noun};
use common::clock::{Clock as _, SystemClock};
use common::db::secrets::{self, NewSecret, Set};
use common::db::{Client, namespaces};
use common::ids::{NamespaceId, SecretId};
use common::limits;
use common::names::EnvName;
use common::testing::given::{self, Tenant};
use common::testing::{self, Role, TestDatabase, wait_until};
use tokio_util::sync::CancellationToken;

struct Given {
    database: TestDatabase,
    tenant: Tenant,
    api: Client,
}

impl Given {
    async fn new() -> Self {
        let database = testing::database().await;
        let tenant = given::tenant(&database).await;
        let api = database.connect(Role::Api).client().await.unwrap();
        Self {
            database,
            tenant,
            api,
        }
    }

    async fn set(&mut self, name: &str, value: &[u8]) -> Set {
        let new = NewSecret {
            id: SecretId::new(&SystemClock),
            namespace: self.tenant.namespace,
            name: &named(name),
            value,
            now: SystemClock.now(),
        };
        secrets::set(&mut self.api, self.tenant.account, &new)
            .await
            .unwrap()
    }

    async fn names(&self) -> Vec<String> {
        let Tenant {
            account, namespace, ..
        } = self.tenant;
        secrets::names(&self.api, account, namespace).await.unwrap()
    }
}

fn named(name: &str) -> EnvName {
    name.parse().unwrap()
}

#[tokio::test]
async fn a_value_set_again_replaces_the_first_and_keeps_its_age() {
    let mut given = Given::new().await;
    let Set::Created(first) = given.set("TOKEN", b"one").await else {
        panic!("it is new")
    };
    let Set::Replaced(second) = given.set("TOKEN", b"two").await else {
        panic!("it was there")
    };
    assert_eq!(first.created_at, second.created_at);
    assert!(first.updated_at < second.updated_at);
    let worker = given.database.connect(Role::Worker).client().await.unwrap();
    let Tenant {
        account, namespace, ..
    } = given.tenant;
    given.set("OTHER", b"three").await;
    let wanted = ["TOKEN".to_owned(), "NEVER".to_owned()];
    let wanted: Vec<_> = wanted.iter().collect();
    let sealed = secrets::sealed(&worker, account, namespace, &wanted)
        .await
        .unwrap();
    assert_eq!(sealed.len(), 1, "only what was asked for");
    assert_eq!(sealed[0].value, b"two");
    let name = named("TOKEN");
    assert!(
        secrets::delete(&given.api, account, namespace, &name)
            .await
            .unwrap()
    );
    assert!(
        !secrets::delete(&given.api, account, namespace, &name)
            .await
            .unwrap()
    );
    assert_eq!(given.names().await, ["OTHER"]);
}

#[tokio::test]
async fn nobody_else_s_account_reads_sets_or_deletes_one() {
    let mut given = Given::new().await;
    given.set("TOKEN", b"one").await;
    let other = given::tenant(&given.database).await.account;
    let (namespace, name) = (given.tenant.namespace, named("TOKEN"));
    let wanted = ["TOKEN".to_owned()];
    let wanted: Vec<_> = wanted.iter().collect();
    let api = &given.api;
    assert!(
        secrets::sealed(api, other, namespace, &wanted)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(
        secrets::names(api, other, namespace)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(
        secrets::list(api, other, namespace, None, 9)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        secrets::find(api, other, namespace, &name).await.unwrap(),
        None
    );
    assert!(!secrets::delete(api, other, namespace, &name).await.unwrap());
    given.tenant.account = other;
    assert_eq!(given.set("TOKEN", b"two").await, Set::NoNamespace);
}

#[tokio::test]
async fn a_namespace_has_a_hundred_and_no_more() {
    let mut given = Given::new().await;
    for number in 0..limits::SECRETS_PER_NAMESPACE {
        let set = given.set(&format!("N{number}"), b"v").await;
        assert!(matches!(set, Set::Created(_)), "{number}: {set:?}");
    }
    assert_eq!(given.set("ONE_MORE", b"v").await, Set::TooMany);
    let again = given.set("N7", b"w").await;
    assert!(matches!(again, Set::Replaced(_)), "{again:?}");
}

#[tokio::test]
async fn all_values_together_are_bounded_to_the_byte() {
    let mut given = Given::new().await;
    let bytes = usize::try_from(limits::SECRETS_BYTES).unwrap() / 4;
    let quarter = vec![7; bytes];
    for name in ["A", "B", "C"] {
        given.set(name, &quarter).await;
    }
    let more = vec![7; bytes + 1];
    assert_eq!(given.set("D", &more).await, Set::TooLarge);
    assert!(matches!(given.set("D", &quarter).await, Set::Created(_)));
    // Its own old value doesn't count.
    assert!(matches!(given.set("D", &quarter).await, Set::Replaced(_)));
    assert_eq!(given.set("E", b"x").await, Set::TooLarge);
}

#[tokio::test]
async fn pages_go_on_after_a_name() {
    let mut given = Given::new().await;
    for name in ["C", "A", "B"] {
        given.set(name, b"v").await;
    }
    let Tenant {
        account, namespace, ..
    } = given.tenant;
    let page = async |after| {
        let page = secrets::list(&given.api, account, namespace, after, 2).await;
        let names: Vec<_> = page.unwrap().into_iter().map(|one| one.name).collect();
        names
    };
    assert_eq!(page(None).await, ["A", "B"]);
    assert_eq!(page(Some("B")).await, ["C"]);
}

#[tokio::test]
async fn deleting_a_namespace_erases_its_secrets_at_once_and_takes_no_new_ones() {
    let mut given = Given::new().await;
    given.set("TOKEN", b"one").await;
    let Tenant {
        account, namespace, ..
    } = given.tenant;
    let now = SystemClock.now();
    assert!(
        namespaces::delete(&mut given.api, account, namespace, now)
            .await
            .unwrap()
    );
    assert!(given.names().await.is_empty());
    assert_eq!(given.set("TOKEN", b"two").await, Set::NoNamespace);
}

#[tokio::test]
async fn a_secret_that_is_set_replaced_or_deleted_is_announced_by_its_namespace() {
    let mut given = Given::new().await;
    let news = Mutex::new(Vec::new());
    let stop = CancellationToken::new();
    let url = given.database.url(Role::Api);
    let hear = announce::listen(&url, &stop, |one| news.lock().unwrap().push(one));
    let namespace = given.tenant.namespace;
    tokio::join!(hear, async {
        heard(&news, News::Listening, 1).await;
        let change = changed(namespace);
        given.set("TOKEN", b"one").await;
        heard(&news, change, 1).await;
        given.set("TOKEN", b"two").await;
        heard(&news, change, 2).await;
        let name = named("TOKEN");
        secrets::delete(&given.api, given.tenant.account, namespace, &name)
            .await
            .unwrap();
        heard(&news, change, 3).await;
        stop.cancel();
    });
}

fn changed(namespace: NamespaceId) -> News {
    News::Changed(Change {
        noun: Noun::Secrets,
        id: namespace.uuid(),
    })
}

async fn heard(news: &Mutex<Vec<News>>, wanted: News, times: usize) {
    wait_until("the news is heard", Duration::from_secs(10), async || {
        let news = news.lock().unwrap();
        let count = news.iter().filter(|one| **one == wanted).count();
        (count == times).then_some(()).ok_or_else(|| news.clone())
    })
    .await;
}
