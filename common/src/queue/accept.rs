//! The decision whether a request becomes an execution.

use jiff::Timestamp;

use super::error::QueueError;
use super::finish::Key;
use super::keys::hex;
use super::link::Link;
use super::reply::Reply;
use super::script;
use crate::execution::{Lane, State};
use crate::ids::{AccountId, ExecutionId, FunctionId, NamespaceId, VersionId};

/// What asks to become an execution.
#[derive(Debug)]
pub struct Accept<'a> {
    pub id: ExecutionId,
    pub owner: Owner,
    /// Interactive: somebody waits, so it never goes to the backlog.
    pub lane: Lane,
    pub period: Period<'a>,
    pub bounds: Bounds,
    pub key: Option<Key>,
    /// PostgreSQL was asked for the key and does not know it.
    pub checked: bool,
    /// Tries the user's code has: 1 is no retry of its failures.
    pub attempts: u32,
    /// [`crate::entry::Entry::encode`].
    pub body: &'a [u8],
    /// The api to wake with the outcome.
    pub waiter: Option<&'a str>,
}

/// Whose an execution is, and what it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    pub account: AccountId,
    pub namespace: NamespaceId,
    pub function: FunctionId,
    pub version: VersionId,
}

/// The quota period that holds the id's own time.
#[derive(Clone, Copy, Debug)]
pub struct Period<'a> {
    /// Unique among the account's periods, as `2026-03-01`.
    pub name: &'a str,
    pub ends: Timestamp,
}

/// What the account's plan and the function allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub quota: Option<u64>,
    pub concurrency: u32,
    /// Of `concurrency`, how many may be background.
    pub background: u32,
    /// Entries that may wait in the backlog.
    pub queued: u64,
    pub function_concurrency: Option<u32>,
}

/// What the queue decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It will run.
    New,
    /// The key was used for the same request. `state` is `None` where Redis no
    /// longer has the execution: PostgreSQL does.
    Replay {
        id: ExecutionId,
        state: Option<State>,
    },
    /// The key was used for another request.
    Conflict,
    /// Redis may have forgotten the key: ask PostgreSQL, then again with `checked`.
    LookUp,
    Quota,
    /// All slots are in use, and an interactive execution does not wait for one.
    NoSlot,
    /// The account's backlog or the partition's memory for bodies is full.
    Full,
    /// Too many outcomes wait to be recorded.
    Behind,
}

/// Asks whether a request may become an execution, and makes it one.
///
/// Await it to its end, whatever becomes of the caller's connection: what is
/// decided for a dropped future stands all the same, and nobody knows of it.
///
/// # Errors
/// `Recovering` and `OutOfMemory` did nothing. After any other error it may run.
pub async fn accept(link: &Link, accept: &Accept<'_>) -> Result<Accepted, QueueError> {
    let (tag, mut reply) = link
        .call(&script::ACCEPT, |command| {
            put_owner(command.arg(hex(accept.id)), &accept.owner);
            command
                .arg(accept.lane.as_str())
                .arg(accept.attempts.max(1))
                .arg(accept.waiter.unwrap_or_default())
                .arg(accept.body)
                .arg(accept.period.name)
                .arg(accept.period.ends.as_second() + QUOTA_KEPT_SECONDS);
            put_bounds(command, &accept.bounds);
            let (name, key) = accept.key.as_ref().map(Key::parts).unwrap_or_default();
            command
                .arg(name)
                .arg(key)
                .arg(u8::from(accept.checked))
                .arg(link.open_bytes());
        })
        .await?;
    Ok(match tag.as_str() {
        "ok" => Accepted::New,
        "replay" => Accepted::Replay {
            id: reply.id()?,
            state: read_state(&mut reply)?,
        },
        "conflict" => Accepted::Conflict,
        "look_up" => Accepted::LookUp,
        "quota" => Accepted::Quota,
        "no_slot" => Accepted::NoSlot,
        "full" => Accepted::Full,
        "behind" => Accepted::Behind,
        _ => return Err(reply.wrong("unknown tag")),
    })
}

/// A period's count is kept a week longer, for late questions.
pub(super) const QUOTA_KEPT_SECONDS: i64 = 7 * 24 * 3_600;

pub(super) fn put_owner(command: &mut redis::Cmd, owner: &Owner) {
    command
        .arg(owner.account.uuid().simple().to_string())
        .arg(owner.namespace.uuid().simple().to_string())
        .arg(owner.function.uuid().simple().to_string())
        .arg(owner.version.uuid().simple().to_string());
}

/// A bound of 0 is none; one of nothing at all would stop an account for ever.
pub(super) fn put_bounds(command: &mut redis::Cmd, bounds: &Bounds) {
    command
        .arg(
            bounds
                .quota
                .map_or(-1, |quota| i64::try_from(quota).unwrap_or(i64::MAX)),
        )
        .arg(bounds.concurrency.max(1))
        .arg(bounds.background.max(1))
        .arg(bounds.function_concurrency.map_or(0, |bound| bound.max(1)))
        .arg(bounds.queued);
}

pub(super) fn read_owner(reply: &mut Reply) -> Result<Owner, QueueError> {
    let mut uuid = || reply.id().map(ExecutionId::uuid);
    Ok(Owner {
        account: AccountId::from_uuid(uuid()?),
        namespace: NamespaceId::from_uuid(uuid()?),
        function: FunctionId::from_uuid(uuid()?),
        version: VersionId::from_uuid(uuid()?),
    })
}

pub(super) fn read_state(reply: &mut Reply) -> Result<Option<State>, QueueError> {
    let word = reply.text()?;
    match State::parse(&word) {
        None if !word.is_empty() => Err(reply.wrong("unknown state")),
        state => Ok(state),
    }
}
