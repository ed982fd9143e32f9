//! Connections to the proxy: requests good and bad, behind and inside each other.

use fuzzing::nearly;
use fuzzing::proptest::collection::vec;
use fuzzing::proptest::prelude::*;
use fuzzing::proptest::sample::select;

const METHODS: &[&str] = &[
    "GET", "POST", "PUT", "HEAD", "OPTIONS", "get", "CONNECT", "PRI", "G\tET", "",
];
const VERSIONS: &[&str] = &[
    " HTTP/1.1",
    " HTTP/1.0",
    "",
    " HTTP/2.0",
    " http/1.1",
    " HTTP/1.1 ",
    "  HTTP/1.1",
    "\tHTTP/1.1",
];
const AUTHORITIES: &[&str] = &[
    "a.test:pport",
    "a.test:pport",
    "a.test:pport",
    "A.TEST:pport",
    "a.test.:pport",
    "x.c.test:pport",
    "y.x.c.test:pport",
    "b.test:pport",
    "a.test:uport",
    "a.test:tport",
    "a.test",
    "u@a.test:pport",
    "u:p@a.test:pport",
    "a.test:pport@b.test:pport",
    "b.test:pport\\@a.test:pport",
    "a.test:pport#@b.test:pport",
    "127.0.0.1:pport",
    "127.0.0.2:pport",
    "2130706433:pport",
    "[::1]:pport",
    "[::ffff:127.0.0.1]:pport",
    "a.test:pport:1",
    "a.test:0pport",
    "a%2etest:pport",
    "a.test%00.b.test:pport",
    "c.test:pport",
    ".c.test:pport",
    "a.test%20:pport",
    "a.test\t:pport",
    ":pport",
    "",
];
const PATHS: &[&str] = &[
    "/",
    "/x?y=z",
    "",
    "?q",
    "/%0d%0aHost:%20b.test",
    "/#f",
    "/\u{e9}",
    "/a/../b//",
    "/ HTTP/1.1\r\nHost: b.test\r\n\r\n",
    "/x y",
    "/http://b.test:pport/",
];
const HEADERS: &[&str] = &[
    "Host: a.test:pport",
    "Host: b.test:pport",
    "Host:",
    "host: a.test",
    "Host : b.test:pport",
    " Host: b.test:pport",
    "Host: a.test:pport\r\n b.test:pport",
    "Content-Length: 0",
    "Content-Length: 5",
    "Content-Length: 5, 5",
    "Content-Length: +5",
    "Content-Length: 0x5",
    "Content-Length: -1",
    "Content-Length: 99999999999999999999",
    "Content-Length : 5",
    "Content-Length: 5\r\nContent-Length: 6",
    "Content-Length: 60",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: chunked",
    "transfer-encoding: Chunked",
    "Transfer-Encoding: chunked, identity",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding : chunked",
    "Transfer-Encoding: \u{b}chunked",
    "Transfer-Encoding:\r\n chunked",
    "Transfer-Encoding: xchunked",
    "Connection: close",
    "Connection: keep-alive",
    "Connection: Host",
    "Connection: Content-Length",
    "Connection: Transfer-Encoding, Upgrade",
    "Upgrade: h2c",
    "Expect: 100-continue",
    "TE: trailers",
    "Trailer: Host",
    "Proxy-Authorization: Basic YTpi",
    "Proxy-Connection: keep-alive",
    "X: a\0b",
    "X: a\rHost: b.test:pport",
    "X: a\nHost: b.test:pport",
    "X:\r\n folded",
    "X: \u{80}",
    "X",
    ": x",
    "X@: y",
];
const BODIES: &[&str] = &[
    "",
    "",
    "hello",
    "5\r\nhello\r\n0\r\n\r\n",
    "5;e=1\r\nhello\r\n0\r\nHost: b.test:pport\r\n\r\n",
    "5\nhello\n0\n\n",
    "0\r\n\r\n",
    "5\r\nhello",
    "ffffffffffffffff1\r\nhello",
    "-1\r\n",
    "0x5\r\nhello\r\n0\r\n\r\n",
    "5 \r\nhello\r\n0\r\n\r\n",
    "GET http://b.test:pport/s HTTP/1.1\r\nHost: b.test:pport\r\n\r\n",
    "GET /s HTTP/1.1\r\nHost: b.test:pport\r\n\r\n",
    "0\r\n\r\nGET /s HTTP/1.1\r\nHost: b.test:pport\r\n\r\n",
    "CONNECT b.test:pport HTTP/1.1\r\n\r\n",
    "2d\r\nGET /s HTTP/1.1\r\nHost: b.test:pport\r\n\r\nGET \r\n0\r\n\r\n",
];
const ENDS: &[&str] = &["\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r"];

