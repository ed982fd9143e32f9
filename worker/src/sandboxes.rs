//! Sandboxes that hold a version, kept for its next execution.
//!
//! **How it works.** Sandboxes stand on shelves, one for each version under one
//! plan with one bound of memory ([`Kind`]). An execution takes an idle one, else
//! one of the generic pool is bound for it. While as many are busy as the machine
//! has cores, it first waits for one of them as long as binding took the last
//! time: so a version that imports quickly gets more sandboxes soon, and one that
//! imports for seconds not before it is worth it. Either way nobody waits more
//! than twice what the better choice would have cost.
//!
//! **What always holds.** A sandbox serves one version of one tenant for good, and where
//! its import reads environment values, executions with the same ones only. No
//! more than `most` exist, ready ones included. Idle ones go, the longest unused
//! first, when they are old, when the place is needed, or when memory is short.

mod evict;
mod kind;
mod layer;
mod shelf;

use std::collections::HashMap;
use std::hash::RandomState;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use common::clock::SharedClock;
use common::ids::VersionId;
use common::limits;
use common::metrics::WorkerMetrics;
use common::plan::{Plan, Plans};
use jail::{BootError, Failure, Limits, Pool, Sandbox, SandboxError};
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

pub use evict::{Evicted, Memory};
use kind::limits_of;
pub use kind::{Kind, Wanted};
use shelf::Shelf;

use crate::network;
use crate::packages::{Packages, PackagesError};
use crate::versions::Versions;

/// No sandbox, through no fault of the user's code.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    #[error("no sandbox came up")]
    Boot(#[source] BootError),
    #[error("the sandbox failed before the code was in it")]
    Bind(#[source] SandboxError),
    #[error("the packages cannot be had")]
    Packages(#[source] Arc<PackagesError>),
}

/// A sandbox for one execution, or what importing the version came to.
#[derive(Debug)]
pub enum Taken {
    Ready(InUse),
    Unusable { failure: Failure, log: String },
}

impl Taken {
    const fn unusable(failure: Failure) -> Self {
        let log = String::new();
        Self::Unusable { failure, log }
    }
}

/// What a pool of sandboxes is made of.
#[derive(Debug)]
pub struct SandboxesParts {
    pub generic: Pool,
    pub packages: Packages,
    pub versions: Versions,
    /// Bound ones alive at once.
    pub most: usize,
    pub plans: Plans,
    pub clock: SharedClock,
    pub metrics: WorkerMetrics,
}

/// The sandboxes of this process. Handles share them.
#[derive(Clone, Debug)]
pub struct Sandboxes(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    parts: SandboxesParts,
    cores: usize,
    /// Makes digests of environments, with a key that no other process has.
    digests: RandomState,
    table: Mutex<Table>,
    /// A place may have become free.
    freed: Notify,
    /// Those whose last execution has answered and may not be gone yet.
    settling: TaskTracker,
}

#[derive(Debug, Default)]
struct Table {
    shelves: HashMap<Kind, Shelf>,
    /// Bound ones and those being bound.
    count: usize,
}

impl Sandboxes {
    #[must_use]
    pub fn new(parts: SandboxesParts) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Shared {
            parts,
            cores,
            digests: RandomState::new(),
            table: Mutex::default(),
            freed: Notify::new(),
            settling: TaskTracker::new(),
        }))
    }

    /// A sandbox that holds the version. Waits at most `patience` for packages that this
    /// host doesn't have yet.
    ///
    /// # Errors
    /// Where none can be had: ours, not the user's.
    pub async fn take(&self, kind: Kind, wanted: Wanted<'_>) -> Result<Taken, TakeError> {
        let kind = kind.with(wanted.environment, &self.0.digests);
        if !wanted.alone
            && let Some(idle) = self.wait_for_idle(kind).await
        {
            return Ok(Taken::Ready(idle));
        }
        let layer = match self.layer(kind, wanted.version, wanted.patience).await? {
            Ok(layer) => layer,
            Err(failure) => return Ok(Taken::unusable(failure)),
        };
        let place = self.place().await;
        let generic = self.0.parts.generic.take().await.map_err(TakeError::Boot)?;
        let began = self.0.parts.clock.steady();
        let plan = self.0.parts.plans.of(kind.plan);
        let limits = limits_of(plan, kind);
        let bound = generic
            .with(layer)
            .with_environment(wanted.environment.clone())
            .watching(wanted.version.env.names().cloned().collect())
            .reaching(network::of(&wanted.version.network, plan))
            .bind(&wanted.version.code, &limits, limits::IMPORT)
            .await
            .map_err(TakeError::Bind)?;
        let cost = self.0.parts.clock.steady().saturating_sub(began);
        self.0.parts.metrics.binds.observe(cost.as_secs_f64());
        match bound.sandbox {
            Ok(sandbox) => {
                place.keep();
                self.table().shelf(kind).bound(cost);
                let mut bound = self.in_use(kind, Box::new(sandbox));
                bound.alone = wanted.alone;
                Ok(Taken::Ready(bound))
            }
            Err(failure) => Ok(Taken::Unusable {
                failure,
                log: bound.log,
            }),
        }
    }

    /// A generic one, for a build.
    ///
    /// # Errors
    /// Where none came up.
    pub async fn generic(&self) -> Result<jail::GenericSandbox, BootError> {
        self.0.parts.generic.take().await
    }

    /// What an execution of this kind may use.
    #[must_use]
    pub fn limits(&self, plan: Plan, memory_mib: u32, version: VersionId) -> Limits {
        let kind = Kind {
            version,
            plan,
            memory_mib,
            environment: None,
        };
        limits_of(self.0.parts.plans.of(plan), kind)
    }

    /// An idle one; where enough are busy, the next of them that comes free in time.
    async fn wait_for_idle(&self, kind: Kind) -> Option<InUse> {
        // One that died while nobody used it is dropped here, outside the lock.
        while let Some(idle) = self.take_idle(kind) {
            if idle.is_reusable() {
                return Some(idle);
            }
            self.discarded("broken", 1);
        }
        let (free, patience) = {
            let mut table = self.table();
            let shelf = table.shelf(kind);
            if shelf.busy < self.0.cores {
                return None;
            }
            (shelf.wait(), shelf.cost)
        };
        tokio::time::timeout(patience, free).await.ok()?.ok()
    }

    fn take_idle(&self, kind: Kind) -> Option<InUse> {
        let sandbox = self.table().shelf(kind).take_idle()?;
        Some(self.in_use(kind, sandbox))
    }

    /// Generic ones that are ready.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.0.parts.generic.ready()
    }

    /// Waits for a place for one more sandbox, making one of the longest unused.
    async fn place(&self) -> Place {
        loop {
            let freed = self.0.freed.notified();
            // Killed outside the table's lock: that takes a moment.
            let mut oldest = None;
            {
                let mut table = self.table();
                if table.count >= self.0.parts.most {
                    oldest = table.take_oldest();
                    self.discarded("count", usize::from(oldest.is_some()));
                }
                if table.count < self.0.parts.most {
                    table.count += 1;
                    self.gauge(&table);
                    return Place(Some(self.clone()));
                }
            }
            drop(oldest);
            freed.await;
        }
    }

    fn in_use(&self, kind: Kind, sandbox: Box<Sandbox>) -> InUse {
        InUse {
            sandboxes: self.clone(),
            kind,
            sandbox: Some(sandbox),
            alone: false,
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn gauge(&self, table: &Table) {
        let count = i64::try_from(table.count).unwrap_or(i64::MAX);
        self.0.parts.metrics.bound_sandboxes.set(count);
    }

    fn discarded(&self, why: &str, count: usize) {
        let discarded = &self.0.parts.metrics.discarded_sandboxes;
        discarded
            .with_label_values(&[why])
            .inc_by(u64::try_from(count).unwrap_or(0));
    }
}

impl Table {
    fn shelf(&mut self, kind: Kind) -> &mut Shelf {
        self.shelves.entry(kind).or_default()
    }
}

/// A place among the bound sandboxes, free again unless it is kept.
#[derive(Debug)]
struct Place(Option<Sandboxes>);

impl Place {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(sandboxes) = self.0.take() {
            let mut table = sandboxes.table();
            table.count -= 1;
            sandboxes.gauge(&table);
            sandboxes.0.freed.notify_one();
        }
    }
}

