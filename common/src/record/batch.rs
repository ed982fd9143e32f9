//! One batch: one transaction, sent in one go.
//!
//! All statements are on their way before the first answer comes. If one fails,
//! PostgreSQL skips the rest and answers the commit with a rollback; so the batch
//! counts as written only if every answer was good.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::OptionFuture;
use jiff::civil::Date;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::columns::{Ends, KeyName, KeyUse, Keys, Notes, Rows};
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
    keys: BTreeMap<KeyName, KeyUse>,
}

/// What it came to.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) inserted: u64,
    /// Rows that are final now and were open, or not there.
    pub(super) ended: u64,
    /// Which execution each key of the batch stands for.
    pub(super) owners: BTreeMap<KeyName, ExecutionId>,
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

    /// What ended before its row was there becomes a final row at once; but what was noted
    /// of it meanwhile is written into an open one.
    fn rows(&self) -> Rows<'_> {
        let mut columns = Rows::default();
        for (id, (entry, key)) in &self.rows {
            let outcome = self.ends.get(id).filter(|_| !self.notes.contains_key(id));
            columns.add(*id, (entry, key.as_ref()), outcome.copied());
        }
        columns
    }

    async fn send(&self, client: &Client, generation: u64) -> Result<Written, DbError> {
        let statements = Statements::prepare(client).await?;
        let generation = i64::try_from(generation).unwrap_or(i64::MAX);
        let rows = self.rows();
        let (days, ids) = touched(self.ends.keys().chain(self.notes.keys()));
        let ends = Ends::of(&self.ends);
        let notes = Notes::of(&self.notes);
        let keys = Keys::of(&self.keys);

        let door: [&(dyn ToSql + Sync); 2] = [&partitions::FIRST, &generation];
        let door = client.query(&statements.door, &door);
        let rows = rows.params();
        let insert = client.query_one(&statements.insert, &rows);
        let locked: [&(dyn ToSql + Sync); 2] = [&days, &ids];
        let lock = some(!ids.is_empty(), client.query(&statements.lock, &locked));
        let notes = notes.params(&days);
        let note = some(
            !self.notes.is_empty(),
            client.execute(&statements.note, &notes),
        );
        let ends = ends.params(&days);
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
        let count = |at: usize| u64::try_from(inserted.get::<_, i64>(at)).unwrap_or(0);
        Ok(Written {
            inserted: count(0),
            ended: count(1) + ended.unwrap_or(0),
            owners: owners.iter().flatten().filter_map(owner).collect(),
        })
    }
}

fn some<F: Future>(wanted: bool, future: F) -> OptionFuture<F> {
    wanted.then_some(future).into()
}

fn owner(row: &Row) -> Option<(KeyName, ExecutionId)> {
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

/// Their days, each once, and the ids.
fn touched<'i>(ids: impl Iterator<Item = &'i ExecutionId>) -> (Vec<Date>, Vec<Uuid>) {
    let ids: BTreeSet<_> = ids.copied().collect();
    let days: BTreeSet<_> = ids.iter().map(|id| id.day()).collect();
    let ids = ids.into_iter().map(ExecutionId::uuid).collect();
    (days.into_iter().collect(), ids)
}
