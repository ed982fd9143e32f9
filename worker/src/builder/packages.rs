//! The packages of a version that is being built.

use std::sync::Arc;
use std::time::Duration;

use common::db::builds::Building;
use common::packages::Lock;
use jail::Layer;

use crate::packages::{PackagesError, Refusal};
use crate::worker::Worker;

/// Versions with requirements that are built at once.
pub(super) use crate::packages::AT_ONCE;

/// Between tries while the index is away; after the last, the version is broken and says so.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];

/// What is found in no version without requirements.
pub(super) type Furnished = (Option<Lock>, Option<Layer>);

/// Why there are none.
pub(super) enum Unfurnished {
    Ours(Arc<PackagesError>),
    Refused(String),
}

/// The lock and the layer of what the version asks for; resolved now, unless it was before.
pub(super) async fn furnish(
    worker: &Worker,
    building: &Building,
) -> Result<Furnished, Unfurnished> {
    let mut pauses = PAUSES.iter();
    loop {
        let error = match once(worker, building).await {
            Ok(Ok(furnished)) => return Ok(furnished),
            Ok(Err(Refusal(words))) => return Err(Unfurnished::Refused(words)),
            Err(error) if !error.is_unreachable() => return Err(Unfurnished::Ours(error)),
            Err(error) => error,
        };
        let Some(pause) = pauses.next() else {
            let words = common::telemetry::chain(&error);
            return Err(Unfurnished::Refused(words));
        };
        tokio::time::sleep(*pause).await;
    }
}

async fn once(
    worker: &Worker,
    building: &Building,
) -> Result<Result<Furnished, Refusal>, Arc<PackagesError>> {
    let requirements = &building.version.requirements;
    let lock = match &building.lock_text {
        Some(text) => Lock::of(text.clone()),
        None if requirements.is_empty() => return Ok(Ok((None, None))),
        None => match worker
            .packages
            .resolve(requirements)
            .await
            .map_err(Arc::new)?
        {
            Ok(lock) => lock,
            Err(refusal) => return Ok(Err(refusal)),
        },
    };
    let most = worker.plans.of(building.plan).packages_mib;
    if lock.is_empty() {
        return Ok(Ok((None, None)));
    }
    let layer = worker
        .packages
        .layer(lock.digest, most, async || Ok(lock.clone()))
        .await?;
    Ok(layer.map(|layer| (Some(lock), Some(layer))))
}
