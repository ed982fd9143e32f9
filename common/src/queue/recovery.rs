//! Recovery of a partition whose memory may be lost: the only requeue there is.
//!
//! Each step refuses unless the partition is recovering under the very
//! generation the link was made for, so a leader that was overtaken does nothing.
//! The order, and what happens between the steps in PostgreSQL, is the
//! scheduler's: [`begin`]; barrier; events ([`super::sweep`], [`super::forget`]);
//! the door; [`groups`]; [`settle`] the rows that are open; [`survey`] what is
//! open in Redis and [`conclude`] what PostgreSQL knows to be final;
//! [`stranded`]; [`recount`]; [`promote_backlogs`]; [`rewrite_log`]; [`certify`].
//! Every step may be repeated, and a crash at any of them starts again at
//! [`begin`] with a higher generation.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use redis::Value;

use super::accept::{Bounds, Owner, Period, QUOTA_KEPT_SECONDS, put_bounds, put_owner, read_owner};
use super::error::QueueError;
use super::finish::Key;
use super::keys::{StreamKind, hex};
use super::link::{Link, Links};
use super::script;
use crate::execution::{Lane, SealedOutcome};
use crate::ids::{AccountId, ExecutionId, FunctionId};
use crate::limits;

/// What asking to begin came to.
#[derive(Clone, Debug)]
pub enum Begun {
    /// The partition is closed to everybody else; all other steps go over this link.
    Yes(Link),
    /// Another leader has a higher term.
    Outranked,
    /// Redis knows this generation or a later one: take the next.
    Stale,
}

/// Closes the partition and puts `generation` under construction.
///
/// # Errors
/// It may have begun; beginning again with a higher generation is safe.
pub async fn begin(links: &Links, generation: u64, term: u64) -> Result<Begun, QueueError> {
    let link = links.recovering(generation).await?;
    let (tag, reply) = link
        .call(&script::BEGIN, |command| {
            command.arg(term);
        })
        .await?;
    match tag.as_str() {
        "begun" => Ok(Begun::Yes(link)),
        "outranked" => Ok(Begun::Outranked),
        "stale" => Ok(Begun::Stale),
        _ => Err(reply.wrong("unknown tag")),
    }
}

/// Makes the streams and their groups where missing, from the first entry on.
///
/// # Errors
/// Repeat.
pub async fn groups(link: &Link) -> Result<(), QueueError> {
    link.call(&script::GROUPS, |_| ()).await.map(|_| ())
}

/// An open row.
#[derive(Debug)]
pub struct OpenRow<'a> {
    pub id: ExecutionId,
    pub owner: Owner,
    pub lane: Lane,
    /// `quota` and `queued` are not looked at: it was accepted before.
    pub bounds: Bounds,
    /// Tries of the user's code so far, and allowed.
    pub tried: u32,
    pub attempts: u32,
    pub losses: u32,
    /// Between two tries: when the next is due.
    pub due: Option<Timestamp>,
    pub cancel_requested: bool,
    pub key: Option<Key>,
    pub body: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Redis had lost it; it will run.
    Enqueued,
    /// Redis has it, open. A cancel asked for is known there now.
    Present,
    /// Redis has its outcome, and an event if that was not recorded.
    Ended,
    /// A cancel is asked for and nobody runs it: record it as cancelled, then [`conclude`] it.
    Cancel,
}

/// Brings Redis what open rows know. At most [`limits::SETTLE_ROWS`] at once.
///
/// # Errors
/// Repeat.
pub async fn settle(link: &Link, rows: &[OpenRow<'_>]) -> Result<Vec<Settled>, QueueError> {
    let mut settled = Vec::with_capacity(rows.len());
    for some in rows.chunks(limits::SETTLE_ROWS) {
        let (_, mut reply) = link
            .call(&script::SETTLE, |command| {
                for row in some {
                    put_row(command, row);
                }
            })
            .await?;
        for _ in some {
            settled.push(match reply.text()?.as_str() {
                "enqueued" => Settled::Enqueued,
                "present" => Settled::Present,
                "ended" => Settled::Ended,
                "cancel" => Settled::Cancel,
                _ => return Err(reply.wrong("unknown tag")),
            });
        }
    }
    Ok(settled)
}

fn put_row(command: &mut redis::Cmd, row: &OpenRow<'_>) {
    put_owner(command.arg(hex(row.id)), &row.owner);
    put_bounds(command.arg(row.lane.as_str()), &row.bounds);
    command
        .arg(row.tried)
        .arg(row.attempts.max(1))
        .arg(row.losses)
        .arg(row.due.map_or(-1, Timestamp::as_millisecond))
        .arg(u8::from(row.cancel_requested))
        .arg(
            row.key
                .as_ref()
                .map(|key| key.parts().1)
                .unwrap_or_default(),
        )
        .arg(row.body);
}

/// An execution that is open in Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenInRedis {
    pub id: ExecutionId,
    pub owner: Owner,
    pub lane: Lane,
    /// It is in a stream, waiting or leased.
    pub slot: bool,
    /// Of its body, where that could be found.
    pub bytes: u64,
}

