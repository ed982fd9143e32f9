//! Hosts a version names, and what an execution moved over the network.

use common::db::accounts;
use common::plan::Plan;
use common::testing::{Role, wait_until};
use serde_json::{Value, json};

use crate::support::{BOUND, Home, Reply, Tenant};

/// The same account on another plan, as soon as the api knows.
async fn moved_to(home: &Home, tenant: &Tenant, plan: Plan) {
    let owner = home.database.connect(Role::Owner).client().await.unwrap();
    accounts::set_plan(&owner, tenant.account, plan)
        .await
        .unwrap();
    wait_until("the plan is another", BOUND, async || {
        let shown = tenant.program.get("/v1/account").await.json();
        if shown["plan"] == plan.as_str() {
            Ok(())
        } else {
            Err(shown)
        }
    })
    .await;
}

async fn publish(tenant: &Tenant, allow: Value) -> Reply {
    let body = json!({"code": "say 1", "network": {"allow": allow}});
    tenant.program.put(&tenant.function("f"), &body).await
}

fn hosts(count: usize) -> Value {
    (0..count).map(|n| format!("h{n}.example")).collect()
}

#[tokio::test]
async fn named_hosts_are_shown_in_one_spelling_and_another_list_is_another_version() {
    let home = Home::new().await;
    home.worker();
    let tenant = home.tenant("t").await;
    let path = tenant.function("f");
    let made = publish(
        &tenant,
        json!(["Db.Example:5432", "*.example.com", "a.example"]),
    )
    .await;
    let named = json!({"allow": ["a.example", "db.example:5432", "*.example.com"]});
    assert_eq!(made.must_be(201)["network"], named);
    // The same in other words.
    let again = json!([
        "a.example:443",
        "a.example.",
        "*.Example.com",
        "db.example:5432"
    ]);
    assert_eq!(publish(&tenant, again).await.must_be(200)["version"], 1);
    let other = publish(&tenant, json!(["a.example"])).await.must_be(200);
    assert_eq!(other["version"], 2);
    // None at all are a version of their own, and the same as not to speak of them.
    let none = publish(&tenant, json!([])).await.must_be(200);
    assert_eq!(
        (&none["version"], &none["network"]),
        (&json!(3), &json!({"allow": []}))
    );
    assert_eq!(tenant.publish("f", "say 1").await["version"], 3);
    let listed = tenant.program.get(&format!("{path}/versions")).await;
    assert_eq!(listed.must_be(200)["items"][2]["network"], named);
    let restored = format!("{path}/versions/1/restore");
    let restored = tenant
        .program
        .post(&restored, &json!({}))
        .await
        .must_be(200);
    assert_eq!(
        (&restored["version"], &restored["network"]),
        (&json!(4), &named)
    );
    home.stop().await;
}

#[tokio::test]
async fn a_plan_bounds_how_many_hosts_are_named_restored_ones_too() {
    let home = Home::new().await;
    home.worker();
    let tenant = home.tenant("t").await;
    let account = tenant.program.get("/v1/account").await.must_be(200);
    assert_eq!(account["limits"]["network_hosts"], json!(null));
    moved_to(&home, &tenant, Plan::Pro).await;
    let account = tenant.program.get("/v1/account").await.must_be(200);
    assert_eq!(account["limits"]["network_hosts"], 25);
    assert_eq!(account["limits"]["network_mib"], 1_024);
    publish(&tenant, hosts(25)).await.must_be(201);
    let past = publish(&tenant, hosts(26)).await;
    past.must_tell(422, "invalid");
    assert_eq!(past.pointers(), ["/network/allow"]);
    let told = past.json()["errors"][0]["detail"].clone();
    assert_eq!(told, "at most 25 hosts (your plan's bound)");
    publish(&tenant, json!([])).await.must_be(200);
    moved_to(&home, &tenant, Plan::Free).await;
    publish(&tenant, json!([])).await.must_be(200);
    let one = publish(&tenant, hosts(1)).await;
    assert_eq!(one.pointers(), ["/network/allow"]);
    let told = one.json()["errors"][0]["detail"].clone();
    assert_eq!(told, "no host may be named (your plan's bound)");
    let restore = format!("{}/versions/1/restore", tenant.function("f"));
    let reply = tenant.program.post(&restore, &json!({})).await;
    reply.must_tell(403, "plan_limit");
    moved_to(&home, &tenant, Plan::Pro).await;
    let restored = tenant.program.post(&restore, &json!({})).await.must_be(200);
    assert_eq!(restored["network"]["allow"].as_array().unwrap().len(), 25);
    home.stop().await;
}

#[tokio::test]
async fn what_is_no_host_is_refused_in_words_at_its_place() {
    let home = Home::new().await;
    let tenant = home.tenant("t").await;
    for (wrong, words) in [
        ("https://a.example", "no scheme, path or user"),
        ("me@a.example", "no scheme, path or user"),
        ("a.example:0", "a port is"),
        ("a.example:65536", "a port is"),
        ("bücher.example", "punycode"),
        ("*", "stands alone in front"),
        ("a.*.example", "stands alone in front"),
        ("*.com", "two labels"),
        ("127.1", "four decimal numbers"),
        ("2130706433", "four decimal numbers"),
        ("0x7f000001", "four decimal numbers"),
        ("::1", "in brackets"),
        ("a_b.example", "a label is"),
        ("a b", "a label is"),
    ] {
        let reply = publish(&tenant, json!(["a.example", wrong])).await;
        reply.must_tell(422, "invalid");
        assert_eq!(reply.pointers(), ["/network/allow/1"], "{wrong}");
        let told = reply.json()["errors"][0]["detail"].to_string();
        assert!(told.contains(words), "{wrong}: {told}");
    }
    home.stop().await;
}

#[tokio::test]
async fn an_execution_shows_what_it_moved_once_it_has_ended() {
    let home = Home::new().await;
    let worker = home.worker();
    let tenant = home.tenant("t").await;
    tenant.publish("f", "hold").await;
    let begun = tenant.begin("f").await;
    assert_eq!(
        begun["network"],
        json!({"bytes_in": null, "bytes_out": null})
    );
    worker.release();
    let path = format!("/v1/executions/{}", begun["id"].as_str().unwrap());
    let done = tenant.program.get(&format!("{path}?wait=30")).await;
    let moved = json!({"bytes_in": 4_096, "bytes_out": 512});
    assert_eq!(done.must_be(200)["network"], moved);
    // From the record too.
    tenant.latest_succeeded().await;
    let listed = tenant.program.get("/v1/executions").await.must_be(200);
    assert_eq!(listed["items"][0]["network"], moved);
    home.stop().await;
}
