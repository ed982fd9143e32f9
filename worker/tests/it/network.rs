//! Named hosts, reached by the clients people use, through the whole path.

use std::time::Duration;

use common::db::versions::Status;
use common::execution::ErrorCode;
use serde_json::{Value, json};

use crate::rig::{Rig, Served};

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/network.py");
/// Long enough to download the clients.
const PATIENCE: Duration = Duration::from_secs(180);
const LOOPBACK: (&str, &str) = ("PATCHBAY_NETWORK_RANGES", "127.0.0.0/8");

/// A host with TLS; stopped when dropped.
struct Https(Served);

impl Https {
    fn start(test: &str) -> Self {
        Self(Served::start(PROGRAM, test, &[]))
    }

    fn host(&self) -> String {
        format!("127.0.0.2:{}", self.0.port)
    }

    fn certificate(&self) -> String {
        std::fs::read_to_string(self.0.folder.join("certificate.pem")).unwrap()
    }
}

const CLIENTS: &str = r#"
import asyncio, ssl, subprocess, urllib.request
import aiohttp, httpx, requests

async def with_aiohttp(url, context):
    async with aiohttp.ClientSession(trust_env=True) as session, session.get(url, ssl=context) as answer:
        return await answer.text()

def main(host: str, certificate: str):
    with open("/tmp/ca.pem", "w") as file:
        file.write(certificate)
    url = f"https://{host}/"
    context = ssl.create_default_context(cafile="/tmp/ca.pem")
    curl = subprocess.run(["curl", "-sS", "--cacert", "/tmp/ca.pem", url], capture_output=True, text=True)
    return {
        "aiohttp": asyncio.run(with_aiohttp(url, context)),
        "curl": curl.stdout + curl.stderr,
        "httpx": httpx.get(url, verify=context).text,
        "requests": requests.get(url, verify="/tmp/ca.pem").text,
        "urllib": urllib.request.urlopen(url, context=context).read().decode(),
    }
"#;

#[tokio::test]
async fn the_clients_people_use_reach_a_named_host_over_tls() {
    let (rig, https) = (Rig::new().await, Https::start("clients"));
    let _worker = rig.worker(&[LOOPBACK]).await;
    let asked = ["aiohttp", "httpx", "requests"];
    let tenant = rig.publish_naming(CLIENTS, &asked, &[&https.host()]).await;
    let version = rig.built(&tenant, PATIENCE).await;
    assert_eq!(version.status, Status::Ready);
    let input = json!({"host": https.host(), "certificate": https.certificate()}).to_string();
    for _ in 0..2 {
        let outcome = rig.call(&tenant, &input).await;
        let Some(output) = outcome.output else {
            panic!("{:?}", outcome.error);
        };
        let told: Value = serde_json::from_str(&output).unwrap();
        // Each is told its own name.
        for client in ["aiohttp", "curl", "httpx", "requests", "urllib"] {
            let agent = told[client].as_str().unwrap().to_lowercase();
            assert!(agent.contains(client), "{client}: {agent}");
        }
    }
}

#[tokio::test]
async fn what_was_moved_is_in_the_record_within_a_twentieth() {
    const MOVES: &str = r#"
import ssl, urllib.request
def main(host: str, certificate: str, down: int, up: int):
    context = ssl.create_default_context(cadata=certificate)
    with urllib.request.urlopen(f"https://{host}/large/{down}", context=context) as answer:
        got = len(answer.read())
    with urllib.request.urlopen(f"https://{host}/", bytes(up), context=context) as answer:
        return [got, int(answer.read())]
"#;
    let (rig, https) = (Rig::new().await, Https::start("moved"));
    let _worker = rig.worker(&[LOOPBACK]).await;
    let tenant = rig.publish_naming(MOVES, &[], &[&https.host()]).await;
    assert_eq!(rig.built(&tenant, PATIENCE).await.status, Status::Ready);
    let (down, up) = (3_000_000, 700_000);
    let input =
        json!({"host": https.host(), "certificate": https.certificate(), "down": down, "up": up});
    let outcome = rig.call(&tenant, &input.to_string()).await;
    assert_eq!(
        outcome.output.as_deref(),
        Some("[3000000,700000]"),
        "{:?}",
        outcome.error
    );
    let ending = outcome.sealed.ending;
    for (moved, payload) in [
        (ending.network_in_bytes, down),
        (ending.network_out_bytes, up),
    ] {
        let moved = moved.unwrap();
        assert!(
            moved >= payload && moved <= payload + payload / 20,
            "{moved} of {payload}"
        );
    }
}

#[tokio::test]
async fn a_host_inside_is_not_reached_unless_the_operator_opens_its_range() {
    const ASKS: &str = r#"
import ssl, urllib.request
def main(host: str):
    urllib.request.urlopen(f"https://{host}/", context=ssl._create_unverified_context()).read()
"#;
    let (rig, https) = (Rig::new().await, Https::start("inside"));
    let _worker = rig.worker(&[]).await;
    let tenant = rig.publish_naming(ASKS, &[], &[&https.host()]).await;
    assert_eq!(rig.built(&tenant, PATIENCE).await.status, Status::Ready);
    let input = json!({"host": https.host()}).to_string();
    let outcome = rig.call(&tenant, &input).await;
    let error = outcome.error.unwrap();
    assert_eq!(error.code, ErrorCode::Exception);
    assert!(
        error
            .message
            .contains("127.0.0.2 has no address that may be reached"),
        "{error:?}"
    );
}
