//! How much, how many, how long.

use std::time::Duration;

use jail::FailureCode;
use jail::limits::{DESCRIPTORS_CONNECTION, DESCRIPTORS_OWN, DESCRIPTORS_SANDBOX};
use nix::sys::resource::{Resource, setrlimit};
use serde_json::json;

use super::{ASKS, Outside, TUNNEL, run, value};
use crate::world::{config, failure, request};

#[tokio::test]
async fn as_many_bytes_pass_as_may_and_the_error_says_so_where_more_would() {
    let (outside, _server, host) = Outside::serving();
    let source =
        format!("{ASKS}\ndef main(url):\n    return len(urllib.request.urlopen(url).read())\n");
    let mut free = outside.sandbox(&source, std::slice::from_ref(&host)).await;
    let input = json!({"url": format!("http://{host}/bytes/2097152")});
    let traffic = run(&mut free, &input).await.traffic;
    let most = traffic.bytes_in + traffic.bytes_out;

    let mut bounded = outside
        .bounded(&source, std::slice::from_ref(&host), most)
        .await;
    let done = run(&mut bounded, &input).await;
    assert_eq!(value(&done), 2_097_152);
    assert!(!done.traffic.is_cut);

    let mut bounded = outside.bounded(&source, &[host], most - 1).await;
    let done = run(&mut bounded, &input).await;
    let failure = failure(&done);
    assert_eq!(failure.code, FailureCode::Exception);
    assert!(
        failure
            .message
            .ends_with("(its connections were closed: it may move 2 MiB)"),
        "{failure:?}"
    );
    assert!(done.traffic.is_cut);
    assert!(done.traffic.bytes_in + done.traffic.bytes_out < most);
    // The next one begins anew.
    let small = input.to_string().replace("2097152", "10");
    let done = bounded.run(request(&small)).await.unwrap();
    assert_eq!(value(&done), 10);
}

#[tokio::test]
async fn once_used_up_nothing_more_is_reached() {
    let (outside, server, host) = Outside::serving();
    let mut bounded = outside
        .bounded(ASKS, std::slice::from_ref(&host), 1 << 20)
        .await;
    let urls = [
        format!("http://{host}/bytes/2000000"),
        format!("http://{host}/bytes/1"),
    ];
    let told = value(&run(&mut bounded, &json!({"urls": urls})).await);
    assert_eq!(
        told[1],
        json!([403, "this execution has moved 1 MiB, the most it may"])
    );
    assert_eq!(server.heads().len(), 1);
}

#[tokio::test]
async fn more_connections_than_may_be_are_told_so() {
    const HOLDS: &str = r#"
import time

def main(host: str, most: int):
    held = [tunnel(host) for _ in range(most)]
    answers = {answer for _, answer in held}
    _, over = tunnel(host)
    held[0][0].close()
    for _ in range(500):
        _, again = tunnel(host)
        if " 200 " in again:
            break
        time.sleep(0.01)
    return [sorted(answers), over, again]
"#;
    let (outside, _server, host) = Outside::serving();
    let source = format!("{TUNNEL}{HOLDS}");
    let mut holds = outside.sandbox(&source, std::slice::from_ref(&host)).await;
    let told = value(&run(&mut holds, &json!({"host": host, "most": 64})).await);
    let full = "HTTP/1.1 503 more than 64 connections at once";
    assert_eq!(told, json!([["HTTP/1.1 200 OK"], full, "HTTP/1.1 200 OK"]));
}

#[tokio::test]
async fn a_client_that_gives_up_leaves_its_place() {
    const GIVES_UP: &str = r#"
import socket, time, urllib.request

def main(host: str, most: int):
    for _ in range(most):
        with socket.create_connection(("127.0.0.1", 3128)) as proxy:
            proxy.sendall(f"GET http://{host}/silent HTTP/1.1\r\n\r\n".encode())
            time.sleep(0.002)
    for _ in range(200):
        try:
            with urllib.request.urlopen(f"http://{host}/bytes/5") as answer:
                return len(answer.read())
        except OSError as error:
            met = str(error)
            time.sleep(0.01)
    return met
"#;
    let (outside, _server, host) = Outside::serving();
    let mut gives_up = outside.sandbox(GIVES_UP, std::slice::from_ref(&host)).await;
    let told = run(&mut gives_up, &json!({"host": host, "most": 64})).await;
    assert_eq!(value(&told), 5);
}