/// One page of what is open in Redis. Start with 0; ends where it gives 0 again.
/// An execution may come twice.
///
/// # Errors
/// Repeat from the same cursor.
pub async fn survey(link: &Link, cursor: u64) -> Result<(u64, Vec<OpenInRedis>), QueueError> {
    let (cursor, keys) = scan(link, cursor, "x:*").await?;
    let (_, mut reply) = link
        .call(&script::SURVEY, |command| {
            command.arg(keys);
        })
        .await?;
    let mut open = Vec::new();
    while !reply.is_empty() {
        let mut one = reply.list()?;
        open.push(OpenInRedis {
            id: one.id()?,
            owner: read_owner(&mut one)?,
            lane: Lane::parse(&one.text()?).ok_or_else(|| one.wrong("no lane"))?,
            slot: one.flag()?,
            bytes: one.number()?,
        });
    }
    Ok((cursor, open))
}

/// One page of a partition's keys whose names match.
async fn scan(link: &Link, cursor: u64, names: &str) -> Result<(u64, Vec<Vec<u8>>), QueueError> {
    let mut command = redis::cmd("SCAN");
    command
        .arg(cursor)
        .arg("MATCH")
        .arg(escaped(&link.partition().key(""), names))
        .arg("COUNT")
        .arg(SCAN_AT_ONCE);
    let value = link.command("scan", &command).await?;
    redis::from_redis_value(value).map_err(|source| QueueError::Redis {
        step: "scan",
        source: source.into(),
    })
}

const SCAN_AT_ONCE: usize = 512;

/// A pattern for names below a literal beginning.
fn escaped(beginning: &str, names: &str) -> String {
    let mut pattern = String::new();
    for letter in beginning.chars() {
        if matches!(letter, '*' | '?' | '[' | ']' | '\\' | '^' | '-') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern + names
}

/// Ends in Redis what PostgreSQL knows to be final: out of the queue, slot
/// freed, waiting apis woken. Gives whether it was open.
///
/// # Errors
/// Repeat.
pub async fn conclude(
    link: &Link,
    id: ExecutionId,
    outcome: &SealedOutcome,
) -> Result<bool, QueueError> {
    let (_, mut reply) = link
        .call(&script::CONCLUDE, |command| {
            command
                .arg(hex(id))
                .arg(outcome.ending.state.as_str())
                .arg(outcome.encode());
        })
        .await?;
    reply.flag()
}

/// Makes entries reclaimable that were delivered but are in nobody's pending
/// list. Gives how many there were.
///
/// # Errors
/// Repeat.
pub async fn stranded(link: &Link) -> Result<u64, QueueError> {
    let mut found = 0;
    for stream in StreamKind::ALL {
        let mut after = "-".to_owned();
        loop {
            let (_, mut reply) = link
                .call(&script::STRANDED, |command| {
                    command.arg(stream.as_str()).arg(&after).arg(SCAN_AT_ONCE);
                })
                .await?;
            found += reply.number()?;
            after = reply.text()?;
            if after.is_empty() {
                break;
            }
        }
    }
    Ok(found)
}

/// How many executions an account was charged for in a period: its
/// `usage_daily`, and what is open in Redis without a row.
#[derive(Clone, Copy, Debug)]
pub struct Charged<'a> {
    pub account: AccountId,
    pub period: Period<'a>,
    pub count: u64,
}