/// All that one client sends.
pub(super) fn connections() -> impl Strategy<Value = Vec<u8>> {
    let request = prop_oneof![
        3 => plain(),
        4 => strange(),
        1 => select(BODIES).prop_map(str::to_owned),
    ];
    nearly(vec(request, 1..4).prop_map(|requests| requests.concat().into_bytes()))
}

/// Of each list the first are good: they come more often.
fn authority() -> impl Strategy<Value = &'static str> {
    prop_oneof![1 => select(&AUTHORITIES[..7]), 1 => select(AUTHORITIES)]
}

fn path() -> impl Strategy<Value = &'static str> {
    prop_oneof![1 => select(&PATHS[..2]), 1 => select(PATHS)]
}

fn version() -> impl Strategy<Value = &'static str> {
    prop_oneof![3 => Just(VERSIONS[0]), 1 => select(VERSIONS)]
}

/// Mostly what a client library would send.
fn plain() -> impl Strategy<Value = String> {
    let length = prop_oneof![4 => Just(true), 1 => Just(false)];
    (authority(), path(), select(BODIES), length).prop_map(|(authority, path, body, is_long)| {
        let length = if is_long { body.len() } else { body.len() / 2 };
        format!("POST http://{authority}{path} HTTP/1.1\r\nHost: {authority}\r\nContent-Length: {length}\r\n\r\n{body}")
    })
}

fn strange() -> impl Strategy<Value = String> {
    let target = prop_oneof![
        6 => (authority(), path()).prop_map(|(authority, path)| format!("http://{authority}{path}")),
        2 => authority().prop_map(str::to_owned),
        1 => path().prop_map(str::to_owned),
        1 => (select(&["HTTP://", "https://", "//", "ftp://", "http:", "http:///"][..]), authority())
            .prop_map(|(scheme, authority)| format!("{scheme}{authority}/")),
        1 => Just("*".to_owned()),
    ];
    let headers = vec(select(HEADERS), 0..5);
    // Tunnels go to a port of their own: what is said in them is the code's business.
    let tunnel = select(
        &[
            "a.test:tport",
            "A.test.:tport",
            "b.test:pport",
            "a.test:uport",
            "a.test",
            "127.0.0.1:tport",
        ][..],
    );
    let line = prop_oneof![
        8 => (select(METHODS), target, version())
            .prop_filter("tunnels are made below", |(method, ..)| *method != "CONNECT")
            .prop_map(|(method, target, version)| format!("{method} {target}{version}")),
        2 => tunnel.prop_map(|target| format!("CONNECT {target} HTTP/1.1")),
    ];
    let many = prop_oneof![40 => Just(0), 1 => 95..105_usize];
    (line, headers, many, select(ENDS), select(BODIES)).prop_map(
        |(line, headers, many, end, body)| {
            let mut text = line + end;
            for header in headers.into_iter().chain(std::iter::repeat_n("X: y", many)) {
                text.push_str(header);
                text.push_str(end);
            }
            text + end + body
        },
    )
}
