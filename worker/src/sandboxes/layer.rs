//! The packages a sandbox is bound with.

use std::time::Duration;

use common::telemetry;
use jail::{Failure, FailureCode, Layer};

use super::{Kind, Sandboxes, TakeError};
use crate::packages::{PackagesError, Refusal};
use crate::versions::Loaded;

/// Between two tries while the package index is away.
const AGAIN: Duration = Duration::from_secs(1);

impl Sandboxes {
    /// The version's packages, or why it can't have them.
    pub(super) async fn layer(
        &self,
        kind: Kind,
        version: &Loaded,
        patience: Duration,
    ) -> Result<Result<Option<Layer>, Failure>, TakeError> {
        let Some(digest) = version.lock else {
            return Ok(Ok(None));
        };
        let most = self.0.parts.plans.of(kind.plan).packages_mib;
        let until = tokio::time::Instant::now() + patience;
        loop {
            let lock = async || {
                let lock = self.0.parts.versions.lock(version).await;
                lock.map_err(PackagesError::Lock)
            };
            let wanted = self.0.parts.packages.layer(digest, most, lock);
            let error = match tokio::time::timeout_at(until, wanted).await {
                Err(_) => {
                    let text = "the packages were still being installed when the time was up";
                    return Ok(Err(Failure::new(FailureCode::Timeout, text)));
                }
                Ok(Ok(Ok(layer))) => return Ok(Ok(Some(layer))),
                Ok(Ok(Err(Refusal(words)))) => {
                    return Ok(Err(Failure::new(FailureCode::ImportError, words)));
                }
                Ok(Err(error)) if !error.is_unreachable() => {
                    return Err(TakeError::Packages(error));
                }
                Ok(Err(error)) => error,
            };
            // The index is away: it may come back while this call has time.
            let again = tokio::time::Instant::now() + AGAIN;
            if again >= until {
                let words = telemetry::chain(&error);
                return Ok(Err(Failure::new(FailureCode::ImportError, words)));
            }
            tokio::time::sleep_until(again).await;
        }
    }
}
