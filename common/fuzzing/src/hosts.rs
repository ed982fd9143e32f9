//! Hosts with their ports, as what names them spells them: soundly, oddly, or not at all.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::nearly;

const PARTS: &[&str] = &[
    "a",
    "A",
    "example",
    "EXAMPLE",
    "com",
    "xn--bcher-kva",
    "a_b",
    "-",
    "127",
    "0x7f",
    "1",
    "*",
    "*.",
    ".",
    ".",
    ".",
    ".",
    "[::1]",
    "[",
    "]",
    "::",
    "2001:DB8::1",
    "::ffff:1.2.3.4",
    "%eth0",
    "@",
    "/",
    "\\",
    "?",
    "#",
    "%2e",
    "é",
    "\u{130}",
    "\u{212a}",
    " ",
    "\0",
];
const PORTS: &[&str] = &[
    "",
    ":",
    ":80",
    ":443",
    ":0",
    ":00443",
    ":65535",
    ":65536",
    ":+80",
    ":-1",
    ":8 0",
    ":80:80",
    ":99999999999",
    ":\u{661}",
    ":80]",
    ":0x50",
];

/// A host and a port, or what somebody might take for them.
pub fn authorities() -> impl Strategy<Value = Vec<u8>> {
    let host = prop_oneof![
        4 => vec(select(PARTS), 0..8).prop_map(|parts| parts.concat()),
        3 => "[a-zA-Z0-9_-]{1,10}(\\.[a-zA-Z0-9_-]{1,10}){0,4}\\.?",
        5 => "(\\*\\.)?[a-z]{1,10}(\\.[a-z]{1,10}){0,3}",
        1 => any::<[u8; 4]>().prop_map(|parts| parts.map(|part| part.to_string()).join(".")),
        1 => any::<[u16; 8]>().prop_map(|parts| format!("[{}]", std::net::Ipv6Addr::from(parts))),
        1 => (60..66_usize, 1..5_usize)
            .prop_map(|(length, labels)| vec!["a".repeat(length); labels].join(".")),
    ];
    let port = prop_oneof![
        1 => select(PORTS).prop_map(str::to_owned),
        1 => any::<u16>().prop_map(|port| format!(":{port}")),
    ];
    nearly((host, port).prop_map(|(host, port)| (host + &port).into_bytes()))
}
