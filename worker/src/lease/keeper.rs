//! The thread that keeps leases: renews, listens for cancels, watches the clock.

use std::time::Duration;

use common::backoff::{Backoff, jittered};
use common::clock::SharedClock;
use common::limits;
use common::metrics::WorkerMetrics;
use common::queue::{self, CancelOrders, Link, Links, Partition, QueueError};
use common::telemetry;
use tokio::sync::{Notify, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::Leases;

/// Between two looks at the own clock.
const LOOK: Duration = Duration::from_millis(50);

/// What a keeper is made of. The connections it opens are its own.
#[derive(Debug)]
pub struct KeeperParts {
    pub leases: Leases,
    pub client: redis::Client,
    pub partition: Partition,
    pub consumer: String,
    pub clock: SharedClock,
    pub metrics: WorkerMetrics,
}

#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    #[error("the thread that keeps leases did not start")]
    Start(#[source] std::io::Error),
    #[error("leases were not renewed under generation {0} in time")]
    NotRenewed(u64),
}

/// A handle to the running thread.
#[derive(Debug)]
pub struct Keeper {
    /// Cancelled when the thread ends, however it ends.
    ended: CancellationToken,
    stop: CancellationToken,
    orders: Orders,
}

/// What others tell the thread, and it them.
#[derive(Clone, Debug)]
struct Orders {
    /// The generation under construction whose link may be used; 0 is none.
    adopted: watch::Sender<u64>,
    /// The generation of the last renewal that was answered.
    renewed: watch::Sender<u64>,
    /// Renew now.
    now: std::sync::Arc<Notify>,
}

impl Keeper {
    /// # Errors
    /// Where no thread or no runtime is to be had.
    pub fn start(parts: KeeperParts) -> Result<Self, KeeperError> {
        let orders = Orders {
            adopted: watch::Sender::new(0),
            renewed: watch::Sender::new(0),
            now: std::sync::Arc::default(),
        };
        let stop = CancellationToken::new();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(KeeperError::Start)?;
        let keeping = Keeping {
            links: Links::new(parts.client.clone(), parts.partition.clone()),
            parts,
            orders: orders.clone(),
        };
        let stopped = stop.clone();
        let ended = CancellationToken::new();
        let end = ended.clone().drop_guard();
        std::thread::Builder::new()
            .name("leases".to_owned())
            .spawn(move || {
                let _ended_when_dropped = end;
                runtime.block_on(async {
                    tokio::select! {
                        () = stopped.cancelled() => {}
                        () = keeping.renewals() => {}
                        () = keeping.own_clock() => {}
                        () = keeping.cancels() => {}
                    }
                });
            })
            .map_err(KeeperError::Start)?;
        Ok(Self {
            ended,
            stop,
            orders,
        })
    }

    /// Renews under `generation`, which is under construction, from now on; returns
    /// after the first such renewal was answered.
    ///
    /// # Errors
    /// Where no answer comes in time.
    pub async fn adopt(&self, generation: u64) -> Result<(), KeeperError> {
        let mut renewed = self.orders.renewed.subscribe();
        self.orders.adopted.send_replace(generation);
        self.orders.now.notify_one();
        let done = renewed.wait_for(|under| *under >= generation);
        match tokio::time::timeout(limits::REDIS_ANSWER, done).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(KeeperError::NotRenewed(generation)),
        }
    }

    /// Renews now, for who waits to know whether a lease holds.
    pub fn hurry(&self) {
        self.orders.now.notify_one();
    }

    /// Ends the thread. What is still held runs out.
    pub fn end(&self) {
        self.stop.cancel();
    }

    /// Waits until the thread has ended, by itself or not: then nothing keeps the
    /// leases, and the process must not go on.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }
}

/// What runs on the thread.
#[derive(Debug)]
struct Keeping {
    parts: KeeperParts,
    links: Links,
    orders: Orders,
}

impl Keeping {
    async fn renewals(&self) {
        let mut tick = tokio::time::interval(limits::RENEW_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failing = false;
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = self.orders.now.notified() => {}
            }
            let renewed = self.renew().await;
            if let Err(error) = &renewed {
                if !failing {
                    let error = telemetry::chain(error);
                    tracing::warn!(
                        error,
                        held = self.parts.leases.len(),
                        "leases cannot be renewed"
                    );
                }
                // Don't wait a whole period: the own clock runs.
                tokio::time::sleep(jittered(limits::GREET_EVERY * 2)).await;
                tick.reset_immediately();
            } else if failing {
                tracing::info!(held = self.parts.leases.len(), "leases are renewed again");
            }
            failing = renewed.is_err();
        }
    }

    async fn renew(&self) -> Result<(), QueueError> {
        let sent = self.parts.clock.steady();
        let tokens = self.parts.leases.tokens();
        let link = self.link().await?;
        let answer = queue::renew(&link, &tokens).await?;
        let lost = self.parts.leases.renewed(&tokens, sent, &answer);
        self.parts
            .metrics
            .losses
            .inc_by(u64::try_from(lost).unwrap_or(0));
        self.orders.renewed.send_replace(link.generation());
        Ok(())
    }

    /// The certified link; while the partition is recovering, one of the recovery
    /// this process has settled for.
    async fn link(&self) -> Result<Link, QueueError> {
        let adopted = *self.orders.adopted.borrow();
        match self.links.link().await {
            Ok(link) if link.generation() >= adopted => return Ok(link),
            // Of before the recovery: greet again.
            Ok(link) => link.give_up(),
            Err(QueueError::Recovering) => {}
            Err(error) => return Err(error),
        }
        match self.links.link().await {
            Err(QueueError::Recovering) if adopted > 0 => self.links.recovering(adopted).await,
            other => other,
        }
    }

    async fn own_clock(&self) {
        let mut tick = tokio::time::interval(LOOK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let stopped = self.parts.leases.stop_stale();
            if stopped > 0 {
                tracing::warn!(
                    stopped,
                    "stopped what runs under leases that were not renewed"
                );
            }
        }
    }

    /// An order is a hint: the next renewal tells of the cancel too.
    async fn cancels(&self) {
        let mut backoff = Backoff::new(limits::GREET_EVERY, limits::READ_BLOCK);
        loop {
            let KeeperParts {
                client,
                partition,
                consumer,
                leases,
                ..
            } = &self.parts;
            if let Ok(mut orders) = CancelOrders::subscribe(client, partition, consumer).await {
                backoff.reset();
                // One that came before the subscription is in the flags.
                self.orders.now.notify_one();
                while let Ok(id) = orders.next().await {
                    leases.cancel(id);
                }
            }
            tokio::time::sleep(backoff.delay()).await;
        }
    }
}
