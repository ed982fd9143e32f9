//! Every route, by everyone who may not use it.

use api::routes::{self, Access, Route};
use common::clock::{Clock as _, SystemClock};
use common::db::accounts::{self, AccountStatus};
use common::testing::{Role, wait_until};
use serde_json::json;

use crate::support::{BOUND, Client, Home, Reply, SCOPES};

/// The route's path with something in each place.
fn filled(route: &Route, namespace: &str) -> String {
    route
        .path
        .replace("{ns}", namespace)
        .replace("{fn}", "f")
        .replace("{n}", "1")
        .replace("{name}", "TOKEN")
        .replace(
            "{id}",
            if route.path.contains("api-keys") {
                KEY
            } else {
                EXECUTION
            },
        )
}

const KEY: &str = "key_0199a000000070008000000000000000";
const EXECUTION: &str = "ex_0199a000000070008000000000000000";

fn guarded() -> Vec<Route> {
    let mut routes = routes::all();
    routes.retain(|route| route.access != Access::Open);
    assert!(routes.len() > 20, "the list is whole");
    routes
}

async fn knock(client: &Client, route: &Route, namespace: &str) -> Reply {
    let path = filled(route, namespace);
    let request = client.request(route.method.as_str(), &path);
    // A body that is fine or not: nobody reads it.
    Client::send(request.json(&json!({}))).await
}

async fn all_are_refused(client: &Client, why: &str) {
    for route in guarded() {
        let reply = knock(client, &route, "somewhere").await;
        let document = reply.must_tell(401, "unauthenticated");
        assert!(
            document["errors"].is_null(),
            "{why}: {} {}",
            route.method,
            route.path
        );
    }
}

#[tokio::test]
async fn nobody_comes_in_without_a_good_key() {
    let home = Home::new().await;
    let tenant = home.tenant("owner").await;
    all_are_refused(&home.anyone(), "no key").await;
    all_are_refused(&home.with_key("pb_nonsense"), "malformed").await;
    all_are_refused(&home.with_key("a.b.c"), "no token").await;

    let key = home
        .key(&tenant.person, json!({"name": "k", "scopes": SCOPES}))
        .await;
    // Another secret with its own checksum: well-formed, and wrong.
    let other = home
        .key(&tenant.person, json!({"name": "o", "scopes": SCOPES}))
        .await;
    let id = key.split('_').nth(1).unwrap();
    let secret = other.split('_').nth(2).unwrap();
    let signed = format!("pb_{id}_{secret}");
    let wrong = format!("{signed}_{}", checksum(&signed));
    home.with_key(&wrong)
        .get("/v1/account")
        .await
        .must_tell(401, "unauthenticated");

    let made = tenant
        .person
        .post("/v1/api-keys", &json!({"name": "r", "scopes": SCOPES}))
        .await
        .must_be(201);
    let revoked = home.with_key(made["key"].as_str().unwrap());
    revoked.get("/v1/account").await.must_be(200);
    let path = format!("/v1/api-keys/{}", made["id"].as_str().unwrap());
    tenant.person.delete(&path).await.must_be(204);
    all_are_refused(&revoked, "revoked").await;

    let soon = SystemClock.now() + std::time::Duration::from_secs(2);
    let wanted = json!({"name": "e", "scopes": SCOPES, "expires_at": soon});
    let expiring = home.key(&tenant.person, wanted).await;
    let expired = home.with_key(&expiring);
    wait_until("the key has expired", BOUND, async || {
        let reply = expired.get("/v1/account").await;
        if reply.status == 401 {
            Ok(())
        } else {
            Err(reply.status)
        }
    })
    .await;
    all_are_refused(&expired, "expired").await;
    home.stop().await;
}

