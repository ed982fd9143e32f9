//! What a client sends wrongly, and the problem it is told.

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Client, Home};

#[tokio::test]
async fn an_unknown_path_is_a_404_and_nothing_redirects() {
    let home = Home::new().await;
    let open = home.anyone();
    for path in [
        "/",
        "/v1",
        "/v1/nothing",
        "/v1/namespaces/",
        "/v1/executions/",
        "/metrics",
        "/v1/%ff",
        "//v1/account",
    ] {
        let reply = open.get(path).await;
        let document = reply.must_tell(404, "not_found");
        assert_eq!(document["instance"], path.split('?').next().unwrap());
    }
    home.stop().await;
}

#[tokio::test]
async fn an_unknown_method_is_a_405_that_says_what_is_allowed() {
    let home = Home::new().await;
    let tenant = home.tenant("t").await;
    let id = "ex_0199a000000070008000000000000000";
    let reply = tenant
        .program
        .put(&format!("/v1/executions/{id}"), &json!({}))
        .await;
    reply.must_tell(405, "method_not_allowed");
    assert_eq!(reply.header("allow"), "GET, HEAD, DELETE");
    for method in ["OPTIONS", "TRACE", "BREW"] {
        let request = tenant.program.request(method, "/v1/namespaces");
        let reply = Client::send(request).await;
        reply.must_tell(405, "method_not_allowed");
        assert_eq!(reply.header("allow"), "POST, GET, HEAD");
    }
    let reply = Client::send(tenant.program.request("HEAD", "/v1/account")).await;
    assert_eq!(reply.status, 200);
    assert!(reply.body.is_empty());
    home.stop().await;
}

#[tokio::test]
async fn a_body_too_large_is_a_413_and_one_byte_less_is_not() {
    let home = Home::new().await;
    home.worker();
    let tenant = home.tenant("t").await;
    tenant.publish("f", "say 1").await;
    let path = tenant.executions("f");
    let sized = |bytes: usize| format!("\"{}\"", "a".repeat(bytes - 2));
    let reply = tenant.program.raw("POST", &path, sized(1 << 20)).await;
    reply.must_be(202);
    let reply = tenant
        .program
        .raw("POST", &path, sized((1 << 20) + 1))
        .await;
    reply.must_tell(413, "too_large");
    // Told even where most of it is never read.
    let reply = tenant.program.raw("POST", &path, sized(6 << 20)).await;
    reply.must_tell(413, "too_large");
    home.stop().await;
}

#[tokio::test]
async fn what_is_not_json_is_a_400_with_its_position() {
    let home = Home::new().await;
    let tenant = home.tenant("t").await;
    for (body, place) in [
        (&b"{\"name\":\n  oops}"[..], "line 2, column 3"),
        (b"", "line 1, column 1"),
        (b"{} {}", "line 1, column 4"),
        (b"\"\xff\"", "line 1, column 2"),
        (b"{\0", "line 1, column 2"),
        (b"\xff\xfe{\0}\0", "line 1, column 1"),
    ] {
        let reply = tenant.program.raw("POST", "/v1/namespaces", body).await;
        let document = reply.must_tell(400, "invalid_json");
        let detail = document["detail"].as_str().unwrap();
        assert!(detail.contains(place), "{detail}");
    }
    home.stop().await;
}

#[tokio::test]
async fn a_value_nobody_can_pass_on_is_a_422_at_its_pointer() {
    let home = Home::new().await;
    home.worker();
    let tenant = home.tenant("t").await;
    tenant.publish("f", "echo").await;
    let path = tenant.executions("f");
    let deep = "[".repeat(100_000);
    for (body, pointer) in [
        ("{\"a\": [1, 1e400]}", "/a/1"),
        ("{\"a\": NaN}", "/a"),
        ("[\"\\ud800\"]", "/0"),
        ("{\"a\": 1, \"a\": 2}", "/a"),
    ] {
        let reply = tenant.program.raw("POST", &path, body).await;
        reply.must_tell(422, "invalid");
        assert_eq!(reply.pointers(), [pointer]);
    }
    let reply = tenant.program.raw("POST", &path, deep).await;
    reply.must_tell(422, "invalid");
    home.stop().await;
}

#[tokio::test]
async fn a_byte_order_mark_and_a_chunked_body_are_read() {
    let home = Home::new().await;
    home.worker();
    let tenant = home.tenant("t").await;
    tenant.publish("f", "echo").await;
    let path = tenant.executions("f");
    let request = tenant
        .program
        .request("POST", &path)
        .header("prefer", "wait=30")
        .header("content-type", "Application/JSON; charset=utf-8")
        .body(b"\xEF\xBB\xBF{\"x\": 1}".to_vec());
    let done = Client::send(request).await.must_be(200);
    assert_eq!(done["output"], json!({"x": 1}));
    home.stop().await;
}

