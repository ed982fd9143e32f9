//! Schemas that people give: what is too much is refused where it stands, what is not works.

use serde_json::{Value, json};

use crate::support::{Client, Home};

/// A schema of exactly so many bytes of JSON.
fn of_bytes(bytes: usize) -> Value {
    let bare = json!({"description": ""}).to_string().len();
    json!({"description": "d".repeat(bytes - bare)})
}

/// So many schemas in one another.
fn of_levels(levels: usize) -> Value {
    (0..levels).fold(json!({}), |inner, _| json!({"items": inner}))
}

#[tokio::test]
async fn a_schema_on_its_bounds_is_taken_and_one_past_them_is_refused_at_its_field() {
    let home = Home::new().await;
    home.worker();
    let tenant = home.tenant("t").await;
    for field in ["input_schema", "output_schema"] {
        let put = async |schema: Value| {
            let body = json!({"code": "echo", field: schema});
            tenant.program.put(&tenant.function("f"), &body).await
        };
        let reply = put(of_bytes(64 << 10)).await;
        assert!([200, 201].contains(&reply.status), "{}", reply.text());
        let reply = put(of_bytes((64 << 10) + 1)).await;
        reply.must_tell(422, "invalid");
        assert_eq!(reply.pointers(), [format!("/{field}")]);
        // The body itself is the first level.
        let reply = put(of_levels(126)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let reply = put(of_levels(127)).await;
        reply.must_tell(422, "invalid");
        let [pointer] = &reply.pointers()[..] else {
            panic!("{:?}", reply.pointers());
        };
        assert!(
            pointer.starts_with(&format!("/{field}/items/items")),
            "{pointer}"
        );
    }
    home.stop().await;
}

#[tokio::test]
async fn a_schema_that_leads_outside_or_in_a_circle_is_refused_where_it_does() {
    let home = Home::new().await;
    home.worker();
    let tenant = home.tenant("t").await;
    let twice = |next: &str| json!({"anyOf": [{"$ref": next}, {"$ref": next}]});
    let mut bomb = json!({"$ref": "#/$defs/l0", "$defs": {"l30": {}}});
    for level in 0..30 {
        bomb["$defs"][format!("l{level}")] = twice(&format!("#/$defs/l{}", level + 1));
    }
    for (schema, place) in [
        (
            json!({"properties": {"a": {"$ref": "file:///etc/passwd"}}}),
            "/properties/a/$ref",
        ),
        (
            json!({"$defs": {"a": {"$dynamicRef": "other.json#a"}}}),
            "/$defs/a/$dynamicRef",
        ),
        (json!({"$schema": "http://127.0.0.1:9/dialect"}), "/$schema"),
        (
            json!({"items": {"$id": "http://127.0.0.1:9/"}}),
            "/items/$id",
        ),
        (json!({"$ref": "#/$defs/none"}), "/$ref"),
        (json!({"$ref": "#"}), "/$ref"),
        (bomb, ""),
    ] {
        let body = json!({"code": "echo", "input_schema": schema});
        let reply = tenant.program.put(&tenant.function("f"), &body).await;
        reply.must_tell(422, "invalid");
        let pointers = reply.pointers();
        let expected = format!("/input_schema{place}");
        assert!(
            pointers.len() == 1 && pointers[0].starts_with(&expected),
            "{pointers:?} {expected}"
        );
        let path = tenant.function("f");
        tenant.program.get(&path).await.must_tell(404, "not_found");
    }
    home.stop().await;
}

#[tokio::test]
async fn a_schema_that_refers_to_itself_checks_inputs_of_any_depth() {
    let home = Home::new().await;
    home.worker();
    let tenant = home.tenant("t").await;
    let node = json!({
        "type": "object", "required": ["value"], "additionalProperties": false,
        "properties": {"value": {"type": "integer"}, "next": {"$ref": "#"}},
    });
    let body = json!({"code": "echo", "input_schema": node});
    tenant
        .program
        .put(&tenant.function("f"), &body)
        .await
        .must_be(201);
    let nested = |depth: usize, last: Value| {
        (1..depth).fold(last, |next, _| json!({"value": 1, "next": next}))
    };
    let input = nested(128, json!({"value": 1}));
    let request = tenant.program.request("POST", &tenant.executions("f"));
    let reply = Client::send(request.header("prefer", "wait=30").json(&input)).await;
    assert!(
        reply.text().contains(&input.to_string()),
        "{}",
        reply.text()
    );
    for (depth, last, place) in [
        (3, json!({"value": true}), "/next/next/value"),
        (129, json!({"value": 1}), "/next"),
    ] {
        let input = nested(depth, last);
        let reply = tenant.program.post(&tenant.executions("f"), &input).await;
        reply.must_tell(422, "invalid");
        assert!(
            reply.pointers()[0].starts_with(place),
            "{:?}",
            reply.pointers()
        );
    }
    home.stop().await;
}
