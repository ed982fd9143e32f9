//! From a name to a connection: looked up here, checked, and connected to as checked.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::{ResolverBuilder, TokioResolver};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::address::Addresses;
use super::hosts::Wanted;
use super::{EgressConfig, EgressError, EgressWalls};
use crate::limits::HOST_BUFFER;

const LOOK_UP: Duration = Duration::from_secs(10);
/// To one address, and to all of a name together.
const CONNECT: Duration = Duration::from_secs(5);
const CONNECT_ALL: Duration = Duration::from_secs(15);

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

type Builder = ResolverBuilder<TokioRuntimeProvider>;

/// Asks the servers that the operator names, else this host's. Where there are none, names
/// lead nowhere, and addresses are reached all the same.
fn resolver(config: &EgressConfig) -> Builder {
    let over = |servers| {
        let config = ResolverConfig::from_parts(None, Vec::new(), servers);
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    if config.nameservers.is_empty() {
        return TokioResolver::builder_tokio().unwrap_or_else(|error| {
            tracing::error!(error = %error, "executions have no server that knows names");
            over(Vec::new())
        });
    }
    let servers = config.nameservers.iter().map(|at| {
        let mut server = NameServerConfig::udp_and_tcp(at.ip());
        for connection in &mut server.connections {
            connection.port = at.port();
        }
        server
    });
    over(servers.collect())
}

/// Shared by all ways.
#[derive(Clone, Debug)]
pub(super) struct Dialer {
    resolver: TokioResolver,
    addresses: Arc<Mutex<Addresses>>,
    /// Connections of all sandboxes, so that descriptors are left for everything else.
    places: Arc<Semaphore>,
    pub(super) walls: EgressWalls,
}

impl Dialer {
    pub(super) fn new(
        config: &EgressConfig,
        walls: EgressWalls,
        places: usize,
    ) -> Result<Self, EgressError> {
        let mut builder = resolver(config);
        // Else one tenant could tell by the time what another one has looked up.
        builder.options_mut().cache_size = 0;
        Ok(Self {
            resolver: builder.build().map_err(EgressError::Resolver)?,
            addresses: Arc::new(Mutex::new(Addresses::new(config.clone()))),
            places: Arc::new(Semaphore::new(places)),
            walls,
        })
    }

    pub(super) fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.places.clone().try_acquire_owned().ok()
    }

    /// A connection to a host; `is_trusted` where the operator named it.
    pub(super) async fn dial(
        &self,
        wanted: &Wanted,
        is_trusted: bool,
    ) -> Result<TcpStream, DialError> {
        let mut addresses = self.look_up(&wanted.host).await?;
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
        // A host with both is nearly always reached by the older one.
        addresses.sort_by_key(IpAddr::is_ipv6);
        let connecting = connect_one_of(&addresses, wanted.port);
        let connected = timeout(CONNECT_ALL, connecting).await;
        connected
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(|error| DialError::Connect(wanted.clone(), error))
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

async fn connect_one_of(addresses: &[IpAddr], port: u16) -> io::Result<TcpStream> {
    let mut last = io::ErrorKind::TimedOut.into();
    for address in addresses {
        match timeout(CONNECT, connect(SocketAddr::new(*address, port))).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => {}
        }
    }
    Err(last)
}

async fn connect(at: SocketAddr) -> io::Result<TcpStream> {
    let socket = match at {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Before it connects: the window that is offered follows from it.
    socket.set_recv_buffer_size(HOST_BUFFER)?;
    socket.set_send_buffer_size(HOST_BUFFER)?;
    // Small pieces of a handshake don't wait for each other.
    socket.set_nodelay(true)?;
    socket.connect(at).await
}
