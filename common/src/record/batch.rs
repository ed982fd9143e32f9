//! One batch: one transaction, sent in one go.
//!
//! All statements are on their way before the first answer comes. If one fails,
//! PostgreSQL skips the rest and answers the commit with a rollback; so the batch
//! counts as written only if every answer was good.

use std::collections::BTreeMap;

use futures_util::future::OptionFuture;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::{Note, WriteError};
use crate::db::recording as sql;
use crate::db::statement::Statement;
use crate::db::{Client, DbError, GenericClient as _, partitions};
use crate::entry::Entry;
use crate::execution::SealedOutcome;
use crate::ids::{AccountId, ExecutionId};
use crate::queue::Key;

/// What a batch is to write. Maps, so that every id comes once and in order.
#[derive(Debug, Default)]
pub(super) struct Batch<'a> {
    /// Rows to insert where they are absent.
    rows: BTreeMap<ExecutionId, (Entry, Option<Key>)>,
    ends: BTreeMap<ExecutionId, &'a SealedOutcome>,
    notes: BTreeMap<ExecutionId, Note>,
    keys: BTreeMap<(AccountId, [u8; 32]), (ExecutionId, [u8; 32])>,
}

/// What it came to.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) inserted: u64,
    /// Rows that were open and are final now.
    pub(super) ended: u64,
    /// Which execution each key of the batch stands for.
    pub(super) owners: BTreeMap<(AccountId, [u8; 32]), ExecutionId>,
}

impl<'a> Batch<'a> {
    pub(super) fn row(&mut self, id: ExecutionId, entry: Entry, key: Option<Key>) {
        if let Some(key) = key {
            self.keys
                .entry((entry.account, key.hash))
                .or_insert((id, key.digest));
        }
        self.rows.entry(id).or_insert((entry, key));
    }

    /// First final state wins, inside a batch too.
    pub(super) fn end(&mut self, id: ExecutionId, outcome: &'a SealedOutcome) {
        self.ends.entry(id).or_insert(outcome);
    }

    /// The last note of an execution stands for those before it.
    pub(super) fn note(&mut self, id: ExecutionId, note: Note) {
        self.notes.insert(id, note);
    }

    /// Writes it, through the door.
    pub(super) async fn write(
        &self,
        client: &Client,
        generation: u64,
    ) -> Result<Written, WriteError> {
        self.send(client, generation)
            .await
            .map_err(WriteError::of(generation))
    }

    async fn send(&self, client: &Client, generation: u64) -> Result<Written, DbError> {
        let statements = Statements::prepare(client).await?;
        let generation = i64::try_from(generation).unwrap_or(i64::MAX);
        let rows = Rows::of(&self.rows);
        let (ids, days) = touched(self.ends.keys().chain(self.notes.keys()));
        let (first, last) = bounds(&days);
        let ends = Ends::of(&self.ends);
        let notes = Notes::of(&self.notes);
        let keys = Keys::of(&self.keys);

        let door: [&(dyn ToSql + Sync); 2] = [&partitions::FIRST, &generation];
        let door = client.query(&statements.door, &door);
        let rows = rows.params();
        let insert = client.query_one(&statements.insert, &rows);
        let locked: [&(dyn ToSql + Sync); 4] = [&ids, &days, &first, &last];
        let lock = some(!ids.is_empty(), client.query(&statements.lock, &locked));
        let notes = notes.params(&first, &last);
        let note = some(
            !self.notes.is_empty(),
            client.execute(&statements.note, &notes),
        );
        let ends = ends.params(&first, &last);
        let end = some(
            !self.ends.is_empty(),
            client.execute(&statements.end, &ends),
        );
        let params = keys.params();
        let key = some(
            !self.keys.is_empty(),
            client.execute(&statements.keys, &params),
        );
        let owned: [&(dyn ToSql + Sync); 2] = [&keys.accounts, &keys.hashes];
        let owners = some(
            !self.keys.is_empty(),
            client.query(&statements.owners, &owned),
        );
        // In this order, and all of them sent before the first is answered.
        let (begin, door, inserted, lock, note, end, key, owners, commit) = tokio::join!(
            biased;
            client.batch_execute("begin"),
            door, insert, lock, note, end, key, owners,
            client.batch_execute("commit"),
        );
        begin.map_err(DbError::of("begin"))?;
        door.map_err(DbError::of(sql::DOOR.name))?;
        let inserted = inserted.map_err(DbError::of(sql::INSERT.name))?;
        lock.transpose().map_err(DbError::of(sql::LOCK.name))?;
        note.transpose().map_err(DbError::of(sql::NOTE.name))?;
        let ended = end.transpose().map_err(DbError::of(sql::END.name))?;
        key.transpose().map_err(DbError::of(sql::KEYS.name))?;
        let owners = owners.transpose().map_err(DbError::of(sql::OWNERS.name))?;
        commit.map_err(DbError::of("commit"))?;
        Ok(Written {
            inserted: u64::try_from(inserted.get::<_, i64>(0)).unwrap_or(0),
            ended: ended.unwrap_or(0),
            owners: owners.iter().flatten().filter_map(owner).collect(),
        })
    }
}

