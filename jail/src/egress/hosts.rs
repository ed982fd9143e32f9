//! Which hosts a version names.

use std::net::Ipv6Addr;

/// A host and a port that may be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedHost {
    pub name: HostName,
    pub port: u16,
}

/// In lower case, without a dot at its end; an address as Rust prints it, without brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostName {
    Exact(String),
    /// Every name below this one, at any depth; never itself.
    Below(String),
}

impl NamedHost {
    /// Whether a request or a tunnel to this authority would be let through.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn admits(&self, authority: &str) -> bool {
        Wanted::of(authority, None).is_some_and(|wanted| self.is(&wanted))
    }

    pub(super) fn is(&self, wanted: &Wanted) -> bool {
        self.port == wanted.port
            && match &self.name {
                HostName::Exact(name) => *name == wanted.host,
                HostName::Below(name) => wanted
                    .host
                    .strip_suffix(name.as_str())
                    .and_then(|below| below.strip_suffix('.'))
                    .is_some_and(is_name),
            }
    }
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// As in [`HostName`].
    pub(super) host: String,
    pub(super) port: u16,
}

impl Wanted {
    /// What stands before the path of an address (RFC 3986, section 3.2), or after `CONNECT`.
    pub(super) fn of(authority: &str, instead: Option<u16>) -> Option<Self> {
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let port = match port {
            // Digits alone: "+443" would be read as a number, too.
            Some(port) if port.bytes().all(|digit| digit.is_ascii_digit()) => port.parse().ok()?,
            Some(_) => return None,
            None => instead?,
        };
        let host = match host.strip_prefix('[') {
            Some(rest) => {
                let address: Ipv6Addr = rest.strip_suffix(']')?.parse().ok()?;
                address.to_string()
            }
            None => {
                let host = host.strip_suffix('.').unwrap_or(host);
                is_name(host).then(|| host.to_ascii_lowercase())?
            }
        };
        (port != 0).then_some(Self { host, port })
    }

    /// As `Host` names it: without the port that would be meant anyway.
    pub(super) fn authority(&self, instead: u16) -> String {
        let text = self.to_string();
        match text.strip_suffix(&format!(":{instead}")) {
            Some(host) if self.port == instead => host.to_owned(),
            _ => text,
        }
    }
}

impl std::fmt::Display for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') {
            write!(f, "[{host}]:{port}")
        } else {
            write!(f, "{host}:{port}")
        }
    }
}

/// Labels of letters, digits, hyphens and underscores, which some hosts have.
fn is_name(text: &str) -> bool {
    text.len() <= 253
        && text.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(authority: &str) -> Option<String> {
        Wanted::of(authority, None).map(|wanted| wanted.to_string())
    }

    #[test]
    fn one_spelling_is_left_of_each_host() {
        assert_eq!(
            wanted("API.Example.com.:443").unwrap(),
            "api.example.com:443"
        );
        assert_eq!(wanted("[0::01]:80").unwrap(), "[::1]:80");
        assert_eq!(Wanted::of("example.com", Some(80)).unwrap().port, 80);
        for (authority, named) in [
            ("Example.com:080", "example.com"),
            ("example.com:8080", "example.com:8080"),
            ("[0::80]", "[::80]"),
        ] {
            let wanted = Wanted::of(authority, Some(80)).unwrap();
            assert_eq!(wanted.authority(80), named);
        }
        for wrong in [
            "example.com",
            "example.com:",
            "example.com:0",
            "example.com:65536",
            "example.com:+443",
            "example.com:4 43",
            "user@example.com:443",
            "example.com..:443",
            "[::1:80",
            "[::1%lo]:80",
            "[example.com]:80",
            "exa\u{e4}mple.com:443",
            "a b:443",
            ":443",
            "",
        ] {
            assert_eq!(wanted(wrong), None, "{wrong}");
        }
        let label = |length| format!("{}.com:443", "a".repeat(length));
        assert!(wanted(&label(63)).is_some() && wanted(&label(64)).is_none());
    }

    #[test]
    fn a_host_is_named_with_its_port_and_a_pattern_covers_what_is_below_it() {
        let is = |name: HostName, port, authority: &str| {
            NamedHost { name, port }.is(&Wanted::of(authority, None).unwrap())
        };
        let exact = || HostName::Exact("api.example.com".to_owned());
        assert!(is(exact(), 443, "api.example.com:443"));
        assert!(is(exact(), 443, "API.example.com.:443"));
        assert!(!is(exact(), 443, "api.example.com:80"));
        assert!(!is(exact(), 443, "x.api.example.com:443"));
        assert!(!is(exact(), 443, "api.example.com.evil.net:443"));
        let below = || HostName::Below("example.com".to_owned());
        assert!(is(below(), 443, "a.example.com:443"));
        assert!(is(below(), 443, "a.b.example.com:443"));
        assert!(!is(below(), 443, "example.com:443"));
        assert!(!is(below(), 443, "badexample.com:443"));
        assert!(!is(below(), 443, "a.example.com.net:443"));
    }
}
