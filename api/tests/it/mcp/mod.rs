//! `/mcp/{ns}` from the outside: by hand, and by the official clients.

mod peers;
mod stage;
mod stand_in;

use reqwest::StatusCode;
use serde_json::{Value, json};

use self::stage::{Stage, Tenant};

const CALLS: &[&str] = &["functions:write", "functions:invoke", "executions:read"];

/// A namespace with functions that echo, fail, and give what is no object.
async fn furnished(stage: &Stage, name: &str) -> Tenant {
    stage.stand_in();
    let tenant = stage.tenant(name, CALLS).await;
    let input = json!({
        "type": "object",
        "properties": {
            "n": {"type": "integer"},
            "xs": {"type": "array", "items": {"type": "integer"}},
            "on": {"type": "boolean"},
            "s": {"type": "string"},
        },
        "additionalProperties": false,
    });
    for (function, body) in [
        (
            "echo",
            json!({"code": "echo", "description": "Gives back.", "input_schema": input}),
        ),
        (
            "mail.send",
            json!({"code": "fail", "annotations": {"readOnlyHint": true}}),
        ),
        (
            "numbers",
            json!({"code": "[1]", "output_schema": {"type": "array"}}),
        ),
        (
            "broken_promise",
            json!({"code": "\"x\"", "output_schema": {"type": "integer"}}),
        ),
        ("import", json!({"code": "null"})),
    ] {
        stage.publish(&tenant, function, body).await;
    }
    tenant
}

fn call(name: &str, arguments: &Value) -> Value {
    let params = json!({"name": name, "arguments": arguments});
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
}

async fn answer(stage: &Stage, tenant: &Tenant, message: &Value) -> Value {
    let answer = stage.message(tenant, message).send().await.unwrap();
    let status = answer.status();
    let said = answer.text().await.unwrap();
    assert_eq!(status, StatusCode::OK, "{said}");
    serde_json::from_str(&said).unwrap()
}

fn text(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap()
}

#[tokio::test]
async fn functions_are_listed_by_name_and_called_by_either_spelling() {
    let stage = Stage::set().await;
    let tenant = furnished(&stage, "either").await;
    let list = json!({"jsonrpc": "2.0", "id": 0, "method": "tools/list"});
    let listed = answer(&stage, &tenant, &list).await;
    assert_eq!(listed["id"], 0);
    let tools = listed["result"]["tools"].as_array().unwrap();
    let names: Vec<_> = tools
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        ["broken_promise", "echo", "import", "mail-send", "numbers"]
    );
    assert_eq!(tools[1]["description"], "Gives back.");
    assert_eq!(
        tools[1]["inputSchema"]["properties"]["n"],
        json!({"type": "integer"})
    );
    assert_eq!(tools[2]["inputSchema"], json!({"type": "object"}));
    assert_eq!(tools[3]["annotations"], json!({"readOnlyHint": true}));
    assert_eq!(
        tools[4]["outputSchema"]["properties"]["result"],
        json!({"type": "array"})
    );
    for spelling in ["mail.send", "mail-send"] {
        let failed = answer(&stage, &tenant, &call(spelling, &json!({}))).await;
        assert_eq!(failed["result"]["isError"], true, "{spelling} {failed}");
        assert!(text(&failed).starts_with("exception: ValueError: no such city\n"));
    }
    let null = answer(&stage, &tenant, &call("import", &json!({}))).await;
    assert_eq!(null["result"]["structuredContent"], json!({"result": null}));
    stage.stop().await;
}

#[tokio::test]
async fn a_failing_call_names_an_execution_that_rest_knows_as_asked_by_mcp() {
    let stage = Stage::set().await;
    let tenant = furnished(&stage, "failing").await;
    let failed = answer(&stage, &tenant, &call("mail-send", &json!({}))).await;
    let meta = &failed["result"]["_meta"];
    assert_eq!(meta["patchbay/error"]["code"], "exception");
    let id = meta["patchbay/execution_id"].as_str().unwrap();
    assert!(text(&failed).ends_with(id), "{failed}");
    let execution = stage
        .get(&format!("/v1/executions/{id}"), &tenant.key)
        .await;
    assert_eq!(execution["status"], "failed", "{execution}");
    assert_eq!(execution["error"]["message"], "no such city", "{execution}");
    assert_eq!(execution["trigger"], "mcp", "{execution}");
    stage.stop().await;
}

#[tokio::test]
async fn no_digit_is_lost_in_either_direction() {
    let stage = Stage::set().await;
    let tenant = furnished(&stage, "digits").await;
    let digits = "9".repeat(4_000);
    let message = format!(
        r#"{{"jsonrpc":"2.0","id":123456789012345678901,"method":"tools/call",
            "params":{{"name":"echo","arguments":{{"n":{digits}}}}}}}"#
    );
    let said = stage
        .raw(&tenant, message)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
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
    stage.stop().await;
}

#[tokio::test]
async fn texts_are_read_as_what_they_say_or_the_field_is_named() {
    let stage = Stage::set().await;
    let tenant = furnished(&stage, "texts").await;
    let given = json!({"xs": "[1, \"2\"]", "n": "7", "on": "false", "s": "5"});
    let read = answer(&stage, &tenant, &call("echo", &given)).await;
    let echoed = json!({"xs": [1, 2], "n": 7, "on": false, "s": "5"});
    assert_eq!(read["result"]["structuredContent"], echoed, "{read}");
    for (given, field) in [
        (json!({"xs": "no list"}), "/xs"),
        (json!({"on": "False"}), "/on"),
        (json!({"n": true}), "/n"),
        (json!({"y": 1}), "/y"),
    ] {
        let refused = answer(&stage, &tenant, &call("echo", &given)).await;
        assert_eq!(refused["result"]["isError"], true, "{refused}");
        assert!(
            text(&refused).contains(&format!("\n{field}: ")),
            "{refused}"
        );
        let code = &refused["result"]["_meta"]["patchbay/error"]["code"];
        assert_eq!(code, "invalid");
    }
    stage.stop().await;
}