fn checksum(signed: &str) -> String {
    use sha2::{Digest as _, Sha256};
    let digest = Sha256::digest(signed.as_bytes());
    digest[..4]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[tokio::test]
async fn a_key_with_too_little_scope_is_told_which_it_needs() {
    let home = Home::new().await;
    let tenant = home.tenant("owner").await;
    let key = home
        .key(
            &tenant.person,
            json!({"name": "k", "scopes": ["billing:write"]}),
        )
        .await;
    let poor = home.with_key(&key);
    for route in guarded() {
        let reply = knock(&poor, &route, "owner").await;
        let document = reply.must_tell(403, "insufficient_scope");
        if let Access::Needs(scope) = route.access {
            assert_eq!(document["scope"], scope.as_str(), "{}", route.path);
            assert!(reply.header("www-authenticate").contains(scope.as_str()));
        }
    }
    home.stop().await;
}

#[tokio::test]
async fn another_tenants_things_are_not_there() {
    let home = Home::new().await;
    let worker = home.worker();
    let owner = home.tenant("owner").await;
    let stranger = home.tenant("stranger").await;
    owner.publish("f", "echo").await;
    let done = owner.call("f", &json!({})).await;
    let keys = owner.program.get("/v1/api-keys").await.must_be(200);
    for route in guarded() {
        if !route.path.contains('{') {
            continue;
        }
        let id = if route.path.contains("api-keys") {
            keys["items"][0]["id"].as_str().unwrap()
        } else {
            done["id"].as_str().unwrap()
        };
        let path = filled(&route, "owner")
            .replace(KEY, id)
            .replace(EXECUTION, id);
        let request = stranger.program.request(route.method.as_str(), &path);
        let reply = Client::send(request.json(&json!({"code": "echo"}))).await;
        if route.path.starts_with("/mcp/") {
            assert!(reply.status == 404 || reply.status == 400, "{reply:?}");
        } else {
            reply.must_tell(404, "not_found");
        }
    }
    // Nor in lists.
    for path in ["/v1/executions", "/v1/namespaces"] {
        let listed = stranger.program.get(path).await.must_be(200);
        assert!(!listed.to_string().contains("owner"), "{listed}");
    }
    assert_eq!(worker.started(), 1);
    home.stop().await;
}

#[tokio::test]
async fn a_key_bound_to_a_namespace_sees_nothing_else() {
    let home = Home::new().await;
    home.worker();
    let owner = home.tenant("first").await;
    owner
        .program
        .post("/v1/namespaces", &json!({"name": "second"}))
        .await
        .must_be(201);
    owner.publish("f", "echo").await;
    let done = owner.call("f", &json!({})).await;
    let wanted = json!({"name": "k", "scopes": SCOPES, "namespaces": ["second"]});
    let key = home.key(&owner.person, wanted).await;
    let bound = home.with_key(&key);
    bound.get("/v1/namespaces/second").await.must_be(200);
    for route in guarded() {
        if !route.path.contains("{ns}") || route.path.starts_with("/mcp/") {
            continue;
        }
        let reply = knock(&bound, &route, "first").await;
        reply.must_tell(404, "not_found");
    }
    let id = done["id"].as_str().unwrap();
    for path in ["", "/result", "/logs"] {
        let reply = bound
            .get(&format!("/v1/executions/{id}{path}?wait=1"))
            .await;
        reply.must_tell(404, "not_found");
    }
    let cancel = format!("/v1/executions/{id}/cancel");
    bound
        .post(&cancel, &json!({}))
        .await
        .must_tell(404, "not_found");
    let listed = bound.get("/v1/executions").await.must_be(200);
    assert_eq!(listed["items"], json!([]));
    // Nor does it make a key that sees more.
    let wanted = json!({"name": "n", "scopes": ["account:read"], "namespaces": ["first"]});
    let reply = bound.post("/v1/api-keys", &wanted).await;
    reply.must_tell(422, "invalid");
    assert_eq!(reply.pointers(), ["/namespaces/0"]);
    home.stop().await;
}

#[tokio::test]
async fn a_suspended_account_is_refused_everywhere() {
    let home = Home::new().await;
    let tenant = home.tenant("owner").await;
    tenant.program.get("/v1/account").await.must_be(200);
    let database = home.database.connect(Role::Owner);
    let client = database.client().await.unwrap();
    accounts::set_status(&client, tenant.account, AccountStatus::Suspended)
        .await
        .unwrap();
    wait_until("the suspension is heard", BOUND, async || {
        let reply = tenant.program.get("/v1/account").await;
        if reply.status == 403 {
            Ok(())
        } else {
            Err(reply.status)
        }
    })
    .await;
    for client in [&tenant.program, &tenant.person] {
        for route in guarded() {
            let reply = knock(client, &route, "owner").await;
            reply.must_tell(403, "account_suspended");
        }
    }
    let login = json!({"email": tenant.email, "password": crate::support::PASSWORD});
    let reply = home.anyone().post("/v1/auth/login", &login).await;
    reply.must_tell(403, "account_suspended");
    home.stop().await;
}
