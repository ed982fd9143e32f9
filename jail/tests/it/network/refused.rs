//! What nobody named, and what no name may lead to.

use jail::EgressWalls;
use serde_json::{Value, json};

use super::server::Server;
use super::{ASKS, Outside, run, value};

async fn asked(outside: &Outside, hosts: &[String], urls: &[String]) -> Value {
    let mut asking = outside.sandbox(ASKS, hosts).await;
    value(&run(&mut asking, &json!({"urls": urls})).await)
}

#[tokio::test]
async fn only_a_named_host_at_its_named_port_is_looked_up() {
    let (outside, server, other) = (Outside::open(), Server::start(), Server::start());
    for name in ["api.test", "other.test", "api.test.evil.test", "x.api.test"] {
        outside.names.say(name, &["127.0.0.1"]);
    }
    let (port, closed) = (server.port(), other.port());
    let urls = [
        format!("http://other.test:{port}/"),
        format!("http://api.test:{closed}/"),
        format!("http://x.api.test:{port}/"),
        format!("http://api.test.evil.test:{port}/"),
        "http://secret-of-mine.evil.test/".to_owned(),
    ];
    let hosts = [format!("api.test:{port}")];
    let told = asked(&outside, &hosts, &urls).await;
    let unnamed = |host: String| {
        json!([
            403,
            format!("{host} is not among the hosts this version names")
        ])
    };
    let expected = json!([
        unnamed(format!("other.test:{port}")),
        unnamed(format!("api.test:{closed}")),
        unnamed(format!("x.api.test:{port}")),
        unnamed(format!("api.test.evil.test:{port}")),
        unnamed("secret-of-mine.evil.test:80".to_owned()),
    ]);
    assert_eq!(told, expected);
    // A name that is asked for is a message that gets out.
    assert_eq!(outside.names.asked(), Vec::<String>::new());
    assert!(server.heads().is_empty() && other.heads().is_empty());
}

#[tokio::test]
async fn a_refused_upload_is_told_why() {
    let outside = Outside::open();
    const UPLOADS: &str = "import urllib.request, urllib.error\ndef main(mib: int):\n    try:\n        \
        urllib.request.urlopen('http://other.test/', bytes(mib << 20))\n    except urllib.error.HTTPError as error:\n        return error.code\n";
    let mut uploads = outside.sandbox(UPLOADS, &["api.test:80".to_owned()]).await;
    assert_eq!(value(&run(&mut uploads, &json!({"mib": 8})).await), 403);
}

#[tokio::test]
async fn a_redirect_out_of_the_list_ends_there() {
    let (outside, server, other) = (Outside::open(), Server::start(), Server::start());
    outside.names.say("api.test", &["127.0.0.1"]);
    outside.names.say("other.test", &["127.0.0.1"]);
    let host = format!("api.test:{}", server.port());
    let to = format!("other.test:{}", other.port());
    let urls = [
        format!("http://{host}/to/{to}"),
        format!("http://{host}/to/{host}"),
    ];
    let told = asked(&outside, std::slice::from_ref(&host), &urls).await;
    let refused = format!("{to} is not among the hosts this version names");
    assert_eq!(told, json!([[403, refused], [200, 0]]));
    assert!(other.heads().is_empty());
}

/// Each of these would lead somewhere that strangers' code has no business.
const INSIDE: &[&str] = &[
    "127.0.0.1",
    "127.8.8.8",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.192",
    "192.168.0.1",
    "0.0.0.0",
    "::1",
    "::",
    "fe80::1",
    "fd00:ec2::254",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::7f00:1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::a9fe:a9fe",
    "2002:7f00:1::1",
    "2001:0:7f00:1::1",
];

#[tokio::test]
async fn no_name_leads_inside() {
    let (outside, server) = (Outside::new(&[], EgressWalls::default()), Server::start());
    let port = server.port();
    let mut hosts = Vec::new();
    for (number, address) in INSIDE.iter().enumerate() {
        let name = format!("n{number}.test");
        outside.names.say(&name, &[address]);
        hosts.push(format!("{name}:{port}"));
    }
    // One good address among them makes it no better, in either order.
    outside.names.say("mixed.test", &["1.1.1.1", "127.0.0.1"]);
    outside.names.say("turned.test", &["127.0.0.1", "1.1.1.1"]);
    hosts.push(format!("mixed.test:{port}"));
    hosts.push(format!("turned.test:{port}"));
    // The same where the name is the address, or this very host.
    hosts.push(format!("localhost:{port}"));
    let urls: Vec<String> = hosts.iter().map(|host| format!("http://{host}/")).collect();
    let source = ASKS.replace(
        "def main",
        "import os\nos.environ['NO_PROXY'] = os.environ['no_proxy'] = ''\ndef main",
    );
    let mut asking = outside.sandbox(&source, &hosts).await;
    let told = value(&run(&mut asking, &json!({"urls": urls})).await);
    for (host, told) in hosts.iter().zip(told.as_array().unwrap()) {
        let name = host.split(':').next().unwrap();
        let refused = format!("{name} has no address that may be reached");
        assert_eq!(*told, json!([403, refused]), "{host}");
    }
    assert!(server.heads().is_empty());
}

