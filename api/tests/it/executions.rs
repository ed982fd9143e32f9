//! Running functions: the answer.

use common::plan::{Plan, Plans};
use common::testing::wait_until;
use serde_json::json;

use crate::support::{BOUND, Client, Home, Tenant};

async fn waited(tenant: &Tenant, name: &str, body: &str) -> crate::support::Reply {
    let request = tenant
        .program
        .request("POST", &tenant.executions(name))
        .header("prefer", "wait=30")
        .header("content-type", "application/json")
        .body(body.to_owned());
    Client::send(request).await
}

#[tokio::test]
async fn an_asynchronous_execution_is_a_202_and_can_be_polled() {
    let home = Home::new().await;
    let worker = home.worker();
    let tenant = home.tenant("t").await;
    tenant.publish("f", "hold").await;
    let reply = tenant
        .program
        .post(&tenant.executions("f"), &json!({"a": 1}))
        .await;
    let accepted = reply.must_be(202);
    assert_eq!(accepted["status"], "queued");
    let path = reply.header("location").to_owned();
    assert_eq!(
        path,
        format!("/v1/executions/{}", accepted["id"].as_str().unwrap())
    );
    // In the record before it was answered.
    let listed = tenant.program.get("/v1/executions").await.must_be(200);
    assert_eq!(listed["items"][0]["id"], accepted["id"]);
    let unfinished = tenant.program.get(&format!("{path}/result")).await;
    unfinished.must_tell(409, "not_finished");
    worker.release();
    let done = tenant
        .program
        .get(&format!("{path}?wait=30&include=input"))
        .await
        .must_be(200);
    assert_eq!(
        (&done["status"], &done["output"]),
        (&json!("succeeded"), &json!("released"))
    );
    assert_eq!(done["input"], json!({"a": 1}));
    assert_eq!(done["trigger"], "rest");
    assert_eq!(
        (&done["namespace"], &done["function"]),
        (&json!("t"), &json!("f"))
    );
    assert_eq!((&done["version"], &done["attempt"]), (&json!(1), &json!(1)));
    assert_eq!(done["timing"]["duration_ms"], 1.5);
    assert!(done["timing"]["queued_ms"].is_number() && done["finished_at"].is_string());
    let logs = tenant
        .program
        .get(&format!("{path}/logs"))
        .await
        .must_be(200);
    assert_eq!(
        logs,
        json!({"stdout": "printed\n", "stderr": "", "truncated": false})
    );
    home.stop().await;
}

#[tokio::test]
async fn a_synchronous_execution_is_a_200_with_its_outcome() {
    let home = Home::new().await;
    home.worker();
    let tenant = home.tenant("t").await;
    tenant.publish("f", "echo").await;
    let reply = waited(&tenant, "f", "{\"x\": [1, null]}").await;
    let done = reply.must_be(200);
    assert_eq!(reply.header("preference-applied"), "wait=30");
    assert_eq!(done["output"], json!({"x": [1, null]}));
    assert_eq!(done["status"], "succeeded");
    // The same from any poll, at once.
    let path = format!("/v1/executions/{}", done["id"].as_str().unwrap());
    let polled = tenant.program.get(&path).await.must_be(200);
    assert_eq!(polled, done);
    home.stop().await;
}

#[tokio::test]
async fn a_failure_is_a_200_with_its_error_and_no_result() {
    let home = Home::new().await;
    home.worker();
    let tenant = home.tenant("t").await;
    tenant.publish("f", "fail").await;
    let done = tenant.call("f", &json!({})).await;
    assert_eq!(done["status"], "failed");
    assert!(done.get("output").is_none());
    assert_eq!(done["error"]["code"], "exception");
    assert_eq!(done["error"]["type"], "ValueError");
    let path = format!("/v1/executions/{}/result", done["id"].as_str().unwrap());
    let document = tenant.program.get(&path).await.must_tell(409, "no_result");
    assert_eq!(document["error"]["message"], "no such city");
    home.stop().await;
}

#[tokio::test]
async fn numbers_and_texts_come_back_as_they_went() {
    let home = Home::new().await;
    home.worker();
    let tenant = home.tenant("t").await;
    tenant.publish("f", "echo").await;
    let long = "7".repeat(4_300);
    for text in [
        "{\"n\":9007199254740993}",
        "[9223372036854775809,-0.0,1e308,5e-324]",
        "{\"s\":\"a\\u0000b\",\"e\":\"\u{1f600}\"}",
        long.as_str(),
        "\"NaN and Infinity\"",
        &format!("{}1{}", "[".repeat(100), "]".repeat(100)),
        &format!("{}1{}", "[".repeat(128), "]".repeat(128)),
    ] {
        let reply = waited(&tenant, "f", text).await;
        let answered = reply.text();
        assert_eq!(reply.status, 200, "{answered}");
        assert!(
            answered.contains(&format!("\"output\":{text}")),
            "{answered}"
        );
        let id = answered.split('"').nth(3).unwrap();
        let result = tenant
            .program
            .get(&format!("/v1/executions/{id}/result"))
            .await;
        assert_eq!(result.text(), text);
    }
    let deeper = format!("{}1{}", "[".repeat(129), "]".repeat(129));
    waited(&tenant, "f", &deeper)
        .await
        .must_tell(422, "invalid");
    waited(&tenant, "f", &format!("{long}7"))
        .await
        .must_tell(422, "invalid");
    home.stop().await;
}

