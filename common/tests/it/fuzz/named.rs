//! Hosts that versions name have one spelling, made of a host's letters.

use std::cell::Cell;
use std::net::Ipv6Addr;

use common::network::{AllowedHost, HostPattern};
use fuzzing::proptest::prelude::*;
use fuzzing::{authorities, target};

#[test]
fn a_named_host_reads_back_from_the_one_spelling_it_has() {
    let taken = Cell::new(0);
    target!("named", 16).try_all(authorities(), |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let Ok(host) = text.parse::<AllowedHost>() else {
            return Ok(());
        };
        taken.set(taken.get() + 1);
        let spelt = host.to_string();
        for again in [spelt.clone(), spelt.to_uppercase()] {
            prop_assert_eq!(again.parse(), Ok(host.clone()));
        }
        prop_assert!(host.port != 0);
        let behind = text.rsplit_once(':').map(|(_, behind)| behind);
        if let Some(port) = behind.filter(|behind| !behind.ends_with(']')) {
            prop_assert_eq!(port, host.port.to_string());
        }
        let (HostPattern::Exact(name) | HostPattern::Below(name)) = &host.pattern;
        if name.parse::<Ipv6Addr>().is_err() {
            let is_label = |label: &str| {
                let is_letter =
                    |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
                (1..=63).contains(&label.len())
                    && label.bytes().all(is_letter)
                    && label.trim_matches('-') == label
            };
            prop_assert!(
                name.len() <= 253 && name.split('.').all(is_label),
                "{}",
                name
            );
        }
        Ok(())
    });
    assert!(taken.get() > 1_000, "only {} were taken", taken.get());
}