#[tokio::test]
async fn no_address_that_is_inside_is_reached_though_it_is_named() {
    let (outside, server) = (Outside::new(&[], EgressWalls::default()), Server::start());
    let port = server.port();
    let bracketed = |address: &&str| {
        let is_six = address.contains(':');
        if is_six {
            format!("[{address}]:{port}")
        } else {
            format!("{address}:{port}")
        }
    };
    let hosts: Vec<String> = INSIDE.iter().map(bracketed).collect();
    let source = r#"
import http.client
def main(hosts: list[str]):
    met = []
    for host in hosts:
        proxy = http.client.HTTPConnection("127.0.0.1", 3128)
        proxy.request("CONNECT", host)
        met.append(proxy.getresponse().status)
    return met
"#;
    let mut asking = outside.sandbox(source, &hosts).await;
    let told = value(&run(&mut asking, &json!({"hosts": hosts})).await);
    assert_eq!(told, json!(vec![403; INSIDE.len()]));
    assert!(server.heads().is_empty());
}

#[tokio::test]
async fn other_spellings_of_an_address_are_no_names() {
    let (outside, server) = (Outside::open(), Server::start());
    let port = server.port();
    let spelled: Vec<String> = [
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "127.1",
        "0177.0.0.1",
        "127.000.000.001",
        "127.0.0.1.",
        "%31%32%37.0.0.1",
        "127。0。0。1",
        "user@127.0.0.1",
        "[::ffff:127.0.0.1]",
        "[::1%25lo]",
    ]
    .map(|host| format!("{host}:{port}"))
    .into();
    let source = r#"
import socket
def main(hosts: list[str]):
    met = []
    for host in hosts:
        with socket.create_connection(("127.0.0.1", 3128)) as proxy:
            proxy.sendall(f"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            met.append(int(proxy.recv(1000).split(b" ")[1]))
    return met
"#;
    // Named is the address in its one spelling; the second line of defence is the look-up.
    let hosts = [format!("10.0.0.1:{port}")];
    let mut asking = outside.sandbox(source, &hosts).await;
    let told = value(&run(&mut asking, &json!({"hosts": spelled})).await);
    for (host, status) in spelled.iter().zip(told.as_array().unwrap()) {
        assert!(*status == 403 || *status == 400, "{host}: {status}");
    }
    assert!(server.heads().is_empty() && outside.names.asked().is_empty());
}

#[tokio::test]
async fn a_name_is_checked_anew_for_each_connection_and_once_for_one() {
    let (outside, server) = (Outside::open(), Server::start());
    outside.names.say_in_turn(
        "api.test",
        &[&["127.0.0.1"], &["169.254.169.254"], &["127.0.0.1"]],
    );
    let host = format!("api.test:{}", server.port());
    let url = format!("http://{host}/bytes/1");
    let told = asked(&outside, &[host], &[url.clone(), url.clone(), url]).await;
    let refused = json!([403, "api.test has no address that may be reached"]);
    assert_eq!(told, json!([[200, 1], refused, [200, 1]]));
}

#[tokio::test]
async fn a_name_that_leads_nowhere_and_a_host_that_is_away_are_told_apart() {
    let outside = Outside::open();
    outside.names.say("away.test", &["127.0.0.1"]);
    // A port that was free a moment ago.
    let port = Server::start().port();
    let hosts = [format!("away.test:{port}"), format!("absent.test:{port}")];
    let urls = hosts.clone().map(|host| format!("http://{host}/"));
    let told = asked(&outside, &hosts, &urls).await;
    assert_eq!(
        told,
        json!([
            [502, format!("away.test:{port} cannot be connected to")],
            [403, "absent.test has no address that may be reached"]
        ])
    );
}