#[tokio::test]
async fn sandboxes_are_made_while_connections_have_used_up_their_descriptors() {
    const HOLDS: &str = r#"
import http.client, time
def main(host: str, most: int, hold: float):
    held, answers = [], set()
    for _ in range(most):
        proxy = http.client.HTTPConnection("127.0.0.1", 3128)
        proxy.request("CONNECT", host)
        answer = proxy.getresponse()
        answers.add(f"{answer.status} {answer.reason}")
        held.append((proxy, answer))
    time.sleep(hold)
    return sorted(answers)
"#;
    // What this host needs for its sandboxes, and two connections more than one of them has.
    let sandboxes = u64::from(config().max_sandboxes) * DESCRIPTORS_SANDBOX;
    let enough = DESCRIPTORS_OWN + sandboxes + 66 * DESCRIPTORS_CONNECTION;
    setrlimit(Resource::RLIMIT_NOFILE, enough, enough).unwrap();
    let (outside, server, host) = Outside::serving();
    let mut holds = outside.sandbox(HOLDS, std::slice::from_ref(&host)).await;
    let mut other = outside.sandbox(HOLDS, std::slice::from_ref(&host)).await;
    let killer = holds.killer();
    let asked = async {
        assert_eq!(server.wait_for(64).await, 64);
        let told = run(&mut other, &json!({"host": host, "most": 3, "hold": 0})).await;
        // Everything else has what it needs.
        let third = outside.sandbox(HOLDS, std::slice::from_ref(&host)).await;
        killer.kill();
        (value(&told), third)
    };
    let input = json!({"host": host, "most": 64, "hold": 60});
    let (_killed, (told, third)) = tokio::join!(run(&mut holds, &input), asked);
    assert_eq!(
        told,
        json!([
            "200 OK",
            "503 this host has as many connections as it can have"
        ])
    );
    drop(third);
}

#[tokio::test]
async fn slow_and_endless_hosts_end_at_the_execution_s_own_time() {
    let (outside, server, host) = Outside::serving();
    let source = r#"
import urllib.request
def main(url):
    with urllib.request.urlopen(url) as answer:
        while answer.read(65536):
            pass
"#;
    for path in ["silent", "endless"] {
        let mut waits = outside
            .bounded(source, std::slice::from_ref(&host), u64::MAX)
            .await;
        let input = json!({"url": format!("http://{host}/{path}")}).to_string();
        let mut asked = request(&input);
        asked.timeout = Duration::from_secs(2);
        let done = waits.run(asked).await.unwrap();
        assert_eq!(failure(&done).code, FailureCode::Timeout, "{path}");
        assert!(!server.heads().is_empty(), "it was connected: {path}");
        // Its connection is closed with it, not with the sandbox's burial.
        assert_eq!(server.wait_for(0).await, 0, "{path}");
    }
}

#[tokio::test]
async fn a_head_that_never_ends_is_refused() {
    const SENDS: &str = r#"
import socket
def main(lines: int, long: int):
    with socket.create_connection(("127.0.0.1", 3128)) as proxy:
        head = "GET http://api.test/ HTTP/1.1\r\n" + "".join(f"x{n}: y\r\n" for n in range(lines))
        proxy.sendall((head + "z: " + "y" * long + "\r\n\r\n").encode())
        return int(proxy.recv(1000).split(b" ")[1])
"#;
    let outside = Outside::open();
    let mut sends = outside.sandbox(SENDS, &["named.test:80".to_owned()]).await;
    for (lines, long, status) in [
        (98, 10, 403),
        (200, 10, 431),
        (1, 60_000, 403),
        (1, 140_000, 431),
    ] {
        let told = value(&run(&mut sends, &json!({"lines": lines, "long": long})).await);
        assert_eq!(told, status, "{lines} lines, {long} bytes");
    }
}