fn some<F: Future>(wanted: bool, future: F) -> OptionFuture<F> {
    wanted.then_some(future).into()
}

fn owner(row: &Row) -> Option<((AccountId, [u8; 32]), ExecutionId)> {
    let hash = row.try_get::<_, &[u8]>(1).ok()?.try_into().ok()?;
    let account = AccountId::from_uuid(row.try_get(0).ok()?);
    Some((
        (account, hash),
        ExecutionId::from_uuid(row.try_get(2).ok()?),
    ))
}

/// The batch's statements, prepared once per connection.
struct Statements {
    door: tokio_postgres::Statement,
    insert: tokio_postgres::Statement,
    lock: tokio_postgres::Statement,
    note: tokio_postgres::Statement,
    end: tokio_postgres::Statement,
    keys: tokio_postgres::Statement,
    owners: tokio_postgres::Statement,
}

impl Statements {
    async fn prepare(client: &Client) -> Result<Self, DbError> {
        let prepare = |statement: &'static Statement| async move {
            client
                .prepare_cached(statement.sql)
                .await
                .map_err(DbError::of(statement.name))
        };
        Ok(Self {
            door: prepare(&sql::DOOR).await?,
            insert: prepare(&sql::INSERT).await?,
            lock: prepare(&sql::LOCK).await?,
            note: prepare(&sql::NOTE).await?,
            end: prepare(&sql::END).await?,
            keys: prepare(&sql::KEYS).await?,
            owners: prepare(&sql::OWNERS).await?,
        })
    }
}

fn touched<'i>(ids: impl Iterator<Item = &'i ExecutionId>) -> (Vec<Uuid>, Vec<Date>) {
    let mut all: Vec<ExecutionId> = ids.copied().collect();
    all.sort_unstable();
    all.dedup();
    all.into_iter().map(|id| (id.uuid(), id.day())).unzip()
}

/// The first and the last day: PostgreSQL then looks into no other partition.
fn bounds(days: &[Date]) -> (Date, Date) {
    let first = days.iter().min().copied().unwrap_or(Date::ZERO);
    let last = days.iter().max().copied().unwrap_or(Date::ZERO);
    (first, last)
}

type Columns<'a, const N: usize> = [&'a (dyn ToSql + Sync); N];

#[derive(Default)]
pub(super) struct Rows<'a> {
    ids: Vec<Uuid>,
    days: Vec<Date>,
    accounts: Vec<Uuid>,
    namespaces: Vec<Uuid>,
    functions: Vec<Uuid>,
    versions: Vec<Uuid>,
    triggers: Vec<&'static str>,
    plans: Vec<&'static str>,
    once: Vec<bool>,
    timeouts: Vec<i32>,
    memories: Vec<i32>,
    key_hashes: Vec<Option<&'a [u8]>>,
    inputs: Vec<&'a [u8]>,
    created: Vec<Timestamp>,
}

impl<'a> Rows<'a> {
    fn of(rows: &'a BTreeMap<ExecutionId, (Entry, Option<Key>)>) -> Self {
        let mut columns = Self::default();
        for (id, (entry, key)) in rows {
            columns.add(*id, entry, key.as_ref());
        }
        columns
    }

    pub(super) fn add(&mut self, id: ExecutionId, entry: &'a Entry, key: Option<&'a Key>) {
        let int = |value| i32::try_from(value).unwrap_or(i32::MAX);
        self.ids.push(id.uuid());
        self.days.push(id.day());
        self.accounts.push(entry.account.uuid());
        self.namespaces.push(entry.namespace.uuid());
        self.functions.push(entry.function.uuid());
        self.versions.push(entry.version.uuid());
        self.triggers.push(entry.trigger.as_str());
        self.plans.push(entry.plan.as_str());
        self.once.push(entry.once);
        self.timeouts.push(int(entry.timeout_ms));
        self.memories.push(int(entry.memory_mib));
        self.key_hashes.push(key.map(|key| key.hash.as_slice()));
        self.inputs.push(&entry.input);
        self.created.push(id.at());
    }

    pub(super) fn params(&self) -> Columns<'_, 15> {
        [
            &partitions::FIRST,
            &self.ids,
            &self.days,
            &self.accounts,
            &self.namespaces,
            &self.functions,
            &self.versions,
            &self.triggers,
            &self.plans,
            &self.once,
            &self.timeouts,
            &self.memories,
            &self.key_hashes,
            &self.inputs,
            &self.created,
        ]
    }
}

