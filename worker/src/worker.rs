//! What all parts of a worker share.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use common::backoff::Backoff;
use common::clock::SharedClock;
use common::db::Database;
use common::ids::ProcessId;
use common::metrics::WorkerMetrics;
use common::plan::Plans;
use common::queue::{Leased, Links, Taken, Token};
use common::vault::Vault;
use common::{queue, telemetry};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::attempt::{InDoubt, Work, attempt};
use crate::lease::{Keeper, Leases};
use crate::packages::Packages;
use crate::record::Record;
use crate::sandboxes::Sandboxes;
use crate::secrets::Secrets;
use crate::slots::{Slot, Slots};
use crate::turns::Turns;
use crate::versions::Versions;

/// One worker process.
#[derive(Debug)]
pub struct Worker {
    pub id: ProcessId,
    /// Its name in the queue's group: one per incarnation.
    pub consumer: String,
    pub clock: SharedClock,
    pub client: redis::Client,
    pub links: Links,
    pub database: Database,
    pub vault: Vault,
    pub leases: Leases,
    pub keeper: Keeper,
    pub slots: Slots,
    pub turns: Turns,
    pub versions: Versions,
    pub secrets: Secrets,
    pub sandboxes: Sandboxes,
    pub packages: Packages,
    pub plans: Plans,
    pub record: Record,
    pub in_doubt: InDoubt,
    pub faults: Faults,
    pub metrics: WorkerMetrics,
    /// Attempts under way.
    pub attempts: TaskTracker,
    /// Takes nothing new from when this is cancelled.
    pub draining: CancellationToken,
}

impl Worker {
    /// Runs one execution in a slot, and then whatever finishing it took with it.
    pub fn occupy(self: &Arc<Self>, slot: Slot, work: Work) {
        let worker = self.clone();
        self.attempts.spawn(async move {
            let mut work = Some(work);
            while let Some(present) = work.take() {
                let taken = attempt(&worker, present, slot.next()).await;
                if let (Some(_), Some(stream)) = (&taken, slot.next()) {
                    let reads = &worker.metrics.reads;
                    reads.with_label_values(&[stream.as_str()]).inc();
                }
                work = match taken {
                    Some(Taken::Leased(leased)) => Some(worker.fresh(leased)),
                    Some(Taken::Damaged(token)) => {
                        worker.set_aside(&token).await;
                        None
                    }
                    None => None,
                };
            }
            drop(slot);
        });
    }

    /// What was delivered just now.
    #[must_use]
    pub fn fresh(&self, leased: Leased) -> Work {
        Work::new(leased, self.clock.steady())
    }

    /// Takes an entry nobody can read out of its stream. It is left where that
    /// fails: it will be delivered again.
    pub async fn set_aside(&self, token: &Token) {
        tracing::error!(
            entry = token.entry,
            "an entry cannot be read; it is set aside"
        );
        self.metrics.damaged.inc();
        let done = async {
            let link = self.links.link().await?;
            queue::set_aside(&link, token, None).await
        };
        if let Err(error) = done.await {
            let error = telemetry::chain(&error);
            tracing::warn!(error, "a damaged entry stays in its stream");
        }
    }

    pub fn count_running(&self) {
        let held = i64::try_from(self.leases.len()).unwrap_or(i64::MAX);
        self.metrics.running.set(held);
    }
}

/// Faults of ours in a row: the more, the longer an entry is kept before it goes back.
#[derive(Debug)]
pub struct Faults(Mutex<Backoff>);

impl Default for Faults {
    fn default() -> Self {
        Self(Mutex::new(Backoff::new(FIRST_FAULT, MANY_FAULTS)))
    }
}

const FIRST_FAULT: Duration = Duration::from_millis(100);
const MANY_FAULTS: Duration = Duration::from_secs(5);

impl Faults {
    /// Waits after a fault, or until the process stops.
    pub async fn wait(&self, stopping: &CancellationToken) {
        let delay = self.lock().delay();
        tokio::select! {
            () = stopping.cancelled() => {}
            () = tokio::time::sleep(delay) => {}
        }
    }

    /// Something went well.
    pub fn over(&self) {
        self.lock().reset();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Backoff> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
