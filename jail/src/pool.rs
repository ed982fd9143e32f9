//! Generic sandboxes made ahead, so that starting one is never on the path of a call.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::host::{BootError, Host};
use crate::sandbox::GenericSandbox;

/// Between two attempts after one that failed.
const PAUSE: Duration = Duration::from_secs(1);

/// Keeps `size` generic sandboxes ready. Dropping it stops filling and drops them.
#[derive(Debug)]
pub struct Pool {
    shared: Arc<Shared>,
    filler: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    host: Host,
    size: usize,
    ready: Mutex<VecDeque<GenericSandbox>>,
    taken: Notify,
}

impl Pool {
    /// Needs a tokio runtime; starts filling at once.
    #[must_use]
    pub fn start(host: Host, size: usize) -> Self {
        let shared = Arc::new(Shared {
            host,
            size,
            ready: Mutex::default(),
            taken: Notify::new(),
        });
        let mut filler = JoinSet::new();
        filler.spawn(fill(shared.clone()));
        Self { shared, filler }
    }

    /// A ready one, else one booted now.
    ///
    /// # Errors
    /// Where none came up.
    pub async fn take(&self) -> Result<GenericSandbox, BootError> {
        while let Some(sandbox) = self.pop() {
            if sandbox.is_alive() {
                return Ok(sandbox);
            }
        }
        self.shared.host.boot().await
    }

    /// Stops filling and drops what is ready; a sandbox that is just being booted is
    /// buried before this returns or soon after.
    pub async fn stop(mut self) {
        self.filler.shutdown().await;
    }

    /// How many are ready now.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.shared.ready().len()
    }

    fn pop(&self) -> Option<GenericSandbox> {
        let sandbox = self.shared.ready().pop_front();
        self.shared.taken.notify_one();
        sandbox
    }
}

impl Shared {
    fn ready(&self) -> MutexGuard<'_, VecDeque<GenericSandbox>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn fill(shared: Arc<Shared>) {
    loop {
        if shared.ready().len() >= shared.size {
            shared.taken.notified().await;
            continue;
        }
        match shared.host.boot().await {
            Ok(sandbox) => shared.ready().push_back(sandbox),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "no sandbox came up"
                );
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
