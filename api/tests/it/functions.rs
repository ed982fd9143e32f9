//! Namespaces, functions and their versions.

use serde_json::{Value, json};

use crate::support::{Client, Home};

#[tokio::test]
async fn a_namespace_is_made_shown_described_and_deleted() {
    let home = Home::new().await;
    let tenant = home.tenant("mine").await;
    let program = &tenant.program;
    let made = program
        .post(
            "/v1/namespaces",
            &json!({"name": "tools", "description": "for \u{e9}"}),
        )
        .await
        .must_be(201);
    assert_eq!(made["description"], "for \u{e9}");
    let shown = program.get("/v1/namespaces/tools").await.must_be(200);
    assert_eq!(shown, made);
    let patched = Client::send(
        program
            .request("PATCH", "/v1/namespaces/tools")
            .json(&json!({"description": null})),
    )
    .await
    .must_be(200);
    assert_eq!(patched["description"], Value::Null);
    let listed = program.get("/v1/namespaces?limit=1").await.must_be(200);
    assert_eq!(listed["items"][0]["name"], "mine");
    let next = listed["next_cursor"].as_str().unwrap();
    let rest = program
        .get(&format!("/v1/namespaces?cursor={next}"))
        .await
        .must_be(200);
    assert_eq!(rest["items"][0]["name"], "tools");
    assert_eq!(rest["next_cursor"], Value::Null);
    // A cursor of one list is none of another's.
    let reply = program.get(&format!("/v1/executions?cursor={next}")).await;
    reply.must_tell(422, "invalid");
    program.delete("/v1/namespaces/tools").await.must_be(204);
    program
        .get("/v1/namespaces/tools")
        .await
        .must_tell(404, "not_found");
    home.stop().await;
}

#[tokio::test]
async fn a_namespace_name_is_checked_reserved_and_unique_everywhere() {
    let home = Home::new().await;
    let one = home.tenant("one").await;
    let other = home.tenant("other").await;
    for name in ["A", "-a", "a_b", "mcp", "", "a\u{0}"] {
        let reply = one
            .program
            .post("/v1/namespaces", &json!({ "name": name }))
            .await;
        reply.must_tell(422, "invalid");
        assert_eq!(reply.pointers(), ["/name"], "{name}");
    }
    let reply = other
        .program
        .post("/v1/namespaces", &json!({"name": "one"}))
        .await;
    reply.must_tell(409, "name_taken");
    home.stop().await;
}

#[tokio::test]
async fn a_function_is_published_shown_with_its_code_and_listed_without() {
    let home = Home::new().await;
    home.worker();
    let tenant = home.tenant("t").await;
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}});
    let body = json!({
        "code": "echo", "description": "adds", "input_schema": schema, "tags": ["a", "b"],
        "limits": {"timeout_ms": 5_000.0, "memory_mib": 64, "concurrency": 2},
        "annotations": {"readOnlyHint": true},
    });
    let reply = tenant
        .program
        .put(&tenant.function("billing.total"), &body)
        .await;
    let made = reply.must_be(201);
    assert_eq!(reply.header("etag"), "\"1\"");
    assert_eq!(
        (&made["version"], &made["status"]),
        (&json!(1), &json!("ready"))
    );
    assert_eq!(
        made["limits"],
        json!({"timeout_ms": 5000, "memory_mib": 64, "concurrency": 2})
    );
    let reply = tenant.program.get(&tenant.function("billing.total")).await;
    let shown = reply.must_be(200);
    assert_eq!(reply.header("etag"), "\"1\"");
    assert_eq!(shown["code"], "echo");
    assert_eq!(shown["input_schema"], schema);
    assert_eq!(shown["annotations"], json!({"readOnlyHint": true}));
    tenant.publish("other", "echo").await;
    let list = |tag: &str| format!("/v1/namespaces/t/functions?tag={tag}");
    let listed = tenant.program.get(&list("b")).await.must_be(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    assert!(listed["items"][0].get("code").is_none());
    let listed = tenant.program.get(&list("c")).await.must_be(200);
    assert_eq!(listed["items"], json!([]));
    tenant
        .program
        .delete(&tenant.function("other"))
        .await
        .must_be(204);
    let reply = tenant
        .program
        .post(&tenant.executions("other"), &json!({}))
        .await;
    reply.must_tell(404, "not_found");
    home.stop().await;
}

