//! Versions of a function: published, unchanged, restored, and who may replace them.

use common::testing::wait_until;
use serde_json::{Value, json};

use crate::support::{BOUND, Client, Home};

#[tokio::test]
async fn an_unchanged_body_is_no_new_version_and_an_old_one_is_copied_forward() {
    let home = Home::new().await;
    home.worker();
    let tenant = home.tenant("t").await;
    assert_eq!(tenant.publish("f", "say 1").await["version"], 1);
    assert_eq!(tenant.publish("f", "say 1").await["version"], 1);
    assert_eq!(tenant.publish("f", "say 2").await["version"], 2);
    assert_eq!(tenant.call("f", &json!({})).await["output"], 2);
    let versions = format!("{}/versions", tenant.function("f"));
    let path = format!("{versions}/1/restore");
    let restored = tenant.program.post(&path, &json!({})).await.must_be(200);
    assert_eq!(restored["version"], 3);
    assert_eq!(tenant.call("f", &json!({})).await["output"], 1);
    let listed = tenant
        .program
        .get(&format!("{versions}?limit=2"))
        .await
        .must_be(200);
    let numbers: Vec<_> = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| &v["version"])
        .collect();
    assert_eq!(numbers, [&json!(3), &json!(2)]);
    let next = listed["next_cursor"].as_str().unwrap();
    let rest = tenant
        .program
        .get(&format!("{versions}?limit=2&cursor={next}"))
        .await
        .must_be(200);
    assert_eq!(rest["items"][0]["version"], 1);
    let old = tenant
        .program
        .get(&format!("{versions}/2"))
        .await
        .must_be(200);
    assert_eq!(old["code"], "say 2");
    // A version may be asked for by number.
    let path = format!("{}?version=2", tenant.executions("f"));
    let request = tenant.program.request("POST", &path).json(&json!({}));
    let done = Client::send(request.header("prefer", "wait=30"))
        .await
        .must_be(200);
    assert_eq!((&done["output"], &done["version"]), (&json!(2), &json!(2)));
    home.stop().await;
}

#[tokio::test]
async fn packages_are_shown_as_asked_for_and_as_resolved_and_restored_as_they_were() {
    let home = Home::new().await;
    home.worker();
    let tenant = home.tenant("t").await;
    let path = tenant.function("f");
    let publish = async |requirements: Value| {
        let body = json!({"code": "say 1", "requirements": requirements});
        tenant.program.put(&path, &body).await
    };
    let made = publish(json!(["Six", "numpy >= 2"])).await.must_be(201);
    assert_eq!(made["requirements"], json!(["numpy>=2", "six"]));
    let shown = tenant.program.get(&path).await.must_be(200);
    assert_eq!(shown["packages"], json!(["numpy>=2==1", "six==1"]));
    // The same in other words, then others.
    let same = publish(json!(["numpy>=2", "six", "SIX"]))
        .await
        .must_be(200);
    assert_eq!(same["version"], 1);
    assert_eq!(publish(json!(["six"])).await.must_be(200)["version"], 2);
    assert_eq!(publish(json!([])).await.must_be(200)["version"], 3);
    let restored = format!("{path}/versions/2/restore");
    let restored = tenant.program.post(&restored, &json!({})).await;
    assert_eq!(restored.must_be(200)["version"], 4);
    let shown = tenant.program.get(&path).await.must_be(200);
    assert_eq!(
        shown["packages"],
        json!(["six==2"]),
        "resolved then, not now"
    );
    let wrong = publish(json!(["six", "-r /etc/passwd"])).await;
    assert_eq!(
        wrong.must_tell(422, "invalid")["errors"][0]["pointer"],
        "/requirements/1"
    );
    let broken = publish(json!(["absent"])).await.must_be(200);
    assert_eq!(
        (&broken["status"], &broken["error_kind"]),
        (&json!("broken"), &json!("packages"))
    );
    assert_eq!(broken["error"]["message"], "absent was not found");
    // The last ready one is still what runs.
    assert_eq!(tenant.call("f", &json!({})).await["version"], 4);
    let asked = format!("{}?version=5", tenant.executions("f"));
    let reply = tenant.program.post(&asked, &json!({})).await;
    let told = reply.must_tell(409, "version_broken")["detail"].to_string();
    assert!(told.contains("absent was not found"), "{told}");
    home.stop().await;
}

#[tokio::test]
async fn who_publishes_what_is_deleted_while_it_is_built_is_told() {
    let home = Home::new().await;
    let tenant = home.tenant("t").await;
    let path = tenant.function("f");
    let body = json!({"code": "say 1"});
    let publish = tenant.program.put(&path, &body);
    let delete = async {
        wait_until("the function is there", BOUND, async || {
            let shown = tenant.program.get(&path).await;
            if shown.status == 200 {
                Ok(())
            } else {
                Err(shown.status)
            }
        })
        .await;
        tenant.program.delete(&path).await.must_be(204);
        // Nothing builds before.
        home.worker();
    };
    let (published, ()) = tokio::join!(publish, delete);
    published.must_tell(404, "not_found");
    home.stop().await;
}

#[tokio::test]
async fn if_match_keeps_two_writers_from_overwriting_each_other() {
    let home = Home::new().await;
    home.worker();
    let tenant = home.tenant("t").await;
    let put = async |code: &str, tag: &str| {
        let request = tenant.program.request("PUT", &tenant.function("f"));
        let request = request
            .json(&json!({ "code": code }))
            .header("if-match", tag);
        Client::send(request).await
    };
    put("say 0", "*").await.must_tell(412, "version_mismatch");
    put("say 0", "\"1\"")
        .await
        .must_tell(412, "version_mismatch");
    tenant.publish("f", "say 1").await;
    put("say 2", "\"1\"").await.must_be(200);
    let document = put("say 3", "\"1\"")
        .await
        .must_tell(412, "version_mismatch");
    assert_eq!(document["current_version"], 2);
    put("say 3", "\"1\", \"2\"").await.must_be(200);
    put("say 4", "*").await.must_be(200);
    home.stop().await;
}
