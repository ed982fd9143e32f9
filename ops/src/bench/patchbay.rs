//! Callers of a running Patchbay: synchronous, asynchronous, the first call of a
//! new version, and over MCP. Every answer is checked.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{Answer, Client, request};
use super::load::Caller;

/// The function that is measured: what it does costs next to nothing.
pub(super) const PLUS_ONE: &str = "plus_one";
const CODE: &str = "def main(n: int) -> int:\n    return n + 1\n";

/// Installing packages is a part of it.
const BUILT_WITHIN: Duration = Duration::from_secs(120);

/// Where Patchbay is and the key to it.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// `host:port`.
    pub(super) address: String,
    pub(super) key: String,
    pub(super) namespace: String,
}

impl Target {
    fn bearer(&self) -> String {
        format!("Bearer {}", self.key)
    }

    fn executions(&self, function: &str) -> String {
        format!(
            "/v1/namespaces/{}/functions/{function}/executions",
            self.namespace
        )
    }

    async fn send(&self, method: &str, path: &str, body: &Value) -> Result<Answer> {
        let mut client = Client::connect(&self.address).await?;
        let headers = [("Authorization", self.bearer())];
        client
            .send(&request(
                method,
                path,
                &self.address,
                &headers,
                &body.to_string(),
            ))
            .await
    }

    /// Makes the namespace, and the function `plus_one` in it.
    pub(super) async fn prepare(&self) -> Result<()> {
        let made = self
            .send("POST", "/v1/namespaces", &json!({"name": self.namespace}))
            .await?;
        ensure!(
            matches!(made.status, 201 | 409),
            "making the namespace: {}",
            text(&made)
        );
        self.publish(PLUS_ONE, json!({"code": CODE})).await
    }

    /// Revokes the key of this run.
    pub(super) async fn revoke(&self) -> Result<()> {
        let id = self.key.split('_').nth(1).context("the key has no id")?;
        let path = format!("/v1/api-keys/key_{id}");
        let answer = self.send("DELETE", &path, &json!({})).await?;
        ensure!(answer.status == 204, "revoking: {}", text(&answer));
        Ok(())
    }

    /// Publishes a function and waits until it is ready: installing packages takes a while.
    pub(super) async fn publish(&self, function: &str, body: Value) -> Result<()> {
        let path = format!("/v1/namespaces/{}/functions/{function}", self.namespace);
        let mut told = self.send("PUT", &path, &body).await?;
        ensure!(
            matches!(told.status, 200 | 201),
            "publishing: {}",
            text(&told)
        );
        let began = Instant::now();
        while json(&told)?["status"] == "building" && began.elapsed() < BUILT_WITHIN {
            tokio::time::sleep(Duration::from_millis(200)).await;
            told = self.send("GET", &path, &Value::Null).await?;
        }
        ensure!(
            json(&told)?["status"] == "ready",
            "not ready: {}",
            text(&told)
        );
        Ok(())
    }
}

fn text(answer: &Answer) -> String {
    format!(
        "{} {}",
        answer.status,
        String::from_utf8_lossy(&answer.body)
    )
}

fn json(answer: &Answer) -> Result<Value> {
    serde_json::from_slice(&answer.body).context("the answer is no JSON")
}

/// Asks for one execution of the function that is measured.
async fn plus_one(
    client: &mut Client,
    (target, function): (&Target, &str),
    headers: &[(&str, String)],
    n: u64,
) -> Result<Answer> {
    let path = target.executions(function);
    let body = format!("{{\"n\":{n}}}");
    let sent = request("POST", &path, &target.address, headers, &body);
    client.send(&sent).await
}

/// `POST` with `Prefer: wait=30`; the answer holds the outcome.
#[derive(Debug)]
pub(super) struct Sync {
    client: Client,
    target: Target,
    function: &'static str,
    /// Makes the keys of one slice different from those of all others.
    round: String,
}

impl Sync {
    /// A caller of a function that gives `n` plus one.
    pub(super) async fn connect(
        target: &Target,
        function: &'static str,
        round: u64,
    ) -> Result<Self> {
        let client = Client::connect(&target.address).await?;
        let started = std::process::id();
        let number = client.number();
        Ok(Self {
            client,
            target: target.clone(),
            function,
            round: format!("{started}-{round}-{number}"),
        })
    }
}

impl Caller for Sync {
    async fn call(&mut self, n: u64) -> Result<()> {
        let headers = [
            ("Authorization", self.target.bearer()),
            ("Prefer", "wait=30".to_owned()),
            ("Idempotency-Key", format!("bench-{}-{n}", self.round)),
        ];
        let called = (&self.target, self.function);
        let answer = plus_one(&mut self.client, called, &headers, n).await?;
        ensure!(answer.status == 200, "sync: {}", text(&answer));
        let execution: Finished = serde_json::from_slice(&answer.body)?;
        ensure!(execution.output == n + 1, "wrong output: {}", text(&answer));
        Ok(())
    }
}

/// What is looked at in an answer: reading all of it costs the machine that is measured.
#[derive(Deserialize)]
struct Finished {
    output: u64,
}

#[derive(Deserialize)]
struct Queued {
    id: String,
    status: String,
}

