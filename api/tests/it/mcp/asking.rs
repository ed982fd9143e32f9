//! Speaking to the endpoint by hand.

use reqwest::RequestBuilder;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::support::{Client, Home, Tenant, Worker};

/// Somebody with functions that echo, fail, and give what is no object.
pub(crate) async fn furnished(home: &Home, name: &str) -> (Tenant, Worker) {
    let worker = home.worker();
    let tenant = home.tenant(name).await;
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
            json!({"code": "say [1]", "output_schema": {"type": "array"}}),
        ),
        (
            "broken_promise",
            json!({"code": "say \"x\"", "output_schema": {"type": "integer"}}),
        ),
        (
            "listed",
            json!({"code": "echo", "input_schema": {"type": "array", "items": {"type": "integer"}}}),
        ),
        ("import", json!({"code": "say null"})),
    ] {
        publish(&tenant, function, &body).await;
    }
    (tenant, worker)
}

pub(crate) async fn publish(tenant: &Tenant, name: &str, body: &Value) {
    let made = tenant.program.put(&tenant.function(name), body).await;
    assert_eq!(made.must_be(201)["status"], "ready", "{name}");
}

/// What `furnished` lists.
pub(crate) const NAMES: [&str; 6] = [
    "broken_promise",
    "echo",
    "import",
    "listed",
    "mail-send",
    "numbers",
];

pub(crate) fn list() -> Value {
    json!({"jsonrpc": "2.0", "id": 0, "method": "tools/list"})
}

pub(crate) fn call(name: &str, arguments: &Value) -> Value {
    let params = json!({"name": name, "arguments": arguments});
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
}

/// The message as 2026-07-28 wants it; it goes with [`modern_headers`].
pub(crate) fn modern(mut message: Value) -> Value {
    message["params"]["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    message
}

/// The headers of a call of `tool`.
pub(crate) fn modern_headers(tool: &'static str) -> HeaderMap {
    HeaderMap::from_iter([
        (
            HeaderName::from_static("mcp-protocol-version"),
            HeaderValue::from_static("2026-07-28"),
        ),
        (
            HeaderName::from_static("mcp-method"),
            HeaderValue::from_static("tools/call"),
        ),
        (
            HeaderName::from_static("mcp-name"),
            HeaderValue::from_static(tool),
        ),
    ])
}

/// A message as a client of 2025-06-18 sends it.
pub(crate) fn message(asker: &Client, namespace: &str, message: &Value) -> RequestBuilder {
    raw(asker, namespace, message.to_string())
}

pub(crate) fn raw(asker: &Client, namespace: &str, message: String) -> RequestBuilder {
    asker
        .request("POST", &format!("/mcp/{namespace}"))
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2025-06-18")
        .body(message)
}

pub(crate) async fn answer(tenant: &Tenant, asked: &Value) -> Value {
    let request = message(&tenant.program, &tenant.namespace, asked);
    Client::send(request).await.must_be(200)
}

/// What the model reads of a call's answer.
pub(crate) fn text(answer: &Value) -> &str {
    let text = &answer["result"]["content"][0]["text"];
    text.as_str().unwrap_or_else(|| panic!("{answer}"))
}
