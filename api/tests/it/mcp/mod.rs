//! `/mcp/{ns}` from the outside: by hand, and by the official clients.

mod asking;
mod manners;
mod peers;

use common::testing::wait_until;
use serde_json::json;

use self::asking::{
    NAMES, answer, call, furnished, list, message, modern, modern_headers, publish, raw, text,
};
use crate::support::{BOUND, Client, Home};

#[tokio::test]
async fn functions_are_listed_by_name_and_called_by_either_spelling() {
    let home = Home::new().await;
    let (tenant, _worker) = furnished(&home, "either").await;
    let listed = answer(&tenant, &list()).await;
    assert_eq!(listed["id"], 0);
    let tools = listed["result"]["tools"].as_array().unwrap();
    let names = tools.iter().map(|tool| tool["name"].as_str().unwrap());
    assert_eq!(names.collect::<Vec<_>>(), NAMES);
    assert_eq!(tools[1]["description"], "Gives back.");
    let integer = json!({"type": "integer"});
    assert_eq!(tools[1]["inputSchema"]["properties"]["n"], integer);
    assert_eq!(tools[2]["inputSchema"], json!({"type": "object"}));
    assert_eq!(tools[4]["annotations"], json!({"readOnlyHint": true}));
    let result = &tools[5]["outputSchema"]["properties"]["result"];
    assert_eq!(*result, json!({"type": "array"}));
    for spelling in ["mail.send", "mail-send"] {
        let failed = answer(&tenant, &call(spelling, &json!({}))).await;
        assert_eq!(failed["result"]["isError"], true, "{spelling} {failed}");
        assert!(text(&failed).starts_with("exception: ValueError: no such city\n"));
    }
    let null = answer(&tenant, &call("import", &json!({}))).await;
    let result = json!({"result": null});
    assert_eq!(null["result"]["structuredContent"], result);
    home.stop().await;
}

#[tokio::test]
async fn a_failing_call_names_an_execution_that_rest_knows_as_asked_by_mcp() {
    let home = Home::new().await;
    let (tenant, _worker) = furnished(&home, "failing").await;
    let failed = answer(&tenant, &call("mail-send", &json!({}))).await;
    let meta = &failed["result"]["_meta"];
    assert_eq!(meta["patchbay/error"]["code"], "exception");
    let id = meta["patchbay/execution_id"].as_str().unwrap();
    assert!(text(&failed).ends_with(id), "{failed}");
    let path = format!("/v1/executions/{id}");
    let execution = tenant.program.get(&path).await.must_be(200);
    assert_eq!(execution["status"], "failed", "{execution}");
    assert_eq!(execution["error"]["message"], "no such city", "{execution}");
    assert_eq!(execution["trigger"], "mcp", "{execution}");
    home.stop().await;
}

