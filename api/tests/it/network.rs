//! What an execution moved over the network.

use serde_json::json;

use crate::support::Home;

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
