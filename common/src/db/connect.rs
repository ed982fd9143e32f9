//! Connections to PostgreSQL: a pool, or one connection that belongs to one task.

use std::str::FromStr as _;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts};
use secrecy::{ExposeSecret as _, SecretString};
use tokio_postgres::{Config, NoTls};

use super::error::DbError;
use super::{Client, GenericClient as _};
use crate::config::DatabaseConfig;

/// How long a request waits for a free connection, and for a new one.
const CONNECT: Duration = Duration::from_secs(2);

/// No statement of ours takes longer; a lock is waited for less, and a
/// transaction whose process hangs does not keep the door from being closed.
const OPTIONS: &str = "-c statement_timeout=15s -c lock_timeout=10s \
     -c idle_in_transaction_session_timeout=20s -c timezone=UTC";

/// A database. Cheap to clone; connects when it is first asked for a client.
#[derive(Clone, Debug)]
pub struct Database {
    pool: Pool,
}

impl Database {
    /// # Errors
    /// Where the URL cannot be read. Nothing is connected yet.
    pub fn new(config: &DatabaseConfig) -> Result<Self, DbError> {
        let connections = usize::try_from(config.connections).unwrap_or(1);
        Self::with_connections(&config.url, connections)
    }

    /// One connection of its own, for a task that must not wait for others.
    ///
    /// # Errors
    /// Where the URL cannot be read.
    pub fn single(url: &SecretString) -> Result<Self, DbError> {
        Self::with_connections(url, 1)
    }

    /// # Errors
    /// Where the URL cannot be read.
    pub fn with_connections(url: &SecretString, connections: usize) -> Result<Self, DbError> {
        let manager = Manager::from_config(
            settings(url)?,
            NoTls,
            ManagerConfig {
                recycling_method: RecyclingMethod::Fast,
            },
        );
        let pool = Pool::builder(manager)
            .max_size(connections)
            .runtime(Runtime::Tokio1)
            .timeouts(Timeouts {
                wait: Some(CONNECT),
                create: Some(CONNECT),
                recycle: Some(CONNECT),
            })
            .build()
            .map_err(|error| DbError::Unavailable(Box::new(error)))?;
        Ok(Self { pool })
    }

    /// # Errors
    /// Where no connection is to be had in time.
    pub async fn client(&self) -> Result<Client, DbError> {
        self.pool
            .get()
            .await
            .map_err(|error| DbError::Unavailable(Box::new(error)))
    }

    /// Lets no connection out any more and closes each that comes back.
    pub fn close(&self) {
        self.pool.close();
    }

    /// Whether PostgreSQL answers.
    ///
    /// # Errors
    /// Where it does not.
    pub async fn ping(&self) -> Result<(), DbError> {
        let client = self.client().await?;
        client
            .query_one("select 1", &[])
            .await
            .map(|_| ())
            .map_err(DbError::of("ping"))
    }
}

/// A URL or `key=value` text as settings, with our bounds where it sets none.
pub(crate) fn settings(url: &SecretString) -> Result<Config, DbError> {
    let mut config = Config::from_str(url.expose_secret()).map_err(DbError::Url)?;
    if config.get_options().is_none() {
        config.options(OPTIONS);
    }
    if config.get_application_name().is_none() {
        config.application_name("patchbay");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT);
    }
    config.tcp_user_timeout(Duration::from_secs(5));
    config.keepalives_idle(Duration::from_secs(5));
    Ok(config)
}
