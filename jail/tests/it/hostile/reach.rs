//! Hosts and names that a program of the group *proxy* finds beyond its sandbox.

use jail::{EgressConfig, HostConfig, Network};

use crate::network::names::Names;
use crate::network::server::Server;
use crate::network::{MIB, named};
use crate::world::config;

pub(super) struct Reach {
    pub(super) names: Names,
    /// Held, so that it answers.
    _server: Server,
    other: Server,
    ranges: &'static [&'static str],
    named: Vec<String>,
}

impl Reach {
    /// Hosts of these names at one server, whose port is given as well. The operator opens the ranges.
    pub(super) fn with(ranges: &'static [&'static str], named: &[&str]) -> (Self, u16) {
        let (names, server, other) = (Names::start(), Server::start(), Server::start());
        for name in ["api.test", "x.api.test", "other.test", "secret.evil.test"] {
            names.say(name, &["127.0.0.1"]);
        }
        let port = server.port();
        let named = named.iter().map(|name| format!("{name}:{port}")).collect();
        let reach = Self {
            names,
            _server: server,
            other,
            ranges,
            named,
        };
        (reach, port)
    }

    /// A server at the same address, at a port that nobody named.
    pub(super) fn another(&self) -> u16 {
        self.other.port()
    }

    pub(super) fn config(&self) -> HostConfig {
        HostConfig {
            egress: EgressConfig {
                ranges: self
                    .ranges
                    .iter()
                    .map(|range| range.parse().unwrap())
                    .collect(),
                nameservers: vec![self.names.at],
                ..EgressConfig::default()
            },
            ..config()
        }
    }

    pub(super) fn network(&self) -> Network {
        Network {
            hosts: self.named.iter().map(|host| named(host)).collect(),
            bytes: MIB,
            is_trusted: false,
        }
    }
}
