//! Events not yet recorded: looking for them, and removing what was recorded.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use super::error::QueueError;
use super::finish::{EventId, Key};
use super::keys::hex;
use super::link::Link;
use super::reply::Reply;
use super::script;
use crate::execution::SealedOutcome;
use crate::ids::ExecutionId;

/// Something a row must learn.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub event: EventId,
    pub id: ExecutionId,
    /// [`crate::entry::Entry::encode`], for a row that is not there yet.
    pub body: Bytes,
    pub kind: EventKind,
}

#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all events are of the large kind"
)]
pub enum EventKind {
    Ended {
        outcome: SealedOutcome,
        key: Option<Key>,
    },
    /// The user's code failed and will be tried again.
    Tried {
        /// Tries so far.
        attempt: u32,
        losses: u32,
        due: Timestamp,
    },
}

/// What a look for events found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Swept {
    pub events: Vec<Event>,
    /// Events that can't be understood, moved to `{p}:damaged`.
    pub damaged: usize,
}

/// The oldest `most` events that are at least `age` old, by the server's clock.
/// Changes nothing, so anyone may. `link` may be one of a recovery.
///
/// # Errors
/// Looking again is safe.
pub async fn sweep(link: &Link, age: Duration, most: usize) -> Result<Swept, QueueError> {
    let (_, mut reply) = link
        .call(&script::SWEEP, |command| {
            command
                .arg(u64::try_from(age.as_millis()).unwrap_or(u64::MAX))
                .arg(most);
        })
        .await?;
    let mut swept = Swept::default();
    let mut damaged = Vec::new();
    while !reply.is_empty() {
        let mut one = reply.list()?;
        let event = EventId(one.text()?);
        match read_event(event.clone(), &mut one) {
            Ok(event) => swept.events.push(event),
            Err(_) => damaged.push(event),
        }
    }
    if !damaged.is_empty() {
        set_events_aside(link, &damaged).await?;
        swept.damaged = damaged.len();
    }
    Ok(swept)
}

fn read_event(event: EventId, one: &mut Reply) -> Result<Event, QueueError> {
    let kind = one.text()?;
    let id = one.id()?;
    let body = one.body()?;
    let kind = match kind.as_str() {
        "f" => EventKind::Ended {
            outcome: SealedOutcome::decode(&one.bytes()?)
                .map_err(|_| one.wrong("an outcome is damaged"))?,
            key: Key::read(one)?,
        },
        "t" => EventKind::Tried {
            attempt: u32::try_from(one.number()?).unwrap_or(u32::MAX),
            losses: u32::try_from(one.number()?).unwrap_or(u32::MAX),
            due: i64::try_from(one.number()?)
                .ok()
                .and_then(|ms| Timestamp::from_millisecond(ms).ok())
                .ok_or_else(|| one.wrong("a due time is damaged"))?,
        },
        _ => return Err(one.wrong("unknown event")),
    };
    Ok(Event {
        event,
        id,
        body,
        kind,
    })
}

/// How many events wait to be recorded.
///
/// # Errors
/// Asking again is safe.
pub async fn unrecorded(link: &Link) -> Result<u64, QueueError> {
    let mut command = redis::cmd("XLEN");
    command.arg(link.partition().key("ev"));
    let redis::Value::Int(events) = link.command("count events", &command).await? else {
        return Err(QueueError::Reply {
            step: "count events",
            what: "not a number",
        });
    };
    Ok(u64::try_from(events).unwrap_or(0))
}

/// Moves events that can never be recorded to `{p}:damaged`. `link` may be one of a
/// recovery.
///
/// # Errors
/// Doing it again is safe.
pub(crate) async fn set_events_aside(link: &Link, events: &[EventId]) -> Result<(), QueueError> {
    let aside: Vec<(String, String)> = events
        .iter()
        .map(|event| (event.0.clone(), String::new()))
        .collect();
    remove(link, &aside, true).await.map(|_| ())
}

/// Removes events that PostgreSQL has, by the transaction's commit. The outcome
/// stays in Redis for [`crate::limits::RESULT_KEPT`] more. Gives how many were
/// still there. `link` may be one of a recovery.
///
/// # Errors
/// Removing again is safe, and so is not doing it: the sweep finds them.
pub async fn forget(link: &Link, recorded: &[(EventId, ExecutionId)]) -> Result<u64, QueueError> {
    let recorded: Vec<(String, String)> = recorded
        .iter()
        .map(|(event, id)| (event.0.clone(), hex(*id)))
        .collect();
    remove(link, &recorded, false).await
}

async fn remove(link: &Link, events: &[(String, String)], aside: bool) -> Result<u64, QueueError> {
    let mut removed = 0;
    for some in events.chunks(FORGET_AT_ONCE) {
        let (_, mut reply) = link
            .call(&script::FORGET, |command| {
                command.arg(u8::from(aside));
                for (event, id) in some {
                    command.arg(event).arg(id);
                }
            })
            .await?;
        removed += reply.number()?;
    }
    Ok(removed)
}

/// A script of this many takes well under a millisecond.
const FORGET_AT_ONCE: usize = 128;
