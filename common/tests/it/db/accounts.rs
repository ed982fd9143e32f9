//! Accounts, their users and their keys.

use common::clock::{Clock as _, SystemClock};
use common::db::accounts::NewAccount;
use common::db::api_keys::{self, Created, NewApiKey};
use common::db::users::{self, NewUser, Registered};
use common::db::{accounts, refresh_tokens};
use common::ids::{AccountId, ApiKeyId, UserId};
use common::limits;
use common::plan::Plan;
use common::testing::{self, Role, given};
use jiff::ToSpan as _;
use uuid::Uuid;

fn user(identity: &'static str) -> NewUser<'static> {
    NewUser {
        id: UserId::new(&SystemClock),
        account: NewAccount {
            id: AccountId::new(&SystemClock),
            name: "somebody",
            plan: Plan::Free,
            now: SystemClock.now(),
        },
        email_identity: identity,
        email: "Box@Example.org",
        name: None,
        password_hash: "hash",
        verified: false,
    }
}

#[tokio::test]
async fn one_address_is_one_user_however_many_register_at_once() {
    let database = testing::database().await;
    let api = database.connect(Role::Api);
    let register = async || {
        let mut client = api.client().await.unwrap();
        users::register(&mut client, &user("box@example.org"))
            .await
            .unwrap()
    };
    let all = tokio::join!(register(), register(), register());
    let all = [all.0, all.1, all.2];
    let new = all.iter().filter(|one| **one == Registered::New);
    assert_eq!(new.count(), 1);
    let owner = database.connect(Role::Owner).client().await.unwrap();
    let sql = "select count(*) from accounts";
    let accounts: i64 = owner.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(accounts, 1, "a refused registration leaves no account");
}

#[tokio::test]
async fn a_login_finds_the_account_and_whether_the_address_is_verified() {
    let database = testing::database().await;
    let mut client = database.connect(Role::Api).client().await.unwrap();
    let new = user("box@example.org");
    users::register(&mut client, &new).await.unwrap();
    let login = users::login(&client, "box@example.org")
        .await
        .unwrap()
        .unwrap();
    assert_eq!((login.account, login.verified), (new.account.id, false));
    assert!(
        users::login(&client, "Box@example.org")
            .await
            .unwrap()
            .is_none()
    );
    let account = accounts::find(&client, new.account.id)
        .await
        .unwrap()
        .unwrap();
    assert!(!account.verified);
    let owner = database.connect(Role::Owner).client().await.unwrap();
    let verify = async || users::verify(&owner, new.id, SystemClock.now()).await;
    assert!(verify().await.unwrap());
    assert!(!verify().await.unwrap());
    let account = accounts::find(&client, new.account.id)
        .await
        .unwrap()
        .unwrap();
    assert!(account.verified);
    let (foreign, _) = given::account(&database).await;
    assert!(
        users::find(&client, foreign, new.id)
            .await
            .unwrap()
            .is_none()
    );
    let mine = users::find(&client, new.account.id, new.id).await.unwrap();
    assert_eq!(mine.unwrap().email, "Box@Example.org");
}

fn key(id: ApiKeyId, scopes: &[String]) -> NewApiKey<'_> {
    NewApiKey {
        id,
        created_by: None,
        name: "ci",
        secret_hash: "hash",
        scopes,
        namespaces: None,
        expires_at: None,
        now: SystemClock.now(),
    }
}

#[tokio::test]
async fn an_account_has_as_many_keys_as_its_bound_and_none_more_also_in_parallel() {
    let database = testing::database().await;
    let (account, _) = given::account(&database).await;
    let api = database.connect(Role::Api);
    let scopes = ["functions:read".to_owned()];
    let create = async || {
        let mut client = api.client().await.unwrap();
        let id = ApiKeyId::new(&SystemClock);
        api_keys::create(&mut client, account, &key(id, &scopes))
            .await
            .unwrap()
    };
    for _ in 0..limits::API_KEYS_PER_ACCOUNT - 1 {
        assert_eq!(create().await, Created::Yes);
    }
    let last = tokio::join!(create(), create(), create());
    let made = [last.0, last.1, last.2];
    assert_eq!(made.iter().filter(|one| **one == Created::Yes).count(), 1);
    assert_eq!(
        made.iter().filter(|one| **one == Created::TooMany).count(),
        2
    );
    let client = api.client().await.unwrap();
    let page = api_keys::list(&client, account, None, 200).await.unwrap();
    assert_eq!(page.len(), 100);
    let now = SystemClock.now();
    assert!(
        api_keys::revoke(&client, account, page[0].id, now)
            .await
            .unwrap()
    );
    assert!(
        !api_keys::revoke(&client, account, page[0].id, now)
            .await
            .unwrap()
    );
    assert_eq!(create().await, Created::Yes, "a revoked one does not count");
}

#[tokio::test]
async fn a_key_is_bound_to_namespaces_of_its_own_account_only() {
    let database = testing::database().await;
    let (mine, theirs) = (
        given::tenant(&database).await,
        given::tenant(&database).await,
    );
    let mut client = database.connect(Role::Api).client().await.unwrap();
    let scopes = ["functions:read".to_owned()];
    let id = ApiKeyId::new(&SystemClock);
    let mut new = key(id, &scopes);
    let both = [mine.namespace, theirs.namespace];
    new.namespaces = Some(&both);
    let made = api_keys::create(&mut client, mine.account, &new)
        .await
        .unwrap();
    assert_eq!(made, Created::NoSuchNamespace);
    new.namespaces = Some(&both[..1]);
    let made = api_keys::create(&mut client, mine.account, &new)
        .await
        .unwrap();
    assert_eq!(made, Created::Yes);
    let presented = api_keys::presented(&client, id).await.unwrap().unwrap();
    assert_eq!(presented.account, mine.account);
    assert_eq!(presented.key.namespaces, Some(vec![mine.namespace]));
    let foreign = api_keys::find(&client, theirs.account, id).await.unwrap();
    assert_eq!(foreign, None);
    let now = SystemClock.now();
    assert!(
        !api_keys::revoke(&client, theirs.account, id, now)
            .await
            .unwrap()
    );
    api_keys::used(&client, mine.account, id, now)
        .await
        .unwrap();
    api_keys::used(&client, mine.account, id, now + 59.seconds())
        .await
        .unwrap();
    let seen = api_keys::find(&client, mine.account, id)
        .await
        .unwrap()
        .unwrap();
    let at = seen.last_used_at.unwrap();
    assert_eq!(at.as_microsecond(), now.as_microsecond(), "to the minute");
}

#[tokio::test]
async fn a_refresh_token_is_good_until_it_expires_or_its_family_ends() {
    let database = testing::database().await;
    let (account, user) = given::account(&database).await;
    let client = database.connect(Role::Api).client().await.unwrap();
    let now = SystemClock.now();
    let token = refresh_tokens::RefreshToken {
        hash: [1; 32],
        family: Uuid::from_u128(1),
        account,
        user,
        created_at: now,
        expires_at: now + 1.hour(),
    };
    refresh_tokens::create(&client, &token).await.unwrap();
    let find = async |at| refresh_tokens::find(&client, [1; 32], at).await.unwrap();
    assert!(find(now + 59.minutes()).await.is_some());
    assert!(find(now + 61.minutes()).await.is_none());
    let ended = refresh_tokens::revoke_family(&client, token.family, now).await;
    assert_eq!(ended.unwrap(), 1);
    assert!(find(now).await.is_none());
    assert_eq!(
        refresh_tokens::revoke_all(&client, user, now)
            .await
            .unwrap(),
        0
    );
}
