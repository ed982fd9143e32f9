//! Hosts a version names: where its executions may connect to, by the worker's proxy.
//!
//! One spelling for each, so that equal lists are equal: lower case, no dot at the end, no
//! port where it is HTTPS' own. What would be an address in another spelling (`127.1`,
//! `0x7f000001`) is no name. Which addresses may be reached is not said here: a name may
//! lead anywhere, so the worker looks at the address it is about to connect to.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Where no port is named.
const HTTPS: u16 = 443;
/// Of a name, without the dot at its end.
const NAME_BYTES: usize = 253;
const LABEL_BYTES: usize = 63;

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum HostError {
    #[error("a host and a port alone are wanted: no scheme, path or user")]
    Url,
    #[error("only ASCII is taken: write the name as punycode (xn--…)")]
    NotAscii,
    #[error("a port is a whole number from 1 to 65535")]
    Port,
    #[error("an IPv6 address is written in brackets, as in [2001:db8::1]")]
    Ipv6,
    #[error("an IPv4 address is written as four decimal numbers, as in 192.0.2.1")]
    Ipv4,
    #[error("a label is 1 to 63 of a-z, 0-9 and '-', with neither end a '-'")]
    Label,
    #[error("a name is at most 253 characters")]
    Long,
    #[error("'*' stands alone in front, as in *.example.com")]
    Star,
    #[error("'*.' wants two labels behind it at least, as in *.example.com")]
    Wide,
}

/// A host that may be connected to, and the port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AllowedHost {
    pub pattern: HostPattern,
    pub port: u16,
}

/// In lower case, without a dot at the end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostPattern {
    /// A name, or an address as Rust prints it: without brackets.
    Exact(String),
    /// Of `*.example.com` the `example.com`: any name below it, however deep, never itself.
    Below(String),
}

impl FromStr for AllowedHost {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        if text.contains(['/', '\\', '@', '?', '#']) {
            return Err(HostError::Url);
        }
        if !text.is_ascii() {
            return Err(HostError::NotAscii);
        }
        let (pattern, port) = match text.strip_prefix('[') {
            Some(rest) => bracketed(rest)?,
            None => unbracketed(text)?,
        };
        Ok(Self {
            pattern,
            port: port.map_or(Ok(HTTPS), read_port)?,
        })
    }
}

impl fmt::Display for AllowedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pattern.fmt(f)?;
        match self.port {
            HTTPS => Ok(()),
            port => write!(f, ":{port}"),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(address) if address.contains(':') => write!(f, "[{address}]"),
            Self::Exact(name) => f.write_str(name),
            Self::Below(name) => write!(f, "*.{name}"),
        }
    }
}

/// A pattern, and the port's text where there is one.
type Parts<'a> = (HostPattern, Option<&'a str>);

/// What follows a `[`.
fn bracketed(rest: &str) -> Result<Parts<'_>, HostError> {
    let (address, behind) = rest.split_once(']').ok_or(HostError::Ipv6)?;
    let address: Ipv6Addr = address.parse().map_err(|_| HostError::Ipv6)?;
    let port = match behind {
        "" => None,
        behind => Some(behind.strip_prefix(':').ok_or(HostError::Port)?),
    };
    Ok((HostPattern::Exact(address.to_string()), port))
}

fn unbracketed(text: &str) -> Result<Parts<'_>, HostError> {
    let (host, port) = match text.split_once(':') {
        Some((_, port)) if port.contains(':') => return Err(HostError::Ipv6),
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return Ok((HostPattern::Exact(address.to_string()), port));
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.len() > NAME_BYTES {
        return Err(HostError::Long);
    }
    let pattern = match host.strip_prefix("*.") {
        Some(parent) if parent.contains('.') => HostPattern::Below(name(parent)?),
        // A mistake in the one label is told first.
        Some(parent) => return name(parent).and(Err(HostError::Wide)),
        None => HostPattern::Exact(name(host)?),
    };
    Ok((pattern, port))
}

fn name(text: &str) -> Result<String, HostError> {
    if text.contains('*') {
        return Err(HostError::Star);
    }
    let name = text.to_ascii_lowercase();
    if !name.split('.').all(is_label) {
        return Err(HostError::Label);
    }
    // As the library of C reads addresses: one number for several bytes, octal, hexadecimal.
    let last = name.rsplit('.').next().unwrap_or_default();
    if last.starts_with("0x") || last.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(HostError::Ipv4);
    }
    Ok(name)
}

