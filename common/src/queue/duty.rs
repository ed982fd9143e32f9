//! What the scheduler and departing workers ask of the queue.

use super::error::QueueError;
use super::link::Link;
use super::script;
use crate::limits;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promoted {
    /// So many delayed executions became waiting ones. As many as were asked
    /// for: there may be more.
    Moved(u64),
    /// Another leader has a higher term.
    Outranked,
}

/// Moves delayed executions that are due to their streams or backlogs.
///
/// # Errors
/// Asking again is safe.
pub async fn promote_due(link: &Link, term: u64) -> Result<Promoted, QueueError> {
    let (tag, mut reply) = link
        .call(&script::PROMOTE_DUE, |command| {
            command.arg(term).arg(limits::PROMOTE_AT_ONCE);
        })
        .await?;
    match tag.as_str() {
        "moved" => reply.number().map(Promoted::Moved),
        "outranked" => Ok(Promoted::Outranked),
        _ => Err(reply.wrong("unknown tag")),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    Done,
    /// It still has leases.
    Busy,
}

/// Removes a consumer that will never read again.
///
/// # Errors
/// Asking again is safe.
pub async fn drop_consumer(link: &Link, consumer: &str) -> Result<Dropped, QueueError> {
    let (tag, reply) = link
        .call(&script::DROP_CONSUMER, |command| {
            command.arg(consumer);
        })
        .await?;
    match tag.as_str() {
        "done" => Ok(Dropped::Done),
        "busy" => Ok(Dropped::Busy),
        _ => Err(reply.wrong("unknown tag")),
    }
}
