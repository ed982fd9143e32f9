//! The boundary with the SDK: what goes in, what comes out, in both eras.

use super::*;
use serde_json::json;

const MODERN: &str = "2026-07-28";

/// A namespace with one tool, which answers with the era it was called in.
#[derive(Clone)]
struct One;

impl Namespace for One {
    fn instructions(&self) -> String {
        "One tool.".to_owned()
    }

    async fn tools(&self, _: Era) -> Result<Vec<Tool>, Fault> {
        Ok(vec![Tool {
            name: "f".to_owned(),
            description: None,
            input_schema: Map::from_iter([("type".to_owned(), "object".into())]),
            output_schema: None,
            annotations: None,
        }])
    }

    async fn call(&self, era: Era, _: CancellationToken) -> Result<Answer, Fault> {
        Ok(Answer {
            text: format!("{era:?}"),
            structured: Some("[18446744073709551616, 1.0]".to_owned()),
            is_error: false,
            meta: Map::new(),
        })
    }

    fn schema_with_headers(&self) -> Option<Map<String, Value>> {
        None
    }
}

/// Sends a message as a client of the revision would.
async fn send(version: Option<&str>, method: &str, mut params: Value) -> (StatusCode, String) {
    let mut request = Request::post("/mcp/one").header("Host", "patchbay.test");
    if let Some(version) = version {
        request = request.header("MCP-Protocol-Version", version);
    }
    if version == Some(MODERN) {
        request = request.header("Mcp-Method", method);
        if let Some(name) = params["name"].as_str() {
            request = request.header("Mcp-Name", name);
        }
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {},
        });
    }
    let message = json!({"jsonrpc": "2.0", "id": "é", "method": method, "params": params});
    served(request.body(()).unwrap(), &message.to_string()).await
}

async fn served(request: Request<()>, message: &str) -> (StatusCode, String) {
    let sdk = Sdk::new(&"https://patchbay.test".parse().unwrap());
    let envelope = Envelope::read(message.as_bytes()).unwrap();
    let (parts, ()) = request.into_parts();
    match sdk.serve(One, parts, (&envelope, "{}")).await {
        Served::Json(status, body) => (status, String::from_utf8(body.to_vec()).unwrap()),
        Served::Accepted => (StatusCode::ACCEPTED, String::new()),
        Served::Forbidden => (StatusCode::FORBIDDEN, String::new()),
        Served::Refused(status, words) => (status, words),
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn every_revision_lists_and_calls() {
    for version in [
        None,
        Some("2025-03-26"),
        Some("2025-06-18"),
        Some("2025-11-25"),
        Some(MODERN),
    ] {
        let (status, list) = send(version, "tools/list", json!({})).await;
        assert_eq!(status, StatusCode::OK, "{version:?} {list}");
        let list = parsed(&list);
        assert_eq!(list["id"], "é");
        assert_eq!(list["result"]["tools"][0]["name"], "f");
        let (status, called) = send(version, "tools/call", json!({"name": "f"})).await;
        assert_eq!(status, StatusCode::OK, "{version:?} {called}");
        assert!(
            called.contains(r#""structuredContent":[18446744073709551616, 1.0],"#),
            "{called}"
        );
        let called = parsed(&called);
        let modern = version == Some(MODERN);
        let era = if modern { "Stateless" } else { "Initialize" };
        assert_eq!(called["result"]["content"][0]["text"], era, "{version:?}");
        assert_eq!(called["result"].get("resultType").is_some(), modern);
        assert_eq!(
            list["result"]["cacheScope"],
            if modern {
                json!("private")
            } else {
                Value::Null
            }
        );
    }
}

#[tokio::test]
async fn both_eras_begin() {
    let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {},
                       "clientInfo": {"name": "t", "version": "1"}});
    let (_, begun) = send(None, "initialize", hello.clone()).await;
    let begun = parsed(&begun);
    assert_eq!(begun["result"]["protocolVersion"], "2025-06-18");
    assert_eq!(begun["result"]["serverInfo"]["name"], "patchbay");
    assert_eq!(begun["result"]["instructions"], "One tool.");
    let mut future = hello;
    future["protocolVersion"] = "2099-01-01".into();
    let (_, begun) = send(None, "initialize", future).await;
    assert_eq!(parsed(&begun)["result"]["protocolVersion"], "2025-11-25");
    let (_, found) = send(Some(MODERN), "server/discover", json!({})).await;
    let found = parsed(&found);
    assert_eq!(found["result"]["cacheScope"], "private");
    assert!(
        found["result"]["supportedVersions"]
            .as_array()
            .unwrap()
            .contains(&json!(MODERN))
    );
}

#[tokio::test]
async fn what_is_not_offered_is_not_found() {
    for method in [
        "prompts/list",
        "prompts/get",
        "resources/list",
        "resources/templates/list",
        "resources/read",
        "resources/subscribe",
        "completion/complete",
        "logging/setLevel",
        "tasks/get",
        "subscriptions/listen",
        "no/such",
    ] {
        let params = json!({"uri": "x:y", "name": "x", "level": "info", "taskId": "t",
            "ref": {"type": "ref/prompt", "name": "x"}, "argument": {"name": "a", "value": ""},
            "notifications": {}});
        let (_, old) = send(Some("2025-06-18"), method, params).await;
        assert_eq!(parsed(&old)["error"]["code"], -32601, "{method} {old}");
    }
    for method in [
        "prompts/list",
        "resources/list",
        "completion/complete",
        "ping",
        "initialize",
    ] {
        let (status, new) = send(Some(MODERN), method, json!({})).await;
        if method != "initialize" {
            assert_eq!(parsed(&new)["error"]["code"], -32601, "{method} {new}");
        }
        assert_ne!(status, StatusCode::OK, "{method} {new}");
    }
}

#[tokio::test]
async fn headers_that_contradict_the_body_are_refused() {
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "f",
        "_meta": {"io.modelcontextprotocol/protocolVersion": MODERN,
                  "io.modelcontextprotocol/clientCapabilities": {}}}});
    for (header, value) in [
        ("Mcp-Name", "g"),
        ("Mcp-Method", "tools/list"),
        ("Mcp-Name", "f"),
    ] {
        let mut request = Request::post("/mcp/one")
            .header("Host", "patchbay.test")
            .header("MCP-Protocol-Version", MODERN)
            .header(header, value);
        if header == "Mcp-Name" && value == "g" {
            request = request.header("Mcp-Method", "tools/call");
        }
        let (status, answer) = served(request.body(()).unwrap(), &message.to_string()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{answer}");
        assert_eq!(parsed(&answer)["error"]["code"], -32020, "{answer}");
        assert_eq!(parsed(&answer)["id"], 1, "{answer}");
    }
}

