//! Signatures first; filled in next.
use crate::host::{BootError, Host};
use crate::sandbox::GenericSandbox;

/// Keeps `size` generic sandboxes ready. Dropping it stops filling and drops them.
#[derive(Debug)]
pub struct Pool {
    host: Host,
}

impl Pool {
    /// Needs a tokio runtime; starts filling at once.
    #[must_use]
    pub fn start(host: Host, _size: usize) -> Self {
        Self { host }
    }

    /// A ready one, else one booted now.
    ///
    /// # Errors
    /// Where none came up.
    pub async fn take(&self) -> Result<GenericSandbox, BootError> {
        self.host.boot().await
    }

    /// How many are ready now.
    #[must_use]
    pub fn ready(&self) -> usize {
        0
    }
}
