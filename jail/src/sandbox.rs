//! A sandbox's life as types: generic, then bound to one version, then dropped.
//!
//! A [`GenericSandbox`] becomes a [`Sandbox`] once and is never generic again. Both
//! kill everything in them when they are dropped, wherever that happens.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Serialize;
use tokio::io::unix::AsyncFd;

use crate::channel::Capture;
use crate::control::Control;
use crate::egress::{EgressError, Network, Way};
use crate::environment::Environment;
use crate::host::{Host, Layer, Remains, VisitError, kill};
use crate::limits::Limits;
use crate::live::Tap;
use crate::outcome::Failure;
use crate::settle::Next;
use crate::sys;
use crate::usage::FileCache;

/// A version's source: file names (`main.py`, `helpers.py`, `pkg/mod.py`) and texts.
#[derive(Clone, Debug, Serialize)]
pub struct Code {
    /// The file with the entry point.
    pub entry: String,
    pub files: BTreeMap<String, String>,
}

impl Code {
    /// One file, `main.py`.
    #[must_use]
    pub fn single(source: impl Into<String>) -> Self {
        let entry = "main.py".to_owned();
        let files = BTreeMap::from([(entry.clone(), source.into())]);
        Self { entry, files }
    }
}

/// What the user's code may know about its execution (`context`).
#[derive(Clone, Debug, Default, Serialize)]
pub struct Context<'a> {
    pub execution_id: &'a str,
    pub namespace: &'a str,
    pub function: &'a str,
    pub version: i64,
    pub attempt: u32,
    /// Milliseconds since 1970 at which the execution is killed.
    pub deadline_ms: i64,
}

/// One execution.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// JSON text, checked already.
    pub input: &'a [u8],
    pub context: Context<'a>,
    /// Wall clock.
    pub timeout: Duration,
    /// Longest result, as JSON text.
    pub output_bytes: usize,
    /// Where what it prints is told while it runs.
    pub tap: Option<&'a Tap>,
    /// What it finds in `os.environ`, masked in all that comes out.
    pub environment: Environment,
}

