//! Authorities: each host has one spelling, made of nothing but a name's letters.

use std::cell::Cell;

use fuzzing::proptest::prelude::*;
use fuzzing::{authorities, target};

use crate::egress::hosts::{HostName, NamedHost, Wanted};

#[test]
fn each_host_has_one_spelling_that_reads_back() {
    let taken = Cell::new(0);
    target!("hosts", 16).try_all(authorities(), |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let Some(wanted) = Wanted::of(&text, Some(80)) else {
            return Ok(());
        };
        taken.set(taken.get() + 1);
        let Wanted { host, port } = &wanted;
        prop_assert!(*port != 0);
        let is_address = host.parse::<std::net::Ipv6Addr>().is_ok();
        let is_spelt =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
        prop_assert!(is_address || host.bytes().all(is_spelt), "{:?}", host);
        prop_assert!(is_address == text.starts_with('['));
        let (_, behind) = text.rsplit_once(':').unwrap_or_default();
        let is_plain = behind.bytes().all(|digit| digit.is_ascii_digit());
        prop_assert!(is_plain || behind.ends_with(']'), "{:?}", behind);
        let is_bare = !host.starts_with('.') && !host.ends_with('.') && !host.contains("..");
        prop_assert!(is_bare && (1..=253).contains(&host.len()));
        // The same however it is written, and with the port that it has.
        for again in [wanted.to_string(), wanted.to_string().to_uppercase()] {
            prop_assert_eq!(Wanted::of(&again, None), Some(wanted.clone()));
        }
        if let Some(end) = text.rfind(&format!(":{port}")).filter(|_| !is_address) {
            let dotted = format!("{}.{}", text[..end].trim_end_matches('.'), &text[end..]);
            prop_assert_eq!(Wanted::of(&dotted, None), Some(wanted.clone()));
        }
        Ok(())
    });
    assert!(taken.get() > 500, "only {} were taken", taken.get());
}

#[test]
fn a_named_host_is_itself_and_one_below_is_nothing_else() {
    let others = Cell::new(0);
    target!("hosts", 8).try_all(authorities(), |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let Some(wanted) = Wanted::of(&text, Some(80)) else {
            return Ok(());
        };
        let Wanted { host, port } = wanted.clone();
        let named = |name| NamedHost { name, port };
        let exactly = named(HostName::Exact(host.clone()));
        let below = named(HostName::Below(host.clone()));
        prop_assert!(exactly.is(&wanted) && !below.is(&wanted));
        let other = Wanted {
            host: host.clone(),
            port: port ^ 1,
        };
        prop_assert!(!exactly.is(&other));
        for (prefix, is_below) in [("x.", true), ("x.y_z.", true), ("x", false), ("x-", false)] {
            let Some(other) = Wanted::of(&format!("{prefix}{host}:{port}"), None) else {
                continue;
            };
            prop_assert!(!exactly.is(&other));
            prop_assert_eq!(below.is(&other), is_below);
            others.set(others.get() + 1);
        }
        Ok(())
    });
    assert!(others.get() > 1_000, "only {} were compared", others.get());
}
