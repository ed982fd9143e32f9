//! What is kept of executions: listed, run again, erased, sealed.

use std::collections::HashSet;

use serde_json::json;

use crate::support::{Client, Home};

#[tokio::test]
async fn each_of_thirty_executions_comes_once_at_any_page_size() {
    let home = Home::new().await;
    home.worker();
    let tenant = home.tenant("t").await;
    tenant.publish("f", "echo").await;
    let path = tenant.executions("f");
    let all = (0..30).map(|n| {
        let (program, path) = (tenant.program.clone(), path.clone());
        async move { program.post(&path, &json!(n)).await.must_be(202) }
    });
    futures_util::future::join_all(all).await;
    let mut seen = HashSet::new();
    let mut cursor = String::new();
    let mut last = jiff::Timestamp::MAX;
    loop {
        let page = format!("/v1/executions?limit=7&namespace=t&function=f{cursor}");
        let page = tenant.program.get(&page).await.must_be(200);
        for item in page["items"].as_array().unwrap() {
            let created: jiff::Timestamp = item["created_at"].as_str().unwrap().parse().unwrap();
            assert!(created <= last, "newest first");
            last = created;
            assert!(seen.insert(item["id"].as_str().unwrap().to_owned()));
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 30);
    home.stop().await;
}

#[tokio::test]
async fn a_list_is_filtered_by_state_and_time() {
    let home = Home::new().await;
    home.worker();
    let tenant = home.tenant("t").await;
    tenant.publish("good", "echo").await;
    tenant.publish("bad", "fail").await;
    let good = tenant.call("good", &json!({})).await;
    tenant.call("bad", &json!({})).await;
    let until = |query: &str| format!("/v1/executions?{query}");
    let count = async |query: &str| {
        let listed = tenant.program.get(&until(query)).await.must_be(200);
        listed["items"].as_array().unwrap().len()
    };
    common::testing::wait_until(
        "both are recorded",
        crate::support::BOUND,
        async || match count("").await {
            2 => Ok(()),
            seen => Err(seen),
        },
    )
    .await;
    assert_eq!(count("status=succeeded").await, 1);
    assert_eq!(count("status=failed").await, 1);
    assert_eq!(count("status=cancelled").await, 0);
    assert_eq!(count("function=good&namespace=t").await, 1);
    // Typed as it is: the plus becomes a space on the way.
    assert_eq!(count("since=2026-01-01T00:00:00+02:00").await, 2);
    assert_eq!(count("until=2026-01-01T00:00:00%2B02:00").await, 0);
    let created = good["created_at"].as_str().unwrap();
    assert_eq!(count(&format!("since={created}")).await, 2);
    assert_eq!(count(&format!("until={created}")).await, 0);
    for wrong in ["since=2026-01-01", "status=done", "function=good"] {
        tenant
            .program
            .get(&until(wrong))
            .await
            .must_tell(422, "invalid");
    }
    tenant
        .program
        .get(&until("namespace=none"))
        .await
        .must_tell(404, "not_found");
    home.stop().await;
}

#[tokio::test]
async fn erasing_removes_the_texts_and_keeps_the_row() {
    let home = Home::new().await;
    home.worker();
    let tenant = home.tenant("t").await;
    tenant.publish("f", "fail").await;
    let done = tenant.call("f", &json!({"secret": 1})).await;
    let path = format!("/v1/executions/{}", done["id"].as_str().unwrap());
    tenant.program.delete(&path).await.must_be(204);
    let shown = tenant
        .program
        .get(&format!("{path}?include=input"))
        .await
        .must_be(200);
    assert!(shown.get("input").is_none());
    assert_eq!(
        shown["error"],
        json!({"code": "exception", "message": "erased"})
    );
    let logs = tenant
        .program
        .get(&format!("{path}/logs"))
        .await
        .must_be(200);
    assert_eq!(logs["stdout"], "");
    tenant.program.delete(&path).await.must_be(204);
    home.stop().await;
}

#[tokio::test]
async fn an_unfinished_execution_is_not_erased() {
    let home = Home::new().await;
    home.worker();
    let tenant = home.tenant("t").await;
    tenant.publish("f", "hold").await;
    let held = tenant.begin("f").await;
    let path = format!("/v1/executions/{}", held["id"].as_str().unwrap());
    tenant
        .program
        .delete(&path)
        .await
        .must_tell(409, "not_finished");
    let retry = format!("{path}/retry");
    tenant
        .program
        .post(&retry, &json!({}))
        .await
        .must_tell(409, "not_finished");
    home.stop().await;
}

#[tokio::test]
async fn a_retry_is_a_new_execution_of_the_same_version_and_input() {
    let home = Home::new().await;
    home.worker();
    let tenant = home.tenant("t").await;
    tenant.publish("f", "echo").await;
    let done = tenant
        .call("f", &json!({"n": 9_007_199_254_740_993_u64}))
        .await;
    tenant.publish("f", "say 2").await;
    let path = format!("/v1/executions/{}/retry", done["id"].as_str().unwrap());
    let request = tenant
        .program
        .request("POST", &path)
        .header("prefer", "wait=30");
    let again = Client::send(request).await.must_be(200);
    assert_ne!(again["id"], done["id"]);
    assert_eq!(again["output"], done["output"]);
    assert_eq!(
        (&again["version"], &again["trigger"]),
        (&json!(1), &json!("retry"))
    );
    home.stop().await;
}

#[tokio::test]
async fn a_planted_word_is_sealed_in_redis_and_postgresql() {
    let home = Home::new().await;
    let tenant = home.tenant("t").await;
    let worker = home.worker();
    tenant.publish("f", "echo").await;
    let word = "xylophone-7731";
    tenant.call("f", &json!({"word": word})).await;
    tenant
        .program
        .post(&tenant.executions("f"), &json!({"word": word}))
        .await
        .must_be(202);
    let mut link = home
        .queue
        .client
        .get_multiplexed_async_connection()
        .await
        .unwrap();
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg(format!("{}*", home.queue.partition.prefix))
        .query_async(&mut link)
        .await
        .unwrap();
    assert!(!keys.is_empty());
    for key in keys {
        let dump: Vec<u8> = redis::cmd("DUMP")
            .arg(&key)
            .query_async(&mut link)
            .await
            .unwrap_or_default();
        let found = dump
            .windows(word.len())
            .any(|bytes| bytes == word.as_bytes());
        assert!(!found, "{key}");
    }
    let client = home
        .database
        .connect(common::testing::Role::Owner)
        .client()
        .await
        .unwrap();
    let rows = client
        .query("select e::text from executions e", &[])
        .await
        .unwrap();
    for row in rows {
        let text: String = row.get(0);
        // Binary columns are hex in a row's text.
        let hex: String = word.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert!(!text.contains(word) && !text.contains(&hex));
    }
    drop(worker);
    home.stop().await;
}
