//! Building versions: parsed and imported once, in a sandbox, to learn what they are.
//!
//! **How it works.** A version waits as `building`. A worker claims the one that has
//! waited longest (a lease, renewed while it builds), has a generic sandbox describe
//! its code, and writes what that came to. Announcements wake it; a look each second
//! is the guarantee.
//!
//! **What always holds.** Code is parsed and imported in a sandbox and nowhere else.
//! A build that failed through a fault of ours is given back; one that took its
//! worker down too often ends as broken.

mod inferred;
mod packages;
mod verdict;

use std::sync::Arc;
use std::time::Duration;

use common::backoff::jittered;
use common::db::builds::{self, Building, Built, Claim};
use common::db::versions::BrokenKind;
use common::db::{Client, DbError};
use common::ids::VersionId;
use common::limits;
use common::plan::Plan;
use common::source::DamagedSource;
use common::telemetry;
use common::vault::{Purpose, VaultError};
use jail::{BootError, Description, SandboxError};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use self::packages::Unfurnished;
use crate::network;
use crate::packages::PackagesError;
use crate::secrets::{SecretsError, Wanted};
use crate::versions::code_of;
use crate::worker::Worker;

/// Builds at once in one process; so that none waits for minutes, only some of them may
/// be of versions that ask for packages.
const AT_ONCE: usize = 4;
/// Between two looks for versions nobody announced.
const LOOK: Duration = Duration::from_secs(1);
const LEASE: Duration = Duration::from_secs(5);
const RENEW: Duration = Duration::from_millis(1_500);
/// A version whose builders were lost this often is broken.
const ATTEMPTS: u32 = 3;
/// An import is bounded as an execution on this plan is, whatever the account's.
const PLAN: Plan = Plan::Pro;

