//! What an api is told by its environment.

use std::net::SocketAddr;

use common::config::{ConfigError, DatabaseConfig, Env, RedisConfig, VaultConfig};
use common::plan::Plans;
use common::queue::Partition;
use secrecy::SecretString;

/// The settings of one api process.
#[derive(Debug)]
pub struct Config {
    /// `PATCHBAY_LISTEN`, host and port of the public listener.
    pub listen: SocketAddr,
    /// `PATCHBAY_ADMIN_LISTEN`, host and port of `/healthz`, `/readyz` and `/metrics`.
    pub admin_listen: SocketAddr,
    /// `PATCHBAY_PUBLIC_URL`, as clients see us; also the issuer of access tokens.
    pub public_url: String,
    /// `PATCHBAY_JWT_KEY` (or `_FILE`): PKCS#8 PEM of an EC P-256 key.
    pub jwt_key: SecretString,
    /// `PATCHBAY_PLANS_FILE`: the plans as TOML; default those of this release.
    pub plans: Plans,
    pub database: DatabaseConfig,
    pub redis: RedisConfig,
    pub vault: VaultConfig,
    /// `PATCHBAY_RUN_AS`: the user to become when started as root.
    pub run_as: Option<String>,
    /// `PATCHBAY_LOG`, an env-filter, default `info`.
    pub log: String,
    /// The shard of the queue it serves. `PATCHBAY_REDIS_PREFIX` stands before every
    /// key and channel, default none: for several installations on one Redis, as
    /// tests are.
    pub partition: Partition,
}

impl Config {
    /// # Errors
    /// Everything that is missing or unusable, together.
    pub fn from_env(env: &mut Env) -> Result<Self, ConfigError> {
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let config = Self {
            listen: env.with_default("PATCHBAY_LISTEN", local(8080)),
            admin_listen: env.with_default("PATCHBAY_ADMIN_LISTEN", local(8081)),
            public_url: env.required("PATCHBAY_PUBLIC_URL"),
            jwt_key: env.secret("PATCHBAY_JWT_KEY"),
            plans: Plans::read(env),
            database: DatabaseConfig::read(env),
            redis: RedisConfig::read(env),
            vault: VaultConfig::read(env),
            run_as: env.optional("PATCHBAY_RUN_AS"),
            log: env.with_default("PATCHBAY_LOG", "info".to_owned()),
            partition: Partition::with_prefix(
                &env.with_default("PATCHBAY_REDIS_PREFIX", String::new()),
            ),
        };
        env.finish().map(|()| config)
    }
}
