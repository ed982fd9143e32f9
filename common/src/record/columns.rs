//! A batch's values, column by column, as the statements take them.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::Note;
use crate::db::partitions;
use crate::entry::Entry;
use crate::execution::{ErrorCode, SealedOutcome};
use crate::ids::{AccountId, ExecutionId};
use crate::queue::Key;

/// An account's key, by its hash.
pub(super) type KeyName = (AccountId, [u8; 32]);

/// The execution it stands for, and the digest of what it was used for.
pub(super) type KeyUse = (ExecutionId, [u8; 32]);

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
    envs: Vec<Option<&'a [u8]>>,
    outcomes: Outcomes<'a>,
}

impl<'a> Rows<'a> {
    /// One row, open.
    pub(super) fn of_one(id: ExecutionId, entry: &'a Entry, key: Option<&'a Key>) -> Self {
        let mut columns = Self::default();
        columns.add(id, (entry, key), None);
        columns
    }

    /// With an outcome the row is final from the start.
    pub(super) fn add(
        &mut self,
        id: ExecutionId,
        (entry, key): (&'a Entry, Option<&'a Key>),
        outcome: Option<&'a SealedOutcome>,
    ) {
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
        // Only for a run that may be still to come.
        self.envs
            .push(entry.env.as_deref().filter(|_| outcome.is_none()));
        self.outcomes.add(outcome);
    }

    pub(super) fn params(&self) -> Vec<&(dyn ToSql + Sync)> {
        let mut all: Vec<&(dyn ToSql + Sync)> = vec![
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
        ];
        all.extend(self.outcomes.params());
        all.push(&self.envs);
        all
    }
}

#[derive(Default)]
pub(super) struct Ends<'a> {
    ids: Vec<Uuid>,
    days: Vec<Date>,
    outcomes: Outcomes<'a>,
}

impl<'a> Ends<'a> {
    pub(super) fn of(ends: &BTreeMap<ExecutionId, &'a SealedOutcome>) -> Self {
        let mut columns = Self::default();
        for (id, outcome) in ends {
            columns.ids.push(id.uuid());
            columns.days.push(id.day());
            columns.outcomes.add(Some(outcome));
        }
        columns
    }

    /// `days` are all days of the batch, each once.
    pub(super) fn params<'p>(&'p self, days: &'p Vec<Date>) -> Vec<&'p (dyn ToSql + Sync)> {
        let mut all: Vec<&(dyn ToSql + Sync)> = vec![&self.days, &self.ids];
        all.extend(self.outcomes.params());
        all.push(days);
        all
    }
}

/// How executions ended; null where one hasn't.
#[derive(Default)]
struct Outcomes<'a> {
    states: Vec<Option<&'static str>>,
    codes: Vec<Option<&'static str>>,
    attempts: Vec<Option<i32>>,
    started: Vec<Option<Timestamp>>,
    finished: Vec<Option<Timestamp>>,
    durations: Vec<Option<i64>>,
    cpu: Vec<Option<i64>>,
    memory: Vec<Option<i64>>,
    network_in: Vec<Option<i64>>,
    network_out: Vec<Option<i64>>,
    outputs: Vec<Option<&'a [u8]>>,
    errors: Vec<Option<&'a [u8]>>,
    logs: Vec<Option<&'a [u8]>>,
}

impl<'a> Outcomes<'a> {
    fn add(&mut self, outcome: Option<&'a SealedOutcome>) {
        let big = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let ending = outcome.map(|outcome| &outcome.ending);
        self.states.push(ending.map(|ending| ending.state.as_str()));
        self.codes
            .push(ending.and_then(|ending| ending.error_code.map(ErrorCode::as_str)));
        self.attempts
            .push(ending.map(|ending| i32::try_from(ending.attempt).unwrap_or(i32::MAX)));
        self.started
            .push(ending.and_then(|ending| ending.started_at));
        self.finished.push(ending.map(|ending| ending.finished_at));
        self.durations
            .push(ending.and_then(|ending| ending.duration_us.map(big)));
        self.cpu
            .push(ending.and_then(|ending| ending.cpu_us.map(big)));
        self.memory
            .push(ending.and_then(|ending| ending.memory_peak_bytes.map(big)));
        self.network_in
            .push(ending.and_then(|ending| ending.network_in_bytes.map(big)));
        self.network_out
            .push(ending.and_then(|ending| ending.network_out_bytes.map(big)));
        self.outputs
            .push(outcome.and_then(|outcome| outcome.output.as_deref()));
        self.errors
            .push(outcome.and_then(|outcome| outcome.error.as_deref()));
        self.logs
            .push(outcome.and_then(|outcome| outcome.logs.as_deref()));
    }

    fn params(&self) -> Columns<'_, 13> {
        [
            &self.states,
            &self.codes,
            &self.attempts,
            &self.started,
            &self.finished,
            &self.durations,
            &self.cpu,
            &self.memory,
            &self.network_in,
            &self.network_out,
            &self.outputs,
            &self.errors,
            &self.logs,
        ]
    }
}

#[derive(Default)]
pub(super) struct Notes {
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
    pub(super) fn of(notes: &BTreeMap<ExecutionId, Note>) -> Self {
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

    /// `days` are all days of the batch, each once.
    pub(super) fn params<'p>(&'p self, days: &'p Vec<Date>) -> Columns<'p, 9> {
        [
            &self.days,
            &self.ids,
            &self.states,
            &self.attempts,
            &self.tried,
            &self.losses,
            &self.started,
            &self.due,
            days,
        ]
    }
}

#[derive(Default)]
pub(super) struct Keys {
    pub(super) accounts: Vec<Uuid>,
    pub(super) hashes: Vec<Vec<u8>>,
    executions: Vec<Uuid>,
    days: Vec<Date>,
    digests: Vec<Vec<u8>>,
    expire: Vec<Timestamp>,
}

impl Keys {
    pub(super) fn of(keys: &BTreeMap<KeyName, KeyUse>) -> Self {
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

    pub(super) fn params(&self) -> Columns<'_, 6> {
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
