//! The way out of a sandbox: what is reached, what is refused, what is counted.

pub(crate) mod names;
pub(crate) mod server;

mod bounds;
mod lives;
mod reached;
mod refused;

use jail::{
    Code, Done, EgressConfig, EgressWalls, HostName, Limits, NamedHost, Network, Profile, Sandbox,
};
use serde_json::Value;

use self::names::Names;
use self::server::Server;
use crate::world::{IMPORT, LIMITS, World, config, output, request, world_of};

pub(crate) const MIB: u64 = 1 << 20;

/// A host whose operator lets executions at loopback, with a name server of the test's.
pub(crate) struct Outside {
    pub(crate) names: Names,
    /// Last: it waits for the sandboxes to be gone.
    pub(crate) world: World,
}

impl Outside {
    pub(crate) fn new(ranges: &[&str], walls: EgressWalls) -> Self {
        let names = Names::start();
        let mut config = config();
        config.egress = EgressConfig {
            ranges: ranges.iter().map(|range| range.parse().unwrap()).collect(),
            nameservers: vec![names.at],
            ..EgressConfig::default()
        };
        let profile = Profile {
            egress: walls,
            ..Profile::default()
        };
        let world = world_of(&config, profile);
        Self { names, world }
    }

    pub(crate) fn open() -> Self {
        Self::new(&["127.0.0.0/8"], EgressWalls::default())
    }

    /// With a server that is found as `api.test`, and its name and port.
    pub(crate) fn serving() -> (Self, Server, String) {
        Self::serving_without(EgressWalls::default())
    }

    pub(crate) fn serving_without(walls: EgressWalls) -> (Self, Server, String) {
        let (outside, server) = (Self::new(&["127.0.0.0/8"], walls), Server::start());
        outside.names.say("api.test", &["127.0.0.1"]);
        let host = format!("api.test:{}", server.port());
        (outside, server, host)
    }

    /// One that may reach these hosts (`name:port`, `*.name:port`).
    pub(crate) async fn sandbox(&self, source: &str, hosts: &[String]) -> Sandbox {
        self.bounded(source, hosts, 16 * MIB).await
    }

    pub(crate) async fn bounded(&self, source: &str, hosts: &[String], bytes: u64) -> Sandbox {
        let network = Network {
            hosts: hosts.iter().map(|host| named(host)).collect(),
            bytes,
            is_trusted: false,
        };
        let generic = self.world.boot().await.unwrap().reaching(network);
        let limits = Limits { pids: 64, ..LIMITS };
        let bound = generic
            .bind(&Code::single(source), &limits, IMPORT)
            .await
            .unwrap();
        bound.sandbox.unwrap()
    }
}

pub(crate) fn named(text: &str) -> NamedHost {
    let (name, port) = text.rsplit_once(':').unwrap();
    let name = match name.strip_prefix("*.") {
        Some(below) => HostName::Below(below.to_owned()),
        None => HostName::Exact(name.trim_matches(['[', ']']).to_owned()),
    };
    NamedHost {
        name,
        port: port.parse().unwrap(),
    }
}

pub(crate) async fn run(sandbox: &mut Sandbox, input: &Value) -> Done {
    sandbox.run(request(&input.to_string())).await.unwrap()
}

pub(crate) fn value(done: &Done) -> Value {
    serde_json::from_str(&output(done)).unwrap()
}

/// A tunnel to a host, and the status line that it was answered with.
pub(crate) const TUNNEL: &str = r#"
import socket

def tunnel(host):
    proxy = socket.create_connection(("127.0.0.1", 3128))
    proxy.sendall(f"CONNECT {host} HTTP/1.1\r\n\r\n".encode())
    return proxy, proxy.recv(1000).decode().split("\r\n")[0]
"#;

/// Asks for addresses with the standard library, and says what came: a status and a body's
/// length, or the error's words.
pub(crate) const ASKS: &str = r#"
import http.client, urllib.error, urllib.request

def ask(url, data=None):
    try:
        with urllib.request.urlopen(url, data.encode() if data else None) as answer:
            return [answer.status, len(answer.read())]
    except urllib.error.HTTPError as error:
        return [error.code, error.reason]
    except (OSError, http.client.HTTPException) as error:
        return [0, str(error)]

def main(urls: list[str], data: str = ""):
    return [ask(url, data) for url in urls]
"#;