/// Ours, not the user's: the sandbox could not be used and is gone.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error("the sandbox was gone before it was used")]
    Gone,
    #[error("file name {0:?} can't be used")]
    FileName(String),
    #[error("cannot set its limits")]
    Limits(#[from] crate::cgroup::GroupError),
    #[error("cannot change what is in it")]
    Visit(#[from] VisitError),
    #[error("cannot open its way out")]
    Egress(#[from] EgressError),
    #[error("cannot make its channel")]
    Channel(#[source] std::io::Error),
    #[error("cannot speak to it")]
    Control(#[from] crate::control::ControlError),
}

/// The running nsjail and all that belongs to it.
#[derive(Debug)]
pub(crate) struct Jail {
    pub(crate) host: Host,
    pub(crate) control: Control,
    /// What nsjail says.
    pub(crate) log: Capture,
    /// What the template prints, until its import is over.
    pub(crate) output: Option<Capture>,
    /// Readable once the jail's pid 1 is dead.
    pub(crate) first: AsyncFd<OwnedFd>,
    pub(crate) killer: Arc<OwnedFd>,
    pub(crate) remains: Option<Remains>,
    /// Packages it is bound with.
    pub(crate) layer: Option<Layer>,
    pub(crate) imported_with: ImportedWith,
    /// What its executions may reach.
    pub(crate) network: Option<Network>,
    pub(crate) way: Option<Way>,
    /// Processor time it took until it was ready, before any tenant's code: tells how fast
    /// this host is.
    pub(crate) boot_cpu: Duration,
}

/// What an import finds in `os.environ`.
#[derive(Debug, Default)]
pub(crate) struct ImportedWith {
    pub(crate) environment: Environment,
    /// Names it may read.
    pub(crate) watched: Vec<String>,
}

impl Jail {
    /// Kills everything in it, now.
    pub(crate) fn kill(&self) {
        if let Some(remains) = &self.remains {
            kill(remains);
        }
    }

    pub(crate) fn remains(&self) -> Result<&Remains, SandboxError> {
        self.remains.as_ref().ok_or(SandboxError::Gone)
    }

    /// Whether its pid 1 is dead, without waiting.
    pub(crate) fn is_dead(&self) -> bool {
        use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
        use std::os::fd::AsFd;
        let mut fds = [PollFd::new(self.killer.as_fd(), PollFlags::POLLIN)];
        !matches!(poll(&mut fds, PollTimeout::ZERO), Ok(0))
    }
}

impl Drop for Jail {
    fn drop(&mut self) {
        if let Some(remains) = self.remains.take() {
            self.host.undertaker().bring(remains);
        }
    }
}

/// A booted sandbox that holds no tenant's code. Dropping it kills it.
#[derive(Debug)]
pub struct GenericSandbox {
    pub(crate) jail: Jail,
}

/// What became of binding: the user's failure is data.
#[derive(Debug)]
pub struct Bound {
    /// Ready to run, or the `import_error` every call gets.
    pub sandbox: Result<Sandbox, Failure>,
    /// What the import printed, both streams, bounded.
    pub log: String,
}

impl GenericSandbox {
    pub(crate) const fn new(jail: Jail) -> Self {
        Self { jail }
    }

    /// Packages that the code it is bound to finds, at `/layer`.
    #[must_use]
    pub fn with(mut self, layer: Option<Layer>) -> Self {
        self.jail.layer = layer;
        self
    }

    /// What the code it is bound to finds in `os.environ` while it is imported. Afterwards
    /// it is gone: each [`Request`] brings its own. Where the import may have kept some of
    /// it, that is this very environment again, for its values are the ones that are masked.
    #[must_use]
    pub fn with_environment(mut self, environment: Environment) -> Self {
        self.jail.imported_with.environment = environment;
        self
    }

    /// Names that its executions may be given; what that takes is then loaded once, not in
    /// each of them. [`GenericSandbox::describe`] tells which of them the import read.
    #[must_use]
    pub fn watching(mut self, names: Vec<String>) -> Self {
        self.jail.imported_with.watched = names;
        self
    }

    /// What its executions may reach, through a proxy on [`crate::PORT`] that is there
    /// before any code; nothing where it names no host.
    #[must_use]
    pub fn reaching(mut self, network: Network) -> Self {
        self.jail.network = (!network.hosts.is_empty()).then_some(network);
        self
    }

    /// A listener on `127.0.0.1:port` of the sandbox, whose connections come out here.
    /// To be had before it is bound, or its code takes
    /// the port first.
    ///
    /// # Errors
    /// Where the sandbox is gone.
    pub async fn listen(&self, port: u16) -> Result<TcpListener, SandboxError> {
        let first = self.jail.killer.try_clone();
        let first = first.map_err(SandboxError::Channel)?;
        Ok(self.jail.host.visitor().listen(first, port).await?)
    }

    /// Whether it still lives.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        !self.jail.is_dead()
    }
}

/// A sandbox that holds one version. Dropping it kills all of it.
#[derive(Debug)]
pub struct Sandbox {
    pub(crate) jail: Jail,
    pub(crate) next: Next,
    /// The import made it unfit for forking: one execution, in the template itself.
    pub(crate) single_use: bool,
    /// An execution was handed over, so its import did not spoil it.
    pub(crate) has_run: bool,
    /// Of one execution.
    pub(crate) limits: Limits,
    /// Of the group: its template and one execution.
    pub(crate) memory_limit: u64,
    pub(crate) file_cache: FileCache,
    /// Processor time of the group when it began to wait for a request.
    pub(crate) rested: Duration,
    pub(crate) cancelled: Arc<AtomicBool>,
}

impl Sandbox {
    /// May it take (another) execution?
    #[must_use]
    pub fn is_reusable(&self) -> bool {
        !self.is_spent() && !self.jail.is_dead()
    }

    /// Whether it surely takes no other one, without a look at its processes.
    #[must_use]
    pub const fn is_spent(&self) -> bool {
        matches!(self.next, Next::Spent)
    }

    /// Memory in use now, template and all.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.jail
            .remains
            .as_ref()
            .map_or(0, |remains| remains.group.usage())
    }

    /// Kills it from another task; a running execution then ends `cancelled`.
    #[must_use]
    pub fn killer(&self) -> Killer {
        Killer {
            first: self.jail.killer.clone(),
            cancelled: self.cancelled.clone(),
        }
    }
}

/// Kills a sandbox at once; harmless when it is gone.
#[derive(Clone, Debug)]
pub struct Killer {
    first: Arc<OwnedFd>,
    cancelled: Arc<AtomicBool>,
}

impl Killer {
    pub fn kill(&self) {
        self.cancelled.store(true, Ordering::Release);
        let _gone_already = sys::pidfd_kill(&self.first);
    }
}
