//! Whatever code sends to the proxy: only named hosts hear of it, and only requests that are
//! meant for them and that can be read in one way.

use std::cell::Cell;

use fuzzing::proptest::prelude::*;
use fuzzing::proptest::test_runner::TestCaseError;
use fuzzing::{pieces, target};

use super::requests::connections;
use super::stage::{Heard, REFUSED, Seen, Stage, Who};
use super::wire::{self, Read};
use crate::egress::EgressWalls;

fn with_ports(bytes: &[u8], ports: &[(&str, u16)]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (word, port) in ports {
        let port = format!("{port:05}");
        let word = word.as_bytes();
        for at in 0..bytes.len().saturating_sub(word.len() - 1) {
            if bytes[at..].starts_with(word) {
                bytes[at..at + word.len()].copy_from_slice(port.as_bytes());
            }
        }
    }
    bytes
}

/// How often a text stands in the bytes, in any case.
fn count(bytes: &[u8], text: &str) -> usize {
    let same = |piece: &&[u8]| piece.eq_ignore_ascii_case(text.as_bytes());
    bytes.windows(text.len()).filter(same).count()
}

/// Whether a `Host` header names one of the hosts, in the one spelling that it has.
fn is_meant(host: &str, port: u16) -> bool {
    let name = host.strip_suffix(&format!(":{port}"));
    name.is_some_and(|name| ["a.test", "x.c.test", "y.x.c.test"].contains(&name))
}

/// What a server of plain HTTP got over one connection; whether that was a whole request.
fn check_plain(heard: &Heard, port: u16) -> Result<bool, TestCaseError> {
    let shown = heard.bytes.escape_ascii();
    match wire::read(&heard.bytes) {
        Read::Whole { host, length } => {
            prop_assert!(is_meant(&host, port), "for {}: {}", host, shown);
            prop_assert_eq!(length, heard.bytes.len(), "something follows: {}", shown);
            Ok(true)
        }
        // The client broke off.
        Read::Part => Ok(false),
        Read::Wrong(what) => Err(TestCaseError::fail(format!("{what}: {shown}"))),
    }
}

/// Through a tunnel goes what the client says behind its head, to the end, and nothing else.
/// How many there were, of those that can't have been requests with an address.
fn check_tunnels(bytes: &[u8], seen: &Seen) -> Result<usize, TestCaseError> {
    if count(bytes, "http://") > 0 {
        return Ok(0);
    }
    let said = [bytes, REFUSED].concat();
    let tunnels = seen.heard.iter().filter(|heard| heard.who == Who::Tunnel);
    for Heard {
        bytes,
        is_broken_off,
        ..
    } in tunnels.clone()
    {
        let is_rest = said.ends_with(bytes) && bytes.len() < said.len();
        prop_assert!(is_rest || *is_broken_off, "{}", bytes.escape_ascii());
        prop_assert!(*is_broken_off || seen.answer.ends_with(bytes), "no echo");
    }
    Ok(tunnels.count())
}

fn check(bytes: &[u8], seen: &Seen, port: u16) -> Result<usize, TestCaseError> {
    let of = |who| seen.heard.iter().filter(move |heard| heard.who == who);
    prop_assert_eq!(of(Who::OtherHost).count(), 0, "another host was reached");
    prop_assert_eq!(of(Who::OtherPort).count(), 0, "another port was reached");
    let mut whole = 0;
    for heard in of(Who::Plain) {
        whole += usize::from(check_plain(heard, port)?);
    }
    prop_assert!(of(Who::Plain).count() <= count(bytes, "http://"));
    prop_assert!(
        of(Who::Tunnel).count() <= 1.min(count(bytes, "connect ")) + count(bytes, "http://")
    );
    for name in &seen.asked {
        let is_named = name == "a.test" || name.ends_with(".c.test");
        prop_assert!(is_named, "{} was looked up", name);
    }
    let sent: usize = seen.heard.iter().map(|heard| heard.bytes.len()).sum();
    prop_assert!(sent as u64 <= seen.traffic.bytes_out, "not all is counted");
    if !seen.heard.iter().any(|heard| heard.is_broken_off) {
        prop_assert_eq!(seen.traffic.bytes_out, sent as u64);
    }
    Ok(whole)
}

#[test]
fn only_named_hosts_hear_of_what_code_sends_and_only_what_is_meant_for_them() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let stage = runtime.block_on(async { Stage::new(EgressWalls::default()) });
    let (passed, tunnels) = (Cell::new(0), Cell::new(0));
    target!("proxied", 8).try_all(connections(), |bytes| {
        let bytes = with_ports(bytes, &stage.ports);
        let seen = runtime.block_on(stage.play(pieces(&bytes, 200)));
        let seen = seen.map_err(TestCaseError::fail)?;
        let whole = check(&bytes, &seen, stage.ports[0].1)?;
        passed.set(passed.get() + whole);
        tunnels.set(tunnels.get() + check_tunnels(&bytes, &seen)?);
        prop_assert!(seen.answer.is_empty() || seen.answer.starts_with(b"HTTP/1."));
        Ok(())
    });
    let counts = (passed.get(), tunnels.get());
    assert!(counts.0 > 300 && counts.1 > 10, "{counts:?} are too few");
}
