//! What is cached is never older than a second.

use std::sync::Mutex;
use std::time::Duration;

use common::announce::{self, Change, News, Noun};
use common::clock::{Clock as _, SystemClock};
use common::db::accounts::AccountStatus;
use common::db::api_keys::{self, NewApiKey};
use common::db::{Client, accounts, namespaces};
use common::ids::ApiKeyId;
use common::testing::given::{self, Tenant};
use common::testing::{self, Role, TestDatabase, wait_until};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const BOUND: Duration = Duration::from_secs(10);

/// Runs `body` while news is heard.
async fn listening<F: Future>(
    database: &TestDatabase,
    news: &Mutex<Vec<News>>,
    body: impl FnOnce() -> F,
) {
    let stop = CancellationToken::new();
    let url = database.url(Role::Api);
    let hear = announce::listen(&url, &stop, |one| news.lock().unwrap().push(one));
    tokio::join!(hear, async {
        heard(news, 0, News::Listening).await;
        body().await;
        stop.cancel();
    });
}

/// Waits for a piece of news after the first `past` of them; gives its place.
async fn heard(news: &Mutex<Vec<News>>, past: usize, wanted: News) -> usize {
    wait_until("the news is heard", BOUND, async || {
        let news = news.lock().unwrap();
        let found = news.iter().skip(past).position(|one| *one == wanted);
        found.map(|at| past + at).ok_or_else(|| news.clone())
    })
    .await
}

async fn key(client: &mut Client, tenant: &Tenant) -> ApiKeyId {
    let id = ApiKeyId::new(&SystemClock);
    let scopes = ["functions:read".to_owned()];
    let new = NewApiKey {
        id,
        created_by: None,
        name: "ci",
        secret_hash: "hash",
        scopes: &scopes,
        namespaces: None,
        expires_at: None,
        now: SystemClock.now(),
    };
    api_keys::create(client, tenant.account, &new)
        .await
        .unwrap();
    id
}

#[tokio::test]
async fn a_revoked_key_is_announced_within_a_second_and_its_use_to_nobody() {
    let database = testing::database().await;
    let tenant = given::tenant(&database).await;
    let mut client = database.connect(Role::Api).client().await.unwrap();
    let id = key(&mut client, &tenant).await;
    let news = Mutex::new(Vec::new());
    listening(&database, &news, || async {
        let now = SystemClock.now();
        api_keys::used(&client, tenant.account, id, now)
            .await
            .unwrap();
        let asked = Instant::now();
        assert!(
            api_keys::revoke(&client, tenant.account, id, now)
                .await
                .unwrap()
        );
        let change = Change {
            noun: Noun::ApiKey,
            id: id.uuid(),
        };
        heard(&news, 0, News::Changed(change)).await;
        assert!(asked.elapsed() < Duration::from_secs(1));
    })
    .await;
    let all = news.into_inner().unwrap();
    let of_keys = all.iter().filter(|one| {
        matches!(
            one,
            News::Changed(Change {
                noun: Noun::ApiKey,
                ..
            })
        )
    });
    assert_eq!(of_keys.count(), 1, "{all:?}");
}

#[tokio::test]
async fn a_change_is_heard_only_once_it_is_committed() {
    let database = testing::database().await;
    let tenant = given::tenant(&database).await;
    let mut client = database.connect(Role::Api).client().await.unwrap();
    let mut owner = database.connect(Role::Owner).client().await.unwrap();
    let news = Mutex::new(Vec::new());
    listening(&database, &news, || async {
        let transaction = owner.transaction().await.unwrap();
        accounts::set_status(&transaction, tenant.account, AccountStatus::Suspended)
            .await
            .unwrap();
        transaction.rollback().await.unwrap();
        // Something later, so that the earlier would have been heard.
        let now = SystemClock.now();
        namespaces::delete(&mut client, tenant.account, tenant.namespace, now)
            .await
            .unwrap();
        let change = |noun, id| News::Changed(Change { noun, id });
        heard(&news, 0, change(Noun::Namespace, tenant.namespace.uuid())).await;
        heard(&news, 0, change(Noun::Function, tenant.function.uuid())).await;
        let all = news.lock().unwrap().clone();
        assert!(!all.contains(&change(Noun::Account, tenant.account.uuid())));
    })
    .await;
}

#[tokio::test]
async fn a_version_is_announced_when_it_waits_to_be_built_and_when_it_was() {
    let database = testing::database().await;
    let news = Mutex::new(Vec::new());
    listening(&database, &news, || async {
        let tenant = given::tenant(&database).await;
        let id = tenant.version.uuid();
        let change = |noun| News::Changed(Change { noun, id });
        let build = heard(&news, 0, change(Noun::Build)).await;
        heard(&news, build, change(Noun::Version)).await;
    })
    .await;
}

#[tokio::test]
async fn a_lost_connection_is_told_and_listening_begins_again() {
    let database = testing::database().await;
    let tenant = given::tenant(&database).await;
    let owner = database.connect(Role::Owner).client().await.unwrap();
    let mut client = database.connect(Role::Api).client().await.unwrap();
    let id = key(&mut client, &tenant).await;
    let news = Mutex::new(Vec::new());
    listening(&database, &news, || async {
        owner
            .execute(
                "select pg_terminate_backend(pid) from pg_stat_activity
                where datname = current_database() and query like 'listen%' or query = 'select 1'
                    and datname = current_database() and usename = 'patchbay_api'",
                &[],
            )
            .await
            .unwrap();
        let lost = heard(&news, 0, News::Lost).await;
        heard(&news, lost, News::Listening).await;
        let now = SystemClock.now();
        let client = database.connect(Role::Api).client().await.unwrap();
        api_keys::revoke(&client, tenant.account, id, now)
            .await
            .unwrap();
        let change = Change {
            noun: Noun::ApiKey,
            id: id.uuid(),
        };
        heard(&news, lost, News::Changed(change)).await;
    })
    .await;
}
