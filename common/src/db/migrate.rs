//! Bringing both databases to the schema of this release.
//!
//! One session holds an advisory lock, so two that migrate at once do it one
//! after the other. Each file is one transaction together with the row that says
//! it was applied, and that row keeps the file's checksum: a file that was
//! changed after it was released, or a database that a newer release migrated,
//! is refused.

use jiff::Timestamp;
use migrations::Migration;
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls};
use tokio_util::task::TaskTracker;

use super::connect::settings;
use super::{Database, DbError, days};
use crate::clock::Clock;

#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    #[error("the url of the {0} cannot be read")]
    Url(Which, #[source] DbError),
    #[error("the {0} cannot be reached")]
    Connect(Which, #[source] tokio_postgres::Error),
    #[error("{step} of the {which} failed")]
    Step {
        which: Which,
        step: &'static str,
        #[source]
        source: tokio_postgres::Error,
    },
    #[error("migration {name} of the {which} failed")]
    Apply {
        which: Which,
        name: &'static str,
        #[source]
        source: tokio_postgres::Error,
    },
    #[error("migration {name} of the {which} is not the one that was applied")]
    Changed { which: Which, name: String },
    #[error("the {which} has migration {number}, which this release does not know")]
    Newer { which: Which, number: i32 },
    #[error("the coming day partitions cannot be made")]
    Days(#[source] DbError),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    Main,
    Keys,
}

impl std::fmt::Display for Which {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Main => "main database",
            Self::Keys => "keys database",
        })
    }
}

/// Makes both databases where they are absent, the services' roles, and whatever
/// of the schema is missing; then the coming day partitions. The URLs are the
/// owner's. Gives how many files were applied. Running it again is harmless.
///
/// # Errors
/// Names the step and the file; what was applied before it stays.
pub async fn run(
    owner_url: &SecretString,
    keys_owner_url: &SecretString,
    clock: &dyn Clock,
) -> Result<usize, MigrateError> {
    let mut applied = 0;
    for (which, url, files, access) in [
        (
            Which::Main,
            owner_url,
            migrations::MAIN,
            migrations::MAIN_ACCESS,
        ),
        (
            Which::Keys,
            keys_owner_url,
            migrations::KEYS,
            migrations::KEYS_ACCESS,
        ),
    ] {
        let config = settings(url).map_err(|error| MigrateError::Url(which, error))?;
        applied += migrate(which, &config, files, clock.now()).await?;
        grant_access(which, &config, access).await?;
    }
    make_days(owner_url, clock.now())
        .await
        .map_err(MigrateError::Days)?;
    Ok(applied)
}

async fn make_days(url: &SecretString, now: Timestamp) -> Result<(), DbError> {
    let database = Database::single(url)?;
    days::make_coming(&database.client().await?, now).await?;
    database.close();
    Ok(())
}

/// Who may connect; not in a numbered file, as a copy of a database loses it.
pub(crate) async fn grant_access(
    which: Which,
    config: &Config,
    access: &'static str,
) -> Result<(), MigrateError> {
    let session = Session::open(which, config).await?;
    // Two that grant at once would meet in one row of the catalogue.
    let lock = session.client.batch_execute(LOCK).await;
    lock.map_err(session.step("waiting to grant access"))?;
    let step = session.step("granting access");
    session.client.batch_execute(access).await.map_err(step)?;
    session.close().await;
    Ok(())
}

pub(crate) async fn migrate(
    which: Which,
    config: &Config,
    files: &'static [Migration],
    now: Timestamp,
) -> Result<usize, MigrateError> {
    let mut session = Session::open(which, config).await?;
    let applied = apply_missing(&mut session, files, now).await?;
    session.close().await;
    Ok(applied)
}

async fn apply_missing(
    session: &mut Session,
    files: &'static [Migration],
    now: Timestamp,
) -> Result<usize, MigrateError> {
    let client = &session.client;
    for statement in [LOCK, PREPARE] {
        let prepared = client.batch_execute(statement).await;
        prepared.map_err(session.step("preparing"))?;
    }
    client
        .batch_execute(migrations::ROLES)
        .await
        .map_err(session.step("making the roles"))?;
    let known = client
        .query(APPLIED, &[])
        .await
        .map_err(session.step("reading what was applied"))?;
    for row in &known {
        let (number, name): (i32, String) = (row.get("number"), row.get("name"));
        let which = session.which;
        let Some(file) = files.iter().find(|file| file.number == number) else {
            return Err(MigrateError::Newer { which, number });
        };
        if row.get::<_, &[u8]>("checksum") != checksum(file) {
            return Err(MigrateError::Changed { which, name });
        }
    }
    let missing = files.iter().filter(|file| {
        !known
            .iter()
            .any(|row| row.get::<_, i32>("number") == file.number)
    });
    let mut applied = 0;
    for file in missing {
        apply(session, file, now).await?;
        applied += 1;
    }
    Ok(applied)
}

