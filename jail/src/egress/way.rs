//! One sandbox's way out: a listener in its network, open while an execution runs.
//!
//! The execution's meter is the gate: shut, nothing more goes through it, whoever holds a
//! connection. An execution's request is handed over only after its way was opened, and
//! the next one's only after the listener has forgotten all that the last one left in it.

use std::io;
use std::net::TcpListener as StdListener;
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::socket::{Backlog, Shutdown, listen, shutdown};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::dial::Dialer;
use super::meter::{Meter, Traffic};
use super::proxy::{self, Admission, Policy};
use super::{EgressWalls, Network};
use crate::limits::{CONNECTIONS, TURNED_AWAY};

/// After a connection that could not be accepted.
const AGAIN: Duration = Duration::from_millis(100);
/// Until the thread of the network has done as it was told.
const PATIENCE: Duration = Duration::from_secs(5);

enum Order {
    Open(Arc<Meter>),
    /// Ends all connections, accepted or not; answered when they are gone.
    Drain(oneshot::Sender<()>),
}

/// The worker's end. The listener closes when it is dropped.
#[derive(Debug)]
pub(crate) struct Way {
    orders: mpsc::UnboundedSender<Order>,
    bytes: u64,
    is_swept: bool,
}

/// An execution's way; dropped, it is shut.
#[derive(Debug)]
pub(crate) struct Passage {
    meter: Arc<Meter>,
    is_swept: bool,
}

impl Passage {
    /// Nothing goes through any more; what went through.
    pub(crate) fn shut(self) -> Traffic {
        let meter = self.meter.clone();
        drop(self);
        meter.traffic()
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        if self.is_swept {
            self.meter.shut();
        }
    }
}

/// The other end, for the thread of the network.
pub(super) struct Opened {
    listener: StdListener,
    network: Network,
    orders: mpsc::UnboundedReceiver<Order>,
}

pub(super) fn make(listener: StdListener, network: Network, walls: EgressWalls) -> (Way, Opened) {
    let (orders, taken) = mpsc::unbounded_channel();
    let way = Way {
        orders,
        bytes: network.bytes,
        is_swept: walls.swept,
    };
    let opened = Opened {
        listener,
        network,
        orders: taken,
    };
    (way, opened)
}

impl Way {
    /// For one execution, from now on; `None` where it is broken.
    pub(crate) fn open(&self) -> Option<Passage> {
        let meter = Arc::new(Meter::new(self.bytes));
        self.orders.send(Order::Open(meter.clone())).ok()?;
        Some(Passage {
            meter,
            is_swept: self.is_swept,
        })
    }

    /// Once no process is left that could connect: nothing of the last execution is in it
    /// any more. Whether that is sure.
    pub(crate) async fn drain(&self) -> bool {
        let (told, done) = oneshot::channel();
        if self.orders.send(Order::Drain(told)).is_err() {
            return false;
        }
        matches!(timeout(PATIENCE, done).await, Ok(Ok(())))
    }
}

/// What is served, on the thread of the network.
struct Serving {
    /// `None` only while it is made anew.
    listener: Option<TcpListener>,
    same: StdListener,
    walls: EgressWalls,
    bytes: u64,
    meter: Option<Arc<Meter>>,
    connections: JoinSet<()>,
}

impl Opened {
    /// Until the sandbox is gone, or it can't be served any more.
    pub(super) async fn serve(self, dialer: Dialer) {
        let mut orders = self.orders;
        let mut serving = Serving {
            listener: None,
            same: self.listener,
            walls: dialer.walls,
            bytes: self.network.bytes,
            meter: None,
            connections: JoinSet::new(),
        };
        if let Err(error) = serving.register() {
            tracing::error!(error = %error, "a sandbox has no way out");
            return;
        }
        let policy = Arc::new(Policy::new(self.network, dialer));
        let mut not_before = Instant::now();
        loop {
            let has_room = serving.connections.len() < CONNECTIONS + TURNED_AWAY;
            let Some(listener) = &serving.listener else {
                return;
            };
            let accept = async {
                sleep_until(not_before).await;
                listener.accept().await
            };
            tokio::select! {
                biased;
                order = orders.recv() => match order {
                    None => return,
                    Some(order) => serving.obey(order).await,
                },
                Some(_) = serving.connections.join_next() => {}
                accepted = accept, if has_room => match accepted {
                    Ok((client, _)) => {
                        // What was told before it came, and is heard only now.
                        while let Ok(order) = orders.try_recv() {
                            serving.obey(order).await;
                        }
                        serving.admit(client, &policy);
                    }
                    Err(error) => {
                        tracing::warn!(error = %error, "no connection out of a sandbox");
                        not_before = Instant::now() + AGAIN;
                    }
                }
            }
        }
    }
}

impl Serving {
    fn register(&mut self) -> io::Result<()> {
        self.listener = Some(TcpListener::from_std(self.same.try_clone()?)?);
        Ok(())
    }

    async fn obey(&mut self, order: Order) {
        match order {
            Order::Open(meter) => {
                if self.walls.swept {
                    // Those that came before it are nobody's.
                    self.connections.abort_all();
                }
                self.meter = Some(meter);
            }
            Order::Drain(told) => {
                if self.walls.swept {
                    self.connections.shutdown().await;
                    if let Err(error) = self.forget_all() {
                        tracing::error!(error = %error, "a way out of a sandbox can't be cleared");
                        return;
                    }
                }
                let _asker_gone = told.send(());
            }
        }
    }

    /// Has the kernel drop every connection that is not accepted, and also those that are not
    /// yet made, whose data it would go on sending though their process is dead.
    fn forget_all(&mut self) -> io::Result<()> {
        // It would remember for ever that its socket was shut.
        self.listener = None;
        shutdown(self.same.as_raw_fd(), Shutdown::Read)?;
        listen(&self.same, Backlog::MAXALLOWABLE)?;
        self.register()
    }

    fn admit(&mut self, client: TcpStream, policy: &Arc<Policy>) {
        // Small pieces of a handshake would wait 40 ms for each other.
        let _only_slower = client.set_nodelay(true);
        let open = self.meter.as_ref().filter(|meter| !meter.is_shut());
        let admission = match open {
            None if self.walls.gated => Admission::Shut,
            None => Admission::Open(Arc::new(Meter::new(self.bytes))),
            Some(_) if self.connections.len() >= CONNECTIONS => Admission::Full(CONNECTIONS),
            Some(meter) => Admission::Open(meter.clone()),
        };
        let served = proxy::serve(client, policy.clone(), admission);
        self.connections.spawn(served);
    }
}
