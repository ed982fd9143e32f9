//! What a worker is told by its environment.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use common::config::{ConfigError, DatabaseConfig, Env, RedisConfig, VaultConfig};
use common::plan::Plans;
use common::queue::Partition;

use jail::EgressConfig;

use crate::network;
use crate::packages::PackagesConfig;

/// Every setting of a worker.
#[derive(Debug)]
pub struct Config {
    pub database: DatabaseConfig,
    pub vault: VaultConfig,
    pub redis: RedisConfig,
    /// `PATCHBAY_ADMIN_LISTEN`: address and port of health, readiness and
    /// metrics; default `127.0.0.1:8091`.
    pub admin: SocketAddr,
    /// `PATCHBAY_LOG`: which log lines are written; default `info`.
    pub log: String,
    pub jail: JailConfig,
    pub packages: PackagesConfig,
    pub network: EgressConfig,
    pub slots: SlotsConfig,
    /// `PATCHBAY_DRAIN_SECONDS`: how long a stop waits for what runs before it
    /// is handed back; default 20, 0 to 3,600.
    pub drain: Duration,
    /// `PATCHBAY_PLANS_FILE`: the plans as TOML; default those of this release.
    pub plans: Plans,
    /// The shard of the queue it serves. `PATCHBAY_REDIS_PREFIX` puts a test's
    /// prefix before its keys; default none.
    pub partition: Partition,
}

/// Where sandboxes come from, and how many there may be.
#[derive(Debug)]
pub struct JailConfig {
    /// `PATCHBAY_STATE_DIR`: a directory of this worker's own.
    pub state_dir: PathBuf,
    /// `PATCHBAY_ROOTFS`: what `ops/rootfs` built.
    pub rootfs: PathBuf,
    /// `PATCHBAY_NSJAIL`: the nsjail binary.
    pub nsjail: PathBuf,
    /// `PATCHBAY_GENERIC_POOL`: sandboxes kept ready for any version; default 4, 1 to 64.
    pub generic: u32,
    /// `PATCHBAY_MAX_SANDBOXES`: sandboxes alive at once, ready ones included;
    /// default 64, 2 to 996; four more may live while packages are installed.
    pub most: u32,
}

/// How many executions this process holds at once.
#[derive(Clone, Copy, Debug)]
pub struct SlotsConfig {
    /// `PATCHBAY_INTERACTIVE_SLOTS`: for executions somebody waits for; default 8, 1 to 256.
    pub interactive: u32,
    /// `PATCHBAY_BACKGROUND_SLOTS`: for those nobody waits for; default 6, 1 to 256.
    pub background: u32,
    /// `PATCHBAY_LAST_STARTS`: `true` makes this the process that runs, one at a
    /// time, executions whose next loss would be their last; default `false`.
    pub last_starts: bool,
}

impl SlotsConfig {
    /// Executions held at once.
    #[must_use]
    pub const fn all(&self) -> u32 {
        if self.last_starts {
            1
        } else {
            self.interactive + self.background
        }
    }
}

impl Config {
    /// # Errors
    /// Everything that is missing, unusable or contradictory, together.
    pub fn from_env(env: &mut Env) -> Result<Self, ConfigError> {
        let state_dir: PathBuf = env.required("PATCHBAY_STATE_DIR");
        let prefix: String = env.with_default("PATCHBAY_REDIS_PREFIX", String::new());
        let config = Self {
            database: DatabaseConfig::read(env),
            vault: VaultConfig::read(env),
            redis: RedisConfig::read(env),
            admin: env.with_default(
                "PATCHBAY_ADMIN_LISTEN",
                SocketAddr::from(([127, 0, 0, 1], 8091)),
            ),
            log: env.with_default("PATCHBAY_LOG", "info".to_owned()),
            packages: PackagesConfig::read(env, &state_dir),
            network: network::read(env),
            jail: JailConfig {
                state_dir,
                rootfs: env.required("PATCHBAY_ROOTFS"),
                nsjail: env.required("PATCHBAY_NSJAIL"),
                generic: env.within("PATCHBAY_GENERIC_POOL", 4, 1..=64),
                most: env.within("PATCHBAY_MAX_SANDBOXES", 64, 2..=996),
            },
            slots: SlotsConfig {
                interactive: env.within("PATCHBAY_INTERACTIVE_SLOTS", 8, 1..=256),
                background: env.within("PATCHBAY_BACKGROUND_SLOTS", 6, 1..=256),
                last_starts: env.with_default("PATCHBAY_LAST_STARTS", false),
            },
            drain: Duration::from_secs(env.within("PATCHBAY_DRAIN_SECONDS", 20, 0..=3_600).into()),
            plans: Plans::read(env),
            partition: Partition::with_prefix(&prefix),
        };
        let needed = config.jail.generic + config.slots.all();
        if needed > config.jail.most {
            env.wrong(format!(
                "PATCHBAY_MAX_SANDBOXES is {}, less than the slots and the ready sandboxes together ({needed})",
                config.jail.most
            ));
        }
        env.finish()?;
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(changes: &[(&str, &str)]) -> Env {
        let mut vars = vec![
            ("DATABASE_URL", "host=/x"),
            ("KEYS_DATABASE_URL", "host=/x"),
            ("PATCHBAY_KEK", "k"),
            ("REDIS_URL", "redis://x"),
            ("PATCHBAY_STATE_DIR", "/s"),
            ("PATCHBAY_ROOTFS", "/r"),
            ("PATCHBAY_NSJAIL", "/n"),
            ("PATCHBAY_UV", "/u/uv"),
        ];
        vars.extend_from_slice(changes);
        Env::of(
            vars.into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned())),
        )
    }

    #[test]
    fn the_defaults_are_usable() {
        let config = Config::from_env(&mut env(&[])).unwrap();
        assert_eq!(config.slots.all(), 14);
        assert!(!config.slots.last_starts);
    }

    #[test]
    fn fewer_sandboxes_than_slots_is_a_contradiction() {
        let enough = [("PATCHBAY_MAX_SANDBOXES", "18")];
        assert!(Config::from_env(&mut env(&enough)).is_ok());
        let one_less = [("PATCHBAY_MAX_SANDBOXES", "17")];
        let error = Config::from_env(&mut env(&one_less)).unwrap_err();
        assert!(error.to_string().contains("PATCHBAY_MAX_SANDBOXES"));
        let last = [
            ("PATCHBAY_MAX_SANDBOXES", "5"),
            ("PATCHBAY_LAST_STARTS", "true"),
        ];
        assert!(Config::from_env(&mut env(&last)).is_ok());
    }
}