/// The lock ends with the session. No statement timeout: a migration may take long.
const LOCK: &str = "set statement_timeout = 0; set lock_timeout = '60s';
    select pg_advisory_lock(7303, 1)";
const PREPARE: &str = "create table if not exists schema_migrations (
        number integer primary key,
        name text not null,
        checksum bytea not null,
        applied_at timestamptz not null
    );
    comment on table schema_migrations is 'Files applied to this database';
    comment on column schema_migrations.number is 'Counts from 1';
    comment on column schema_migrations.name is 'The file''s name';
    comment on column schema_migrations.checksum is 'SHA-256 of the file as it was applied';
    comment on column schema_migrations.applied_at is 'When it was applied';";
const APPLIED: &str = "select number, name, checksum from schema_migrations order by number";
const NOTE: &str =
    "insert into schema_migrations (number, name, checksum, applied_at) values ($1, $2, $3, $4)";

async fn apply(
    session: &mut Session,
    file: &'static Migration,
    now: Timestamp,
) -> Result<(), MigrateError> {
    let which = session.which;
    let failed = |source| MigrateError::Apply {
        which,
        name: file.name,
        source,
    };
    let transaction = session.client.transaction().await.map_err(failed)?;
    transaction.batch_execute(file.sql).await.map_err(failed)?;
    let sum = checksum(file);
    transaction
        .execute(NOTE, &[&file.number, &file.name, &sum.as_slice(), &now])
        .await
        .map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    tracing::info!(migration = file.name, "applied");
    Ok(())
}

fn checksum(file: &Migration) -> [u8; 32] {
    Sha256::digest(file.sql.as_bytes()).into()
}

/// One connection and the task that drives it.
struct Session {
    which: Which,
    client: Client,
    driver: TaskTracker,
}

impl Session {
    /// Connects, making the database first where it is absent.
    async fn open(which: Which, config: &Config) -> Result<Self, MigrateError> {
        match Self::connect(which, config).await {
            Err(error) if error.code() == Some(&SqlState::INVALID_CATALOG_NAME) => {
                create_database(which, config).await?;
                Self::connect(which, config).await
            }
            other => other,
        }
        .map_err(|error| MigrateError::Connect(which, error))
    }

    async fn connect(which: Which, config: &Config) -> Result<Self, tokio_postgres::Error> {
        let (client, connection) = config.connect(NoTls).await?;
        let driver = TaskTracker::new();
        driver.spawn(async move {
            // Its end is seen by the client's next call.
            let _ = connection.await;
        });
        driver.close();
        Ok(Self {
            which,
            client,
            driver,
        })
    }

    fn step(&self, step: &'static str) -> impl Fn(tokio_postgres::Error) -> MigrateError + use<> {
        let which = self.which;
        move |source| MigrateError::Step {
            which,
            step,
            source,
        }
    }

    /// Closes the connection, and waits until it is: a template with a session
    /// cannot be copied.
    async fn close(self) {
        drop(self.client);
        self.driver.wait().await;
    }
}

async fn create_database(which: Which, config: &Config) -> Result<(), MigrateError> {
    let mut maintenance = config.clone();
    maintenance.dbname("postgres");
    let session = Session::connect(which, &maintenance)
        .await
        .map_err(|error| MigrateError::Connect(which, error))?;
    let name = config
        .get_dbname()
        .unwrap_or("patchbay")
        .replace('"', "\"\"");
    let sql = format!("create database \"{name}\"");
    let made = session.client.batch_execute(&sql).await;
    let failed = session.step("making the database");
    session.close().await;
    // Another may make it at this very moment: then PostgreSQL names the index instead.
    let there = [&SqlState::DUPLICATE_DATABASE, &SqlState::UNIQUE_VIOLATION];
    match made {
        Err(error) if !error.code().is_some_and(|code| there.contains(&code)) => Err(failed(error)),
        _ => Ok(()),
    }
}
