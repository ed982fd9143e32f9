//! What a recovery reads of rows. No tenant: it settles all there are.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;
use tokio_postgres::Row;
use uuid::Uuid;

use super::columns::{count, digest, get, id, word};
use super::executions::outcome;
use super::statement::statements;
use super::{DbError, GenericClient};
use crate::entry::Entry;
use crate::execution::{SealedOutcome, Trigger};
use crate::ids::{AccountId, ExecutionId, FunctionId, NamespaceId, VersionId};
use crate::plan::Plan;
use crate::queue::Key;

/// A row that has not ended, with all that the queue needs to run it.
#[derive(Clone, Debug, PartialEq)]
pub struct Open {
    pub id: ExecutionId,
    /// Its `encode` is the queue's body.
    pub entry: Entry,
    /// Tries that failed, and tries allowed (1: no retry of failures).
    pub tried: u32,
    pub attempts: u32,
    pub losses: u32,
    pub due: Option<Timestamp>,
    pub cancel_requested: bool,
    /// `None` also where the key is free again.
    pub key: Option<Key>,
    /// Of the version.
    pub concurrency: Option<u32>,
}

statements! {
    // The page is cut before it is joined, or each page would read all open rows.
    OPEN = "select e.id, e.day, e.account_id, e.namespace_id, e.function_id, e.version_id,
            e.trigger, e.plan, e.once, e.timeout_ms, e.memory_mib, e.tried, e.losses, e.due_at,
            e.cancel_requested, e.input, e.env, v.concurrency, v.max_attempts, k.key_hash, k.body_digest
        from (select o.* from executions o
            where o.partition = $1 and o.state in ('queued', 'running')
                and o.day >= $2 and (o.day, o.id) > ($2, $3)
            order by o.day, o.id limit $4) e
        left join versions v on v.id = e.version_id
        left join idempotency_keys k on k.account_id = e.account_id and k.key_hash = e.key_hash
            and k.execution_id = e.id
        order by e.day, e.id";
    FINAL = "select e.id, e.state, e.error_code, e.attempt, e.started_at, e.finished_at,
            e.duration_us, e.cpu_us, e.memory_peak_bytes, e.network_in_bytes,
            e.network_out_bytes, e.output, e.error, e.logs
        from executions e
        where e.day = any ($1::date[]) and e.id = any ($2::uuid[]) and e.state not in ('queued', 'running')";
    WITH_ROW = "select e.id from executions e
        where e.day = any ($1::date[]) and e.id = any ($2::uuid[])";
}

/// A page of the open rows of a partition, by (day, id). Start with `None`; go on
/// after the last one until a page is empty.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn open(
    client: &impl GenericClient,
    partition: i16,
    after: Option<ExecutionId>,
    most: u32,
) -> Result<Vec<Open>, DbError> {
    let (day, id) = after.map_or((Date::ZERO, Uuid::nil()), |id| (id.day(), id.uuid()));
    let params: super::statement::Params<'_> = &[&partition, &day, &id, &i64::from(most)];
    let rows = OPEN.rows(client, params).await?;
    rows.iter().map(read).collect()
}

/// Those of the given executions that have ended, and how.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn ended(
    client: &impl GenericClient,
    executions: &[ExecutionId],
) -> Result<Vec<(ExecutionId, SealedOutcome)>, DbError> {
    let (days, ids) = apart(executions);
    let rows = FINAL.rows(client, &[&days, &ids]).await?;
    let mut ended = Vec::with_capacity(rows.len());
    for row in &rows {
        if let Some(outcome) = outcome(row)? {
            ended.push((id(row, "id", ExecutionId::from_uuid)?, outcome));
        }
    }
    Ok(ended)
}

/// Those of the given executions that have a row, and so are charged by
/// `usage_daily` already.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn with_row(
    client: &impl GenericClient,
    executions: &[ExecutionId],
) -> Result<Vec<ExecutionId>, DbError> {
    let (days, ids) = apart(executions);
    let rows = WITH_ROW.rows(client, &[&days, &ids]).await?;
    rows.iter()
        .map(|row| id(row, "id", ExecutionId::from_uuid))
        .collect()
}

/// Their days, each once, and the ids.
fn apart(executions: &[ExecutionId]) -> (Vec<Date>, Vec<Uuid>) {
    let days: BTreeSet<_> = executions.iter().map(|id| id.day()).collect();
    let ids = executions.iter().map(|id| id.uuid()).collect();
    (days.into_iter().collect(), ids)
}

fn read(row: &Row) -> Result<Open, DbError> {
    let key = match get::<Option<&[u8]>>(row, "key_hash")? {
        Some(_) => Some(Key {
            hash: digest(row, "key_hash")?,
            digest: digest(row, "body_digest")?,
        }),
        None => None,
    };
    let optional = |column| -> Result<Option<u32>, DbError> {
        Ok(get::<Option<i32>>(row, column)?.and_then(|value| u32::try_from(value).ok()))
    };
    Ok(Open {
        id: id(row, "id", ExecutionId::from_uuid)?,
        entry: Entry {
            trigger: word(row, "trigger", Trigger::parse)?,
            plan: word(row, "plan", Plan::parse)?,
            once: get(row, "once")?,
            account: id(row, "account_id", AccountId::from_uuid)?,
            namespace: id(row, "namespace_id", NamespaceId::from_uuid)?,
            function: id(row, "function_id", FunctionId::from_uuid)?,
            version: id(row, "version_id", VersionId::from_uuid)?,
            timeout_ms: count(row, "timeout_ms")?,
            memory_mib: count(row, "memory_mib")?,
            input: get::<Option<Vec<u8>>>(row, "input")?.unwrap_or_default(),
            env: get(row, "env")?,
        },
        tried: count(row, "tried")?,
        attempts: optional("max_attempts")?.unwrap_or(1),
        losses: count(row, "losses")?,
        due: get(row, "due_at")?,
        cancel_requested: get(row, "cancel_requested")?,
        key,
        concurrency: optional("concurrency")?,
    })
}