#[tokio::test]
async fn an_output_that_is_no_object_stands_under_a_name_and_a_broken_promise_is_told() {
    let stage = Stage::set().await;
    let tenant = furnished(&stage, "outputs").await;
    let numbers = answer(&stage, &tenant, &call("numbers", &json!({}))).await;
    assert_eq!(
        numbers["result"]["structuredContent"],
        json!({"result": [1]})
    );
    assert_eq!(text(&numbers), "[1]");
    let broken = answer(&stage, &tenant, &call("broken_promise", &json!({}))).await;
    assert_eq!(broken["result"]["isError"], true, "{broken}");
    assert!(
        text(&broken).starts_with("result_not_as_promised: "),
        "{broken}"
    );
    assert!(text(&broken).ends_with("result: \"x\""), "{broken}");
    stage.stop().await;
}

#[tokio::test]
async fn what_is_not_there_is_told_apart_from_what_is_not_allowed() {
    let stage = Stage::set().await;
    let tenant = furnished(&stage, "mine").await;
    let other = stage.tenant("yours", &["functions:read"]).await;
    for unknown in ["nope", "No Such", "mail-send-more", ""] {
        let said = answer(&stage, &tenant, &call(unknown, &json!({}))).await;
        assert_eq!(said["error"]["code"], -32602, "{said}");
    }
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    let as_other = |namespace: &str| Tenant {
        key: other.key.clone(),
        namespace: namespace.to_owned(),
    };
    for (asker, message, status) in [
        (as_other("mine"), &list, StatusCode::NOT_FOUND),
        (as_other("nobodys"), &list, StatusCode::NOT_FOUND),
        (as_other("yours"), &list, StatusCode::OK),
        (
            as_other("yours"),
            &call("f", &json!({})),
            StatusCode::FORBIDDEN,
        ),
    ] {
        let answer = stage.message(&asker, message).send().await.unwrap();
        assert_eq!(answer.status(), status, "{} {message}", asker.namespace);
    }
    let elsewhere = Tenant {
        namespace: "yours".to_owned(),
        ..tenant
    };
    let called = stage
        .message(&elsewhere, &call("echo", &json!({})))
        .send()
        .await
        .unwrap();
    assert_eq!(called.status(), StatusCode::NOT_FOUND);
    let wrong = Tenant {
        key: "pb_wrong".to_owned(),
        ..elsewhere
    };
    let refused = stage.message(&wrong, &list).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert!(refused.headers().contains_key("www-authenticate"));
    stage.stop().await;
}

#[tokio::test]
async fn a_client_may_send_what_clients_send() {
    let stage = Stage::set().await;
    let tenant = furnished(&stage, "manners").await;
    let list = r#"{"jsonrpc":"2.0","id":"","method":"tools/list"}"#.to_owned();
    for (header, value, status) in [
        ("accept", "*/*", StatusCode::OK),
        ("accept", "application/json", StatusCode::OK),
        ("accept", "text/event-stream", StatusCode::NOT_ACCEPTABLE),
        (
            "content-type",
            "application/json; charset=utf-8",
            StatusCode::OK,
        ),
        (
            "content-type",
            "text/plain",
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ),
        ("mcp-session-id", "gone", StatusCode::OK),
        ("origin", "https://evil.test", StatusCode::FORBIDDEN),
        ("origin", "http://localhost:3000", StatusCode::OK),
        ("host", "evil.test", StatusCode::FORBIDDEN),
        (
            "mcp-protocol-version",
            "1999-01-01",
            StatusCode::BAD_REQUEST,
        ),
    ] {
        let value: reqwest::header::HeaderValue = value.parse().unwrap();
        let mut request = stage.raw(&tenant, list.clone()).build().unwrap();
        let name: reqwest::header::HeaderName = header.parse().unwrap();
        request.headers_mut().insert(name, value.clone());
        let answer = stage.http.execute(request).await.unwrap();
        assert_eq!(answer.status(), status, "{header}: {value:?}");
    }
    for (message, status) in [
        (r#"{"jsonrpc":"2.0","id":null,"method":"tools/list"}"#, 400),
        (
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
            202,
        ),
        (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, 400),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, 400),
        (r#"{"jsonrpc":"#, 400),
        ("", 400),
    ] {
        let answer = stage.raw(&tenant, message.to_owned()).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{message}");
    }
    let huge = format!("\"{}\"", "x".repeat(2 << 20));
    let answer = stage.raw(&tenant, huge).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let get = stage
        .http
        .get(format!("{}/mcp/manners", stage.url))
        .send()
        .await
        .unwrap();
    assert_eq!(get.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(get.headers()["allow"], "POST");
    stage.stop().await;
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_execution_along() {
    let stage = Stage::set().await;
    // What is published gets built, but nothing runs: a call stays queued.
    stage.builder();
    let tenant = stage.tenant("leaving", CALLS).await;
    stage.publish(&tenant, "f", json!({"code": "echo"})).await;
    let message = stage.message(&tenant, &call("f", &json!({})));
    let waiting = stage.tasks.spawn(message.send());
    stage.until_waiting().await;
    waiting.abort();
    let cancelled = stage.until_listed(&tenant, "cancelled").await;
    assert_eq!(cancelled["trigger"], "mcp", "{cancelled}");
    stage.stop().await;
}
