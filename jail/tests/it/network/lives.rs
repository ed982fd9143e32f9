//! How long a connection lives: as long as the execution it belongs to.

use serde_json::json;

use super::server::Server;
use super::{Outside, run, value};

const OPENS: &str = r#"
import os, socket, time

def tunnel(host):
    proxy = socket.create_connection(("127.0.0.1", 3128))
    proxy.sendall(f"CONNECT {host} HTTP/1.1\r\n\r\n".encode())
    return proxy, proxy.recv(1000).decode().split("\r\n")[0]

def main(host: str, how: str):
    if how == "daemon":
        proxy, answer = tunnel(host)
        if os.fork() == 0:
            os.setsid()
            time.sleep(60)
        return answer
    if how == "keep on":
        # One that answers and goes on: by then nothing more is reached.
        if os.fork() == 0:
            os.setsid()
            while True:
                try:
                    proxy, answer = tunnel(host)
                    proxy.sendall(b"GET /late HTTP/1.1\r\n\r\n")
                except OSError:
                    pass
        return "answered"
    return tunnel(host)[1]
"#;

#[tokio::test]
async fn a_connection_ends_with_its_execution_whoever_holds_it() {
    let (outside, server) = (Outside::open(), Server::start());
    outside.names.say("api.test", &["127.0.0.1"]);
    let host = format!("api.test:{}", server.port());
    let mut opens = outside.sandbox(OPENS, std::slice::from_ref(&host)).await;
    for how in ["daemon", "plainly", "daemon"] {
        let done = run(&mut opens, &json!({"host": host, "how": how})).await;
        assert_eq!(value(&done), "HTTP/1.1 200 OK");
        assert_eq!(server.wait_for(0).await, 0, "{how}");
        assert!(opens.settle().await, "{how}");
    }
}

#[tokio::test]
async fn what_runs_on_after_the_answer_reaches_nothing() {
    let (outside, server) = (Outside::open(), Server::start());
    outside.names.say("api.test", &["127.0.0.1"]);
    let host = format!("api.test:{}", server.port());
    let mut opens = outside.sandbox(OPENS, std::slice::from_ref(&host)).await;
    let done = run(&mut opens, &json!({"host": host, "how": "keep on"})).await;
    let heads = server.heads().len();
    assert_eq!(value(&done), "answered");
    assert!(opens.settle().await);
    assert_eq!(server.wait_for(0).await, 0);
    assert_eq!(server.heads().len(), heads, "nothing after the answer");
    let done = run(&mut opens, &json!({"host": host, "how": "plainly"})).await;
    assert_eq!(value(&done), "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn a_killed_sandbox_s_connections_end_with_it() {
    let (outside, server) = (Outside::open(), Server::start());
    outside.names.say("api.test", &["127.0.0.1"]);
    let host = format!("api.test:{}", server.port());
    let source =
        format!("{OPENS}\ndef main(host: str):\n    kept = tunnel(host)\n    time.sleep(60)\n");
    let mut opens = outside.sandbox(&source, std::slice::from_ref(&host)).await;
    let killer = opens.killer();
    let kill = async {
        // Until it is connected: nothing else says so.
        while server.wait_for(1).await != 1 {}
        killer.kill();
    };
    let input = json!({"host": host});
    let (done, ()) = tokio::join!(run(&mut opens, &input), kill);
    assert!(done.result.is_err());
    assert_eq!(server.wait_for(0).await, 0);
}
