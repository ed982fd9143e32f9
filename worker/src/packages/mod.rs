//! Packages of versions: resolved once, installed once on each host, seen by their own
//! versions alone.
//!
//! **How it works.** A version's requirements are resolved to a lock, a list with
//! hashes, when it is built (`uv`, wheels only). A lock is installed into a layer, a
//! directory of this host; equal locks share it. Both steps run in a sandbox of
//! their own ([`build`]) that reaches the package index and nothing else,
//! and hand over text and files, which are looked at on the way ([`delivery`]).
//! Sandboxes are bound with a layer in them; a host that doesn't have it installs it
//! again from the lock, when a call needs it.
//!
//! **What always holds.** No code of a package runs outside a sandbox, and none at all
//! while it is installed. A layer is whole or not there. What a layer takes is within
//! the plan's bound, in bytes and files, and so is what is downloaded for it. One
//! install serves all who wait for it, and goes on when they leave. Layers nobody uses
//! go when there are too many ([`store`]).
//!
//! **What it doesn't do.** It keeps no downloads: a cache that builds could write to
//! would carry from one tenant to another. An install is cut where the process ends;
//! what it left is removed at the next start.

mod build;
mod config;
mod delivery;
mod mounted;
mod store;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use common::clock::SharedClock;
use common::db::DbError;
use common::metrics::WorkerMetrics;
use common::packages::{Lock, LockDigest};
use jail::{Host, Layer, VisitError};
use tokio::sync::{Semaphore, watch};
use tokio_util::task::TaskTracker;

use build::Builds;
pub use build::{Refusal, StepError};
pub use config::PackagesConfig;
pub use delivery::DeliveryError;
use mounted::{Mounted, MountedLayers};
pub use store::StoreError;
use store::{Found, Store};

/// Installs at once in one process: each may take some gigabytes of memory.
pub(crate) const AT_ONCE: usize = 2;
/// Sandboxes of this module alive at once: installs, and as many that resolve.
pub(crate) const SANDBOXES: u32 = 4;

