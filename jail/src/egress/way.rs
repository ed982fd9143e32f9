//! One sandbox's way out: a listener in its network, open while an execution runs.
//!
//! Orders come before the connections they concern: an execution's request is handed
//! over only after its way was opened, and the next one's only after what the last one
//! left in the backlog is gone.

use std::io;
use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::Network;
use super::dial::Dialer;
use super::meter::{Meter, Traffic};
use super::proxy::{self, Admission, Policy};

/// At once, of one sandbox; more are told so.
const CONNECTIONS: usize = 64;
/// That are being told so; others wait in the backlog.
const TURNED_AWAY: usize = 16;

enum Order {
    Open(Arc<Meter>),
    /// Ends all connections; answered when they are gone.
    Shut(oneshot::Sender<()>),
    /// The same for those that nobody has accepted yet.
    Drain(oneshot::Sender<()>),
}

/// The worker's end. The listener closes when it is dropped.
#[derive(Debug)]
pub(crate) struct Way {
    orders: mpsc::UnboundedSender<Order>,
    bytes: u64,
    meter: Option<Arc<Meter>>,
}

/// The other one, for the thread of the network.
pub(super) struct Opened {
    listener: StdListener,
    network: Network,
    orders: mpsc::UnboundedReceiver<Order>,
}

pub(super) fn make(listener: StdListener, network: Network) -> (Way, Opened) {
    let (orders, taken) = mpsc::unbounded_channel();
    let way = Way {
        orders,
        bytes: network.bytes,
        meter: None,
    };
    let opened = Opened {
        listener,
        network,
        orders: taken,
    };
    (way, opened)
}

impl Way {
    /// For one execution, from now on.
    pub(crate) fn open(&mut self) {
        let meter = Arc::new(Meter::new(self.bytes));
        self.meter = Some(meter.clone());
        let _ended = self.orders.send(Order::Open(meter));
    }

    /// Closes all connections of the execution, and says what went through them.
    pub(crate) async fn shut(&mut self) -> Traffic {
        let Some(meter) = self.meter.take() else {
            return Traffic::default();
        };
        self.ask(Order::Shut).await;
        meter.traffic()
    }

    /// Once no process is left that could connect: throws away what nobody accepted.
    pub(crate) async fn drain(&self) {
        self.ask(Order::Drain).await;
    }

    async fn ask(&self, order: impl FnOnce(oneshot::Sender<()>) -> Order) {
        let (told, done) = oneshot::channel();
        if self.orders.send(order(told)).is_ok() {
            let _ended = done.await;
        }
    }
}

impl Opened {
    /// Until the sandbox is gone.
    pub(super) async fn serve(self, dialer: Dialer) {
        let listener = self.listener.try_clone().and_then(TcpListener::from_std);
        let listener = match listener {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(error = %error, "a sandbox has no way out");
                return;
            }
        };
        let walls = dialer.walls;
        let bytes = self.network.bytes;
        let policy = Arc::new(Policy::new(self.network, dialer));
        let mut orders = self.orders;
        let mut connections = JoinSet::new();
        let mut meter: Option<Arc<Meter>> = None;
        loop {
            let has_room = connections.len() < CONNECTIONS + TURNED_AWAY;
            tokio::select! {
                biased;
                order = orders.recv() => match order {
                    None => return,
                    Some(Order::Open(new)) => meter = Some(new),
                    Some(Order::Shut(told)) => {
                        meter = None;
                        if walls.swept {
                            connections.shutdown().await;
                        }
                        let _asker_gone = told.send(());
                    }
                    Some(Order::Drain(told)) => {
                        if walls.swept {
                            connections.shutdown().await;
                            throw_away(&self.listener);
                        }
                        let _asker_gone = told.send(());
                    }
                },
                Some(_) = connections.join_next() => {}
                accepted = listener.accept(), if has_room => match accepted {
                    Ok((client, _)) => {
                        let admission = match &meter {
                            None if walls.gated => Admission::Shut,
                            None => Admission::Open(Arc::new(Meter::new(bytes))),
                            Some(_) if connections.len() >= CONNECTIONS => Admission::Full(CONNECTIONS),
                            Some(meter) => Admission::Open(meter.clone()),
                        };
                        connections.spawn(proxy::serve(client, policy.clone(), admission));
                    }
                    Err(error) => {
                        tracing::debug!(error = %error, "no connection out of a sandbox");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                }
            }
        }
    }
}

fn throw_away(listener: &StdListener) {
    loop {
        match listener.accept() {
            Ok(unwanted) => drop(unwanted),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}
