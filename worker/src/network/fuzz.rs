//! What a version names is what the proxy lets its executions reach, in any spelling of it,
//! and nothing beside it.

use std::cell::Cell;

use common::network::{AllowedHost, HostPattern};
use fuzzing::proptest::prelude::*;
use fuzzing::{nearly, target};

use super::named;

fn hosts() -> impl Strategy<Value = Vec<u8>> {
    let host = prop_oneof![
        4 => "(\\*\\.)?[a-zA-Z0-9-]{1,10}(\\.[a-zA-Z0-9-]{1,10}){0,4}\\.?",
        1 => any::<[u16; 8]>().prop_map(|parts| format!("[{}]", std::net::Ipv6Addr::from(parts))),
        1 => any::<[u8; 4]>().prop_map(|parts| parts.map(|part| part.to_string()).join(".")),
        1 => (60..65_usize, 1..5_usize).prop_map(|(length, labels)| vec!["a".repeat(length); labels].join(".")),
    ];
    let port = prop_oneof![
        1 => Just(String::new()),
        1 => any::<u16>().prop_map(|port| format!(":{port}")),
    ];
    nearly((host, port).prop_map(|(host, port)| (host + &port).into_bytes()))
}

#[test]
fn the_proxy_lets_through_what_is_named_and_nothing_beside_it() {
    let (exact, below) = (Cell::new(0), Cell::new(0));
    target!("reached", 16).try_all(hosts(), |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let Ok(host) = text.parse::<AllowedHost>() else {
            return Ok(());
        };
        let (proxied, port) = (named(&host), host.port);
        let admits = |name: &str, port: u16| proxied.admits(&format!("{name}:{port}"));
        match &host.pattern {
            HostPattern::Exact(name) => {
                let is_address = name.contains(':');
                let name = if is_address {
                    format!("[{name}]")
                } else {
                    name.clone()
                };
                prop_assert!(admits(&name, port) && admits(&name.to_uppercase(), port));
                let dotted = format!("{name}.");
                prop_assert!(is_address || admits(&dotted, port));
                for beside in [format!("x.{name}"), format!("x{name}"), format!("{name}x")] {
                    prop_assert!(!admits(&beside, port), "{}", beside);
                }
                prop_assert!(!admits(&name, port ^ 1));
                exact.set(exact.get() + 1);
            }
            HostPattern::Below(name) => {
                // Longer than a name may be, none is reached.
                let fits = name.len() + "x.".len() <= 253;
                prop_assert_eq!(admits(&format!("x.{name}"), port), fits);
                prop_assert_eq!(admits(&format!("X.{name}."), port), fits);
                for beside in [
                    name.clone(),
                    format!("x{name}"),
                    format!(".{name}"),
                    format!("x..{name}"),
                    format!("x.{name}x"),
                ] {
                    prop_assert!(!admits(&beside, port), "{}", beside);
                }
                let other_port = admits(&format!("x.{name}"), port ^ 1);
                prop_assert!(!other_port);
                below.set(below.get() + 1);
            }
        }
        Ok(())
    });
    let counts = (exact.get(), below.get());
    assert!(counts.0 > 300 && counts.1 > 100, "{counts:?} are too few");
}
