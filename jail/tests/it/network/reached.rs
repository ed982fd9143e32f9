//! What a version names is reached, by the ways clients know, and every byte is counted.

use serde_json::json;

use super::server::Server;
use super::{ASKS, Outside, run, value};
use crate::world::{output, sandbox};

#[tokio::test]
async fn a_named_host_is_reached_and_its_bytes_are_counted_one_by_one() {
    let (outside, server, host) = Outside::serving();
    let mut asking = outside.sandbox(ASKS, std::slice::from_ref(&host)).await;
    let urls = [
        format!("http://{host}/bytes/100000"),
        format!("http://{host}/echo"),
    ];
    let done = run(&mut asking, &json!({"urls": urls, "data": "hello"})).await;
    assert_eq!(value(&done), json!([[200, 100_000], [200, 5]]));
    let (sent, got) = server.traffic();
    assert_eq!((done.traffic.bytes_in, done.traffic.bytes_out), (sent, got));
    assert!(sent > 100_005);
    // The next execution begins at nothing.
    let done = run(&mut asking, &json!({"urls": []})).await;
    assert_eq!(done.traffic.bytes_in + done.traffic.bytes_out, 0);
}

#[tokio::test]
async fn a_tunnel_carries_what_it_is_given_both_ways() {
    const TUNNELS: &str = r#"
import http.client

def main(host: str, port: int, data: str):
    connection = http.client.HTTPConnection("127.0.0.1", 3128)
    connection.set_tunnel(host, port)
    connection.request("POST", "/echo", data)
    answer = connection.getresponse().read().decode()
    connection.request("POST", "/echo", data.upper())
    return [answer, connection.getresponse().read().decode()]
"#;
    let (outside, server) = (Outside::open(), Server::start());
    outside.names.say("deep.api.test", &["127.0.0.1"]);
    let host = format!("*.api.test:{}", server.port());
    let mut tunnels = outside.sandbox(TUNNELS, &[host]).await;
    let data = "x".repeat(300_000);
    let input = json!({"host": "deep.api.test", "port": server.port(), "data": data});
    let done = run(&mut tunnels, &input).await;
    assert_eq!(value(&done), json!([data, data.to_uppercase()]));
    assert_eq!(
        (done.traffic.bytes_in, done.traffic.bytes_out),
        server.traffic()
    );
}

#[tokio::test]
async fn an_address_is_a_name_too() {
    let (outside, server) = (Outside::open(), Server::start());
    let host = format!("127.0.0.1:{}", server.port());
    // The usual variables leave out what is the sandbox's own; this is asked of the proxy.
    let source = ASKS.replace(
        "def main",
        "import os\nfor name in ('no_proxy', 'NO_PROXY'):\n    os.environ.pop(name)\n\ndef main",
    );
    let mut asking = outside.sandbox(&source, std::slice::from_ref(&host)).await;
    let done = run(
        &mut asking,
        &json!({"urls": [format!("http://{host}/bytes/1")]}),
    )
    .await;
    assert_eq!(value(&done), json!([[200, 1]]));
    assert!(outside.names.asked().is_empty());
}

#[tokio::test]
async fn the_usual_variables_are_set_where_hosts_are_named_and_nowhere_else() {
    const SHOWS: &str = r#"
import os, socket, subprocess

names = [n + s for n in ("HTTP", "HTTPS", "ALL", "NO") for s in ("_PROXY",)]
at_import = [os.environ.get(name) for name in names]

def main():
    both = [[os.environ.get(n), os.environ.get(n.lower())] for n in names]
    told = subprocess.run(["/usr/bin/env"], capture_output=True, text=True).stdout
    try:
        socket.create_connection(("127.0.0.1", 3128)).close()
        listens = True
    except OSError:
        listens = False
    return [at_import, both, "\nHTTPS_PROXY=http://127.0.0.1:3128\n" in told, listens]
"#;
    let outside = Outside::open();
    let mut named = outside.sandbox(SHOWS, &["api.test:443".to_owned()]).await;
    let shown = value(&run(&mut named, &json!({})).await);
    let (proxy, own) = ("http://127.0.0.1:3128", "localhost,127.0.0.1,::1");
    let each = [proxy, proxy, proxy, own];
    let both = each.map(|value| [value, value]);
    assert_eq!(shown, json!([each, both, true, true]));

    let mut alone = sandbox(&outside.world, SHOWS).await;
    let shown = value(&run(&mut alone, &json!({})).await);
    assert_eq!(
        shown,
        json!([[null, null, null, null], vec![[(); 2]; 4], false, false])
    );
}

#[tokio::test]
async fn the_network_is_for_executions_and_not_for_imports() {
    let (outside, server, host) = Outside::serving();
    let url = format!("http://{host}/bytes/5");
    let source =
        format!("{ASKS}\nimported = ask({url:?})\ndef main(): return [imported, ask({url:?})]\n");
    let mut asking = outside.sandbox(&source, &[host]).await;
    let done = run(&mut asking, &json!({})).await;
    let shut = "the network is there while an execution runs";
    assert_eq!(value(&done), json!([[403, shut], [200, 5]]));
    assert_eq!(server.heads().len(), 1);
}

#[tokio::test]
async fn a_single_use_sandbox_has_its_way_out_as_well() {
    let (outside, server, host) = Outside::serving();
    let source = format!("open('/tmp/left', 'w').close()\n{ASKS}");
    let mut asking = outside.sandbox(&source, std::slice::from_ref(&host)).await;
    let done = run(
        &mut asking,
        &json!({"urls": [format!("http://{host}/bytes/7")]}),
    )
    .await;
    assert_eq!(output(&done), "[[200, 7]]".replace(", ", ","));
    assert_eq!(done.traffic.bytes_in, server.traffic().0);
    assert!(!done.reusable);
}

#[tokio::test]
async fn an_odd_answer_is_made_plain_or_refused() {
    let (outside, _server, host) = Outside::serving();
    let mut asking = outside.sandbox(ASKS, std::slice::from_ref(&host)).await;
    let urls = [
        format!("http://{host}/both"),
        format!("http://{host}/switch"),
    ];
    let done = run(&mut asking, &json!({"urls": urls})).await;
    let refused = format!("{host} did not answer as a server does");
    assert_eq!(value(&done), json!([[200, 5], [502, refused]]));
}
