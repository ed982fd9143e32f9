//! Live processes: whom a recovery waits for.
//!
//! Heartbeats are the server's time: they are compared with themselves, to see
//! whether they move, and never with a clock.

use jiff::Timestamp;

use super::columns::{big, get, id, word};
use super::statement::statements;
use super::{DbError, GenericClient};
use crate::ids::ProcessId;

/// Which service a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Api,
    Worker,
    Scheduler,
}

impl Kind {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Worker => "worker",
            Self::Scheduler => "scheduler",
        }
    }

    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "api" => Some(Self::Api),
            "worker" => Some(Self::Worker),
            "scheduler" => Some(Self::Scheduler),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    pub id: ProcessId,
    pub kind: Kind,
    pub heartbeat_at: Timestamp,
    /// The highest generation it has settled for.
    pub acked: u64,
}

statements! {
    BEAT = "insert into processes (id, kind, started_at, heartbeat_at, acked_generation)
        values ($1, $2, clock_timestamp(), clock_timestamp(), $3)
        on conflict (id) do update set heartbeat_at = clock_timestamp(),
            acked_generation = greatest(processes.acked_generation, excluded.acked_generation)";
    LEAVE = "delete from processes where id = $1";
    LIST = "select id, kind, heartbeat_at, acked_generation from processes order by id limit 10000";
    REMOVE = "delete from processes where id = $1 and heartbeat_at = $2";
}

/// Writes the process's row, or moves its heartbeat.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn beat(
    client: &impl GenericClient,
    process: ProcessId,
    kind: Kind,
    acked: u64,
) -> Result<(), DbError> {
    let params: super::statement::Params<'_> = &[&process.uuid(), &kind.as_str(), &big(acked)];
    BEAT.change(client, params).await.map(|_| ())
}

/// Removes the row of a process that holds nothing any more.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn leave(client: &impl GenericClient, process: ProcessId) -> Result<(), DbError> {
    LEAVE.change(client, &[&process.uuid()]).await.map(|_| ())
}

/// # Errors
/// Where PostgreSQL does not answer.
pub async fn list(client: &impl GenericClient) -> Result<Vec<Process>, DbError> {
    let rows = LIST.rows(client, &[]).await?;
    rows.iter()
        .map(|row| {
            Ok(Process {
                id: id(row, "id", ProcessId::from_uuid)?,
                kind: word(row, "kind", Kind::parse)?,
                heartbeat_at: get(row, "heartbeat_at")?,
                acked: u64::try_from(get::<i64>(row, "acked_generation")?)
                    .map_err(|_| DbError::column("acked_generation"))?,
            })
        })
        .collect()
}

/// Removes a dead process's row, unless it moved meanwhile; gives whether it did.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn remove(
    client: &impl GenericClient,
    process: ProcessId,
    heartbeat_at: Timestamp,
) -> Result<bool, DbError> {
    let params: super::statement::Params<'_> = &[&process.uuid(), &heartbeat_at];
    Ok(REMOVE.change(client, params).await? == 1)
}
