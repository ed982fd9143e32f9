//! What a worker needs from its host, made once at its start.
//!
//! [`Host::prepare`] takes a block of uids (its lock is this worker's sign of life),
//! sweeps what dead workers left, makes the parent groups, and starts three threads:
//! the keeper starts sandboxes, the undertaker buries them, the visitor changes what is
//! in them. Nothing of it is inherited by other processes, and nothing is left when
//! the process ends, however it ends: mounts live in the keeper's namespace, locks
//! with the process, sandboxes die with the keeper, and empty groups are swept by the
//! next worker.

mod descriptors;
mod keeper;
mod mounts;
mod sweep;
mod undertaker;
mod visit;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

pub use descriptors::DescriptorsError;
pub(crate) use keeper::Remains;
pub use mounts::MountError;
pub(crate) use undertaker::{Undertaker, kill};
pub(crate) use visit::{Furniture, Scratch, Visitor};
pub use visit::{Layer, VisitError};

use crate::cgroup::{self, Found, GroupError};
use crate::egress::{Egress, EgressConfig, EgressError};
use crate::facts::{self, Fact, Ground};
use crate::profile::Profile;
use crate::rights::{Rights, RightsError};
use crate::sandbox::GenericSandbox;
use crate::uids::{self, Block, UidError};
use keeper::{Keeper, Shop};

/// Where things are and how many there may be.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// A directory of this worker's own; may lie below one that only root can enter.
    pub state_dir: PathBuf,
    /// What `ops/rootfs` built.
    pub rootfs: PathBuf,
    /// The nsjail binary.
    pub nsjail: PathBuf,
    /// Where directories given to [`Host::layer`] are.
    pub layers: Vec<PathBuf>,
    /// Names this worker in messages.
    pub name: String,
    /// Sandboxes alive at once, at most 1,000.
    pub max_sandboxes: u32,
    pub egress: EgressConfig,
}

impl HostConfig {
    /// What must stay visible where the mounts are made.
    fn not_to_be_hidden(&self) -> Vec<PathBuf> {
        let own = [self.state_dir.clone(), self.nsjail.clone()];
        own.into_iter().chain(self.layers.clone()).collect()
    }
}