#[tokio::test]
async fn no_digit_is_lost_in_either_direction() {
    let home = Home::new().await;
    let (tenant, _worker) = furnished(&home, "digits").await;
    let digits = "9".repeat(4_000);
    let message = format!(
        r#"{{"jsonrpc":"2.0","id":123456789012345678901,"method":"tools/call",
            "params":{{"name":"echo","arguments":{{"n":{digits}}}}}}}"#
    );
    let said = Client::send(raw(&tenant.program, "digits", message)).await;
    let said = said.text();
    assert!(
        said.starts_with(r#"{"jsonrpc":"2.0","id":123456789012345678901,"#),
        "{said}"
    );
    assert!(
        said.contains(&format!(r#""structuredContent":{{"n":{digits}}}"#)),
        "{said}"
    );
    assert!(
        said.contains(&format!(r#""text":"{{\"n\":{digits}}}""#)),
        "{said}"
    );
    home.stop().await;
}

#[tokio::test]
async fn texts_are_read_as_what_they_say_or_the_field_is_named() {
    let home = Home::new().await;
    let (tenant, _worker) = furnished(&home, "texts").await;
    let given = json!({"xs": "[1, \"2\"]", "n": "7", "on": "false", "s": "5"});
    let read = answer(&tenant, &call("echo", &given)).await;
    let echoed = json!({"xs": [1, 2], "n": 7, "on": false, "s": "5"});
    assert_eq!(read["result"]["structuredContent"], echoed, "{read}");
    let list = answer(&tenant, &call("listed", &json!({"input": "[1, 2]"}))).await;
    assert_eq!(text(&list), "[1, 2]", "{list}");
    for (tool, given, field) in [
        ("echo", json!({"xs": "no list"}), "/xs"),
        ("echo", json!({"on": "False"}), "/on"),
        ("echo", json!({"n": true}), "/n"),
        ("echo", json!({"n": "7", "on": "0"}), "/on"),
        ("echo", json!({"y": 1}), "/y"),
        ("listed", json!({"input": [1, "x"]}), "/input/1"),
        ("listed", json!({}), "the arguments"),
    ] {
        let refused = answer(&tenant, &call(tool, &given)).await;
        assert_eq!(refused["result"]["isError"], true, "{refused}");
        let line = format!("\n{field}: ");
        assert!(text(&refused).contains(&line), "{refused}");
        let code = &refused["result"]["_meta"]["patchbay/error"]["code"];
        assert_eq!(code, "invalid");
    }
    home.stop().await;
}

#[tokio::test]
async fn an_output_that_is_no_object_stands_under_a_name_and_a_broken_promise_is_told() {
    let home = Home::new().await;
    let (tenant, _worker) = furnished(&home, "outputs").await;
    let numbers = answer(&tenant, &call("numbers", &json!({}))).await;
    let result = json!({"result": [1]});
    assert_eq!(numbers["result"]["structuredContent"], result);
    assert_eq!(text(&numbers), "[1]");
    let broken = answer(&tenant, &call("broken_promise", &json!({}))).await;
    assert_eq!(broken["result"]["isError"], true, "{broken}");
    let text = text(&broken);
    assert!(text.starts_with("result_not_as_promised: "), "{text}");
    assert!(text.ends_with("result: \"x\""), "{text}");
    home.stop().await;
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_execution_along() {
    let home = Home::new().await;
    let worker = home.worker();
    let tenant = home.tenant("leaving").await;
    publish(&tenant, "f", &json!({"code": "hold"})).await;
    let (old, new) = (call("f", &json!({})), modern(call("f", &json!({}))));
    let old = message(&tenant.program, "leaving", &old);
    let new = message(&tenant.program, "leaving", &new).headers(modern_headers("f"));
    for (begun, asked) in [(1, old), (2, new)] {
        let waiting = home.tasks.spawn(asked.send());
        wait_until("the call runs", BOUND, async || {
            let started = worker.started();
            if started == begun {
                Ok(())
            } else {
                Err(started)
            }
        })
        .await;
        waiting.abort();
        let cancelled = wait_until("it is cancelled", BOUND, async || {
            let listed = tenant.program.get("/v1/executions").await.must_be(200);
            let items = listed["items"].as_array().unwrap().clone();
            let all = items.iter().all(|item| item["status"] == "cancelled");
            if all && items.len() == begun {
                Ok(items)
            } else {
                Err(listed)
            }
        })
        .await;
        assert_eq!(cancelled[0]["trigger"], "mcp", "{cancelled:?}");
    }
    home.stop().await;
}

#[tokio::test]
async fn a_function_whose_code_is_no_python_is_no_tool() {
    let home = Home::new().await;
    let _worker = home.worker();
    let tenant = home.tenant("broken").await;
    let path = tenant.function("f");
    let refused = tenant.program.put(&path, &json!({"code": "SYNTAX"})).await;
    refused.must_tell(422, "invalid");
    let listed = answer(&tenant, &list()).await;
    assert_eq!(listed["result"]["tools"], json!([]));
    let called = answer(&tenant, &call("f", &json!({}))).await;
    assert_eq!(called["error"]["code"], -32602, "{called}");
    home.stop().await;
}

#[tokio::test]
async fn an_account_whose_executions_are_used_up_is_told_so_by_the_tool() {
    let home = Home::new().await;
    let _worker = home.worker();
    let tenant = home.newcomer("spent").await;
    publish(&tenant, "f", &json!({"code": "say 1"})).await;
    for _ in 0..common::accept::UNVERIFIED_PER_DAY {
        let called = answer(&tenant, &call("f", &json!({}))).await;
        assert_eq!(called["result"]["isError"], false, "{called}");
    }
    let spent = answer(&tenant, &call("f", &json!({}))).await;
    assert_eq!(spent["result"]["isError"], true, "{spent}");
    assert!(text(&spent).starts_with("quota_exceeded: "), "{spent}");
    home.stop().await;
}

#[tokio::test]
async fn a_call_s_own_values_come_in_the_header_and_a_missing_one_is_a_tool_error() {
    let home = Home::new().await;
    let worker = home.worker();
    let tenant = home.tenant("values").await;
    let env = json!({"required": ["TOKEN"]});
    publish(&tenant, "f", &json!({"code": "env", "env": env})).await;
    let refused = answer(&tenant, &call("f", &json!({}))).await;
    assert_eq!(refused["result"]["isError"], true, "{refused}");
    assert!(text(&refused).starts_with("missing_env: "), "{refused}");
    assert!(text(&refused).contains("TOKEN"), "{refused}");
    assert_eq!(worker.started(), 0);
    let asked = message(&tenant.program, "values", &call("f", &json!({})));
    // {"TOKEN":"of the call"}
    let asked = asked.header("patchbay-env", "eyJUT0tFTiI6Im9mIHRoZSBjYWxsIn0=");
    let done = Client::send(asked).await.must_be(200);
    let output = &done["result"]["structuredContent"];
    assert_eq!(*output, json!({"TOKEN": "of the call"}), "{done}");
    let asked = message(&tenant.program, "values", &call("f", &json!({})));
    let wrong = Client::send(asked.header("patchbay-env", "e30")).await;
    assert_eq!(wrong.must_be(200)["result"]["isError"], true);
    let asked = message(&tenant.program, "values", &call("f", &json!({})));
    let wrong = Client::send(asked.header("patchbay-env", "!")).await;
    wrong.must_tell(422, "invalid");
    home.stop().await;
}
