//! The only way out of a sandbox: a proxy at the other end of a listener in its network.
//!
//! ```text
//!  code ─► 127.0.0.1:3128 ─╫─► way ─► proxy ─► named? ─► looked up ─► public? ─► host
//!        the sandbox's network │ the worker's, a thread of its own        metered
//! ```
//!
//! **How it works.** A sandbox whose version names hosts gets a listener before its code
//! does ([`way`]). What connects speaks HTTP to [`proxy`]: `CONNECT` for TLS, absolute
//! addresses without it. All of it runs on one thread that does nothing else, so that no
//! execution waits for another's downloads, and what strangers send is read by a thread
//! that can do little.
//!
//! **What always holds.** Only a host and port that the version names are looked up, by
//! the worker. Where one of the addresses isn't public, or is this host's own, the name
//! is refused ([`address`]); the connection goes to the very address that was checked.
//! Connections belong to one execution: they end with its answer, and what waits to be
//! accepted is thrown away before the next one. Every byte that is passed on is counted
//! and bounded ([`meter`]), and so is how many connections there are, of an execution, of a
//! sandbox and of the host.
//!
//! **What it doesn't do.** It looks into no TLS: with a host that serves many names the
//! code may speak to any of them.

mod address;
mod dial;
#[cfg(test)]
mod fuzz;
mod hosts;
mod meter;
mod proxy;
mod refusal;
mod way;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc as threads;

use ipnet::IpNet;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

pub use self::hosts::{HostName, NamedHost};
pub use self::meter::Traffic;
pub(crate) use self::way::{Passage, Way};

use self::dial::Dialer;
use self::way::Opened;
use crate::profile::Profile;
use crate::rights::{RightsError, give_up_rights};

/// Where the proxy listens, as the sandbox sees it.
pub const PORT: u16 = 3_128;

/// What an operator says about the network of executions.
#[derive(Clone, Debug, Default)]
pub struct EgressConfig {
    /// Ranges that executions may reach though they are not public. This host's own addresses
    /// are in none of them, but where a range is that address alone or of loopback alone.
    pub ranges: Vec<IpNet>,
    /// Ranges that they may not reach, public or not.
    pub refused: Vec<IpNet>,
    /// Servers that are asked for addresses; none: those of `/etc/resolv.conf`.
    pub nameservers: Vec<SocketAddr>,
}

/// What may be reached from a sandbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    pub hosts: Vec<NamedHost>,
    /// In and out together, of one execution.
    pub bytes: u64,
    /// Its hosts are named by the operator: wherever they are, they may be reached.
    pub is_trusted: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    #[error("cannot start the thread of the network")]
    Thread(#[source] io::Error),
    #[error("the thread of the network has ended")]
    Ended,
    #[error(transparent)]
    Rights(#[from] RightsError),
    #[error("cannot set up the look-up of names")]
    Resolver(#[source] hickory_resolver::net::NetError),
}

/// The thread at the other end of all ways. It ends when all copies of this and all ways are dropped.
#[derive(Clone, Debug)]
pub(crate) struct Egress {
    ways: mpsc::UnboundedSender<Opened>,
    walls: EgressWalls,
}

impl Egress {
    /// The thread gives up every right first, whoever starts it.
    /// `places` are for connections to hosts, of all sandboxes together.
    pub(crate) fn start(
        config: &EgressConfig,
        profile: &Profile,
        places: usize,
    ) -> Result<Self, EgressError> {
        let (ways, opened) = mpsc::unbounded_channel();
        let (told, answer) = threads::channel();
        let (config, walls) = (config.clone(), profile.egress);
        let main = move || {
            if let Err(error) = give_up_rights() {
                return drop(told.send(Err(error.into())));
            }
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let runtime = match runtime.map_err(EgressError::Thread) {
                Ok(runtime) => runtime,
                Err(error) => return drop(told.send(Err(error))),
            };
            runtime.block_on(async {
                match Dialer::new(&config, walls, places) {
                    Ok(dialer) => {
                        let _listener_gone = told.send(Ok(()));
                        serve(dialer, opened).await;
                    }
                    Err(error) => drop(told.send(Err(error))),
                }
            });
        };
        std::thread::Builder::new()
            .name("jail-egress".into())
            .spawn(main)
            .map_err(EgressError::Thread)?;
        answer.recv().map_err(|_| EgressError::Ended)??;
        Ok(Self { ways, walls })
    }

    /// Whether its thread is there.
    pub(crate) fn is_alive(&self) -> bool {
        !self.ways.is_closed()
    }

    /// Begins to serve a listener; shut until an execution begins.
    pub(crate) fn open(
        &self,
        listener: TcpListener,
        mut network: Network,
    ) -> Result<Way, EgressError> {
        if !self.walls.bounded {
            network.bytes = u64::MAX;
        }
        let (way, opened) = way::make(listener, network, self.walls);
        self.ways.send(opened).map_err(|_| EgressError::Ended)?;
        Ok(way)
    }
}

async fn serve(dialer: Dialer, mut opened: mpsc::UnboundedReceiver<Opened>) {
    let mut ways = JoinSet::new();
    loop {
        tokio::select! {
            next = opened.recv() => match next {
                Some(next) => drop(ways.spawn(next.serve(dialer.clone()))),
                None => break,
            },
            Some(_) = ways.join_next() => {}
        }
    }
    // Those of sandboxes that still live.
    while ways.join_next().await.is_some() {}
}

/// Walls of the network; off only where a test takes one away.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "walls that exist once each; tests take one away at a time"
)]
#[cfg_attr(
    not(feature = "testing"),
    expect(unreachable_pub, reason = "public to tests")
)]
pub struct EgressWalls {
    /// Only named hosts.
    pub named: bool,
    /// Only public addresses.
    pub public: bool,
    /// The address that was checked is the one that is connected to.
    pub pinned: bool,
    /// `Host` is the host that was asked for.
    pub own_host: bool,
    /// Connections end with their execution, and what waits is thrown away.
    pub swept: bool,
    /// Nothing is reached while no execution runs.
    pub gated: bool,
    /// The listener is there before the code.
    pub first: bool,
    /// Bytes are bounded.
    pub bounded: bool,
}

impl Default for EgressWalls {
    fn default() -> Self {
        Self {
            named: true,
            public: true,
            pinned: true,
            own_host: true,
            swept: true,
            gated: true,
            first: true,
            bounded: true,
        }
    }
}