fn is_label(label: &str) -> bool {
    (1..=LABEL_BYTES).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn read_port(text: &str) -> Result<u16, HostError> {
    // Neither `+80` nor `080`.
    if !text.starts_with(|digit: char| ('1'..='9').contains(&digit)) {
        return Err(HostError::Port);
    }
    text.parse().map_err(|_| HostError::Port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits;

    fn read(text: &str) -> Result<AllowedHost, HostError> {
        text.parse()
    }

    fn exact(name: &str, port: u16) -> AllowedHost {
        AllowedHost {
            pattern: HostPattern::Exact(name.to_owned()),
            port,
        }
    }

    #[test]
    fn a_host_is_a_name_or_an_address_and_a_port() {
        for (text, host) in [
            ("api.example.com", exact("api.example.com", 443)),
            ("api.example.com:8443", exact("api.example.com", 8_443)),
            ("API.Example.COM.:443", exact("api.example.com", 443)),
            ("db:1", exact("db", 1)),
            ("localhost:65535", exact("localhost", 65_535)),
            ("xn--bcher-kva.example", exact("xn--bcher-kva.example", 443)),
            ("3d.example", exact("3d.example", 443)),
            ("1.2.3.com", exact("1.2.3.com", 443)),
            ("192.0.2.1:80", exact("192.0.2.1", 80)),
            ("[2001:DB8:0::1]:80", exact("2001:db8::1", 80)),
            ("[::ffff:192.0.2.1]", exact("::ffff:192.0.2.1", 443)),
        ] {
            assert_eq!(read(text), Ok(host), "{text}");
        }
        let below = AllowedHost {
            pattern: HostPattern::Below("example.com".to_owned()),
            port: 443,
        };
        assert_eq!(read("*.Example.com."), Ok(below));
    }

    #[test]
    fn another_spelling_of_an_address_is_no_name() {
        for text in [
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "127.1",
            "127.0.0.0x1",
            "0177.0.0.1",
            "127.0.0.01",
            "127.0.0.1.",
            "1.2.3.4.5",
            "256.0.0.1",
            "db.0XA",
            "*.0.0.1",
        ] {
            assert_eq!(read(text), Err(HostError::Ipv4), "{text}");
        }
        for text in [
            "::1",
            "2001:db8::1",
            "[::1",
            "[]",
            "[127.0.0.1]",
            "[fe80::1%eth0]",
        ] {
            assert_eq!(read(text), Err(HostError::Ipv6), "{text}");
        }
    }

    #[test]
    fn whatever_is_more_than_a_host_is_refused() {
        for text in [
            "https://a.example",
            "//a.example",
            "a.example/x",
            "a.example?x",
            "u@a.example",
            "u:p@a.example",
            "a.example#x",
            "a\\b.example",
        ] {
            assert_eq!(read(text), Err(HostError::Url), "{text}");
        }
        for text in ["bücher.example", "a。example", "*.ä.example"] {
            assert_eq!(read(text), Err(HostError::NotAscii), "{text}");
        }
        for text in [
            "",
            ".",
            "a..example",
            ".example",
            "a.example..",
            "-a.example",
            "a-.example",
            "a_b.example",
            " a.example",
            "a.example ",
            "a example",
            "a\0.example",
            "a.example\r\n",
            "a%2eexample",
            ":443",
            "*..com",
        ] {
            assert_eq!(read(text), Err(HostError::Label), "{text:?}");
        }
    }

    #[test]
    fn a_port_is_a_plain_number_that_a_server_may_have() {
        for port in [
            "",
            "0",
            "00443",
            "080",
            "+80",
            "-1",
            "65536",
            "99999999999",
            "http",
            "8 0",
            "*",
        ] {
            let name = format!("a.example:{port}");
            assert_eq!(read(&name), Err(HostError::Port), "{name}");
            let address = format!("[::1]:{port}");
            assert_eq!(read(&address), Err(HostError::Port), "{address}");
        }
        assert_eq!(read("[::1]80"), Err(HostError::Port));
    }

    #[test]
    fn a_star_stands_for_whole_labels_below_a_domain() {
        for text in [
            "*",
            "a.*.example",
            "*a.example.com",
            "*.*.example",
            "**.a.example",
        ] {
            assert_eq!(read(text), Err(HostError::Star), "{text}");
        }
        for text in ["*.com", "*.com.", "*.localhost:80"] {
            assert_eq!(read(text), Err(HostError::Wide), "{text}");
        }
        assert!(read("*.a.com").is_ok());
    }

    #[test]
    fn names_and_labels_stand_on_their_bounds() {
        let label = "a".repeat(63);
        assert!(read(&format!("{label}.example")).is_ok());
        assert_eq!(read(&format!("a{label}.example")), Err(HostError::Label));
        let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        assert!(read(&longest).is_ok());
        assert_eq!(read(&format!("{longest}a")), Err(HostError::Long));
        // With the star it is a name of its own length.
        let below = &longest[2..];
        assert!(read(&format!("*.{below}")).is_ok());
        assert_eq!(read(&format!("*.a{below}")), Err(HostError::Long));
        let text = format!("{longest}.:65535");
        assert!(read(&text).is_ok());
        assert_eq!(text.len(), limits::NETWORK_HOST_BYTES);
    }

    /// Every sort of host at every sort of port.
    #[test]
    fn what_is_written_reads_back_as_the_same_host() {
        for host in [
            "db",
            "A.example",
            "a.b.c.example.",
            "*.Example.com",
            "xn--a.b",
            "192.0.2.1",
            "[::]",
            "[::1]",
            "[1:0:0:2::3]",
            "[::FFFF:10.0.0.1]",
        ] {
            for port in ["", ":1", ":80", ":443", ":65535"] {
                let host = read(&format!("{host}{port}")).unwrap();
                let written = host.to_string();
                assert_eq!(read(&written), Ok(host), "{written}");
                assert_eq!(written, written.to_lowercase());
                assert!(!written.contains(".:"), "{written}");
                assert!(
                    !written.ends_with('.') && !written.ends_with(":443"),
                    "{written}"
                );
            }
        }
    }
}