#[tokio::test]
async fn another_media_type_or_coding_is_a_415() {
    let home = Home::new().await;
    let tenant = home.tenant("t").await;
    for (name, value) in [
        ("content-type", "text/plain"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("content-type", "application/json; charset=utf-16"),
        ("content-encoding", "gzip"),
    ] {
        let request = tenant.program.request("POST", "/v1/namespaces").body("{}");
        let reply = Client::send(request.header(name, value)).await;
        reply.must_tell(415, "unsupported_media_type");
    }
    home.stop().await;
}

#[tokio::test]
async fn an_unknown_field_is_a_422_at_its_pointer() {
    let home = Home::new().await;
    let tenant = home.tenant("t").await;
    let body = json!({"name": "a", "colour": 1, "de/scription": ""});
    let reply = tenant.program.post("/v1/namespaces", &body).await;
    reply.must_tell(422, "invalid");
    assert_eq!(reply.pointers(), ["/colour", "/de~1scription"]);
    let reply = tenant.program.post("/v1/namespaces", &json!([1])).await;
    reply.must_tell(422, "invalid");
    let twice = "{\"name\": \"a\", \"name\": \"b\"}";
    let reply = tenant.program.raw("POST", "/v1/namespaces", twice).await;
    reply.must_tell(422, "invalid");
    home.stop().await;
}

#[tokio::test]
async fn odd_numbers_are_a_422_in_queries_and_a_404_in_paths() {
    let home = Home::new().await;
    home.worker();
    let tenant = home.tenant("t").await;
    tenant.publish("f", "echo").await;
    let program = &tenant.program;
    for query in [
        "limit=0",
        "limit=201",
        "limit=x",
        "limit=1e2",
        "cursor=x",
        "cursor=",
    ] {
        let reply = program.get(&format!("/v1/executions?{query}")).await;
        reply.must_tell(422, "invalid");
    }
    let path = tenant.executions("f");
    for version in ["0", "-1", "1.0", "x", "99999999999999999999"] {
        let reply = program
            .post(&format!("{path}?version={version}"), &json!({}))
            .await;
        reply.must_tell(422, "invalid");
        let one = format!("{}/versions/{version}", tenant.function("f"));
        program.get(&one).await.must_tell(404, "not_found");
    }
    let reply = program.post(&format!("{path}?version=2"), &json!({})).await;
    reply.must_tell(404, "not_found");
    home.stop().await;
}

#[tokio::test]
async fn a_nul_names_nothing() {
    let home = Home::new().await;
    let tenant = home.tenant("t").await;
    let program = &tenant.program;
    let namespace = &tenant.namespace;
    for path in [
        "/v1/namespaces/%00".to_owned(),
        "/v1/namespaces/a%00/functions".to_owned(),
        format!("/v1/namespaces/{namespace}/functions/%00"),
    ] {
        program.get(&path).await.must_tell(404, "not_found");
    }
    for path in [
        "/v1/namespaces/%00/functions/f/executions".to_owned(),
        format!("/v1/namespaces/{namespace}/functions/%00/executions"),
        "/mcp/%00".to_owned(),
    ] {
        let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
        program.post(&path, &ping).await.must_tell(404, "not_found");
    }
    for path in [
        "/v1/executions?namespace=%00".to_owned(),
        format!("/v1/executions?namespace={namespace}&function=%00"),
        format!("/v1/namespaces/{namespace}/functions?tag=%00"),
    ] {
        program.get(&path).await.must_tell(422, "invalid");
    }
    home.stop().await;
}

#[tokio::test]
async fn a_request_id_is_kept_or_made() {
    let home = Home::new().await;
    let sent = |id: &'static str| {
        home.anyone()
            .request("GET", "/healthz")
            .header("x-request-id", id)
    };
    assert_eq!(
        Client::send(sent("mine-1")).await.header("x-request-id"),
        "mine-1"
    );
    let reply = Client::send(sent("no good")).await;
    assert!(reply.header("x-request-id").starts_with("req_"));
    home.stop().await;
}

#[tokio::test]
async fn the_public_listener_has_no_metrics_and_odd_paths_make_no_series() {
    let home = Home::new().await;
    let open = home.anyone();
    for path in 0..20 {
        open.get(&format!("/odd/{path}\"%0a")).await.must_be(404);
    }
    let admin = Client::new(&home.admin_url, None);
    let metrics = admin.get("/metrics").await.text();
    let odd = metrics.lines().filter(|line| line.contains("odd")).count();
    assert_eq!(odd, 0, "{metrics}");
    assert!(metrics.contains("route=\"unmatched\""));
    home.stop().await;
}

#[tokio::test]
async fn a_half_sent_request_hurts_nobody() {
    let home = Home::new().await;
    let tenant = home.tenant("t").await;
    let mut halves = Vec::new();
    for _ in 0..50 {
        let mut half = TcpStream::connect(home.address()).await.unwrap();
        half.write_all(b"POST /v1/namespaces HTTP/1.1\r\nhost: x\r\ncontent-le")
            .await
            .unwrap();
        halves.push(half);
    }
    tenant.program.get("/v1/account").await.must_be(200);
    drop(halves);
    home.stop().await;
}

#[tokio::test]
async fn expecting_100_continue_works() {
    let home = Home::new().await;
    let mut stream = TcpStream::connect(home.address()).await.unwrap();
    let head = "POST /v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
                content-length: 2\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 100");
    stream.write_all(b"{}").await.unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    assert!(rest.contains("HTTP/1.1 422"), "{rest}");
    home.stop().await;
}

#[tokio::test]
async fn a_refusal_is_seen_although_the_body_is_large_and_unread() {
    let home = Home::new().await;
    // As plain clients do: all of the request first, then the answer.
    for (method, path, status) in [
        ("POST", "/v1/namespaces", "401"),
        ("POST", "/v1/nowhere", "404"),
        ("BREW", "/v1/account", "405"),
    ] {
        let mut stream = TcpStream::connect(home.address()).await.unwrap();
        let length = 4 << 20;
        let head =
            format!("{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&vec![b'0'; length]).await.unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.unwrap();
        assert_eq!(first, *format!("HTTP/1.1 {status}").as_bytes());
    }
    home.stop().await;
}
