//! Where functions live.

use common::clock::{Clock as _, SystemClock};
use common::db::functions::{self, Filter};
use common::db::namespaces::{self, Created, NewNamespace};
use common::db::versions;
use common::ids::NamespaceId;
use common::names::NamespaceName;
use common::testing::{self, Role, given};

#[tokio::test]
async fn a_name_is_taken_once_in_the_world_and_free_again_when_deleted() {
    let database = testing::database().await;
    let ((mine, _), (theirs, _)) = (
        given::account(&database).await,
        given::account(&database).await,
    );
    let api = database.connect(Role::Api);
    let name: NamespaceName = "billing".parse().unwrap();
    let create = async |account| {
        let new = NewNamespace {
            id: NamespaceId::new(&SystemClock),
            name: &name,
            description: None,
            most: None,
            now: SystemClock.now(),
        };
        let mut client = api.client().await.unwrap();
        namespaces::create(&mut client, account, &new)
            .await
            .unwrap()
    };
    let (one, two) = tokio::join!(create(mine), create(theirs));
    assert!([one, two].contains(&Created::Yes) && [one, two].contains(&Created::Taken));
    let (owner, other) = if one == Created::Yes {
        (mine, theirs)
    } else {
        (theirs, mine)
    };
    let mut client = api.client().await.unwrap();
    assert!(
        namespaces::find(&client, other, "billing")
            .await
            .unwrap()
            .is_none()
    );
    let there = namespaces::find(&client, owner, "billing")
        .await
        .unwrap()
        .unwrap();
    let now = SystemClock.now();
    assert!(
        !namespaces::delete(&mut client, other, there.id, now)
            .await
            .unwrap()
    );
    assert!(
        !namespaces::describe(&client, other, there.id, None)
            .await
            .unwrap()
    );
    assert!(
        namespaces::delete(&mut client, owner, there.id, now)
            .await
            .unwrap()
    );
    assert_eq!(create(other).await, Created::Yes);
}

#[tokio::test]
async fn an_account_has_as_many_namespaces_as_it_may_also_in_parallel() {
    let database = testing::database().await;
    let (account, _) = given::account(&database).await;
    let api = database.connect(Role::Api);
    let create = async |name: &str| {
        let name: NamespaceName = name.parse().unwrap();
        let new = NewNamespace {
            id: NamespaceId::new(&SystemClock),
            name: &name,
            description: None,
            most: Some(1),
            now: SystemClock.now(),
        };
        let mut client = api.client().await.unwrap();
        namespaces::create(&mut client, account, &new)
            .await
            .unwrap()
    };
    let (a, b, c) = tokio::join!(create("a"), create("b"), create("c"));
    let made = [a, b, c];
    assert_eq!(made.iter().filter(|one| **one == Created::Yes).count(), 1);
    assert_eq!(
        made.iter().filter(|one| **one == Created::TooMany).count(),
        2
    );
}

#[tokio::test]
async fn lists_are_by_name_and_of_ones_own() {
    let database = testing::database().await;
    let tenant = given::tenant(&database).await;
    let place = (tenant.account, tenant.namespace);
    for name in ["c", "a", "b.x"] {
        given::version(&database, place, &name.parse().unwrap(), "").await;
    }
    let client = database.connect(Role::Api).client().await.unwrap();
    let list = async |account, filter, most| {
        let page = functions::list(&client, account, tenant.namespace, filter, most).await;
        let names = page.unwrap().into_iter().map(|one| one.name);
        names.collect::<Vec<_>>()
    };
    let all = list(tenant.account, Filter::default(), 200).await;
    assert_eq!(all, ["a", "add_one", "b.x", "c"]);
    let after = Filter {
        after: Some("a"),
        tag: None,
    };
    assert_eq!(list(tenant.account, after, 2).await, ["add_one", "b.x"]);
    let tagged = Filter {
        tag: Some("none"),
        after: None,
    };
    assert!(list(tenant.account, tagged, 200).await.is_empty());
    let (stranger, _) = given::account(&database).await;
    assert!(list(stranger, Filter::default(), 200).await.is_empty());
    let space = namespaces::list(&client, stranger, None, 200)
        .await
        .unwrap();
    assert!(space.is_empty());
}

#[tokio::test]
async fn what_is_deleted_is_not_found_but_what_is_queued_still_finds_its_version() {
    let database = testing::database().await;
    let tenant = given::tenant(&database).await;
    let mut client = database.connect(Role::Api).client().await.unwrap();
    let (space, name) = (tenant.namespace_name.as_str(), "add_one");
    let resolve = async |client: &common::db::Client| {
        versions::resolve(client, tenant.account, space, name, None)
            .await
            .unwrap()
    };
    let resolved = resolve(&client).await.unwrap();
    assert_eq!(resolved.version.id, tenant.version);
    let now = SystemClock.now();
    assert!(
        namespaces::delete(&mut client, tenant.account, tenant.namespace, now)
            .await
            .unwrap()
    );
    assert_eq!(resolve(&client).await, None);
    let worker = database.connect(Role::Worker).client().await.unwrap();
    let found = versions::find(&worker, tenant.account, tenant.version).await;
    assert!(found.unwrap().is_some());
    let code = versions::code(&worker, tenant.account, tenant.version).await;
    assert!(code.unwrap().is_some());
    let (stranger, _) = given::account(&database).await;
    let foreign = versions::code(&worker, stranger, tenant.version).await;
    assert_eq!(foreign.unwrap(), None);
}
