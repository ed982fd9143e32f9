//! Signatures first; filled in next.
use std::path::PathBuf;

use crate::sandbox::GenericSandbox;

/// Where things are and how many there may be.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// A directory of this worker's own; may lie below one that only root can enter.
    pub state_dir: PathBuf,
    /// What `ops/rootfs` built.
    pub rootfs: PathBuf,
    /// The nsjail binary.
    pub nsjail: PathBuf,
    /// Names this worker in messages.
    pub name: String,
    /// Sandboxes alive at once, at most 1,000.
    pub max_sandboxes: u32,
}

/// What keeps a host from running sandboxes.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    #[error("not built yet")]
    Absent,
}

/// A limit the host can't enforce; the worker must not start.
#[derive(Debug, thiserror::Error)]
pub enum SelfTestError {
    #[error("this host does not enforce: {0}")]
    Unenforced(String),
    #[error("the self-test's sandbox did not start")]
    Boot(#[source] BootError),
}

/// A sandbox that did not come up.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    #[error("not built yet")]
    Absent,
}

/// The prepared host; cheap to clone.
#[derive(Clone, Debug)]
pub struct Host {}

impl Host {
    /// Makes mounts (seen by nobody else), takes a block of uids nobody else on the
    /// host has, makes the cgroup parents, and sweeps what dead workers left.
    ///
    /// # Errors
    /// Where the host can't do one of these; the text names the step.
    pub fn prepare(_config: &HostConfig) -> Result<Self, HostError> {
        Err(HostError::Absent)
    }

    /// Boots one sandbox and meets every limit.
    ///
    /// # Errors
    /// Names each limit that isn't enforced.
    pub async fn self_test(&self) -> Result<(), SelfTestError> {
        Err(SelfTestError::Boot(BootError::Absent))
    }

    /// A sandbox that knows no version yet. 40 ms: use a [`crate::Pool`].
    ///
    /// # Errors
    /// Where nsjail or the runner in it didn't come up.
    pub async fn boot(&self) -> Result<GenericSandbox, BootError> {
        Err(BootError::Absent)
    }
}