#[derive(Default)]
pub(super) struct Ends<'a> {
    ids: Vec<Uuid>,
    days: Vec<Date>,
    states: Vec<&'static str>,
    codes: Vec<Option<&'static str>>,
    attempts: Vec<i32>,
    started: Vec<Option<Timestamp>>,
    finished: Vec<Timestamp>,
    durations: Vec<Option<i64>>,
    cpu: Vec<Option<i64>>,
    memory: Vec<Option<i64>>,
    outputs: Vec<Option<&'a [u8]>>,
    errors: Vec<Option<&'a [u8]>>,
    logs: Vec<Option<&'a [u8]>>,
}

impl<'a> Ends<'a> {
    pub(super) fn of(ends: &BTreeMap<ExecutionId, &'a SealedOutcome>) -> Self {
        let big = |value: Option<u64>| value.map(|value| i64::try_from(value).unwrap_or(i64::MAX));
        let mut columns = Self::default();
        for (id, outcome) in ends {
            let ending = &outcome.ending;
            columns.ids.push(id.uuid());
            columns.days.push(id.day());
            columns.states.push(ending.state.as_str());
            columns
                .codes
                .push(ending.error_code.map(|code| code.as_str()));
            columns
                .attempts
                .push(i32::try_from(ending.attempt).unwrap_or(i32::MAX));
            columns.started.push(ending.started_at);
            columns.finished.push(ending.finished_at);
            columns.durations.push(big(ending.duration_us));
            columns.cpu.push(big(ending.cpu_us));
            columns.memory.push(big(ending.memory_peak_bytes));
            columns.outputs.push(outcome.output.as_deref());
            columns.errors.push(outcome.error.as_deref());
            columns.logs.push(outcome.logs.as_deref());
        }
        columns
    }

    pub(super) fn params<'p>(&'p self, first: &'p Date, last: &'p Date) -> Columns<'p, 15> {
        [
            first,
            last,
            &self.ids,
            &self.days,
            &self.states,
            &self.codes,
            &self.attempts,
            &self.started,
            &self.finished,
            &self.durations,
            &self.cpu,
            &self.memory,
            &self.outputs,
            &self.errors,
            &self.logs,
        ]
    }
}

#[derive(Default)]
struct Notes {
    ids: Vec<Uuid>,
    days: Vec<Date>,
    states: Vec<&'static str>,
    attempts: Vec<i32>,
    tried: Vec<i32>,
    losses: Vec<i32>,
    started: Vec<Option<Timestamp>>,
    due: Vec<Option<Timestamp>>,
}

impl Notes {
    fn of(notes: &BTreeMap<ExecutionId, Note>) -> Self {
        let int = |value| i32::try_from(value).unwrap_or(i32::MAX);
        let mut columns = Self::default();
        for (id, note) in notes {
            let (state, attempt, tried, losses, started, due) = match *note {
                Note::Started {
                    attempt,
                    tried,
                    losses,
                    at,
                } => ("running", attempt, tried, losses, Some(at), None),
                Note::Tried { tried, losses, due } => ("queued", 0, tried, losses, None, Some(due)),
            };
            columns.ids.push(id.uuid());
            columns.days.push(id.day());
            columns.states.push(state);
            columns.attempts.push(int(attempt));
            columns.tried.push(int(tried));
            columns.losses.push(int(losses));
            columns.started.push(started);
            columns.due.push(due);
        }
        columns
    }

    fn params<'p>(&'p self, first: &'p Date, last: &'p Date) -> Columns<'p, 10> {
        [
            first,
            last,
            &self.ids,
            &self.days,
            &self.states,
            &self.attempts,
            &self.tried,
            &self.losses,
            &self.started,
            &self.due,
        ]
    }
}

#[derive(Default)]
struct Keys {
    accounts: Vec<Uuid>,
    hashes: Vec<Vec<u8>>,
    executions: Vec<Uuid>,
    days: Vec<Date>,
    digests: Vec<Vec<u8>>,
    expire: Vec<Timestamp>,
}

impl Keys {
    fn of(keys: &BTreeMap<(AccountId, [u8; 32]), (ExecutionId, [u8; 32])>) -> Self {
        let mut columns = Self::default();
        for ((account, hash), (id, digest)) in keys {
            columns.accounts.push(account.uuid());
            columns.hashes.push(hash.to_vec());
            columns.executions.push(id.uuid());
            columns.days.push(id.day());
            columns.digests.push(digest.to_vec());
            columns
                .expire
                .push(id.at().checked_add(24.hours()).unwrap_or(Timestamp::MAX));
        }
        columns
    }

    fn params(&self) -> Columns<'_, 6> {
        [
            &self.accounts,
            &self.hashes,
            &self.executions,
            &self.days,
            &self.digests,
            &self.expire,
        ]
    }
}
