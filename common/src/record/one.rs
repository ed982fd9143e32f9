//! Writes of one execution that cannot wait for a batch: they decide something.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::WriteError;
use super::columns::{Ends, Rows};
use crate::db::recording as sql;
use crate::db::{Client, DbError, Transaction, partitions};
use crate::entry::Entry;
use crate::execution::SealedOutcome;
use crate::ids::ExecutionId;
use crate::queue::Key;

/// Whether an execution that is never started twice may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnceStart {
    /// This is its one start, and PostgreSQL knows.
    Granted,
    /// It was started before, has ended, or is to be cancelled.
    Refused,
}

/// What noting a cancel came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requested {
    Noted,
    /// The row is final.
    Late,
}

/// Grants an execution its only start: attempt 0 → 1 on its row, inserted if it is
/// absent.
///
/// # Errors
/// Its fate is not known then: it must not be started.
pub async fn start_once(
    client: &mut Client,
    generation: u64,
    (id, entry, key): (ExecutionId, &Entry, Option<&Key>),
    now: Timestamp,
) -> Result<OnceStart, WriteError> {
    let failed = WriteError::of(generation);
    let transaction = enter(client, generation, (id, entry, key)).await?;
    let started = sql::ONCE
        .change(&transaction, &[&id.day(), &id.uuid(), &now])
        .await
        .map_err(&failed)?;
    commit(transaction).await.map_err(failed)?;
    Ok(if started == 1 {
        OnceStart::Granted
    } else {
        OnceStart::Refused
    })
}

/// Writes into the row, inserted if it is absent, that somebody asked to cancel.
///
/// # Errors
/// It may have been written; asking again is safe.
pub async fn request_cancel(
    client: &mut Client,
    generation: u64,
    id: ExecutionId,
    entry: &Entry,
) -> Result<Requested, WriteError> {
    let failed = WriteError::of(generation);
    let transaction = enter(client, generation, (id, entry, None)).await?;
    let noted = sql::ASK_CANCEL
        .change(&transaction, &[&id.day(), &id.uuid()])
        .await
        .map_err(&failed)?;
    commit(transaction).await.map_err(failed)?;
    Ok(if noted == 1 {
        Requested::Noted
    } else {
        Requested::Late
    })
}

/// An outcome whose `finish` was sent and never answered.
#[derive(Clone, Copy, Debug)]
pub struct InDoubt<'a> {
    pub id: ExecutionId,
    pub entry: &'a Entry,
    pub as_sent: &'a SealedOutcome,
    /// What stands where somebody had asked to cancel it.
    pub as_cancelled: &'a SealedOutcome,
}

/// Records an outcome that Redis may have forgotten. A row that is final stays.
///
/// # Errors
/// Repeating it is safe.
pub async fn end_in_doubt(
    client: &mut Client,
    generation: u64,
    doubt: &InDoubt<'_>,
) -> Result<(), WriteError> {
    let failed = WriteError::of(generation);
    let (id, day) = (doubt.id, doubt.id.day());
    let transaction = enter(client, generation, (id, doubt.entry, None)).await?;
    let (ids, days) = (vec![id.uuid()], vec![day]);
    sql::LOCK
        .rows(&transaction, &[&days, &ids])
        .await
        .map_err(&failed)?;
    // Read under the lock: who asks later finds the row final.
    let asked = sql::CANCEL_ASKED
        .row(&transaction, &[&day, &id.uuid()])
        .await
        .map_err(&failed)?;
    let asked = asked.is_some_and(|row| row.try_get(0).unwrap_or(false));
    let outcome = if asked {
        doubt.as_cancelled
    } else {
        doubt.as_sent
    };
    let ends = Ends::of(&BTreeMap::from([(id, outcome)]));
    sql::END
        .change(&transaction, &ends.params(&days))
        .await
        .map_err(&failed)?;
    commit(transaction).await.map_err(failed)
}

/// Through the door, with the row there.
async fn enter<'c>(
    client: &'c mut Client,
    generation: u64,
    (id, entry, key): (ExecutionId, &Entry, Option<&Key>),
) -> Result<Transaction<'c>, WriteError> {
    let failed = WriteError::of(generation);
    let held = i64::try_from(generation).unwrap_or(i64::MAX);
    let transaction = client
        .transaction()
        .await
        .map_err(|error| failed(DbError::of("begin")(error)))?;
    sql::DOOR
        .one(&transaction, &[&partitions::FIRST, &held])
        .await
        .map_err(&failed)?;
    let rows = Rows::of_one(id, entry, key);
    sql::INSERT
        .one(&transaction, &rows.params())
        .await
        .map_err(failed)?;
    Ok(transaction)
}

async fn commit(transaction: Transaction<'_>) -> Result<(), DbError> {
    transaction.commit().await.map_err(DbError::of("commit"))
}
