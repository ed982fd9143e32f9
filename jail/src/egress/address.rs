//! Which addresses strangers' code may be let to.
//!
//! Public are those of the IANA special-purpose registries (RFC 6890) that are globally
//! reachable, and what no registry names. Addresses that carry another in them (mapped,
//! 6to4, Teredo, NAT64) are never public: what they lead to is decided elsewhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::EgressConfig;

const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), bits)
}

const REFUSED_V4: &[Ipv4Net] = &[
    v4(0, 0, 0, 0, 8),        // this network
    v4(10, 0, 0, 0, 8),       // private
    v4(100, 64, 0, 0, 10),    // CGNAT, and a metadata service in it
    v4(127, 0, 0, 0, 8),      // loopback
    v4(168, 63, 129, 16, 32), // a metadata service at a public address
    v4(169, 254, 0, 0, 16),   // link-local, and most metadata services
    v4(172, 16, 0, 0, 12),    // private
    v4(192, 0, 0, 0, 24),     // protocol assignments, and a metadata service in it
    v4(192, 0, 2, 0, 24),     // documentation
    v4(192, 88, 99, 0, 24),   // relays of 6to4
    v4(192, 168, 0, 0, 16),   // private
    v4(198, 18, 0, 0, 15),    // benchmarks
    v4(198, 51, 100, 0, 24),  // documentation
    v4(203, 0, 113, 0, 24),   // documentation
    v4(224, 0, 0, 0, 3),      // multicast, reserved, broadcast
];

/// All that is public begins with these three bits.
const GLOBAL_V6: Ipv6Net = v6([0x2000, 0, 0], 3);

const fn v6([a, b, c]: [u16; 3], bits: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), bits)
}

const REFUSED_V6: &[Ipv6Net] = &[
    v6([0x2001, 0, 0], 23),     // protocol assignments: Teredo, ORCHID, benchmarks
    v6([0x2001, 0xdb8, 0], 32), // documentation
    v6([0x2002, 0, 0], 16),     // 6to4
    v6([0x3fff, 0, 0], 20),     // documentation
];

pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !REFUSED_V4.iter().any(|net| net.contains(&address)),
        IpAddr::V6(address) => {
            GLOBAL_V6.contains(&address) && !REFUSED_V6.iter().any(|net| net.contains(&address))
        }
    }
}

/// What the operator and this host add to it.
#[derive(Debug)]
pub(super) struct Addresses {
    config: EgressConfig,
    own: Vec<IpAddr>,
    looked: Option<Instant>,
}

/// An address that this host is given is known after this long.
const LOOK: Duration = Duration::from_secs(5);

impl Addresses {
    pub(super) const fn new(config: EgressConfig) -> Self {
        Self {
            config,
            own: Vec::new(),
            looked: None,
        }
    }

    /// Public, or in a range that the operator opened. This host's own addresses, loopback
    /// among them, only where a range means nothing else: what listens there was not meant
    /// for executions.
    pub(super) fn may_be_reached(&mut self, address: IpAddr, now: Instant) -> bool {
        let carries_another =
            matches!(address, IpAddr::V6(v6) if v6.to_ipv4().is_some() && !v6.is_loopback());
        let is_refused = self
            .config
            .refused
            .iter()
            .any(|range| range.contains(&address));
        // Nobody's address, by which a kernel reaches itself.
        if carries_another || is_refused || address.is_unspecified() {
            return false;
        }
        let open = |is_meant: &dyn Fn(&IpNet) -> bool| {
            let mut ranges = self.config.ranges.iter();
            ranges.any(|range| range.contains(&address) && is_meant(range))
        };
        if open(&|range| range.prefix_len() == range.max_prefix_len()) {
            return true;
        }
        if address.is_loopback() {
            return open(&|range| range.network().is_loopback() && range.broadcast().is_loopback());
        }
        (open(&|_| true) || is_public(address)) && !self.is_own(address, now)
    }

