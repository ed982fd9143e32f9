//! A proxy between a client in memory and hosts on loopback that note all they get.
//!
//! | named | word | what it is |
//! |---|---|---|
//! | `a.test:pport`, `*.c.test:pport` | a server of plain HTTP | yes |
//! | `a.test:tport` | what a tunnel leads to: echoes | yes |
//! | `a.test:uport` | another port of the same host | no |
//! | `b.test:pport` | another host | no |

use std::io;
use std::net::{Ipv4Addr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::wire;
use crate::egress::dial::Dialer;
use crate::egress::hosts::{HostName, NamedHost};
use crate::egress::meter::{Meter, Traffic};
use crate::egress::proxy::{Admission, Policy, serve};
use crate::egress::{EgressConfig, EgressWalls, Network};
use names::Names;

/// The name server of the tests that run whole sandboxes.
#[path = "../../../tests/it/network/names.rs"]
mod names;

/// Whoever has not ended by then hangs.
const LONGEST: Duration = Duration::from_secs(10);
/// Of connections to hosts.
const PLACES: usize = 16;
/// A proxy that says nothing for so long waits for its client.
const QUIET: Duration = Duration::from_millis(20);
pub(super) const REFUSED: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Plain,
    Tunnel,
    OtherPort,
    OtherHost,
}

/// All that came over one connection to a host.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) who: Who,
    pub(super) bytes: Vec<u8>,
    /// Something may have been on its way still.
    pub(super) is_broken_off: bool,
}

/// What became of one client's connection.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) answer: Vec<u8>,
    pub(super) heard: Vec<Heard>,
    pub(super) traffic: Traffic,
    /// Names that were looked up.
    pub(super) asked: Vec<String>,
}

struct Host {
    who: Who,
    listener: TcpListener,
    /// The same one, to be asked without waiting.
    at_once: StdListener,
}

pub(super) struct Stage {
    policy: Arc<Policy>,
    names: Names,
    hosts: [Host; 4],
    /// What stands for a port, and the port.
    pub(super) ports: [(&'static str, u16); 3],
}

impl Host {
    fn bind(who: Who, address: Ipv4Addr, port: u16) -> io::Result<Self> {
        let at_once = StdListener::bind((address, port))?;
        at_once.set_nonblocking(true)?;
        let listener = TcpListener::from_std(at_once.try_clone()?)?;
        Ok(Self {
            who,
            listener,
            at_once,
        })
    }

    fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }
}

impl Stage {
    /// In a runtime.
    pub(super) fn new(walls: EgressWalls) -> Self {
        let (own, other) = (Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2));
        let plain = Host::bind(Who::Plain, own, 0).unwrap();
        let tunnel = Host::bind(Who::Tunnel, own, 0).unwrap();
        let unnamed = Host::bind(Who::OtherPort, own, 0).unwrap();
        let other = Host::bind(Who::OtherHost, other, plain.port()).unwrap();
        let names = Names::start();
        names.say("a.test", &["127.0.0.1"]);
        names.say("x.c.test", &["127.0.0.1"]);
        names.say("y.x.c.test", &["127.0.0.1"]);
        names.say("b.test", &["127.0.0.2"]);
        let config = EgressConfig {
            ranges: vec!["127.0.0.0/8".parse().unwrap()],
            nameservers: vec![names.at],
            ..EgressConfig::default()
        };
        let named = |name, host: &Host| NamedHost {
            name,
            port: host.port(),
        };
        let network = Network {
            hosts: vec![
                named(HostName::Exact("a.test".to_owned()), &plain),
                named(HostName::Below("c.test".to_owned()), &plain),
                named(HostName::Exact("a.test".to_owned()), &tunnel),
            ],
            bytes: u64::MAX,
            is_trusted: false,
        };
        let dialer = Dialer::new(&config, walls, PLACES).unwrap();
        let ports = [
            ("pport", plain.port()),
            ("tport", tunnel.port()),
            ("uport", unnamed.port()),
        ];
        Self {
            policy: Arc::new(Policy::new(network, dialer)),
            names,
            hosts: [plain, tunnel, unnamed, other],
            ports,
        }
    }

    /// Sends pieces over one connection, until both the client and the proxy are done.
    pub(super) async fn play(&self, pieces: impl Iterator<Item = &[u8]>) -> Result<Seen, String> {
        let (near, far) = duplex(1 << 20);
        let meter = Arc::new(Meter::new(1 << 20));
        let asked = self.names.asked().len();
        let served = serve(near, self.policy.clone(), Admission::Open(meter.clone()));
        let both = async { tokio::join!(served, converse(far, pieces)).1 };
        let mut connections = JoinSet::new();
        let all = async {
            tokio::pin!(both);
            let answer = loop {
                tokio::select! {
                    biased;
                    answer = &mut both => break answer,
                    (who, stream) = self.next() => drop(connections.spawn(hear(who, stream))),
                }
            };
            // Connected to, and not looked at before the end.
            for host in &self.hosts {
                while let Ok((stream, _)) = host.at_once.accept() {
                    stream.set_nonblocking(true).unwrap();
                    connections.spawn(hear(host.who, TcpStream::from_std(stream).unwrap()));
                }
            }
            (answer, connections.join_all().await)
        };
        let ended = timeout(LONGEST, all).await;
        let (answer, heard) = ended.map_err(|_| "it hangs".to_owned())?;
        Ok(Seen {
            answer,
            heard,
            traffic: meter.traffic(),
            asked: self.names.asked().split_off(asked),
        })
    }

    async fn next(&self) -> (Who, TcpStream) {
        let [plain, tunnel, unnamed, other] = &self.hosts;
        tokio::select! {
            stream = plain.listener.accept() => (plain.who, stream.unwrap().0),
            stream = tunnel.listener.accept() => (tunnel.who, stream.unwrap().0),
            stream = unnamed.listener.accept() => (unnamed.who, stream.unwrap().0),
            stream = other.listener.accept() => (other.who, stream.unwrap().0),
        }
    }
}

/// Says all it has to say and, so that the proxy closes where it reads on, something that is
/// refused. Where nothing comes any more, the proxy waits for the rest of something: then the
/// client breaks off.
async fn converse(
    mut far: tokio::io::DuplexStream,
    pieces: impl Iterator<Item = &[u8]>,
) -> Vec<u8> {
    for piece in pieces.chain([REFUSED]) {
        // The proxy may have closed its end.
        if far.write_all(piece).await.is_err() {
            break;
        }
        tokio::task::yield_now().await;
    }
    let mut answer = Vec::new();
    while let Ok(Ok(1..)) = timeout(QUIET, far.read_buf(&mut answer)).await {}
    let _closed = far.shutdown().await;
    let _broken_off = far.read_to_end(&mut answer).await;
    answer
}

/// To the end of the connection. A tunnel gets back what it sent; whatever looks whole to a
/// server of plain HTTP is answered, once.
async fn hear(who: Who, mut stream: TcpStream) -> Heard {
    let mut bytes = Vec::new();
    let mut is_answered = false;
    loop {
        let before = bytes.len();
        match stream.read_buf(&mut bytes).await {
            Ok(1..) => {}
            end => {
                return Heard {
                    who,
                    bytes,
                    is_broken_off: end.is_err(),
                };
            }
        }
        let reply: &[u8] = match who {
            Who::Tunnel => &bytes[before..],
            _ if is_answered || wire::read(&bytes) == wire::Read::Part => continue,
            _ => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        };
        is_answered = true;
        // It may be gone already.
        let _left = stream.write_all(reply).await;
    }
}
