//! The scheduler: leads recovery and runs the duties.
//!
//! ```text
//! run ─► stand by ─► lead (term) ─► duties: recover, promote, partitions, purge
//!            ▲                          │
//!            └──── lead lost ◄──────────┘
//! ```
//!
//! Any number of schedulers may run; one leads ([`leadership`]), and looks after
//! what [`duties`] lists. Nothing is kept in memory from one reign to the next:
//! each begins by looking at how things are. Stopping is therefore the same as
//! being killed, only quicker: the lock is given back at once.

pub mod config;
pub mod contact;
pub mod duties;
pub mod duty;
pub mod leadership;
pub mod points;

use std::sync::Arc;
use std::time::Duration;

use common::admin::{Admin, AdminError, Readiness};
use common::backoff::jittered;
use common::clock::{SharedClock, SystemClock};
use common::db::{Database, DbError};
use common::ids::ProcessId;
use common::metrics::{self, MetricsError, SchedulerMetrics};
use common::plan::Plans;
use common::queue::Links;
use common::telemetry;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use config::Config;
use duties::{Duties, Rounds};
use duty::recover::Tools;
use duty::{DropPartitions, DropProcesses, MakePartitions, PromoteDelayed, Purge, Recover};
use points::Points;

/// Why the scheduler stopped on its own.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("the redis url cannot be read")]
    RedisUrl(#[source] redis::RedisError),
    #[error("the database url cannot be read")]
    DatabaseUrl(#[source] DbError),
    #[error("the metrics cannot be set up")]
    Metrics(#[from] MetricsError),
    #[error(transparent)]
    Admin(#[from] AdminError),
}

/// Stands by, leads, and stands by again until `shutdown`.
///
/// # Errors
/// Where the settings cannot be used. A server that is away is waited for.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<(), RunError> {
    let registry = metrics::registry()?;
    let scheduler = Scheduler {
        metrics: Arc::new(SchedulerMetrics::register(&registry)?),
        clock: Arc::new(SystemClock),
        process: ProcessId::new(&SystemClock),
        database: Database::new(&config.database).map_err(RunError::DatabaseUrl)?,
        database_url: config.database.url,
        links: Links::new(
            redis::Client::open(config.redis.url.expose_secret()).map_err(RunError::RedisUrl)?,
            config.partition,
        ),
        plans: Arc::new(config.plans),
        readiness: Readiness::default(),
    };
    let admin = Admin::bind(config.admin, registry, scheduler.readiness.clone()).await?;
    tokio::select! {
        served = admin.serve(shutdown.clone()) => served?,
        () = scheduler.watch_servers() => {}
        () = scheduler.lead_again_and_again() => {}
        () = shutdown.cancelled() => {}
    }
    tracing::info!("the scheduler stops");
    Ok(())
}

/// How often the servers are asked whether they answer.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Scheduler {
    metrics: Arc<SchedulerMetrics>,
    clock: SharedClock,
    process: ProcessId,
    database: Database,
    database_url: SecretString,
    links: Links,
    plans: Arc<Plans>,
    readiness: Readiness,
}

impl Scheduler {
    async fn lead_again_and_again(&self) {
        loop {
            let leader = leadership::win(&self.database_url, self.process, &self.clock).await;
            let term = leader.term();
            tracing::info!(term, "this scheduler leads");
            self.metrics.leading.set(1);
            self.metrics
                .term
                .set(i64::try_from(term).unwrap_or(i64::MAX));
            let duties = self.duties(term);
            let rounds = Rounds {
                clock: &self.clock,
                metrics: &self.metrics,
            };
            let end = leader.reign(duties.all(&rounds)).await;
            self.metrics.leading.set(0);
            tracing::warn!(term, ?end, "this scheduler no longer leads");
        }
    }

    fn duties(&self, term: u64) -> Duties {
        let closed = Arc::new(Notify::new());
        let tools = Tools {
            database: self.database.clone(),
            links: self.links.clone(),
            clock: Arc::clone(&self.clock),
            plans: Arc::clone(&self.plans),
            metrics: Arc::clone(&self.metrics),
            points: Points::none(),
        };
        Duties {
            recover: Recover::new(tools, term, Arc::clone(&closed)),
            promote_delayed: PromoteDelayed::new(
                self.links.clone(),
                term,
                Arc::clone(&self.metrics),
                closed,
            ),
            make_partitions: MakePartitions::new(self.database.clone()),
            drop_partitions: DropPartitions::new(self.database.clone(), Arc::clone(&self.metrics)),
            drop_processes: DropProcesses::new(
                self.database.clone(),
                self.links.clone(),
                Arc::clone(&self.clock),
            ),
            purge: Purge::new(self.database.clone()),
        }
    }

    /// Ready is who could lead at once: PostgreSQL and Redis answer.
    async fn watch_servers(&self) {
        loop {
            match self.database.ping().await {
                Ok(()) => self.readiness.there("postgresql"),
                Err(error) => self
                    .readiness
                    .missing("postgresql", telemetry::chain(&error)),
            }
            match self.links.hello().await {
                Ok(_) => self.readiness.there("redis"),
                Err(error) => self.readiness.missing("redis", telemetry::chain(&error)),
            }
            tokio::time::sleep(jittered(LOOK)).await;
        }
    }
}
