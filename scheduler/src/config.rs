//! What the scheduler is told by its environment.

use std::net::SocketAddr;

use common::config::{ConfigError, DatabaseConfig, Env, RedisConfig};
use common::plan::Plans;
use common::queue::Partition;

/// Every setting of the scheduler.
#[derive(Debug)]
pub struct Config {
    pub database: DatabaseConfig,
    pub redis: RedisConfig,
    /// `PATCHBAY_ADMIN_LISTEN`: address and port of health, readiness and
    /// metrics; default `127.0.0.1:8092`.
    pub admin: SocketAddr,
    /// `PATCHBAY_LOG`: which log lines are written; default `info`.
    pub log: String,
    /// `PATCHBAY_RUN_AS`: the user to become when started as root; no default.
    pub run_as: Option<String>,
    /// `PATCHBAY_PLANS_FILE`: the plans as TOML; default those of this release.
    pub plans: Plans,
    /// The shard of the queue it leads; `PATCHBAY_REDIS_PREFIX` stands before its keys, default none.
    pub partition: Partition,
}

impl Config {
    /// # Errors
    /// Everything that is missing or unusable, together.
    pub fn from_env(env: &mut Env) -> Result<Self, ConfigError> {
        let config = Self {
            database: DatabaseConfig::read(env),
            redis: RedisConfig::read(env),
            admin: env.with_default(
                "PATCHBAY_ADMIN_LISTEN",
                SocketAddr::from(([127, 0, 0, 1], 8092)),
            ),
            log: env.with_default("PATCHBAY_LOG", "info".to_owned()),
            run_as: env.optional("PATCHBAY_RUN_AS"),
            plans: Plans::read(env),
            partition: Partition::with_prefix(
                &env.with_default("PATCHBAY_REDIS_PREFIX", String::new()),
            ),
        };
        env.finish()?;
        Ok(config)
    }
}
