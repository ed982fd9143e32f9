//! One key, one execution.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::support::{Client, Home, Reply, Tenant};

async fn keyed(tenant: &Tenant, name: &str, key: &str, input: &Value, prefer: &str) -> Reply {
    let request = tenant.program.request("POST", &tenant.executions(name));
    let request = request.json(input).header("idempotency-key", key);
    Client::send(request.header("prefer", prefer)).await
}

#[tokio::test]
async fn a_key_joins_its_execution_however_long_the_caller_waits() {
    let home = Home::new().await;
    let worker = home.worker();
    let tenant = home.tenant("t").await;
    tenant.publish("f", "echo").await;
    let first = keyed(&tenant, "f", "k", &json!({"a": 1}), "wait=20")
        .await
        .must_be(200);
    let second = keyed(&tenant, "f", "k", &json!({"a": 1}), "respond-async")
        .await
        .must_be(202);
    assert_eq!(first["id"], second["id"]);
    assert_eq!(second["status"], "succeeded");
    let third = keyed(&tenant, "f", "k", &json!({"a": 1}), "wait=20")
        .await
        .must_be(200);
    assert_eq!(third["output"], json!({"a": 1}));
    assert_eq!(worker.started(), 1);
    home.stop().await;
}

#[tokio::test]
async fn a_key_of_another_target_or_input_is_a_conflict() {
    let home = Home::new().await;
    home.worker();
    let tenant = home.tenant("t").await;
    tenant.publish("f", "echo").await;
    tenant.publish("g", "echo").await;
    keyed(&tenant, "f", "k", &json!({}), "wait=20")
        .await
        .must_be(200);
    let reply = keyed(&tenant, "g", "k", &json!({}), "wait=20").await;
    reply.must_tell(409, "idempotency_conflict");
    let reply = keyed(&tenant, "f", "k", &json!({"a": 1}), "wait=20").await;
    reply.must_tell(409, "idempotency_conflict");
    // Another account's key of the same name is another key.
    let other = home.tenant("other").await;
    other.publish("f", "echo").await;
    keyed(&other, "f", "k", &json!({"b": 2}), "wait=20")
        .await
        .must_be(200);
    home.stop().await;
}

#[tokio::test]
async fn a_refused_request_leaves_no_key() {
    let home = Home::new().await;
    home.worker();
    let tenant = home.tenant("t").await;
    keyed(&tenant, "f", "k", &json!({}), "wait=20")
        .await
        .must_tell(404, "not_found");
    tenant.publish("f", "schema {\"type\": \"object\"}").await;
    keyed(&tenant, "f", "k", &json!(1), "wait=20")
        .await
        .must_tell(422, "invalid");
    keyed(&tenant, "f", "k", &json!({}), "wait=20")
        .await
        .must_be(200);
    for wrong in ["", "a b", &"k".repeat(256)] {
        let reply = keyed(&tenant, "f", wrong, &json!({}), "wait=20").await;
        reply.must_tell(422, "invalid");
        assert_eq!(reply.pointers(), ["Idempotency-Key"]);
    }
    home.stop().await;
}

#[tokio::test]
async fn equal_requests_at_the_same_moment_are_one_execution() {
    let home = Home::new().await;
    let worker = home.worker();
    let tenant = home.tenant("t").await;
    tenant.publish("f", "echo").await;
    let input = json!({"a": 1});
    let all = (0..20).map(|turn| {
        let prefer = if turn % 2 == 0 {
            "wait=20"
        } else {
            "respond-async"
        };
        keyed(&tenant, "f", "k", &input, prefer)
    });
    let replies = futures_util::future::join_all(all).await;
    let mut ids = HashSet::new();
    for reply in replies {
        assert!(
            reply.status == 200 || reply.status == 202,
            "{}",
            reply.text()
        );
        ids.insert(reply.json()["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(ids.len(), 1);
    assert_eq!(worker.started(), 1);
    home.stop().await;
}
