//! Cancelling, by state; the answer tells the truth.

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::{Home, Tenant};

/// An execution of a function that was built, by somebody who is gone: nobody takes it.
async fn queued(home: &Home, tenant: &Tenant) -> Value {
    let stop = CancellationToken::new();
    let builder = home.builder(&stop);
    tenant.publish("f", "echo").await;
    stop.cancel();
    drop(builder);
    tenant.begin("f").await
}

#[tokio::test]
async fn what_is_queued_is_cancelled_at_once_and_never_starts() {
    let home = Home::new().await;
    let tenant = home.tenant("t").await;
    let queued = queued(&home, &tenant).await;
    let path = format!("/v1/executions/{}", queued["id"].as_str().unwrap());
    let cancelled = tenant
        .program
        .post(&format!("{path}/cancel"), &json!({}))
        .await
        .must_be(200);
    assert_eq!(cancelled["status"], "cancelled");
    assert_eq!(cancelled["timing"]["started_at"], json!(null));
    assert_eq!(cancelled["network"], json!({"bytes_in": 0, "bytes_out": 0}));
    assert_eq!(cancelled["error"]["code"], "cancelled");
    // Recorded before it was answered.
    let listed = tenant
        .program
        .get("/v1/executions?status=cancelled")
        .await
        .must_be(200);
    assert_eq!(listed["items"][0]["id"], queued["id"]);
    let document = tenant
        .program
        .post(&format!("{path}/cancel"), &json!({}))
        .await;
    let document = document.must_tell(409, "already_finished");
    assert_eq!(document["execution_status"], "cancelled");
    let worker = home.worker();
    tenant.call("f", &json!({})).await;
    assert_eq!(worker.started(), 1);
    home.stop().await;
}

#[tokio::test]
async fn one_that_a_recovery_cancelled_says_so_without_a_stored_text() {
    let home = Home::new().await;
    let tenant = home.tenant("t").await;
    let queued = queued(&home, &tenant).await;
    let id: common::ids::ExecutionId = queued["id"].as_str().unwrap().parse().unwrap();
    let path = format!("/v1/executions/{id}");
    tenant
        .program
        .post(&format!("{path}/cancel"), &json!({}))
        .await
        .must_be(200);
    // As a scheduler leaves it, which can't seal: a row with a code and no text.
    let owner = home
        .database
        .connect(common::testing::Role::Owner)
        .client()
        .await
        .unwrap();
    let without = "update executions set error = null where day = $1 and id = $2";
    let changed = owner.execute(without, &[&id.day(), &id.uuid()]).await;
    assert_eq!(changed.unwrap(), 1);
    let link = home.queue.link().await;
    assert!(
        common::queue::erase(&link, tenant.account, id)
            .await
            .unwrap()
    );
    let shown = tenant.program.get(&path).await.must_be(200);
    assert_eq!(
        shown["error"],
        json!({"code": "cancelled", "message": "cancelled by request"})
    );
    home.stop().await;
}

#[tokio::test]
async fn what_runs_is_killed_and_told_as_cancelled() {
    let home = Home::new().await;
    let worker = home.worker();
    let tenant = home.tenant("t").await;
    tenant.publish("f", "hold").await;
    let held = tenant.begin("f").await;
    worker.has_started(1).await;
    let path = format!("/v1/executions/{}", held["id"].as_str().unwrap());
    let cancelled = tenant
        .program
        .post(&format!("{path}/cancel"), &json!({}))
        .await
        .must_be(200);
    assert_eq!(cancelled["status"], "cancelled");
    let result = tenant.program.get(&format!("{path}/result")).await;
    let document = result.must_tell(409, "no_result");
    assert_eq!(document["error"]["code"], "cancelled");
    home.stop().await;
}

#[tokio::test]
async fn what_has_ended_is_a_409_and_what_is_unknown_a_404() {
    let home = Home::new().await;
    home.worker();
    let tenant = home.tenant("t").await;
    tenant.publish("f", "echo").await;
    let done = tenant.call("f", &json!({})).await;
    let path = format!("/v1/executions/{}/cancel", done["id"].as_str().unwrap());
    let document = tenant.program.post(&path, &json!({})).await;
    let document = document.must_tell(409, "already_finished");
    assert_eq!(document["execution_status"], "succeeded");
    for id in ["ex_0199a000000070008000000000000000", "ex_1", "fn_x", "%00"] {
        let path = format!("/v1/executions/{id}/cancel");
        tenant
            .program
            .post(&path, &json!({}))
            .await
            .must_tell(404, "not_found");
    }
    home.stop().await;
}

#[tokio::test]
async fn a_hundred_cancels_at_odd_moments_all_tell_the_truth() {
    let home = Home::new().await;
    home.worker();
    let tenant = home.tenant("t").await;
    tenant.publish("f", "echo").await;
    for turn in 0..100_u32 {
        let path = tenant.executions("f");
        let accepted = tenant.program.post(&path, &json!(turn)).await.must_be(202);
        let path = format!("/v1/executions/{}", accepted["id"].as_str().unwrap());
        for _ in 0..turn % 7 {
            tokio::task::yield_now().await;
        }
        let said = tenant
            .program
            .post(&format!("{path}/cancel"), &json!({}))
            .await;
        let ended = tenant
            .program
            .get(&format!("{path}?wait=30"))
            .await
            .must_be(200);
        match said.status {
            200 => {
                assert_eq!(ended["status"], "cancelled");
                assert!(ended.get("output").is_none());
            }
            _ => {
                said.must_tell(409, "already_finished");
                assert_eq!(ended["status"], "succeeded");
                assert_eq!(ended["output"], json!(turn));
            }
        }
    }
    home.stop().await;
}

#[tokio::test]
async fn a_worker_quicker_than_the_note_delays_no_answer() {
    let home = Home::new().await;
    let worker = home.worker();
    let tenant = home.tenant("t").await;
    tenant.publish("f", "hold").await;
    let pool = home.database.connect(common::testing::Role::Owner);
    let lock = "select 1 from executions where day = $1 and id = $2 for update";
    let mut fastest = std::time::Duration::MAX;
    for started in 1..=3 {
        let held = tenant.begin("f").await;
        worker.has_started(started).await;
        let id: common::ids::ExecutionId = held["id"].as_str().unwrap().parse().unwrap();
        let mut owner = pool.client().await.unwrap();
        let noting = owner.transaction().await.unwrap();
        noting
            .execute(lock, &[&id.day(), &id.uuid()])
            .await
            .unwrap();
        let (path, none) = (format!("/v1/executions/{id}"), json!({}));
        let cancel = format!("{path}/cancel");
        let asked = async {
            let reply = tenant.program.post(&cancel, &none).await;
            (reply, std::time::Instant::now())
        };
        let ended = async {
            while tenant.program.get(&path).await.must_be(200)["status"] != "cancelled" {
                tokio::task::yield_now().await;
            }
            noting.rollback().await.unwrap();
            std::time::Instant::now()
        };
        let ((reply, answered), noted) = tokio::join!(asked, ended);
        assert_eq!(reply.must_be(200)["status"], "cancelled");
        fastest = fastest.min(answered.saturating_duration_since(noted));
    }
    // Nobody wakes this waiter; one that only looks again later comes after 500 ms at best.
    assert!(fastest.as_millis() < 400, "{fastest:?}");
    home.stop().await;
}
