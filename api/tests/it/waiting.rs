//! Waiting for an execution's end.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::support::{Client, Home};

#[tokio::test]
async fn a_wait_for_what_has_ended_is_over_at_once() {
    let home = Home::new().await;
    home.worker();
    let tenant = home.tenant("t").await;
    tenant.publish("f", "echo").await;
    let done = tenant.call("f", &json!({})).await;
    let began = Instant::now();
    let path = format!("/v1/executions/{}?wait=30", done["id"].as_str().unwrap());
    tenant.program.get(&path).await.must_be(200);
    assert!(began.elapsed() < Duration::from_secs(10));
    home.stop().await;
}

#[tokio::test]
async fn every_spelling_of_a_preference_waits() {
    let home = Home::new().await;
    home.worker();
    let tenant = home.tenant("t").await;
    tenant.publish("f", "echo").await;
    let ask = |lines: &[&str]| {
        let mut request = tenant
            .program
            .request("POST", &tenant.executions("f"))
            .json(&json!({}));
        for line in lines {
            request = request.header("prefer", *line);
        }
        Client::send(request)
    };
    for lines in [
        &["respond-async, wait=30"][..],
        &["respond-async", "wait=30"],
        &["Wait=\"30\"; x=y, foo"],
        &["handling=lenient, wait=99"],
    ] {
        ask(lines).await.must_be(200);
    }
    let reply = ask(&["respond-async"]).await;
    reply.must_be(202);
    assert_eq!(reply.header("preference-applied"), "respond-async");
    assert_eq!(ask(&["wait=0"]).await.status, 202);
    let reply = ask(&["wait=soon"]).await;
    reply.must_tell(422, "invalid");
    assert_eq!(reply.pointers(), ["Prefer"]);
    home.stop().await;
}

#[tokio::test]
async fn a_wait_that_is_over_is_a_202_and_durable() {
    let home = Home::new().await;
    let worker = home.worker();
    let tenant = home.tenant("t").await;
    tenant.publish("f", "hold").await;
    let request = tenant
        .program
        .request("POST", &tenant.executions("f"))
        .json(&json!({}));
    let reply = Client::send(request.header("prefer", "wait=1")).await;
    let pending = reply.must_be(202);
    assert_eq!(reply.header("preference-applied"), "wait=1");
    let listed = tenant.program.get("/v1/executions").await.must_be(200);
    assert_eq!(listed["items"][0]["id"], pending["id"]);
    let path = format!("/v1/executions/{}", pending["id"].as_str().unwrap());
    let running = tenant
        .program
        .get(&format!("{path}?wait=1"))
        .await
        .must_be(200);
    assert_eq!(running["status"], "running");
    worker.release();
    let done = tenant
        .program
        .get(&format!("{path}?wait=30"))
        .await
        .must_be(200);
    assert_eq!(done["status"], "succeeded");
    home.stop().await;
}

#[tokio::test]
async fn any_number_of_waiters_at_any_api_are_woken() {
    let home = Home::new().await;
    let worker = home.worker();
    let tenant = home.tenant("t").await;
    let stop = CancellationToken::new();
    let (elsewhere, _) = home.start(&stop).await;
    tenant.publish("f", "hold").await;
    let held = tenant.begin("f").await;
    let path = format!("/v1/executions/{}?wait=60", held["id"].as_str().unwrap());
    let mut waiters = Vec::new();
    for turn in 0..60 {
        let there = tenant.program.at(&elsewhere);
        let client = if turn % 2 == 0 {
            tenant.program.clone()
        } else {
            there
        };
        let path = path.clone();
        waiters.push(home.tasks.spawn(async move { client.get(&path).await }));
    }
    worker.has_started(1).await;
    worker.release();
    let began = Instant::now();
    for waiter in waiters {
        let done = waiter.await.unwrap().must_be(200);
        assert_eq!(done["status"], "succeeded");
    }
    // Nobody sat through the wait.
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
    stop.cancel();
    home.stop().await;
}

#[tokio::test]
async fn a_caller_that_leaves_changes_nothing() {
    let home = Home::new().await;
    let worker = home.worker();
    let tenant = home.tenant("t").await;
    tenant.publish("f", "hold").await;
    let request = tenant
        .program
        .request("POST", &tenant.executions("f"))
        .json(&json!({}));
    let leaving = home
        .tasks
        .spawn(Client::send(request.header("prefer", "wait=60")));
    worker.has_started(1).await;
    leaving.abort();
    worker.release();
    tenant.latest_succeeded().await;
    home.stop().await;
}

#[tokio::test]
async fn a_draining_api_answers_its_waiters_with_a_202() {
    let home = Home::new().await;
    let worker = home.worker();
    let tenant = home.tenant("t").await;
    let stop = CancellationToken::new();
    let (elsewhere, _) = home.start(&stop).await;
    tenant.publish("f", "hold").await;
    let there = tenant.program.at(&elsewhere);
    let request = there
        .request("POST", &tenant.executions("f"))
        .json(&json!({}));
    let waiting = home
        .tasks
        .spawn(Client::send(request.header("prefer", "wait=60")));
    worker.has_started(1).await;
    stop.cancel();
    let pending = waiting.await.unwrap().must_be(202);
    worker.release();
    let path = format!("/v1/executions/{}?wait=30", pending["id"].as_str().unwrap());
    let done = tenant.program.get(&path).await.must_be(200);
    assert_eq!(done["status"], "succeeded");
    home.stop().await;
}
