//! The official clients as peers: what their users see.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::furnished;
use super::stage::{Stage, Tenant, python};

/// What a client says of each step; the first is the revision it speaks.
async fn ask(
    (interpreter, script): (&str, &str),
    (stage, tenant): (&Stage, &Tenant),
    mode: &str,
    steps: Value,
) -> Vec<Value> {
    let script = format!("{}/tests/it/peers/{script}", env!("CARGO_MANIFEST_DIR"));
    let mut child = Command::new(python(interpreter))
        .arg("-I")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let url = format!("{}/mcp/{}", stage.url, tenant.namespace);
    let asked = json!({"url": url, "key": tenant.key, "mode": mode, "steps": steps});
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(asked.to_string().as_bytes()).await.unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{mode}: {said}");
    serde_json::from_slice(&output.stdout).unwrap()
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
    let names: Vec<_> = tools
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        ["broken_promise", "echo", "import", "mail-send", "numbers"]
    );
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
    let stage = Stage::set().await;
    let tenant = furnished(&stage, "peers").await;
    let client = ("PATCHBAY_MCP_PYTHON", "mcp_client.py");
    let (plain, under) = (json!([1]), json!({"result": [1]}));
    for (mode, version, numbers) in [
        ("auto", "2026-07-28", &plain),
        ("2026-07-28", "2026-07-28", &plain),
        ("legacy", "2025-11-25", &under),
    ] {
        let seen = ask(client, (&stage, &tenant), mode, steps()).await;
        as_promised(&seen, version, numbers);
    }
    stage.stop().await;
}

#[tokio::test]
async fn the_client_of_the_line_before_lists_calls_and_fails() {
    let stage = Stage::set().await;
    let tenant = furnished(&stage, "before").await;
    let client = ("PATCHBAY_MCP_LEGACY_PYTHON", "mcp_legacy_client.py");
    let seen = ask(client, (&stage, &tenant), "legacy", steps()).await;
    as_promised(&seen, "2025-11-25", &json!({"result": [1]}));
    stage.stop().await;
}
