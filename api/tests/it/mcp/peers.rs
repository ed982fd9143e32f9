//! The official clients as peers: what their users see.

use serde_json::{Value, json};

use super::asking::{NAMES, furnished};
use crate::support::{Home, peer};

/// What a client says of each step; the first is the revision it speaks.
async fn ask(client: (&str, &str), (url, key): (&str, &str), mode: &str) -> Vec<Value> {
    let asked = json!({"url": url, "key": key, "mode": mode, "steps": steps()});
    peer(client, &asked).await
}

fn steps() -> Value {
    let call =
        |name: &str, arguments: Value| json!({"call": {"name": name, "arguments": arguments}});
    json!([
        {"list": {}},
        call("echo", json!({"s": "hé→", "n": 9_007_199_254_740_993_u64})),
        call("numbers", json!({})),
        call("mail-send", json!({})),
        call("echo", json!({"xs": "no list"})),
        call("no_such", json!({})),
        // The tools are known by now, so results are held against their schemas.
        call("import", json!({})),
    ])
}

/// The same of every client and era, but for how a list is structured.
fn as_promised(seen: &[Value], version: &str, numbers: &Value) {
    assert_eq!(seen[0]["version"], version);
    let tools = seen[1]["tools"].as_array().unwrap();
    let names = tools.iter().map(|tool| tool["name"].as_str().unwrap());
    assert_eq!(names.collect::<Vec<_>>(), NAMES);
    let result = |step: usize| {
        let seen = &seen[step]["result"];
        assert!(seen.is_object(), "{version}: {step}: {:?}", &seen);
        seen
    };
    let echoed = json!({"s": "hé→", "n": 9_007_199_254_740_993_u64});
    assert_eq!(result(2)["structuredContent"], echoed);
    assert_eq!(result(2)["isError"], false);
    assert_eq!(result(3)["structuredContent"], *numbers);
    assert_eq!(result(3)["content"][0]["text"], "[1]");
    assert_eq!(result(4)["isError"], true);
    let text = result(4)["content"][0]["text"].as_str().unwrap();
    assert!(
        text.starts_with("exception: ValueError: no such city"),
        "{text}"
    );
    assert!(text.contains("\nexecution: ex_"), "{text}");
    assert_eq!(result(5)["isError"], true);
    let text = result(5)["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("\n/xs: "), "{text}");
    assert_eq!(seen[6]["error"]["code"], -32602, "{:?}", seen[6]);
    assert_eq!(result(7)["isError"], false);
}

#[tokio::test]
async fn the_official_client_lists_calls_and_fails_in_both_eras() {
    let home = Home::new().await;
    let (tenant, _worker) = furnished(&home, "peers").await;
    let key = json!({"name": "peer", "scopes": ["functions:invoke"]});
    let key = home.key(&tenant.person, key).await;
    let url = format!("http://{}/mcp/peers", home.address());
    let client = ("PATCHBAY_MCP_PYTHON", "mcp_client.py");
    let (plain, under) = (json!([1]), json!({"result": [1]}));
    for (mode, version, numbers) in [
        ("auto", "2026-07-28", &plain),
        ("2026-07-28", "2026-07-28", &plain),
        ("legacy", "2025-11-25", &under),
    ] {
        let seen = ask(client, (&url, &key), mode).await;
        as_promised(&seen, version, numbers);
    }
    home.stop().await;
}

#[tokio::test]
async fn the_client_of_the_line_before_lists_calls_and_fails() {
    let home = Home::new().await;
    let (tenant, _worker) = furnished(&home, "before").await;
    let key = json!({"name": "peer", "scopes": ["functions:invoke"]});
    let key = home.key(&tenant.person, key).await;
    let url = format!("http://{}/mcp/before", home.address());
    let client = ("PATCHBAY_MCP_LEGACY_PYTHON", "mcp_legacy_client.py");
    let seen = ask(client, (&url, &key), "legacy").await;
    as_promised(&seen, "2025-11-25", &json!({"result": [1]}));
    home.stop().await;
}