/// Packages that can't be had through no fault of theirs.
#[derive(Debug, thiserror::Error)]
pub enum PackagesError {
    #[error(transparent)]
    Step(#[from] StepError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the disk has no room for layers")]
    NoRoom,
    #[error("the lock cannot be read")]
    Lock(#[source] DbError),
    #[error("the layer cannot be mounted")]
    Mount(#[source] VisitError),
    #[error("a task that installs ended early")]
    Ended,
}

impl PackagesError {
    /// The index is away: later it may be there.
    #[must_use]
    pub const fn is_unreachable(&self) -> bool {
        matches!(self, Self::Step(StepError::Unreachable(_)))
    }
}

/// What came of wanting a layer: the outer error is ours, the inner one the user's.
type Had = Result<Result<Layer, Refusal>, Arc<PackagesError>>;
/// A layer, and the bytes it may take.
type Wanted = (LockDigest, u64);

/// The packages of this host. Handles share them.
#[derive(Clone, Debug)]
pub struct Packages(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    builds: Builds,
    store: Store,
    clock: SharedClock,
    metrics: WorkerMetrics,
    mounted: Mutex<MountedLayers>,
    /// Layers that are being found or installed, and where their end is told.
    coming: Mutex<HashMap<Wanted, watch::Receiver<Option<Had>>>>,
    places: Semaphore,
    installing: TaskTracker,
}

impl Packages {
    /// # Errors
    /// Where the directory of layers can't be made or the resolver isn't there.
    pub async fn open(
        config: PackagesConfig,
        host: Host,
        clock: SharedClock,
        metrics: WorkerMetrics,
    ) -> Result<Self, PackagesError> {
        let most = u64::from(config.layers_mib) << 20;
        let store = Store::open(config.layers.clone(), most)?;
        Ok(Self(Arc::new(Shared {
            builds: Builds::new(config, host).await?,
            store,
            clock,
            metrics,
            mounted: Mutex::default(),
            coming: Mutex::default(),
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

    /// The layer of a lock that may take `most` MiB, installed now if it isn't there.
    /// `text` is asked for the lock itself where that is needed. An install that was
    /// begun goes on if whoever asked for it doesn't wait.
    ///
    /// # Errors
    /// What is ours; the inner error is the user's to mend.
    pub async fn layer(
        &self,
        digest: LockDigest,
        most_mib: u32,
        text: impl AsyncFnOnce() -> Result<Lock, PackagesError>,
    ) -> Had {
        let wanted = (digest, u64::from(most_mib) << 20);
        if let Some(mounted) = self.used(digest) {
            return Ok(mounted.within(wanted.1));
        }
        let coming = self.coming().get(&wanted).cloned();
        let mut coming = match coming {
            Some(coming) => coming,
            None => {
                let lock = text().await.map_err(Arc::new)?;
                self.bring(lock, wanted)
            }
        };
        let had = coming.wait_for(Option::is_some).await;
        had.map_or_else(
            |_| Err(Arc::new(PackagesError::Ended)),
            |had| had.clone().unwrap_or(Err(Arc::new(PackagesError::Ended))),
        )
    }

    /// Begins to find or install a layer, unless another has.
    fn bring(&self, lock: Lock, wanted: Wanted) -> watch::Receiver<Option<Had>> {
        let mut all = self.coming();
        if let Some(coming) = all.get(&wanted) {
            return coming.clone();
        }
        let (told, coming) = watch::channel(None);
        all.insert(wanted, coming.clone());
        drop(all);
        let begun = Begun(self.clone(), wanted);
        self.0.installing.spawn(async move {
            let had = begun.0.obtain(&lock, wanted.1).await;
            // Whoever asks from here on begins anew.
            drop(begun);
            let _nobody_waits = told.send(Some(had.map_err(Arc::new)));
        });
        coming
    }

    async fn obtain(
        &self,
        lock: &Lock,
        most: u64,
    ) -> Result<Result<Layer, Refusal>, PackagesError> {
        // It may have come while this was asked for.
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
        let mounted = Mounted {
            layer: layer.map_err(PackagesError::Mount)?,
            bytes: found.bytes,
        };
        self.0.store.touch(lock.digest, self.0.clock.now().into());
        let now = self.0.clock.steady();
        self.mounted().keep(lock.digest, mounted.clone(), now);
        Ok(mounted.within(most))
    }

    async fn install(
        &self,
        lock: &Lock,
        most: u64,
    ) -> Result<Result<Found, Refusal>, PackagesError> {
        // Never closed.
        let _place = self.0.places.acquire().await.ok();
        let room = self.0.store.room()?.min(most);
        let new = self.0.store.begin()?;
        let began = self.0.clock.steady();
        let installed = self.0.builds.install(&lock.text, new.path(), room).await;
        let result = match &installed {
            Ok(Ok(_)) => "ok",
            Ok(Err(_)) => "refused",
            Err(_) => "failed",
        };
        self.0.metrics.installs.with_label_values(&[result]).inc();
        let (this, digest) = (self.clone(), lock.digest);
        // Waits for the disk, and removes what is not kept.
        let ended = tokio::task::spawn_blocking(move || {
            let taken = match installed {
                Ok(Ok(taken)) => taken,
                Ok(Err(refusal)) => {
                    drop(new);
                    return Ok(Err(refusal));
                }
                Err(error) => {
                    drop(new);
                    return Err(PackagesError::Step(error));
                }
            };
            let found = this.0.store.end(&new, digest, taken.bytes)?;
            this.collect();
            Ok(Ok((taken, found)))
        });
        let (taken, found) = match ended.await.map_err(|_| PackagesError::Ended)?? {
            Ok(ended) => ended,
            Err(_) if room < most => return Err(PackagesError::NoRoom),
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

    /// Makes room where there are too many layers: first those nobody has mounted, then
    /// those that are only kept mounted here. Waits for the disk.
    fn collect(&self) {
        loop {
            let collected = match self.0.store.collect() {
                Ok(collected) => collected,
                Err(error) => {
                    let error = common::telemetry::chain(&error);
                    tracing::warn!(error, "layers cannot be collected");
                    return;
                }
            };
            let bytes = i64::try_from(collected.bytes).unwrap_or(i64::MAX);
            self.0.metrics.layers_bytes.set(bytes);
            if collected.fits || self.mounted().drop_idle().is_none() {
                return;
            }
        }
    }

    /// A mounted one, whose use is noted.
    fn used(&self, digest: LockDigest) -> Option<Mounted> {
        let now = self.0.clock.steady();
        let (mounted, is_due) = self.mounted().used(digest, now)?;
        if is_due {
            self.0.store.touch(digest, self.0.clock.now().into());
        }
        Some(mounted)
    }

    fn mounted(&self) -> MutexGuard<'_, MountedLayers> {
        self.0
            .mounted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn coming(&self) -> MutexGuard<'_, HashMap<Wanted, watch::Receiver<Option<Had>>>> {
        self.0.coming.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A layer that is coming; forgotten when this is dropped, however it ended.
struct Begun(Packages, Wanted);

impl Drop for Begun {
    fn drop(&mut self) {
        self.0.coming().remove(&self.1);
    }
}
