//! What an api is told by its environment.

use std::net::SocketAddr;
use std::path::PathBuf;

use common::config::{ConfigError, DatabaseConfig, Env, RedisConfig, VaultConfig};
use common::plan::Plans;
use common::telemetry;
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
    /// `PATCHBAY_PLANS_FILE`: plans in place of the shipped ones.
    pub plans: Plans,
    pub database: DatabaseConfig,
    pub redis: RedisConfig,
    pub vault: VaultConfig,
    /// `PATCHBAY_RUN_AS`: the user to become when started as root.
    pub run_as: Option<String>,
    /// `PATCHBAY_LOG`, an env-filter, default `info`.
    pub log: String,
    /// `PATCHBAY_REDIS_PREFIX`, before every key and channel, default none: for
    /// several installations on one Redis, as tests are.
    pub redis_prefix: String,
}

impl Config {
    /// # Errors
    /// Everything that is missing or unusable, together.
    pub fn read(env: &mut Env) -> Result<Self, ConfigError> {
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let plans = plans(env);
        let config = Self {
            listen: env.with_default("PATCHBAY_LISTEN", local(8080)),
            admin_listen: env.with_default("PATCHBAY_ADMIN_LISTEN", local(8081)),
            public_url: env.required("PATCHBAY_PUBLIC_URL"),
            jwt_key: env.secret("PATCHBAY_JWT_KEY"),
            // What can't be read is refused below, with all else that is wrong.
            plans: plans.unwrap_or_default(),
            database: DatabaseConfig::read(env),
            redis: RedisConfig::read(env),
            vault: VaultConfig::read(env),
            run_as: env.optional("PATCHBAY_RUN_AS"),
            log: env.with_default("PATCHBAY_LOG", "info".to_owned()),
            redis_prefix: env.with_default("PATCHBAY_REDIS_PREFIX", String::new()),
        };
        env.finish().map(|()| config)
    }
}

fn plans(env: &mut Env) -> Option<Plans> {
    let read = match env.optional::<PathBuf>("PATCHBAY_PLANS_FILE") {
        None => Plans::shipped().map_err(|error| telemetry::chain(&error)),
        Some(path) => std::fs::read_to_string(&path)
            .map_err(|error| error.to_string())
            .and_then(|text| Plans::from_toml(&text).map_err(|error| telemetry::chain(&error)))
            .map_err(|error| format!("PATCHBAY_PLANS_FILE names {}: {error}", path.display())),
    };
    read.map_err(|error| env.wrong(error)).ok()
}
