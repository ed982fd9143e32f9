//! Keeping a lease, taking over one that ran out, giving one back.

use super::error::QueueError;
use super::keys::{StreamKind, hex};
use super::link::Link;
use super::read::{Leased, Taken, Token, understand};
use super::script;
use crate::ids::ExecutionId;
use crate::limits;

/// What a renewal found; all not named hold for another lease time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Renewed {
    /// No longer this process's: kill their sandboxes. One that this process
    /// finished meanwhile is among them too.
    pub lost: Vec<ExecutionId>,
    /// Somebody asked to cancel them; they are renewed all the same.
    pub cancelled: Vec<ExecutionId>,
}

/// Renews leases. `link` may be one of a recovery.
///
/// # Errors
/// Nothing is known of any lease then; the worker's own clock decides.
pub async fn renew(link: &Link, leases: &[(ExecutionId, Token)]) -> Result<Renewed, QueueError> {
    let mut renewed = Renewed::default();
    for some in leases.chunks(RENEW_AT_ONCE) {
        let (_, mut reply) = link
            .call(&script::RENEW, |command| {
                for (id, token) in some {
                    command.arg(hex(*id));
                    token.put(command);
                }
            })
            .await?;
        for all in [&mut renewed.lost, &mut renewed.cancelled] {
            let mut ids = reply.list()?;
            while !ids.is_empty() {
                all.push(ids.id()?);
            }
        }
    }
    Ok(renewed)
}

/// A script of this many takes about a millisecond.
const RENEW_AT_ONCE: usize = 64;

/// Which leases to take over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alone {
    /// This process holds nothing and takes nothing else until it ends: it may
    /// start what would be lost for good the next time.
    Yes,
    No,
}

/// What to do with a lease that was taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Start it.
    Run,
    /// Somebody asked to cancel it: finish it as cancelled, at once.
    Cancelled,
    /// It lost too many workers: finish it as failed, `worker_lost`, at once.
    WorkerLost,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reclaimed {
    pub leased: Leased,
    pub verdict: Verdict,
    /// Starts whose workers were lost, this one's not among them.
    pub losses: u32,
}

/// Takes over at most `room` leases that ran out; one at most where alone.
/// Verdicts start nothing, so they come whoever asks.
///
/// # Errors
/// What was taken over without an answer runs out again and counts as a loss.
pub async fn reclaim(
    link: &Link,
    consumer: &str,
    room: usize,
    alone: Alone,
) -> Result<(Vec<Reclaimed>, Vec<Token>), QueueError> {
    let room = room.min(limits::RECLAIM_AT_ONCE);
    let (_, mut reply) = link
        .call(&script::RECLAIM, |command| {
            command
                .arg(consumer)
                .arg(room)
                .arg(u8::from(alone == Alone::Yes))
                .arg(limits::RECLAIM_LOOK);
        })
        .await?;
    let (mut all, mut damaged) = (Vec::new(), Vec::new());
    while !reply.is_empty() {
        let mut one = reply.list()?;
        let stream = StreamKind::parse(&one.bytes()?).ok_or_else(|| one.wrong("no stream"))?;
        let token = Token {
            stream,
            entry: one.text()?,
            consumer: consumer.to_owned(),
            count: one.number()?,
        };
        let losses = u32::try_from(one.number()?).unwrap_or(u32::MAX);
        let verdict = match one.text()?.as_str() {
            "run" => Verdict::Run,
            "cancelled" => Verdict::Cancelled,
            "worker_lost" => Verdict::WorkerLost,
            "damaged" => {
                damaged.push(token);
                continue;
            }
            _ => return Err(one.wrong("unknown verdict")),
        };
        match understand(token, one.list()?) {
            Taken::Leased(leased) => all.push(Reclaimed {
                leased,
                verdict,
                losses,
            }),
            Taken::Damaged(token) => damaged.push(token),
        }
    }
    Ok((all, damaged))
}

/// What became of a lease that was given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandedBack {
    /// Another worker may take it; this start does not count as a loss.
    Done,
    /// It was no longer this process's.
    Fenced,
    /// Somebody asked to cancel it: finish it as cancelled.
    Asked,
}

/// Puts an execution back into its stream, with a new entry; it keeps its slot.
///
/// # Errors
/// It is not known whether it was given back; asking again is safe.
pub async fn hand_back(link: &Link, leased: &Leased) -> Result<HandedBack, QueueError> {
    let (tag, reply) = link
        .call(&script::HAND_BACK, |command| {
            leased.token.put(command);
            command.arg(hex(leased.id)).arg(leased.body.as_ref());
        })
        .await?;
    match tag.as_str() {
        "done" => Ok(HandedBack::Done),
        "fenced" => Ok(HandedBack::Fenced),
        "asked" => Ok(HandedBack::Asked),
        _ => Err(reply.wrong("unknown tag")),
    }
}

/// Copies a damaged entry to `{p}:damaged` for a look.
///
/// Without an id the entry leaves its stream. With one (only the body cannot be
/// read) the lease stays: finish it as failed next, which frees its slot. Gives
/// `false` where the lease was no longer this process's.
///
/// # Errors
/// Asking again is safe; at worst the entry is there twice to look at.
pub async fn set_aside(
    link: &Link,
    token: &Token,
    id: Option<ExecutionId>,
) -> Result<bool, QueueError> {
    let (tag, _) = link
        .call(&script::SET_ASIDE, |command| {
            token.put(command);
            command.arg(id.map(hex).unwrap_or_default());
        })
        .await?;
    Ok(tag == "done")
}