    /// Whatever listens on all of this host's addresses was not meant for executions.
    fn is_own(&mut self, address: IpAddr, now: Instant) -> bool {
        if self.looked.is_none_or(|at| now.duration_since(at) >= LOOK) {
            match own_addresses() {
                Ok(own) => {
                    self.own = own;
                    self.looked = Some(now);
                }
                Err(error) => {
                    tracing::error!(error = %error, "this host's own addresses are not known");
                    return true;
                }
            }
        }
        self.own.contains(&address)
    }
}

fn own_addresses() -> nix::Result<Vec<IpAddr>> {
    let all = nix::ifaddrs::getifaddrs()?;
    let addresses = all.filter_map(|interface| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|at| IpAddr::V4(at.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|at| IpAddr::V6(at.ip())))
    });
    Ok(addresses.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn only_what_is_globally_reachable_is_public() {
        for public in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "168.63.129.15",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2001:200::1",
            "2606:4700::1111",
            "2a00::1",
        ] {
            assert!(is_public(of(public)), "{public}");
        }
        for refused in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.255",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:1.1.1.1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:2::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(of(refused)), "{refused}");
        }
    }

    fn opened(ranges: &[&str], refused: &[&str]) -> Addresses {
        let read = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Addresses::new(EgressConfig {
            ranges: read(ranges),
            refused: read(refused),
            nameservers: Vec::new(),
        })
    }

    #[test]
    fn an_open_range_is_not_what_of_this_host_is_in_it() {
        let now = Instant::now();
        let mut all = opened(&["0.0.0.0/0", "::/0"], &[]);
        all.own = vec![of("10.1.2.3")];
        all.looked = Some(now);
        assert!(all.may_be_reached(of("10.1.2.4"), now));
        for own in [
            "10.1.2.3",
            "0.0.0.0",
            "::",
            "127.0.0.1",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.1.2.4",
            "::7f00:1",
        ] {
            assert!(!all.may_be_reached(of(own), now), "{own}");
        }
        let mut named = opened(&["10.1.2.3/32", "127.0.0.0/8"], &[]);
        named.own = vec![of("10.1.2.3")];
        named.looked = Some(now);
        assert!(named.may_be_reached(of("10.1.2.3"), now));
        assert!(named.may_be_reached(of("127.0.0.2"), now));
        assert!(!named.may_be_reached(of("::1"), now));
    }

    #[test]
    fn an_operator_closes_a_range_whatever_else_is_said_of_it() {
        let now = Instant::now();
        let mut closed = opened(&["10.0.0.0/8"], &["10.1.0.0/16", "1.1.1.0/24"]);
        for (address, is_open) in [
            ("10.2.0.1", true),
            ("10.1.0.1", false),
            ("1.1.1.1", false),
            ("1.1.2.1", true),
        ] {
            assert_eq!(
                closed.may_be_reached(of(address), now),
                is_open,
                "{address}"
            );
        }
    }

    #[test]
    fn an_operator_opens_a_range_and_not_what_is_beside_it() {
        let mut addresses = opened(&["10.1.0.0/16"], &[]);
        let now = Instant::now();
        assert!(addresses.may_be_reached(of("10.1.255.255"), now));
        assert!(!addresses.may_be_reached(of("10.2.0.0"), now));
        assert!(addresses.may_be_reached(of("1.1.1.1"), now));
    }

    #[test]
    fn this_host_s_own_addresses_are_found_and_refused() {
        assert!(own_addresses().unwrap().contains(&of("127.0.0.1")));
        let mut addresses = opened(&[], &[]);
        addresses.own = vec![of("1.1.1.1")];
        let now = Instant::now();
        addresses.looked = Some(now);
        assert!(!addresses.may_be_reached(of("1.1.1.1"), now));
        // An address it no longer has.
        assert!(addresses.may_be_reached(of("1.1.1.1"), now + LOOK));
    }
}
