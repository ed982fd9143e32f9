//! What clients send besides tools: headers, ids, other tenants' names, nonsense.

use reqwest::header::{HeaderName, HeaderValue};
use serde_json::json;

use super::asking::{answer, call, furnished, list, message, raw};
use crate::support::{Client, Home};

#[tokio::test]
async fn what_is_not_there_is_told_apart_from_what_is_not_allowed() {
    let home = Home::new().await;
    let (mine, _worker) = furnished(&home, "mine").await;
    let yours = home.tenant("yours").await;
    for unknown in ["nope", "No Such", "mail-send-more", "MAIL-SEND", ""] {
        let said = answer(&mine, &call(unknown, &json!({}))).await;
        assert_eq!(said["error"]["code"], -32602, "{said}");
    }
    let reads = json!({"name": "reads", "scopes": ["functions:read"]});
    let reads = home.with_key(&home.key(&yours.person, reads).await);
    let others = json!({"name": "others", "scopes": ["executions:read"]});
    let others = home.with_key(&home.key(&yours.person, others).await);
    let calls = call("echo", &json!({}));
    for (asker, namespace, asked, status, code) in [
        (&reads, "mine", list(), 404, "not_found"),
        (&reads, "nobodys", list(), 404, "not_found"),
        (&yours.program, "mine", calls.clone(), 404, "not_found"),
        (
            &yours.program,
            "mine",
            call("No Such", &json!({})),
            404,
            "not_found",
        ),
        (&reads, "yours", calls, 403, "insufficient_scope"),
        (&others, "yours", list(), 403, "insufficient_scope"),
        (
            &home.with_key("pb_wrong"),
            "mine",
            list(),
            401,
            "unauthenticated",
        ),
        (&home.anyone(), "mine", list(), 401, "unauthenticated"),
    ] {
        let reply = Client::send(message(asker, namespace, &asked)).await;
        reply.must_tell(status, code);
    }
    let own = Client::send(message(&reads, "yours", &list())).await;
    assert_eq!(own.must_be(200)["result"]["tools"], json!([]));
    home.stop().await;
}

#[tokio::test]
async fn a_key_that_is_bound_to_another_namespace_sees_none_here() {
    let home = Home::new().await;
    let (tenant, _worker) = furnished(&home, "bound").await;
    let second = json!({"name": "second"});
    tenant
        .program
        .post("/v1/namespaces", &second)
        .await
        .must_be(201);
    let wanted = json!({"name": "k", "scopes": ["functions:invoke"], "namespaces": ["second"]});
    let bound = home.with_key(&home.key(&tenant.person, wanted).await);
    for asked in [list(), call("echo", &json!({}))] {
        let reply = Client::send(message(&bound, "bound", &asked)).await;
        reply.must_tell(404, "not_found");
    }
    let there = Client::send(message(&bound, "second", &list())).await;
    there.must_be(200);
    home.stop().await;
}

#[tokio::test]
async fn a_client_may_send_the_headers_that_clients_send() {
    let home = Home::new().await;
    let tenant = home.tenant("headers").await;
    let http = reqwest::Client::new();
    for (header, value, status) in [
        ("accept", "*/*", 200),
        ("accept", "application/json", 200),
        ("accept", "text/event-stream", 406),
        ("content-type", "application/json; charset=utf-8", 200),
        ("content-type", "text/plain", 415),
        ("mcp-session-id", "gone", 200),
        ("origin", "https://evil.test", 403),
        ("origin", "http://patchbay.test", 200),
        ("host", "evil.test", 403),
        ("host", "patchbay.test", 200),
        ("mcp-protocol-version", "1999-01-01", 400),
    ] {
        let asked = message(&tenant.program, "headers", &list());
        let mut request = asked.build().unwrap();
        let name: HeaderName = header.parse().unwrap();
        let value: HeaderValue = value.parse().unwrap();
        request.headers_mut().insert(name, value.clone());
        let answer = http.execute(request).await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{header}: {value:?}");
    }
    let mut without = message(&tenant.program, "headers", &list())
        .build()
        .unwrap();
    for header in ["accept", "mcp-protocol-version"] {
        without.headers_mut().remove(header);
    }
    assert_eq!(http.execute(without).await.unwrap().status(), 200);
    home.stop().await;
}

#[tokio::test]
async fn what_is_no_request_is_refused_and_no_session_is_offered() {
    let home = Home::new().await;
    let tenant = home.tenant("nonsense").await;
    for (message, status) in [
        (r#"{"jsonrpc":"2.0","id":"","method":"ping"}"#, 200),
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
        let reply = Client::send(raw(&tenant.program, "nonsense", message.to_owned())).await;
        assert_eq!(reply.status, status, "{message}: {}", reply.text());
        assert!(!reply.headers.contains_key("mcp-session-id"));
        if status == 400 {
            assert_eq!(reply.json()["jsonrpc"], "2.0", "{message}");
        }
    }
    let huge = format!("\"{}\"", "x".repeat(2 << 20));
    let reply = Client::send(raw(&tenant.program, "nonsense", huge)).await;
    reply.must_tell(413, "too_large");
    for method in ["GET", "DELETE", "PUT"] {
        let request = tenant.program.request(method, "/mcp/nonsense");
        let reply = Client::send(request).await;
        reply.must_tell(405, "method_not_allowed");
        assert_eq!(reply.header("allow"), "POST");
    }
    home.stop().await;
}
