//! How long a connection lives: as long as the execution it belongs to.

use std::time::Duration;

use jail::EgressWalls;
use serde_json::json;

use super::{Outside, TUNNEL, run, value};

const OPENS: &str = r#"
import os, struct, time

def main(host: str, how: str):
    if how == "daemon":
        proxy, answer = tunnel(host)
        if os.fork() == 0:
            os.setsid()
            time.sleep(60)
        return answer
    if how == "keep on":
        # It answers by hand once it was heard, and goes on.
        body = b'"heard"'
        answer = struct.pack(">BBHIQ", 1, 48, 0, len(body), 0) + body
        while True:
            try:
                proxy, _ = tunnel(host)
                proxy.sendall(b"GET /late HTTP/1.1\r\n\r\n")
                if proxy.recv(1000) and answer:
                    os.write(3, answer)
                    answer = None
                proxy.close()
            except OSError:
                pass
    return tunnel(host)[1]
"#;

fn opens() -> String {
    format!("{TUNNEL}{OPENS}")
}

#[tokio::test]
async fn a_connection_ends_with_its_execution_whoever_holds_it() {
    let (outside, server, host) = Outside::serving();
    let mut opens = outside.sandbox(&opens(), std::slice::from_ref(&host)).await;
    for how in ["daemon", "plainly", "daemon"] {
        let done = run(&mut opens, &json!({"host": host, "how": how})).await;
        assert_eq!(value(&done), "HTTP/1.1 200 OK");
        assert_eq!(server.wait_for(0).await, 0, "{how}");
        assert!(opens.settle().await, "{how}");
    }
}

/// How many requests come from an execution that has answered and runs on.
async fn heard_after_the_answer(walls: EgressWalls) -> usize {
    let (outside, server, host) = Outside::serving_without(walls);
    let mut opens = outside.sandbox(&opens(), std::slice::from_ref(&host)).await;
    let done = run(&mut opens, &json!({"host": host, "how": "keep on"})).await;
    assert_eq!(value(&done), "heard");
    // What was on its way is there by then; its process lives until the sandbox settles.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let heads = server.heads().len();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let more = server.heads().len() - heads;
    assert!(!opens.settle().await);
    assert_eq!(server.wait_for(0).await, 0);
    more
}

#[tokio::test]
async fn what_runs_on_after_the_answer_reaches_nothing() {
    assert_eq!(heard_after_the_answer(EgressWalls::default()).await, 0);
    let open = EgressWalls {
        swept: false,
        ..EgressWalls::default()
    };
    assert!(heard_after_the_answer(open).await > 0);
}

/// The kernel goes on sending what a dead process had begun to, on connections that its other
/// end had no room for.
#[tokio::test]
async fn what_the_kernel_sends_for_a_dead_process_is_in_nobody_s_name() {
    const BEGINS: &str = r#"
import os, socket, time

PROXY = ("127.0.0.1", 3128)

def main(host: str, wait: bool = False):
    if wait:
        # As long as it takes the kernel to try again, and again.
        time.sleep(1.5)
        return "waited"
    held = [socket.create_connection(PROXY) for _ in range(80)]
    time.sleep(0.1)
    late = []
    for _ in range(120):
        begun = socket.socket()
        begun.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 1)
        begun.connect(PROXY)
        late.append(begun)
    read, write = os.pipe()
    if os.fork() == 0:
        os.setsid()
        for connection in held + late:
            connection.close()
        waiting = []
        for _ in range(150):
            connection = socket.socket()
            connection.setblocking(False)
            waiting.append(connection)
            connection.connect_ex(PROXY)
            try:
                connection.getpeername()
            except OSError:
                break
        os.write(write, b"full")
        time.sleep(60)
    os.read(read, 10)
    for connection in late:
        connection.sendall(f"GET http://{host}/late HTTP/1.1\r\nConnection: close\r\n\r\n".encode())
    return "begun"
"#;
    let (outside, server, host) = Outside::serving();
    let mut begins = outside.sandbox(BEGINS, std::slice::from_ref(&host)).await;
    let done = run(&mut begins, &json!({"host": host})).await;
    assert_eq!(value(&done), "begun");
    assert!(begins.settle().await);
    let before = server.heads().len();
    let done = run(&mut begins, &json!({"host": host, "wait": true})).await;
    assert_eq!(value(&done), "waited");
    assert_eq!(done.traffic, jail::Traffic::default());
    assert_eq!(server.heads().len(), before);
}

#[tokio::test]
async fn a_killed_sandbox_s_connections_end_with_it() {
    let (outside, server, host) = Outside::serving();
    // A host that never answers: that the client is gone is no reason to end.
    let source =
        "import urllib.request\ndef main(host): urllib.request.urlopen(f'http://{host}/silent')\n";
    let mut opens = outside.sandbox(source, std::slice::from_ref(&host)).await;
    let killer = opens.killer();
    let kill = async {
        // Until it is connected: nothing else says so.
        assert_eq!(server.wait_for(1).await, 1);
        killer.kill();
    };
    let input = json!({"host": host});
    let (done, ()) = tokio::join!(run(&mut opens, &input), kill);
    assert!(done.result.is_err());
    assert_eq!(server.wait_for(0).await, 0);
}
