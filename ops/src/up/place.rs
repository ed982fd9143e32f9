//! What `ops/up` says about where things are.

use std::path::PathBuf;

use common::config::{ConfigError, Env};
use secrecy::SecretString;

#[derive(Debug)]
pub(super) struct Place {
    /// `PATCHBAY_URL`: the public listener.
    pub(super) url: String,
    /// `PATCHBAY_METRICS_URLS`, as they go into the env file.
    pub(super) metrics_urls: String,
    /// `PATCHBAY_UP_ENV`: the file with URL and key, mode 600.
    pub(super) env_file: PathBuf,
    /// `PATCHBAY_UP_EXAMPLES`: a directory of Python files.
    pub(super) examples: PathBuf,
    /// `PATCHBAY_UP_STARTED`: when the command was given, in seconds since 1970.
    pub(super) started: i64,
    /// `PATCHBAY_UP_PASSWORD`: the account's.
    pub(super) password: SecretString,
    /// `DATABASE_URL`: the main database, as its owner.
    pub(super) database: SecretString,
}

impl Place {
    pub(super) fn from_env(env: &mut Env) -> Result<Self, ConfigError> {
        let place = Self {
            url: env.required("PATCHBAY_URL"),
            metrics_urls: env.required("PATCHBAY_METRICS_URLS"),
            env_file: env.required("PATCHBAY_UP_ENV"),
            examples: env.required("PATCHBAY_UP_EXAMPLES"),
            started: env.required("PATCHBAY_UP_STARTED"),
            password: env.secret("PATCHBAY_UP_PASSWORD"),
            database: env.secret("DATABASE_URL"),
        };
        env.finish()?;
        Ok(place)
    }
}
