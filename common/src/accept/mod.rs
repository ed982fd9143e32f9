//! The one way in: how a request becomes an execution, whoever asks.
//!
//! REST, MCP and schedules bring a checked request ([`Ask`]); here it is sealed, Redis
//! decides, and the caller is told when the promise that fits is kept:
//!
//! - [`Accept::background`]: after the row is committed. A place in the next batch is
//!   taken first, so Redis is not touched while PostgreSQL is known to be away; the
//!   row never comes before Redis said yes.
//! - [`Accept::interactive`]: when it has ended, by the wake that carries the outcome.
//!   When the wait is over, as in the background.
//!
//! **What always holds.** A refused request leaves nothing, not even its key. A key that
//! is known answers with its execution, and makes that one durable before it says so.
//! After an answer of [`Refusal::Recovering`], [`Refusal::RecordAway`] or
//! [`Refusal::Reset`] the request may run once; asking again with the same key is safe.
//! A caller that leaves changes nothing.
//!
//! **What it doesn't do.** It knows no HTTP, checks no scope and resolves no name.

mod ask;
mod background;
mod cancel;
mod decide;
mod follow;
mod followers;
mod interactive;
pub mod period;
mod refusal;
pub mod schema;
mod target;
mod waiters;
mod waiting;

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::waiters::Waiters;
use crate::clock::SharedClock;
use crate::db::Database;
use crate::execution::{SealedOutcome, Trigger};
use crate::ids::{ExecutionId, ProcessId};
use crate::membership::Settle;
use crate::metrics::ApiMetrics;
use crate::plan::Plans;
use crate::queue::Links;
use crate::record::{AcceptBatcher, Outbox, Recorder};
use crate::vault::Vault;

pub use ask::{Ask, OwnEnv, Payer, UNVERIFIED_PER_DAY};
pub use cancel::Cancelling;
pub use follow::{Follower, Heard};
pub use followers::Crowded;
pub use refusal::Refusal;
pub use target::Target;
pub use waiting::Standing;

/// Executions whose trigger this process remembers until PostgreSQL has the row.
const TRIGGERS: usize = 10_000;

/// What a process needs to accept. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Accept(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    links: Links,
    database: Database,
    batcher: AcceptBatcher,
    outbox: Outbox,
    vault: Vault,
    plans: Plans,
    clock: SharedClock,
    metrics: ApiMetrics,
    waiters: Waiters,
    draining: CancellationToken,
    triggers: Mutex<HashMap<ExecutionId, Trigger>>,
}

/// What [`Accept`] is made of.
#[derive(Debug)]
pub struct Parts {
    /// This process incarnation: the name under which it is woken.
    pub process: ProcessId,
    pub links: Links,
    pub database: Database,
    /// Of one connection: group commits.
    pub commits: Database,
    pub vault: Vault,
    pub plans: Plans,
    pub clock: SharedClock,
    pub metrics: ApiMetrics,
    /// Ends all waits early: their callers get a 202.
    pub draining: CancellationToken,
}

/// How a request was answered.
#[derive(Clone, Debug)]
pub enum Answered {
    /// Durable, and not known to have ended.
    Pending(ExecutionId),
    /// It ended while its caller waited.
    Finished(ExecutionId, Arc<SealedOutcome>),
    /// The key stands for this execution; durable, or ended.
    Joined(ExecutionId, Standing),
}

impl Accept {
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(Inner {
            waiters: Waiters::new(parts.process.to_string()),
            links: parts.links,
            batcher: AcceptBatcher::new(parts.commits),
            outbox: Outbox::new(),
            database: parts.database,
            vault: parts.vault,
            plans: parts.plans,
            clock: parts.clock,
            metrics: parts.metrics,
            draining: parts.draining,
            triggers: Mutex::default(),
        }))
    }

    /// Starts what works beside requests, until `stop`: wakes, group commits, the
    /// record of cancels. Stop it after the last request was answered.
    pub fn start(&self, tasks: &TaskTracker, stop: &CancellationToken) {
        let (accept, stopped) = (self.clone(), stop.clone());
        tasks.spawn(async move { accept.0.waiters.listen(&accept.0.links, stopped).await });
        let (accept, stopped) = (self.clone(), stop.clone());
        tasks.spawn(async move {
            let committed = accept.0.metrics.recorded_accepts.clone();
            accept
                .0
                .batcher
                .run(&stopped, |rows| committed.inc_by(rows))
                .await;
        });
        let (accept, stopped) = (self.clone(), stop.clone());
        tasks.spawn(async move {
            let inner = &accept.0;
            let recorder = Recorder::new(
                inner.database.clone(),
                inner.links.clone(),
                inner.outbox.clone(),
            );
            recorder.run(&stopped, |_| inner.show_outbox()).await;
        });
    }

    /// Returns once wakes are heard.
    pub async fn hears(&self) {
        self.0.waiters.ready().await;
    }

    /// Returns once every cancel is recorded.
    pub async fn drained(&self) {
        self.0.outbox.drained().await;
    }

    /// What asked for an execution, if it was here and not long ago.
    #[must_use]
    pub fn trigger_of(&self, id: ExecutionId) -> Option<Trigger> {
        self.0.triggers().get(&id).copied()
    }
}

impl Inner {
    fn remember(&self, id: ExecutionId, trigger: Trigger) {
        let mut triggers = self.triggers();
        if triggers.len() >= TRIGGERS {
            triggers.clear();
        }
        triggers.insert(id, trigger);
    }

    fn triggers(&self) -> std::sync::MutexGuard<'_, HashMap<ExecutionId, Trigger>> {
        self.triggers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show_outbox(&self) {
        let held = i64::try_from(self.outbox.len()).unwrap_or(i64::MAX);
        self.metrics.outbox.set(held);
    }
}

impl Settle for Accept {
    /// An api holds no leases: once its outbox is in PostgreSQL it is settled.
    async fn settle(&self, _generation: u64) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.drained().await;
        Ok(())
    }
}
