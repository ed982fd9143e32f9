//! Putting a worker together, running it, and taking it apart in order.

use std::sync::Arc;
use std::time::Duration;

use common::admin::{Admin, Readiness};
use common::clock::{SharedClock, SystemClock};
use common::db::Database;
use common::ids::ProcessId;
use common::membership::{Kind, Member};
use common::metrics::{self, WorkerMetrics};
use common::queue::Links;
use common::record::Outbox;
use common::telemetry;
use common::vault::Vault;
use jail::Pool;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::lease::{Keeper, KeeperParts, Leases};
use crate::packages::Packages;
use crate::record::Record;
use crate::sandboxes::{Sandboxes, SandboxesParts};
use crate::secrets::Secrets;
use crate::settle::Settlement;
use crate::slots::Slots;
use crate::turns::Turns;
use crate::upkeep::Hearing;
use crate::versions::Versions;
use crate::worker::{Faults, Worker};
use crate::{Config, Prepared, RunError, Stops, builder, drain, intake, upkeep};

/// Between two tries to be known to PostgreSQL at the start.
const JOIN: Duration = Duration::from_millis(500);

/// Serves until it is told to stop.
///
/// # Errors
/// Where the host can't enforce a limit, the settings can't be used, or leases
/// can't be kept. A server that is away is waited for.
pub async fn run(prepared: Prepared, stops: Stops) -> Result<(), RunError> {
    let Prepared { config, host } = prepared;
    let registry = metrics::registry()?;
    let metrics = WorkerMetrics::register(&registry)?;
    let readiness = Readiness::default();
    readiness.missing("start", "the host is being tested");
    readiness.missing("announcements", "not heard yet");
    let admin = Admin::bind(config.admin, registry, readiness.clone()).await?;
    let admin_stop = CancellationToken::new();
    let outside = TaskTracker::new();
    let serving = admin_stop.clone();
    outside.spawn(async move {
        if let Err(error) = admin.serve(serving).await {
            tracing::error!(
                error = telemetry::chain(&error),
                "the admin listener stopped"
            );
        }
    });
    host.self_test().await?;
    let generic = usize::try_from(config.jail.generic).unwrap_or(1);
    let clock: SharedClock = Arc::new(SystemClock);
    let packages = Packages::open(
        config.packages.clone(),
        host.clone(),
        clock.clone(),
        metrics.clone(),
    )
    .await?;
    let pool = Pool::start(host, generic);
    let (url, patience) = (config.database.url.clone(), config.drain);
    let made = Made {
        pool,
        packages,
        metrics,
        clock,
    };
    let built = build(config, made, stops.soft.clone()).await?;
    let Some((worker, member)) = built else {
        return Ok(());
    };
    readiness.there("start");
    let result = serve(
        &worker,
        member,
        Serving {
            url,
            patience,
            readiness,
            stops,
        },
    )
    .await;
    admin_stop.cancel();
    outside.close();
    outside.wait().await;
    tracing::info!("the worker stops");
    result
}

/// What stands before PostgreSQL is asked for anything.
struct Made {
    pool: Pool,
    packages: Packages,
    metrics: WorkerMetrics,
    clock: SharedClock,
}