#[tokio::test]
async fn only_our_hosts_and_origins_are_served() {
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let asked = |host: &str, origin: Option<&str>| {
        let mut request = Request::post("/mcp/one").header("Host", host);
        if let Some(origin) = origin {
            request = request.header("Origin", origin);
        }
        request.body(()).unwrap()
    };
    for (host, origin) in [
        ("patchbay.test", None),
        ("patchbay.test:443", Some("https://patchbay.test")),
        ("127.0.0.1:8080", None),
        ("[::1]:8080", None),
    ] {
        let (status, _) = served(asked(host, origin), ping).await;
        assert_eq!(status, StatusCode::OK, "{host} {origin:?}");
    }
    for (host, origin) in [
        ("evil.test", None),
        ("patchbay.test", Some("https://evil.test")),
        ("patchbay.test", Some("http://patchbay.test")),
        ("patchbay.test", Some("http://localhost:3000")),
        ("patchbay.test", Some("null")),
    ] {
        let (status, _) = served(asked(host, origin), ping).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{host} {origin:?}");
    }
}

#[tokio::test]
async fn a_notification_is_taken_and_an_odd_version_refused() {
    let request = || Request::post("/mcp/one").header("Host", "localhost");
    let note = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    let (status, body) = served(request().body(()).unwrap(), note).await;
    assert_eq!((status, body.as_str()), (StatusCode::ACCEPTED, ""));
    let odd = request()
        .header("MCP-Protocol-Version", "1999-01-01")
        .body(())
        .unwrap();
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    assert_eq!(served(odd, ping).await.0, StatusCode::BAD_REQUEST);
    let gone = request().header("Mcp-Session-Id", "gone").body(()).unwrap();
    assert_eq!(served(gone, ping).await.0, StatusCode::OK);
}

fn whole(body: &str, id: Option<&str>, output: Option<&str>) -> String {
    let bytes = Bytes::copy_from_slice(body.as_bytes());
    let whole = Whole::of(&bytes, id, output.map(str::to_owned));
    String::from_utf8(whole.to_vec()).unwrap()
}

#[test]
fn an_answer_has_the_id_that_was_asked_with() {
    let body = r#"{"jsonrpc":"2.0","id":0,"result":{"id":0}}"#;
    for id in ["0", "\"\"", "1e3", "123456789012345678901234567890"] {
        assert_eq!(
            whole(body, Some(id), None),
            format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"id":0}}}}"#)
        );
    }
    let without = r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"\"id\":0"}}"#;
    assert_eq!(whole(without, Some("7"), None), without);
}

#[test]
fn an_answer_has_the_output_that_was_written() {
    let body = concat!(
        r#"{"jsonrpc":"2.0","id":0,"result":{"content":[{"type":"text","#,
        r#""text":"\"structuredContent\":\"output\""}],"#,
        r#""structuredContent":"output","isError":false,"_meta":{}}}"#
    );
    let written = whole(body, Some("1"), Some("[1.10,99999999999999999999]"));
    assert!(written.contains(r#""structuredContent":[1.10,99999999999999999999],"isError""#));
    assert!(written.contains(r#""text":"\"structuredContent\":\"output\"""#));
}
