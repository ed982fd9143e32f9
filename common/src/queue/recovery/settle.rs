//! Bringing Redis what PostgreSQL knows: open rows, and final ones.

use jiff::Timestamp;

use crate::execution::{Lane, SealedOutcome};
use crate::ids::ExecutionId;
use crate::limits;
use crate::queue::accept::{Bounds, Owner, put_bounds, put_owner};
use crate::queue::error::QueueError;
use crate::queue::finish::Key;
use crate::queue::keys::hex;
use crate::queue::link::Link;
use crate::queue::script;

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
