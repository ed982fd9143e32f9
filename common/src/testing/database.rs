//! A database for one test, copied from a template that is migrated once.

use std::str::FromStr as _;

use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use tokio_postgres::config::Host;
use tokio_postgres::{Client, Config, NoTls};

use super::{START, from_environment, unique};
use crate::clock::{SharedClock, SystemClock};
use crate::config::DatabaseConfig;
use crate::db::migrate::{self, Which};
use crate::db::{Database, settings};
use crate::vault::{Ring, Vault};

/// As whom one connects. Tests of a service use its own role, so that they also try
/// its rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Owner,
    Api,
    Worker,
    Scheduler,
}

impl Role {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "patchbay_owner",
            Self::Api => "patchbay_api",
            Self::Worker => "patchbay_worker",
            Self::Scheduler => "patchbay_scheduler",
        }
    }
}

/// Both databases of one test; dropped with it.
#[derive(Debug)]
pub struct TestDatabase {
    server: Config,
    name: String,
    drops: bool,
}

/// The key-encryption key of every test.
pub const KEK: &str = "test:dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3Q=";

/// Fresh, migrated databases in the shared PostgreSQL of the test run.
///
/// # Panics
/// Where it does not run.
pub async fn database() -> TestDatabase {
    let url = from_environment("PATCHBAY_TEST_DATABASE_URL");
    let server = Config::from_str(&url).unwrap();
    let (admin, driver) = connect(&server).await;
    let template = template(&server, &admin).await;
    let name = format!("t_{}", unique());
    for (from, to) in [
        (template.clone(), name.clone()),
        (format!("{template}_keys"), format!("{name}_keys")),
    ] {
        let sql = format!("create database \"{to}\" template \"{from}\"");
        admin.batch_execute(&sql).await.unwrap();
    }
    drop(admin);
    driver.await.unwrap();
    let test = TestDatabase {
        server,
        name,
        drops: true,
    };
    test.grant_access().await;
    test
}

/// Migrated databases on a server of one's own.
///
/// # Panics
/// Where it cannot be migrated.
pub async fn database_on(url: &str) -> TestDatabase {
    let test = TestDatabase {
        server: Config::from_str(url).unwrap(),
        name: "patchbay".to_owned(),
        drops: false,
    };
    let (main, keys) = (test.url(Role::Owner), test.keys_url(Role::Owner));
    migrate::run(&main, &keys, &SystemClock).await.unwrap();
    test
}

impl TestDatabase {
    /// The main database's URL for a role.
    #[must_use]
    pub fn url(&self, role: Role) -> SecretString {
        url(&self.server, role.as_str(), &self.name)
    }

    /// The keys database's URL for a role.
    #[must_use]
    pub fn keys_url(&self, role: Role) -> SecretString {
        url(&self.server, role.as_str(), &format!("{}_keys", self.name))
    }

    #[must_use]
    pub fn connect(&self, role: Role) -> Database {
        let config = DatabaseConfig {
            url: self.url(role),
            connections: 4,
        };
        Database::new(&config).unwrap()
    }

    #[must_use]
    pub fn connect_keys(&self, role: Role) -> Database {
        Database::with_connections(&self.keys_url(role), 2).unwrap()
    }

    /// A vault over the test's keys database and [`KEK`].
    #[must_use]
    pub fn vault(&self, role: Role) -> Vault {
        let clock: SharedClock = std::sync::Arc::new(SystemClock);
        Vault::over(Ring::parse(KEK).unwrap(), self.connect_keys(role), clock)
    }

    async fn grant_access(&self) {
        for (which, url, access) in [
            (Which::Main, self.url(Role::Owner), migrations::MAIN_ACCESS),
            (
                Which::Keys,
                self.keys_url(Role::Owner),
                migrations::KEYS_ACCESS,
            ),
        ] {
            let config = settings(&url).unwrap();
            migrate::grant_access(which, &config, access).await.unwrap();
        }
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if !self.drops {
            return;
        }
        let (server, name) = (self.server.clone(), self.name.clone());
        // A test's runtime may be gone or busy: a thread with one of its own.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let (admin, _driver) = connect(&server).await;
                for name in [&name, &format!("{name}_keys")] {
                    let sql = format!("drop database if exists \"{name}\" with (force)");
                    // What stays behind ends with the server.
                    let _ = admin.batch_execute(&sql).await;
                }
            });
        });
        let _ = dropping.join();
    }
}

/// The name of the migrated template; made by whoever comes first.
async fn template(server: &Config, admin: &Client) -> String {
    let mut sum = Sha256::new();
    for file in migrations::MAIN.iter().chain(migrations::KEYS) {
        sum.update(file.sql);
    }
    sum.update(migrations::ROLES);
    let sum = sum.finalize();
    let hex: String = sum[..6].iter().map(|byte| format!("{byte:02x}")).collect();
    let name = format!("template_{hex}");
    let keys = format!("{name}_keys");
    admin
        .batch_execute("select pg_advisory_lock(7309, 1)")
        .await
        .unwrap();
    let finished = "select 1 from pg_database where datname = $1 and datistemplate";
    if admin.query_opt(finished, &[&keys]).await.unwrap().is_none() {
        for name in [&name, &keys] {
            let sql = format!("alter database \"{name}\" is_template false");
            let _ = admin.batch_execute(&sql).await;
            let sql = format!("drop database if exists \"{name}\" with (force)");
            admin.batch_execute(&sql).await.unwrap();
        }
        let owner = Role::Owner.as_str();
        let (main, keys_url) = (url(server, owner, &name), url(server, owner, &keys));
        migrate::run(&main, &keys_url, &SystemClock).await.unwrap();
        for name in [&name, &keys] {
            let sql = format!("alter database \"{name}\" is_template true");
            admin.batch_execute(&sql).await.unwrap();
        }
    }
    admin
        .batch_execute("select pg_advisory_unlock(7309, 1)")
        .await
        .unwrap();
    name
}

type Driver = tokio::task::JoinHandle<()>;

async fn connect(server: &Config) -> (Client, Driver) {
    let (client, connection) = server
        .connect(NoTls)
        .await
        .unwrap_or_else(|error| panic!("{error}; {START}"));
    let tasks = tokio_util::task::TaskTracker::new();
    let driver = tasks.spawn(async move {
        let _ = connection.await;
    });
    (client, driver)
}

/// Settings for another role and database of the same server.
fn url(server: &Config, role: &str, name: &str) -> SecretString {
    let host = match server.get_hosts().first() {
        Some(Host::Unix(path)) => path.display().to_string(),
        Some(Host::Tcp(host)) => host.clone(),
        None => "localhost".to_owned(),
    };
    let port = server.get_ports().first().copied().unwrap_or(5432);
    SecretString::from(format!("host={host} port={port} user={role} dbname={name}"))
}
