//! The worker: takes executions from the queue and runs them in sandboxes.
//!
//! ```text
//! slots ─► intake (one reader per stream) ─► attempt ─► sandbox ─► finish ─► outbox ─► PostgreSQL
//!             reclaim (what ran out) ─────────▲            ▲
//!                           leases (a thread of its own) ──┘ kills what it can't renew
//! ```
//!
//! The only service that runs as root. [`Prepared::new`] does what root is needed
//! for (mounts, uids, groups, the threads that make and bury sandboxes), before any
//! other thread exists, and gives up what else root may do; [`run`] serves.
//!
//! A stop is soft first: nothing new is taken and what runs may end. After a bound,
//! or a second signal, the rest is handed back. A worker that dies instead leaves
//! leases that run out, and events that others record.

pub mod attempt;
pub mod builder;
mod check_host;
pub mod config;
pub mod drain;
pub mod intake;
pub mod lease;
pub mod network;
pub mod packages;
pub mod record;
pub mod sandboxes;
pub mod secrets;
mod serve;
pub mod settle;
pub mod slots;
pub mod turns;
pub mod upkeep;
pub mod versions;
pub mod worker;

use common::admin::AdminError;
use common::db::DbError;
use common::membership::MembershipError;
use common::metrics::MetricsError;
use common::vault::VaultError;
use jail::{Host, HostConfig, HostError, RightsError, SelfTestError};
use tokio_util::sync::CancellationToken;

pub use check_host::{CheckError, Checked};
pub use config::Config;
pub use serve::run;

/// Why the worker stopped on its own, or did not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("this host is not fit for sandboxes")]
    Host(#[from] HostError),
    #[error(transparent)]
    Rights(#[from] RightsError),
    #[error("the worker does not start")]
    SelfTest(#[from] SelfTestError),
    #[error("the redis url cannot be read")]
    RedisUrl(#[source] redis::RedisError),
    #[error("the database url cannot be read")]
    DatabaseUrl(#[source] DbError),
    #[error("the vault cannot be set up")]
    Vault(#[from] VaultError),
    #[error("the metrics cannot be set up")]
    Metrics(#[from] MetricsError),
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error("leases cannot be kept")]
    Keeper(#[from] lease::KeeperError),
    #[error("packages cannot be kept")]
    Packages(#[from] packages::PackagesError),
    #[error("the thread that keeps leases has ended")]
    Unkept,
    #[error(transparent)]
    Membership(#[from] MembershipError),
}

/// How a worker is told to stop.
#[derive(Clone, Debug, Default)]
pub struct Stops {
    /// Take nothing new; what runs may end.
    pub soft: CancellationToken,
    /// Hand back what still runs.
    pub hard: CancellationToken,
}

/// A worker whose host is ready, and which can do no more than it needs.
#[derive(Debug)]
pub struct Prepared {
    config: Config,
    host: Host,
}

impl Prepared {
    /// To be called before there is any other thread: what is given up here is given
    /// up by this thread and those it starts.
    ///
    /// # Errors
    /// Where the host can't hold sandboxes; the text names the step.
    pub fn new(config: Config) -> Result<Self, RunError> {
        let host = Host::prepare(&HostConfig {
            state_dir: config.jail.state_dir.clone(),
            rootfs: config.jail.rootfs.clone(),
            nsjail: config.jail.nsjail.clone(),
            name: format!("worker {}", std::process::id()),
            layers: vec![config.packages.layers.clone(), config.packages.uv.clone()],
            max_sandboxes: config.jail.most + packages::SANDBOXES,
            egress: config.network.clone(),
        })?;
        jail::give_up_rights()?;
        Ok(Self { config, host })
    }
}