/// Counts slots and bytes anew from what is open, and sets every quota.
///
/// # Errors
/// Repeat.
pub async fn recount(link: &Link, charged: &[Charged<'_>]) -> Result<(), QueueError> {
    let counts = count(link).await?;
    for names in ["conc:*", "quota:*"] {
        let mut cursor = 0;
        loop {
            let (next, keys) = scan(link, cursor, names).await?;
            link.call(&script::CLEAR_COUNTS, |command| {
                command.arg(keys);
            })
            .await?;
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
    }
    let quotas: Vec<_> = charged.iter().map(Set::quota).collect();
    let slots = counts.slots.iter().map(|(field, count)| Set {
        kind: "slots",
        name: field.0.clone(),
        field: field.1.clone(),
        value: *count,
        until: 0,
    });
    let bytes = Set {
        kind: "bytes",
        name: String::new(),
        field: String::new(),
        value: counts.bytes,
        until: 0,
    };
    let sets: Vec<_> = quotas.into_iter().chain(slots).chain([bytes]).collect();
    for some in sets.chunks(SCAN_AT_ONCE) {
        link.call(&script::SET_COUNTS, |command| {
            for set in some {
                set.put(command);
            }
        })
        .await?;
    }
    Ok(())
}

/// One counter to set.
#[derive(Debug)]
struct Set {
    kind: &'static str,
    name: String,
    field: String,
    value: u64,
    until: i64,
}

impl Set {
    fn quota(charged: &Charged<'_>) -> Self {
        let account = charged.account.uuid().simple();
        Self {
            kind: "quota",
            name: format!("{account}:{}", charged.period.name),
            field: String::new(),
            value: charged.count,
            until: charged.period.ends.as_second() + QUOTA_KEPT_SECONDS,
        }
    }

    fn put(&self, command: &mut redis::Cmd) {
        command
            .arg(self.kind)
            .arg(&self.name)
            .arg(&self.field)
            .arg(self.value)
            .arg(self.until);
    }
}

/// What the counters must say: by (account, field) for slots.
#[derive(Debug, Default)]
struct Counts {
    slots: HashMap<(String, String), u64>,
    bytes: u64,
}

async fn count(link: &Link) -> Result<Counts, QueueError> {
    let mut counts = Counts::default();
    let mut seen = std::collections::HashSet::new();
    let mut cursor = 0;
    loop {
        let (next, page) = survey(link, cursor).await?;
        for open in page {
            if seen.insert(open.id) {
                counts.add(&open);
            }
        }
        cursor = next;
        if cursor == 0 {
            return Ok(counts);
        }
    }
}

impl Counts {
    fn add(&mut self, open: &OpenInRedis) {
        self.bytes += open.bytes;
        if !open.slot {
            return;
        }
        let function = |id: FunctionId| id.uuid().simple().to_string();
        let account = open.owner.account.uuid().simple().to_string();
        let mut one_more = |field: String| {
            *self.slots.entry((account.clone(), field)).or_default() += 1;
        };
        one_more("n".to_owned());
        one_more(function(open.owner.function));
        if open.lane == Lane::Background {
            one_more("b".to_owned());
        }
    }
}

/// Gives slots that are free to the backlogs.
///
/// # Errors
/// Repeat.
pub async fn promote_backlogs(link: &Link) -> Result<u64, QueueError> {
    let mut moved = 0;
    let mut cursor = 0;
    loop {
        let (next, keys) = scan(link, cursor, "back:*").await?;
        for key in keys {
            loop {
                let (_, mut reply) = link
                    .call(&script::PROMOTE_BACKLOG, |command| {
                        command.arg(&key);
                    })
                    .await?;
                match reply.number()? {
                    0 => break,
                    some => moved += some,
                }
            }
        }
        cursor = next;
        if cursor == 0 {
            return Ok(moved);
        }
    }
}

/// Has Redis write its log anew, and waits. A log that was cut inside a script
/// would otherwise give half of that script at the next restart.
///
/// # Errors
/// Where the log can't be rewritten within `patience`.
pub async fn rewrite_log(link: &Link, patience: Duration) -> Result<(), QueueError> {
    let mut rewrite = redis::cmd("BGREWRITEAOF");
    rewrite.arg(&[] as &[&str]);
    let waited = tokio::time::timeout(patience, async {
        // One that is under way began before our steps: wait for it, then ask.
        wait_for_rewrite(link).await?;
        link.command("rewrite", &rewrite).await?;
        wait_for_rewrite(link).await
    });
    waited
        .await
        .map_err(|_| QueueError::Unfit("the log's rewriting takes too long"))?
}

async fn wait_for_rewrite(link: &Link) -> Result<(), QueueError> {
    loop {
        let mut info = redis::cmd("INFO");
        info.arg("persistence");
        let Value::BulkString(text) = link.command("info", &info).await? else {
            return Err(QueueError::Reply {
                step: "info",
                what: "not a text",
            });
        };
        let text = String::from_utf8_lossy(&text);
        let busy = ["aof_rewrite_in_progress:1", "aof_rewrite_scheduled:1"];
        if !busy.iter().any(|word| text.contains(word)) {
            if text.contains("aof_last_bgrewrite_status:err") {
                return Err(QueueError::Unfit("the log can't be rewritten"));
            }
            return Ok(());
        }
        tokio::time::sleep(limits::HELLO_EVERY / 4).await;
    }
}

/// Whether keys may have been forgotten: then `accept` asks PostgreSQL for each
/// unknown one for a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Redis lost its memory, or some of it, or it is not known.
    Possible,
    /// Nothing was ever accepted in this partition.
    Impossible,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certified {
    Yes,
    /// The server changed since the recovery's link greeted: begin again.
    OtherServer,
}

/// Opens the partition under the link's generation.
///
/// # Errors
/// Whether it is certified is not known: greet.
pub async fn certify(link: &Link, loss: Loss) -> Result<Certified, QueueError> {
    let (tag, reply) = link
        .call(&script::CERTIFY, |command| {
            command
                .arg(link.run_id())
                .arg(u8::from(loss == Loss::Possible));
        })
        .await?;
    match tag.as_str() {
        "certified" => Ok(Certified::Yes),
        "other_server" => Ok(Certified::OtherServer),
        _ => Err(reply.wrong("unknown tag")),
    }
}