#[tokio::test]
async fn a_syntax_error_is_a_422_with_its_place_and_leaves_nothing() {
    let home = Home::new().await;
    home.worker();
    let tenant = home.tenant("t").await;
    let body = json!({"code": "SYNTAX"});
    let reply = tenant.program.put(&tenant.function("f"), &body).await;
    let document = reply.must_tell(422, "invalid");
    assert_eq!(document["errors"][0]["pointer"], "/code");
    let detail = document["errors"][0]["detail"].as_str().unwrap();
    assert!(detail.starts_with("line 1, column 7"), "{detail}");
    tenant
        .program
        .get(&tenant.function("f"))
        .await
        .must_tell(404, "not_found");
    let several = json!({"files": {"main.py": "", "a/b.py": "SYNTAX"}});
    let reply = tenant.program.put(&tenant.function("f"), &several).await;
    reply.must_tell(422, "invalid");
    assert_eq!(reply.pointers(), ["/files/a~1b.py"]);
    assert_eq!(tenant.publish("f", "echo").await["version"], 1);
    home.stop().await;
}

#[tokio::test]
async fn several_files_are_shown_as_they_were_given() {
    let home = Home::new().await;
    home.worker();
    let tenant = home.tenant("t").await;
    let place = tenant.function("f");
    let files = json!({"main.py": "import helpers", "helpers.py": "", "data/a.txt": "\u{e9}"});
    let put = async |body: Value| tenant.program.put(&place, &body).await;
    put(json!({"files": files})).await.must_be(201);
    let shown = tenant.program.get(&place).await.must_be(200);
    assert_eq!(shown["files"], files);
    assert_eq!(shown.get("code"), None);
    // The same again is no new version, another file is; one file alone is its code.
    assert_eq!(
        put(json!({"files": files})).await.must_be(200)["version"],
        1
    );
    let one = put(json!({"files": {"main.py": "echo"}}))
        .await
        .must_be(200);
    assert_eq!(one["version"], 2);
    assert_eq!(
        put(json!({"code": "echo"})).await.must_be(200)["version"],
        2
    );
    let first = tenant
        .program
        .get(&format!("{place}/versions/1"))
        .await
        .must_be(200);
    assert_eq!(first["files"], files);
    home.stop().await;
}

#[tokio::test]
async fn what_the_import_printed_and_left_is_shown_with_the_version() {
    let home = Home::new().await;
    home.worker();
    let tenant = home.tenant("t").await;
    let place = tenant.function("f");
    tenant.publish("f", "LEAVES").await;
    let shown = tenant.program.get(&place).await.must_be(200);
    assert_eq!(shown["single_use"], "threads");
    assert_eq!(shown["import_log"], "left a thread\n");
    let listed = tenant
        .program
        .get(&format!("{place}/versions"))
        .await
        .must_be(200);
    assert_eq!(listed["items"][0]["single_use"], "threads");
    assert_eq!(listed["items"][0].get("import_log"), None);
    home.stop().await;
}

