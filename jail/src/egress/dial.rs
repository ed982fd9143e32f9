//! From a name to a connection: looked up here, checked, and connected to as checked.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::address::Addresses;
use super::hosts::Wanted;
use super::{EgressConfig, EgressError, EgressWalls};

const LOOK_UP: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(10);
/// Of one name; more are not tried, and not looked at.
const ADDRESSES: usize = 16;

/// Why there is no connection, as the code is told.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    /// Also where there is no such name: what is asked of this host's servers about names
    /// of its own network is nothing to tell.
    #[error("{0} has no address that may be reached")]
    NoAddress(String),
    #[error("{0} could not be looked up")]
    LookUp(String, #[source] Option<NetError>),
    #[error("{0} cannot be connected to")]
    Connect(Wanted, #[source] io::Error),
}

/// Shared by all ways.
#[derive(Clone, Debug)]
pub(super) struct Dialer {
    resolver: TokioResolver,
    addresses: Arc<Mutex<Addresses>>,
    pub(super) walls: EgressWalls,
}

impl Dialer {
    pub(super) fn new(config: &EgressConfig, walls: EgressWalls) -> Result<Self, EgressError> {
        let builder = if config.nameservers.is_empty() {
            TokioResolver::builder_tokio().map_err(EgressError::Resolver)?
        } else {
            let servers = config.nameservers.iter().map(|at| {
                let mut server = NameServerConfig::udp_and_tcp(at.ip());
                for connection in &mut server.connections {
                    connection.port = at.port();
                }
                server
            });
            let servers = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
            TokioResolver::builder_with_config(servers, TokioRuntimeProvider::default())
        };
        Ok(Self {
            resolver: builder.build().map_err(EgressError::Resolver)?,
            addresses: Arc::new(Mutex::new(Addresses::new(config.ranges.clone()))),
            walls,
        })
    }

    /// A connection to a host; `is_trusted` where the operator named it.
    pub(super) async fn dial(
        &self,
        wanted: &Wanted,
        is_trusted: bool,
    ) -> Result<TcpStream, DialError> {
        let mut addresses = self.look_up(&wanted.host).await?;
        addresses.truncate(ADDRESSES);
        // One that may not be reached among others is no accident.
        let all_fit = addresses
            .iter()
            .all(|address| self.may_be_reached(*address));
        if addresses.is_empty() || !(all_fit || is_trusted || !self.walls.public) {
            return Err(DialError::NoAddress(wanted.host.clone()));
        }
        if !self.walls.pinned {
            addresses = self.look_up(&wanted.host).await?;
        }
        let mut last = io::ErrorKind::TimedOut.into();
        for address in addresses {
            let at = SocketAddr::new(address, wanted.port);
            match timeout(CONNECT, TcpStream::connect(at)).await {
                Ok(Ok(stream)) => {
                    // Small pieces of a handshake don't wait for each other.
                    let _only_slower = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(error)) => last = error,
                Err(_) => {}
            }
        }
        Err(DialError::Connect(wanted.clone(), last))
    }

    async fn look_up(&self, host: &str) -> Result<Vec<IpAddr>, DialError> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        // With its dot: no domain of this host's own is tried behind it.
        let looked_up = timeout(LOOK_UP, self.resolver.lookup_ip(format!("{host}."))).await;
        match looked_up {
            Ok(Ok(found)) => Ok(found.iter().collect()),
            Ok(Err(error)) if error.is_no_records_found() => Ok(Vec::new()),
            Ok(Err(error)) => Err(DialError::LookUp(host.to_owned(), Some(error))),
            Err(_) => Err(DialError::LookUp(host.to_owned(), None)),
        }
    }

    fn may_be_reached(&self, address: IpAddr) -> bool {
        let mut addresses = self
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        addresses.may_be_reached(address, Instant::now())
    }
}
