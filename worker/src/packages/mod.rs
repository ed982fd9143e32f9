//! Packages of versions: resolved once, installed once on each host, seen by their own
//! versions alone.
//!
//! **How it works.** A version's requirements are resolved to a lock, a list with
//! hashes, when it is built (`uv`, wheels only). A lock is installed into a layer, a
//! directory of this host; equal locks share it. Both steps run in a sandbox of
//! their own ([`build`]) that reaches the package index and nothing else ([`index`]),
//! and hand over text and files, which are looked at on the way ([`delivery`]).
//! Sandboxes are bound with a layer in them; a host that doesn't have it installs it
//! again from the lock, when a call needs it.
//!
//! **What always holds.** No code of a package runs outside a sandbox, and none at all
//! while it is installed. A layer is whole or not there. What a layer takes is within
//! the plan's bound, in bytes and files, and so is what is downloaded for it. Layers
//! nobody uses go when there are too many ([`store`]).
//!
//! **What it doesn't do.** It keeps no downloads: a cache that builds could write to
//! would carry from one tenant to another.

mod build;
mod config;
mod delivery;
mod index;
mod store;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use common::clock::SharedClock;
use common::metrics::WorkerMetrics;
use common::packages::{Lock, LockDigest};
use jail::{Host, Layer, VisitError};
use tokio::sync::{Mutex as AsyncMutex, OnceCell, Semaphore};
use tokio_util::task::TaskTracker;

use build::Builds;
pub use build::{Refusal, StepError};
pub use config::PackagesConfig;
pub use delivery::DeliveryError;
pub use store::StoreError;
use store::{Found, Store};

/// Installs at once in one process: each may take some gigabytes of memory.
const AT_ONCE: usize = 2;
/// Layers kept mounted without a sandbox that uses them.
const MOUNTED: usize = 64;
/// Not used for so long, a layer is unmounted where room is made.
const IDLE: Duration = Duration::from_secs(600);
/// A layer's use is noted no more often than this.
const TOUCH: Duration = Duration::from_secs(60);