/// All the parts; `None` where it was told to stop before PostgreSQL knew of it.
async fn build(
    config: Config,
    Made {
        pool,
        packages,
        metrics,
        clock,
    }: Made,
    draining: CancellationToken,
) -> Result<Option<(Arc<Worker>, Member)>, RunError> {
    let id = ProcessId::new(&SystemClock);
    let client = redis::Client::open(config.redis.url.expose_secret());
    let client = client.map_err(RunError::RedisUrl)?;
    let links = Links::new(client.clone(), config.partition.clone());
    let database = Database::new(&config.database).map_err(RunError::DatabaseUrl)?;
    let vault = Vault::new(&config.vault, clock.clone())?;
    // Before anything of a generation is held.
    let joined = tokio::select! {
        () = draining.cancelled() => None,
        member = join(&database, &links, id) => Some(member),
    };
    let Some(member) = joined else {
        return Ok(None);
    };
    let leases = Leases::new(clock.clone());
    let keeper = Keeper::start(KeeperParts {
        leases: leases.clone(),
        client: client.clone(),
        partition: config.partition,
        consumer: id.to_string(),
        clock: clock.clone(),
        metrics: metrics.clone(),
    })?;
    let versions = Versions::new(database.clone(), vault.clone());
    let most = config.jail.most.saturating_sub(config.jail.generic);
    let sandboxes = Sandboxes::new(SandboxesParts {
        generic: pool,
        packages: packages.clone(),
        versions: versions.clone(),
        most: usize::try_from(most).unwrap_or(1),
        plans: config.plans.clone(),
        clock: clock.clone(),
        metrics: metrics.clone(),
    });
    let record = Record {
        database: database.clone(),
        links: links.clone(),
        outbox: Outbox::new(),
        clock: clock.clone(),
        metrics: metrics.clone(),
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let worker = Worker {
        id,
        consumer: id.to_string(),
        clock,
        client,
        links,
        versions,
        secrets: Secrets::new(database.clone(), vault.clone()),
        database,
        vault,
        leases,
        keeper,
        slots: Slots::new(config.slots),
        turns: Turns::new(cores, config.slots),
        sandboxes,
        packages,
        plans: config.plans,
        record,
        in_doubt: crate::attempt::InDoubt::default(),
        faults: Faults::default(),
        metrics,
        attempts: TaskTracker::new(),
        draining,
    };
    Ok(Some((Arc::new(worker), member)))
}

async fn join(database: &Database, links: &Links, id: ProcessId) -> Member {
    loop {
        match Member::join(database.clone(), links.clone(), id, Kind::Worker).await {
            Ok(member) => return member,
            Err(error) => {
                let error = telemetry::chain(&error);
                tracing::warn!(error, "waiting for postgresql");
                tokio::time::sleep(JOIN).await;
            }
        }
    }
}

/// What serving takes besides the worker.
struct Serving {
    url: SecretString,
    patience: Duration,
    readiness: Readiness,
    stops: Stops,
}

async fn serve(worker: &Arc<Worker>, member: Member, with: Serving) -> Result<(), RunError> {
    let (takers, keepers) = (TaskTracker::new(), TaskTracker::new());
    let (record_stop, member_stop) = (CancellationToken::new(), CancellationToken::new());
    let settlement = Settlement(worker.clone());
    let stop = member_stop.clone();
    keepers.spawn(async move { member.stay(&settlement, stop).await });
    keepers.spawn(upkeep::record_outcomes(worker.clone(), record_stop.clone()));
    let watching = tokio::select! {
        biased;
        result = until_stopped(worker, &takers, &with) => result,
        () = upkeep::watch(worker.clone(), with.readiness.clone()) => Ok(()),
    };
    worker.draining.cancel();
    with.readiness.missing("stop", "the worker drains");
    takers.close();
    takers.wait().await;
    drain::drain(worker, with.patience, &with.stops.hard).await;
    // In this order: peers count this process until it holds nothing.
    record_stop.cancel();
    member_stop.cancel();
    keepers.close();
    keepers.wait().await;
    worker.keeper.end();
    watching
}

/// Starts all that takes executions; returns when the worker is to stop.
async fn until_stopped(
    worker: &Arc<Worker>,
    takers: &TaskTracker,
    with: &Serving,
) -> Result<(), RunError> {
    let build = Arc::new(Notify::new());
    if worker.slots.alone() {
        takers.spawn(intake::last_starts(worker.clone()));
    } else {
        for stream in worker.slots.streams() {
            takers.spawn(intake::read_stream(worker.clone(), *stream));
        }
        takers.spawn(intake::reclaim(worker.clone()));
        takers.spawn(builder::build_versions(worker.clone(), build.clone()));
    }
    takers.spawn(upkeep::sweep(worker.clone()));
    let hearing = Hearing {
        url: with.url.clone(),
        build,
        readiness: with.readiness.clone(),
    };
    takers.spawn(upkeep::hear(worker.clone(), hearing));
    tokio::select! {
        () = worker.draining.cancelled() => Ok(()),
        () = worker.keeper.ended() => Err(RunError::Unkept),
    }
}