/// `POST` without `Prefer`: the answer is a durable 202.
#[derive(Debug)]
pub(super) struct Async {
    client: Client,
    target: Target,
    /// The execution accepted last.
    pub(super) last: Option<String>,
}

impl Async {
    pub(super) async fn connect(target: &Target) -> Result<Self> {
        let client = Client::connect(&target.address).await?;
        Ok(Self {
            client,
            target: target.clone(),
            last: None,
        })
    }
}

impl Caller for Async {
    async fn call(&mut self, n: u64) -> Result<()> {
        let headers = [("Authorization", self.target.bearer())];
        let called = (&self.target, PLUS_ONE);
        let answer = plus_one(&mut self.client, called, &headers, n).await?;
        ensure!(answer.status == 202, "async: {}", text(&answer));
        let execution: Queued = serde_json::from_slice(&answer.body)?;
        ensure!(
            execution.status == "queued",
            "not queued: {}",
            text(&answer)
        );
        self.last = Some(execution.id);
        Ok(())
    }
}

/// Executions that keep every background slot of plan `enterprise`; what is accepted
/// behind them goes to the backlog.
const SLEEPERS: usize = 75;

/// Keeps every background slot of the account for about `span`; the sleepers' ids.
pub(super) async fn fill_background(target: &Target, span: Duration) -> Result<Vec<String>> {
    target
        .publish(
            "sleeper",
            json!({"code": "import time\ndef main(s: float):\n    time.sleep(s)\n"}),
        )
        .await?;
    let mut ids = Vec::new();
    for _ in 0..SLEEPERS {
        let body = json!({"s": span.as_secs_f64()});
        let answer = target
            .send("POST", &target.executions("sleeper"), &body)
            .await?;
        ensure!(answer.status == 202, "sleeper: {}", text(&answer));
        let id = json(&answer)?["id"].as_str().context("no id")?.to_owned();
        ids.push(id);
    }
    Ok(ids)
}

/// Ends what keeps the slots, so that what waits behind it runs.
pub(super) async fn cancel(target: &Target, ids: &[String]) -> Result<()> {
    for id in ids {
        let path = format!("/v1/executions/{id}/cancel");
        let answer = target.send("POST", &path, &json!({})).await?;
        ensure!(
            matches!(answer.status, 200 | 202 | 409),
            "cancel: {}",
            text(&answer)
        );
    }
    Ok(())
}

/// Waits until an execution has ended, whatever is queued before it.
pub(super) async fn wait_until_final(target: &Target, id: &str) -> Result<()> {
    let path = format!("/v1/executions/{id}?wait=30");
    for _ in 0..10 {
        let answer = target.send("GET", &path, &json!(null)).await?;
        let execution = json(&answer)?;
        if matches!(execution["status"].as_str(), Some("succeeded" | "failed")) {
            return Ok(());
        }
    }
    anyhow::bail!("{id} did not end")
}

/// The first call of a version nobody has run: publishing is not measured.
///
/// It adds `k` to its input.
pub(super) async fn first_call(
    target: &Target,
    (name, k): (&str, u64),
    body: Value,
) -> Result<Duration> {
    target.publish(name, body).await?;
    let mut client = Client::connect(&target.address).await?;
    let headers = [
        ("Authorization", target.bearer()),
        ("Prefer", "wait=30".to_owned()),
    ];
    let path = target.executions(name);
    let sent = request("POST", &path, &target.address, &headers, "{\"n\":1}");
    let asked = Instant::now();
    let answer = client.send(&sent).await?;
    let took = asked.elapsed();
    ensure!(answer.status == 200, "first call: {}", text(&answer));
    ensure!(
        json(&answer)?["output"] == json!(k + 1),
        "wrong output: {}",
        text(&answer)
    );
    Ok(took)
}

/// `tools/call` of MCP 2025-06-18.
#[derive(Debug)]
pub(super) struct Mcp {
    client: Client,
    target: Target,
}

impl Mcp {
    pub(super) async fn connect(target: &Target) -> Result<Self> {
        Ok(Self {
            client: Client::connect(&target.address).await?,
            target: target.clone(),
        })
    }
}

impl Caller for Mcp {
    async fn call(&mut self, n: u64) -> Result<()> {
        let headers = [
            ("Authorization", self.target.bearer()),
            ("Accept", "application/json, text/event-stream".to_owned()),
            ("MCP-Protocol-Version", "2025-06-18".to_owned()),
        ];
        let body = json!({"jsonrpc": "2.0", "id": n, "method": "tools/call",
            "params": {"name": "plus_one", "arguments": {"n": n}}});
        let path = format!("/mcp/{}", self.target.namespace);
        let sent = request(
            "POST",
            &path,
            &self.target.address,
            &headers,
            &body.to_string(),
        );
        let answer = self.client.send(&sent).await?;
        ensure!(answer.status == 200, "mcp: {}", text(&answer));
        let result = json(&answer)?;
        let said = &result["result"]["content"][0]["text"];
        ensure!(
            said == &json!((n + 1).to_string()),
            "wrong output: {}",
            text(&answer)
        );
        Ok(())
    }
}