/// What keeps a host from running sandboxes.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    #[error("sandboxes can be made by root only")]
    NotRoot,
    #[error("{0} is not there; ops/up makes it")]
    Absent(PathBuf),
    #[error("no uids for sandboxes")]
    Uids(#[from] UidError),
    #[error("no resource groups for sandboxes")]
    Groups(#[from] GroupError),
    #[error("no mounts for sandboxes")]
    Mounts(#[from] MountError),
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
    #[error("a thread ended at once")]
    Ended,
    #[error(transparent)]
    Descriptors(#[from] DescriptorsError),
    #[error(transparent)]
    Rights(#[from] RightsError),
    #[error("cannot take in orphans")]
    Subreaper(#[source] nix::Error),
}

/// A sandbox that did not come up.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    #[error("as many sandboxes live as may")]
    Full,
    #[error("the keeper thread has ended")]
    Ended,
    #[error("no resource group")]
    Group(#[from] GroupError),
    #[error("cannot make its sockets")]
    Socket(#[source] io::Error),
    #[error("cannot write its profile")]
    Profile(#[source] io::Error),
    #[error("cannot start nsjail")]
    Spawn(#[source] io::Error),
    #[error("cannot set up its network")]
    Network(#[from] VisitError),
    #[error("it was not ready in time; nsjail said: {0}")]
    Slow(String),
    #[error("it ended before it was ready; nsjail said: {said}")]
    Died {
        said: String,
        #[source]
        source: io::Error,
    },
}

/// The prepared host; cheap to clone.
#[derive(Clone, Debug)]
pub struct Host {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    keeper: Keeper,
    undertaker: Undertaker,
    visitor: Visitor,
    egress: Mutex<Option<Egress>>,
    /// For connections out of sandboxes.
    places: usize,
    egress_config: EgressConfig,
    profile: Profile,
    ground: Ground,
    /// The runner as the first sandbox compiled it.
    compiled: OnceLock<Vec<u8>>,
    /// Hears when nothing is left to bury.
    finished: Mutex<Receiver<()>>,
    #[cfg(feature = "testing")]
    block: Arc<Block>,
}

impl Host {
    /// Makes mounts (seen by nobody else), takes a block of uids nobody else on the
    /// host has, makes the parent groups, and sweeps what dead workers left.
    ///
    /// # Errors
    /// Where the host can't do one of these; the text names the step.
    pub fn prepare(config: &HostConfig) -> Result<Self, HostError> {
        Self::prepare_with(config, Profile::default(), Rights::here())
    }

    /// As [`Host::prepare`], with a profile that a test has weakened.
    ///
    /// # Errors
    /// As there.
    #[cfg(feature = "testing")]
    pub fn prepare_weakened(config: &HostConfig, profile: Profile) -> Result<Self, HostError> {
        Self::prepare_with(config, profile, Rights::here())
    }

    /// As [`Host::prepare`], with threads from which a test has taken a right.
    ///
    /// # Errors
    /// As there.
    #[cfg(feature = "testing")]
    pub fn prepare_hindered(config: &HostConfig, rights: Rights) -> Result<Self, HostError> {
        Self::prepare_with(config, Profile::default(), rights)
    }

    fn prepare_with(
        config: &HostConfig,
        profile: Profile,
        rights: Rights,
    ) -> Result<Self, HostError> {
        if !nix::unistd::geteuid().is_root() {
            return Err(HostError::NotRoot);
        }
        for path in [&config.nsjail, &config.rootfs] {
            if !path.exists() {
                return Err(HostError::Absent(path.clone()));
            }
        }
        // Should nsjail die before what it holds, this process reaps that, not the host's init.
        nix::sys::prctl::set_child_subreaper(true).map_err(HostError::Subreaper)?;
        let places = descriptors::places(config.max_sandboxes)?;
        let Found { top, shared } = cgroup::find()?;
        uids::make_locks().map_err(UidError::Locks)?;
        for place in shared.iter().chain([&top]) {
            sweep::dead_workers(place);
        }
        let block = Block::take(config.max_sandboxes, |number, uids| {
            sweep::block(&top, number, &uids)
        })?;
        let parents = top.join(&sweep::name(block.number()));
        cgroup::make_parent(&parents)?;
        tracing::info!(
            worker = config.name,
            block = block.number(),
            "host prepared"
        );
        let ground = Ground {
            uids: block.uids(),
            groups: parents.clone(),
        };
        let block = Arc::new(block);
        let shop = Shop {
            nsjail: config.nsjail.clone(),
            profile: profile.clone(),
            block: block.clone(),
            parents: parents.clone(),
            rights: rights.clone(),
        };
        let (keeper, mounts, place) =
            Keeper::start(shop, config.rootfs.clone(), config.not_to_be_hidden())?;
        let visitor = Visitor::start(mounts, place, rights.visits)?;
        let (undertaker, finished) =
            Undertaker::start(block.clone(), parents, keeper.clone(), rights.burials)?;
        Ok(Self {
            inner: Arc::new(Inner {
                keeper,
                undertaker,
                visitor,
                egress: Mutex::default(),
                places,
                egress_config: config.egress.clone(),
                profile,
                ground,
                compiled: OnceLock::new(),
                finished: Mutex::new(finished),
                #[cfg(feature = "testing")]
                block,
            }),
        })
    }

    /// The last act of a worker: waits until every sandbox that was dropped is buried and
    /// the groups are gone. Whether that was so in time; false at once where this is not
    /// the last handle (each sandbox holds one).
    #[must_use]
    pub fn close(self, within: Duration) -> bool {
        let Ok(inner) = Arc::try_unwrap(self.inner) else {
            return false;
        };
        let Inner {
            undertaker,
            finished,
            ..
        } = inner;
        drop(undertaker);
        let finished = finished
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        finished.recv_timeout(within).is_ok()
    }

    /// A sandbox that knows no version yet. 40 ms: use a [`crate::Pool`].
    ///
    /// # Errors
    /// Where nsjail or the runner in it didn't come up.
    pub async fn boot(&self) -> Result<GenericSandbox, BootError> {
        let started = self.ordered(keeper::runner()).await?;
        crate::boot::greet(self, started).await
    }

    /// Mounts a directory of packages (a Python site directory) for sandboxes.
    ///
    /// # Errors
    /// Where it isn't there, is being removed, or can't be mounted.
    pub async fn layer(&self, directory: &Path) -> Result<Layer, VisitError> {
        self.inner.visitor.mount(directory).await
    }

    /// Uids of all its sandboxes, the number of their block, and how many places are free.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn uids(&self) -> (std::ops::Range<u32>, u32, usize) {
        let block = &self.inner.block;
        let first = block.uid(0);
        let all = first..first + uids::BLOCK;
        (all, block.number(), block.free_places())
    }

    /// A sandbox in which plain Python runs instead of the runner.
    #[cfg(feature = "floors")]
    pub(crate) async fn start(&self, program: keeper::Program) -> Result<Started, BootError> {
        self.ordered(program).await
    }

    async fn ordered(&self, program: keeper::Program) -> Result<Started, BootError> {
        let keeper = &self.inner.keeper;
        keeper.order(program, &self.inner.undertaker).await
    }

    /// What this host is, as far as walls depend on it.
    #[must_use]
    pub fn facts(&self) -> Vec<Fact> {
        facts::of(&self.inner.ground)
    }

    pub(crate) fn undertaker(&self) -> &Undertaker {
        &self.inner.undertaker
    }

    pub(crate) fn visitor(&self) -> &Visitor {
        &self.inner.visitor
    }

    /// Started when a version first names hosts, and anew should it ever end.
    pub(crate) fn egress(&self) -> Result<Egress, EgressError> {
        let inner = &self.inner;
        let mut egress = inner.egress.lock().unwrap_or_else(PoisonError::into_inner);
        match egress.as_ref() {
            Some(there) if there.is_alive() => return Ok(there.clone()),
            Some(_) => tracing::error!("the thread of the network has ended and is started anew"),
            None => {}
        }
        let started = Egress::start(&inner.egress_config, &inner.profile, inner.places)?;
        *egress = Some(started.clone());
        Ok(started)
    }

    pub(crate) fn profile(&self) -> &Profile {
        &self.inner.profile
    }

    pub(crate) fn compiled(&self) -> &OnceLock<Vec<u8>> {
        &self.inner.compiled
    }
}

pub(crate) use keeper::Started;
pub(crate) use undertaker::first_process;
#[cfg(feature = "floors")]
pub(crate) use undertaker::pid_of;