/// A build that came to nothing: ours, never the code's.
#[derive(Debug, thiserror::Error)]
enum BuildError {
    #[error("the code cannot be opened")]
    Open(#[source] VaultError),
    #[error("the code cannot be read")]
    Source(#[source] DamagedSource),
    #[error("the packages cannot be had")]
    Packages(#[source] Arc<PackagesError>),
    #[error("the secrets it declares cannot be had")]
    Secrets(#[source] SecretsError),
    #[error("there is no sandbox")]
    Boot(#[source] BootError),
    #[error("the sandbox failed before the code was in it")]
    Describe(#[source] SandboxError),
    #[error("what was found cannot be sealed")]
    Seal(#[source] VaultError),
    #[error("the claim cannot be renewed or ended")]
    Claim(#[source] DbError),
    #[error("another builder has taken it over")]
    TakenOver,
}

/// Builds what waits until the worker drains.
pub async fn build_versions(worker: Arc<Worker>, announced: Arc<Notify>) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let package_places = Arc::new(Semaphore::new(packages::AT_ONCE));
    loop {
        let place = tokio::select! {
            biased;
            () = worker.draining.cancelled() => return,
            place = places.clone().acquire_owned() => place,
        };
        let Ok(place) = place else { return };
        let woken = announced.notified();
        let packages = package_places.clone().try_acquire_owned().ok();
        if claim_one(&worker, Places { place, packages }).await {
            continue;
        }
        tokio::select! {
            () = worker.draining.cancelled() => return,
            () = woken => {}
            () = tokio::time::sleep(jittered(LOOK)) => {}
        }
    }
}

/// What a build holds while it lasts.
struct Places {
    #[expect(dead_code, reason = "held")]
    place: OwnedSemaphorePermit,
    /// Of a version that asks for packages, which may take minutes.
    packages: Option<OwnedSemaphorePermit>,
}

/// Claims and begins one; `false` where there is none, or none to be had.
async fn claim_one(worker: &Arc<Worker>, mut places: Places) -> bool {
    let claim = Claim {
        process: worker.id,
        now: worker.clock.now(),
        lease: LEASE,
        with_packages: places.packages.is_some(),
    };
    let claimed = async {
        let client = worker.database.client().await?;
        builds::claim(&client, &claim).await
    };
    match claimed.await {
        Ok(Some(building)) => {
            if building.version.requirements.is_empty() {
                places.packages = None;
            }
            let worker = worker.clone();
            let builds = worker.attempts.clone();
            builds.spawn(async move {
                build(&worker, &building).await;
                drop(places);
            });
            true
        }
        Ok(None) => false,
        Err(error) => {
            let error = telemetry::chain(&error);
            tracing::debug!(error, "no version can be claimed");
            false
        }
    }
}

#[tracing::instrument(name = "version.build", skip_all, fields(version.id = %building.version.id))]
async fn build(worker: &Worker, building: &Building) {
    let id = building.version.id;
    let outcome = tokio::select! {
        built = describe(worker, building) => built,
        error = keep_claim(worker, id) => Err(error),
        // Another worker takes it at once.
        () = worker.draining.cancelled() => return release(worker, id).await,
    };
    let result = match outcome {
        Ok(built) => end(worker, id, &built).await,
        Err(error) => Err(error),
    };
    let Err(error) = result else { return };
    let text = telemetry::chain(&error);
    tracing::warn!(error = text, "a build came to nothing");
    if matches!(error, BuildError::Packages(_)) {
        // It counts: the claim runs out, and after some such tries the version is broken.
        return;
    }
    worker.faults.wait(&worker.draining).await;
    release(worker, id).await;
}

async fn describe(worker: &Worker, building: &Building) -> Result<Built, BuildError> {
    let id = building.version.id;
    if building.attempts > ATTEMPTS {
        return Ok(Built {
            broken: Some(BrokenKind::Build),
            ..Built::default()
        });
    }
    let code = worker
        .vault
        .open(building.account, Purpose::Code, id.uuid(), &building.code)
        .await
        .map_err(BuildError::Open)?;
    let code = code_of(code).map_err(BuildError::Source)?;
    let (lock, layer) = match packages::furnish(worker, building).await {
        Ok(furnished) => furnished,
        Err(Unfurnished::Ours(error)) => return Err(BuildError::Packages(error)),
        Err(Unfurnished::Refused(words)) => {
            let found = verdict::refused(words);
            let sealed = found.seal(&worker.vault, building.account, id).await;
            return sealed.map_err(BuildError::Seal);
        }
    };
    let bounds = worker
        .sandboxes
        .limits(PLAN, building.version.memory_mib, id);
    let sandbox = worker.sandboxes.generic().await.map_err(BuildError::Boot)?;
    let declared = &building.version.env;
    let secrets = worker.secrets.of(Wanted {
        account: building.account,
        namespace: building.namespace,
        version: id,
        declared,
    });
    let secrets = secrets.await.map_err(BuildError::Secrets)?;
    let Description { verdict, log, read } = sandbox
        .with(layer)
        .with_environment(secrets.stood_in(declared))
        .watching(declared.names().cloned().collect())
        .reaching(network::of(
            &building.version.network,
            worker.plans.of(PLAN),
        ))
        .describe(&code, &bounds, limits::IMPORT)
        .await
        .map_err(BuildError::Describe)?;
    // An optional one may be absent in a call as well: what fails without it fails there.
    let is_absent = |name: &String| declared.required.contains(name) && !secrets.has(name);
    let found = verdict::found(verdict, log, read, is_absent);
    let sealed = found.seal(&worker.vault, building.account, id).await;
    let built = sealed.map_err(BuildError::Seal)?;
    Ok(Built { lock, ..built })
}

/// Renews the claim for ever; ends with why that failed.
async fn keep_claim(worker: &Worker, id: VersionId) -> BuildError {
    loop {
        tokio::time::sleep(RENEW).await;
        let renewed = async {
            let client = worker.database.client().await?;
            builds::renew(&client, id, worker.id, worker.clock.now(), LEASE).await
        };
        match renewed.await {
            Ok(true) => {}
            Ok(false) => return BuildError::TakenOver,
            Err(error) if error.is_unavailable() => {}
            Err(error) => return BuildError::Claim(error),
        }
    }
}

async fn end(worker: &Worker, id: VersionId, built: &Built) -> Result<(), BuildError> {
    let mut client: Client = worker.database.client().await.map_err(BuildError::Claim)?;
    let ended = builds::finish(&mut client, id, worker.id, built, worker.clock.now())
        .await
        .map_err(BuildError::Claim)?;
    if !ended {
        return Err(BuildError::TakenOver);
    }
    let (result, kind) = match built.broken {
        None => ("ready", ""),
        Some(kind) => ("broken", kind.as_str()),
    };
    worker.metrics.builds.with_label_values(&[result]).inc();
    tracing::info!(result, kind, "a version is built");
    Ok(())
}

async fn release(worker: &Worker, id: VersionId) {
    let released = async {
        let client = worker.database.client().await?;
        builds::release(&client, id, worker.id).await
    };
    if let Err(error) = released.await {
        let error = telemetry::chain(&error);
        tracing::warn!(error, "a claim runs out by itself");
    }
}