#[tokio::test]
async fn a_body_of_a_function_is_checked_field_by_field() {
    let home = Home::new().await;
    let tenant = home.tenant("t").await;
    let put = async |body: Value| tenant.program.put(&tenant.function("f"), &body).await;
    for (body, pointer) in [
        (json!({}), "/code"),
        (json!({"code": "a\u{0}"}), "/code"),
        (json!({"code": "", "files": {"main.py": ""}}), "/files"),
        (json!({"files": {"helpers.py": ""}}), "/files"),
        (
            json!({"files": {"main.py": "", "a/../b.py": ""}}),
            "/files/a~1..~1b.py",
        ),
        (
            json!({"files": {"main.py": "", "b.py": "x".repeat(1 << 20) + "x"}}),
            "/files",
        ),
        (
            json!({"code": "", "input_schema": {"$ref": "http://127.0.0.1:9/x"}}),
            "/input_schema/$ref",
        ),
        (json!({"code": "", "input_schema": 1}), "/input_schema"),
        (
            json!({"code": "", "output_schema": {"pattern": "("}}),
            "/output_schema/pattern",
        ),
        (
            json!({"code": "", "description": "d".repeat(4_097)}),
            "/description",
        ),
        (json!({"code": "", "tags": [1]}), "/tags/0"),
        (
            json!({"code": "", "limits": {"timeout_ms": 0}}),
            "/limits/timeout_ms",
        ),
        (
            json!({"code": "", "limits": {"memory_mib": 1_000_000}}),
            "/limits/memory_mib",
        ),
        (json!({"code": "", "limits": {"cpu": 1}}), "/limits/cpu"),
        (json!({"code": "", "source": ""}), "/source"),
        (
            json!({"code": "", "requirements": {"a": 1}}),
            "/requirements",
        ),
    ] {
        let reply = put(body.clone()).await;
        reply.must_tell(422, "invalid");
        assert_eq!(reply.pointers(), [pointer], "{body}");
    }
    for field in ["retry", "secrets"] {
        let reply = put(json!({"code": "", field: {"a": 1}})).await;
        reply.must_tell(422, "not_available_yet");
        assert_eq!(reply.pointers(), [format!("/{field}")]);
    }
    let bound = put(json!({"code": "", "limits": {"timeout_ms": 999_999_999}})).await;
    let detail = bound.json()["errors"][0]["detail"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(detail.contains("300000"), "names the bound: {detail}");
    let reply = tenant
        .program
        .put(&tenant.function("Bad-Name"), &json!({"code": ""}))
        .await;
    reply.must_tell(422, "invalid");
    let big = format!("{{\"code\": \"{}\"}}", "a".repeat((1 << 20) + 1));
    let reply = tenant.program.raw("PUT", &tenant.function("f"), big).await;
    assert_eq!(reply.pointers(), ["/code"]);
    home.stop().await;
}

#[tokio::test]
async fn an_input_is_checked_against_the_inferred_schema() {
    let home = Home::new().await;
    let worker = home.worker();
    let tenant = home.tenant("t").await;
    let schema = json!({
        "type": "object", "properties": {"n": {"type": "integer"}},
        "required": ["n"], "additionalProperties": false,
    });
    tenant.publish("f", &format!("schema {schema}")).await;
    assert_eq!(tenant.call("f", &json!({"n": 5})).await["output"]["n"], 5);
    for (input, pointer) in [
        (json!({"n": true}), "/n"),
        (json!({"n": "1"}), "/n"),
        (json!({"n": 1, "y": 2}), "/y"),
        (json!({}), "/n"),
        (json!([1]), ""),
    ] {
        let reply = tenant.program.post(&tenant.executions("f"), &input).await;
        reply.must_tell(422, "invalid");
        assert_eq!(reply.pointers(), [pointer], "{input}");
    }
    assert_eq!(worker.started(), 1, "nothing else ran");
    home.stop().await;
}

#[tokio::test]
async fn a_pattern_that_others_choke_on_is_answered_at_once() {
    let home = Home::new().await;
    home.worker();
    let tenant = home.tenant("t").await;
    let body = json!({"code": "echo", "input_schema": {"type": "string", "pattern": "^(a+)+$"}});
    tenant
        .program
        .put(&tenant.function("f"), &body)
        .await
        .must_be(201);
    let input = json!(format!("{}b", "a".repeat(5_000)));
    let began = std::time::Instant::now();
    let reply = tenant.program.post(&tenant.executions("f"), &input).await;
    reply.must_tell(422, "invalid");
    assert!(began.elapsed() < std::time::Duration::from_secs(10));
    home.stop().await;
}