#[tokio::test]
async fn an_output_of_nothing_is_an_output() {
    let home = Home::new().await;
    home.worker();
    let tenant = home.tenant("t").await;
    tenant.publish("f", "echo").await;
    for text in ["null", "false", "0", "\"\"", "[]", "{}"] {
        let reply = waited(&tenant, "f", text).await;
        let done = reply.must_be(200);
        assert!(done.as_object().unwrap().contains_key("output"), "{text}");
        let path = format!("/v1/executions/{}/result", done["id"].as_str().unwrap());
        let result = tenant.program.get(&path).await;
        assert_eq!((result.status, result.text().as_str()), (200, text));
    }
    home.stop().await;
}

#[tokio::test]
async fn what_a_later_release_does_is_refused_and_not_ignored() {
    let home = Home::new().await;
    home.worker();
    let tenant = home.tenant("t").await;
    tenant.publish("f", "echo").await;
    let path = tenant.executions("f");
    for query in ["delay_ms=5", "run_at=2030-01-01T00:00:00Z"] {
        let reply = tenant
            .program
            .post(&format!("{path}?{query}"), &json!({}))
            .await;
        reply.must_tell(422, "not_available_yet");
    }
    home.stop().await;
}

#[tokio::test]
async fn a_hundred_a_day_is_what_an_unverified_account_may_run() {
    let home = Home::new().await;
    home.worker();
    let newcomer = home.newcomer("t").await;
    newcomer.publish("f", "echo").await;
    let path = newcomer.executions("f");
    let all = (0..110).map(|n| {
        let (program, path) = (newcomer.program.clone(), path.clone());
        async move { program.post(&path, &json!(n)).await }
    });
    let replies = futures_util::future::join_all(all).await;
    let accepted = replies.iter().filter(|reply| reply.status == 202).count();
    assert_eq!(accepted, 100, "exact under any parallelism");
    for reply in replies.iter().filter(|reply| reply.status != 202) {
        let document = reply.must_tell(402, "quota_exceeded");
        assert!(
            document["resets_at"]
                .as_str()
                .unwrap()
                .ends_with("T00:00:00Z")
        );
    }
    home.stop().await;
}

#[tokio::test]
async fn synchronous_calls_beyond_the_plans_concurrency_are_a_429() {
    let home = Home::new().await;
    let worker = home.worker();
    let newcomer = home.newcomer("t").await;
    newcomer.publish("f", "hold").await;
    let path = newcomer.executions("f");
    let call = || {
        let request = newcomer.program.request("POST", &path).json(&json!({}));
        Client::send(request.header("prefer", "wait=30"))
    };
    let mut calls: Vec<_> = Vec::new();
    for _ in 0..5 {
        calls.push(home.tasks.spawn(call()));
    }
    worker.has_started(5).await;
    call().await.must_tell(429, "concurrency_exceeded");
    // Asynchronous ones wait their turn.
    newcomer.program.post(&path, &json!({})).await.must_be(202);
    worker.release();
    for call in calls {
        call.await.unwrap().must_be(200);
    }
    call().await.must_be(200);
    home.stop().await;
}

#[tokio::test]
async fn a_version_published_under_a_larger_plan_gets_what_the_smaller_one_grants() {
    let home = Home::new().await;
    home.worker();
    let tenant = home.tenant("t").await;
    tenant.publish("most", "granted").await;
    let own = json!({"code": "granted", "limits": {"timeout_ms": 700, "memory_mib": 64}});
    tenant
        .program
        .put(&tenant.function("less"), &own)
        .await
        .must_be(201);
    let granted = async |name| waited(&tenant, name, "{}").await.must_be(200)["output"].clone();
    let plans = Plans::shipped().unwrap();
    let of = |plan| {
        let limits = plans.of(plan);
        json!([limits.timeout_ms, limits.memory_mib])
    };
    assert_eq!(granted("most").await, of(Plan::Local));
    home.on_plan(&tenant, Plan::Free).await;
    // The api hears of it in a moment.
    wait_until("the smaller plan counts", BOUND, async || {
        let seen = granted("most").await;
        (seen == of(Plan::Free)).then_some(()).ok_or(seen)
    })
    .await;
    assert_eq!(granted("less").await, json!([700, 64]));
    home.stop().await;
}