/// A sandbox that runs an execution. Dropping it kills the sandbox.
#[derive(Debug)]
pub struct InUse {
    sandboxes: Sandboxes,
    kind: Kind,
    sandbox: Option<Box<Sandbox>>,
    /// It takes no other execution.
    alone: bool,
}

impl InUse {
    /// The sandbox itself; `None` only after it was given back.
    pub fn sandbox(&mut self) -> Option<&mut Sandbox> {
        self.sandbox.as_deref_mut()
    }

    fn is_reusable(&self) -> bool {
        self.sandbox.as_deref().is_some_and(Sandbox::is_reusable)
    }

    /// Gives it to the next execution of its kind, if it may have one, as soon as nothing
    /// is left of this one: in a task of its own, so that no answer waits for that.
    pub fn give_back(self) {
        if self.alone {
            self.sandboxes.discarded("alone", 1);
            return;
        }
        if self.sandbox.as_deref().is_none_or(Sandbox::is_spent) {
            self.sandboxes.discarded("broken", 1);
            return;
        }
        let settling = self.sandboxes.0.settling.clone();
        settling.spawn(self.settle());
    }

    async fn settle(mut self) {
        let settled = match self.sandbox() {
            Some(sandbox) => sandbox.settle().await,
            None => false,
        };
        if settled {
            self.hand_over();
        } else {
            self.sandboxes.discarded("dirty", 1);
        }
    }

    fn hand_over(mut self) {
        let sandboxes = self.sandboxes.clone();
        // One that goes to a waiter stays busy; should the waiter have gone away
        // with it, dropping it puts the count right.
        loop {
            let waiter = sandboxes.table().shelf(self.kind).next_waiter();
            let Some(waiter) = waiter else { break };
            match waiter.send(self) {
                Ok(()) => return,
                Err(unwanted) => self = unwanted,
            }
        }
        let now = sandboxes.0.parts.clock.steady();
        if let Some(sandbox) = self.sandbox.take() {
            sandboxes.table().shelf(self.kind).put_back(sandbox, now);
            // Somebody who waits for a place may now evict it.
            sandboxes.0.freed.notify_one();
        }
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        let Some(sandbox) = self.sandbox.take() else {
            return;
        };
        drop(sandbox);
        let mut table = self.sandboxes.table();
        table.shelf(self.kind).gone();
        table.count -= 1;
        self.sandboxes.gauge(&table);
        drop(table);
        self.sandboxes.0.freed.notify_one();
    }
}

/// How long an unused sandbox is kept.
const IDLE: Duration = Duration::from_secs(600);
