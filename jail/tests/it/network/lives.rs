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
    let (outside, server) = (Outside::open(), Server::start());
    outside.names.say("api.test", &["127.0.0.1"]);
    let host = format!("api.test:{}", server.port());
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
    let (outside, server) = (Outside::open(), Server::start());
    outside.names.say("api.test", &["127.0.0.1"]);
    let host = format!("api.test:{}", server.port());
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