/// Packages that can't be had through no fault of theirs.
#[derive(Debug, thiserror::Error)]
pub enum PackagesError {
    #[error(transparent)]
    Step(#[from] StepError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the layer cannot be mounted")]
    Mount(#[source] VisitError),
    #[error("the task that installs ended early")]
    Task(#[source] tokio::task::JoinError),
}

impl PackagesError {
    /// The index is away: later it may be there.
    #[must_use]
    pub const fn is_unreachable(&self) -> bool {
        matches!(self, Self::Step(StepError::Unreachable(_)))
    }
}

/// The packages of this host. Handles share them.
#[derive(Clone, Debug)]
pub struct Packages(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    builds: Builds,
    store: Store,
    clock: SharedClock,
    metrics: WorkerMetrics,
    mounted: Mutex<HashMap<LockDigest, Mounted>>,
    /// One task at a time finds or installs a layer.
    turns: Mutex<HashMap<LockDigest, Arc<AsyncMutex<()>>>>,
    places: Semaphore,
    installing: TaskTracker,
}

#[derive(Clone, Debug)]
struct Mounted {
    layer: Layer,
    bytes: u64,
    used: Duration,
    touched: Duration,
}

impl Packages {
    /// # Errors
    /// Where the directory of layers can't be made.
    pub fn open(
        config: PackagesConfig,
        host: Host,
        clock: SharedClock,
        metrics: WorkerMetrics,
    ) -> Result<Self, PackagesError> {
        let most = u64::from(config.layers_mib) << 20;
        let builds = Builds {
            host,
            uv: config.uv,
            index: config.index,
            hosts: Arc::new(config.hosts),
            time: config.time,
            resolver: OnceCell::new(),
        };
        Ok(Self(Arc::new(Shared {
            builds,
            store: Store::open(config.layers, most)?,
            clock,
            metrics,
            mounted: Mutex::default(),
            turns: Mutex::default(),
            places: Semaphore::new(AT_ONCE),
            installing: TaskTracker::new(),
        })))
    }

    /// What requirements come to today.
    ///
    /// # Errors
    /// What is ours; the inner error is the user's to mend.
    pub async fn resolve(
        &self,
        requirements: &[String],
    ) -> Result<Result<Lock, Refusal>, PackagesError> {
        let text = requirements.join("\n") + "\n";
        let resolved = self.0.builds.resolve(&text).await?;
        Ok(resolved.map(Lock::of))
    }

    /// The layer of a lock that may take `most` MiB, installed now if it isn't there;
    /// `None` where there is nothing to install. An install that was begun goes on if
    /// whoever asked for it doesn't wait.
    ///
    /// # Errors
    /// What is ours; the inner error is the user's to mend.
    pub async fn layer(
        &self,
        lock: &Lock,
        most_mib: u32,
    ) -> Result<Result<Option<Layer>, Refusal>, PackagesError> {
        let most = u64::from(most_mib) << 20;
        if let Some(mounted) = self.used(lock.digest) {
            return Ok(mounted.within(most));
        }
        if lock.is_empty() {
            return Ok(Ok(None));
        }
        let (this, lock) = (self.clone(), lock.clone());
        let obtaining = self
            .0
            .installing
            .spawn(async move { this.obtain(&lock, most).await });
        obtaining.await.map_err(PackagesError::Task)?
    }

    async fn obtain(
        &self,
        lock: &Lock,
        most: u64,
    ) -> Result<Result<Option<Layer>, Refusal>, PackagesError> {
        let turn = Arc::clone(self.turns().entry(lock.digest).or_default());
        let _turn = turn.lock().await;
        if let Some(mounted) = self.used(lock.digest) {
            return Ok(mounted.within(most));
        }
        let found = match self.0.store.find(lock.digest) {
            Some(found) => found,
            None => match self.install(lock, most).await? {
                Ok(found) => found,
                Err(refusal) => return Ok(Err(refusal)),
            },
        };
        let layer = self.0.builds.host.layer(&found.path).await;
        let layer = layer.map_err(PackagesError::Mount)?;
        let now = self.0.clock.steady();
        self.0.store.touch(lock.digest, self.0.clock.now().into());
        let mounted = Mounted {
            layer,
            bytes: found.bytes,
            used: now,
            touched: now,
        };
        self.keep(lock.digest, mounted.clone());
        self.turns().remove(&lock.digest);
        Ok(mounted.within(most))
    }

    async fn install(
        &self,
        lock: &Lock,
        most: u64,
    ) -> Result<Result<Found, Refusal>, PackagesError> {
        // Never closed.
        let _place = self.0.places.acquire().await.ok();
        let new = self.0.store.begin()?;
        let began = self.0.clock.steady();
        let installed = self.0.builds.install(&lock.text, new.path(), most).await;
        let result = match &installed {
            Ok(Ok(_)) => "ok",
            Ok(Err(_)) => "refused",
            Err(_) => "failed",
        };
        self.0.metrics.installs.with_label_values(&[result]).inc();
        let installed = installed?;
        let (this, digest) = (self.clone(), lock.digest);
        // Waits for the disk, and removes what is not kept.
        let ended = tokio::task::spawn_blocking(move || {
            let taken = match installed {
                Ok(taken) => taken,
                Err(refusal) => {
                    drop(new);
                    return Ok(Err(refusal));
                }
            };
            let found = this.0.store.end(&new, digest, taken.bytes)?;
            this.collect();
            Ok::<_, StoreError>(Ok((taken, found)))
        });
        let (taken, found) = match ended.await.map_err(PackagesError::Task)?? {
            Ok(ended) => ended,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let took = self.0.clock.steady().saturating_sub(began);
        tracing::info!(
            layer.digest = %lock.digest,
            layer.bytes = taken.bytes,
            layer.files = taken.files,
            took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            "a layer is installed"
        );
        Ok(Ok(found))
    }

    /// Makes room where there are too many layers. Waits for the disk.
    fn collect(&self) {
        let now = self.0.clock.steady();
        // A sandbox that has one keeps it by itself.
        self.mounted()
            .retain(|_, mounted| now.saturating_sub(mounted.used) < IDLE);
        match self.0.store.collect() {
            Ok(bytes) => {
                let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
                self.0.metrics.layers_bytes.set(bytes);
            }
            Err(error) => {
                let error = common::telemetry::chain(&error);
                tracing::warn!(error, "layers cannot be collected");
            }
        }
    }

    /// A mounted one, whose use is noted.
    fn used(&self, digest: LockDigest) -> Option<Mounted> {
        let now = self.0.clock.steady();
        let mut all = self.mounted();
        let mounted = all.get_mut(&digest)?;
        mounted.used = now;
        let is_due = now.saturating_sub(mounted.touched) >= TOUCH;
        if is_due {
            mounted.touched = now;
        }
        let mounted = mounted.clone();
        drop(all);
        if is_due {
            self.0.store.touch(digest, self.0.clock.now().into());
        }
        Some(mounted)
    }

    fn keep(&self, digest: LockDigest, mounted: Mounted) {
        let mut all = self.mounted();
        let mut oldest = None;
        if all.len() >= MOUNTED {
            let longest = all.iter().min_by_key(|(_, mounted)| mounted.used);
            oldest = longest.map(|(digest, _)| *digest);
        }
        if let Some(oldest) = oldest {
            all.remove(&oldest);
        }
        all.insert(digest, mounted);
    }

    fn mounted(&self) -> MutexGuard<'_, HashMap<LockDigest, Mounted>> {
        self.0
            .mounted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn turns(&self) -> MutexGuard<'_, HashMap<LockDigest, Arc<AsyncMutex<()>>>> {
        self.0.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Mounted {
    /// A layer that a larger plan had installed may be too large for this one.
    fn within(self, most: u64) -> Result<Option<Layer>, Refusal> {
        if self.bytes <= most {
            return Ok(Some(self.layer));
        }
        let (takes, most) = (self.bytes.div_ceil(1 << 20), most >> 20);
        Err(Refusal(format!(
            "the packages take {takes} MiB; your plan allows {most}"
        )))
    }
}
