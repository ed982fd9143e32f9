//! One call in each of the three ways, each answer checked.

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::client::{Client, text};
use super::examples::NAMESPACE;

/// What was called, how, and what came back.
#[derive(Debug)]
pub(super) struct Tried {
    pub(super) how: &'static str,
    pub(super) function: &'static str,
    pub(super) answer: String,
}

pub(super) async fn all(client: &Client) -> anyhow::Result<[Tried; 3]> {
    Ok([
        synchronous(client).await.context("the synchronous call")?,
        asynchronous(client)
            .await
            .context("the asynchronous call")?,
        over_mcp(client).await.context("the call over MCP")?,
    ])
}

fn executions(function: &str) -> String {
    format!("/v1/namespaces/{NAMESPACE}/functions/{function}/executions")
}

async fn synchronous(client: &Client) -> anyhow::Result<Tried> {
    let function = "text.slug";
    let input = json!({"title": "Grüße aus Köln!"});
    let done = client
        .post_with(&executions(function), &[("Prefer", "wait=30")], &input)
        .await?
        .expect(&[200])?;
    let output = output(&done)?;
    ensure!(output == "gruesse-aus-koeln", "it gave {output}");
    Ok(Tried {
        how: "synchronously",
        function,
        answer: output.to_string(),
    })
}

async fn asynchronous(client: &Client) -> anyhow::Result<Tried> {
    let function = "csv_summary";
    let input = json!({"text": "city,people\nBerlin,3755251\nHamburg,1892122\n"});
    let accepted = client
        .post(&executions(function), &input)
        .await?
        .expect(&[202])?;
    let path = format!("/v1/executions/{}?wait=30", text(&accepted, "id")?);
    let done = client.get(&path).await?.expect(&[200])?;
    let output = output(&done)?;
    ensure!(output["rows"] == 2, "it gave {output}");
    Ok(Tried {
        how: "asynchronously",
        function,
        answer: output.to_string(),
    })
}

async fn over_mcp(client: &Client) -> anyhow::Result<Tried> {
    let function = "invoice_total";
    let headers = [
        ("Accept", "application/json, text/event-stream"),
        ("MCP-Protocol-Version", "2025-06-18"),
    ];
    let called = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": function, "arguments": {"items": [{"price": 19.9, "quantity": 3}]}},
    });
    let path = format!("/mcp/{NAMESPACE}");
    let answer = client
        .post_with(&path, &headers, &called)
        .await?
        .expect(&[200])?;
    let output = &answer["result"]["structuredContent"];
    ensure!(output["gross"] == "71.04", "it gave {answer}");
    Ok(Tried {
        how: "over MCP",
        function,
        answer: output.to_string(),
    })
}

fn output(execution: &Value) -> anyhow::Result<&Value> {
    ensure!(
        execution["status"] == "succeeded",
        "it ended as {execution}"
    );
    execution.get("output").context("it has no output")
}
