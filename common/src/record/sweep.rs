//! Recording what others ended and did not record.
//!
//! Anyone may sweep, several at once: the rows decide who was first, and an event
//! is removed only after a commit. One that PostgreSQL will never take as it is gets
//! set aside like one that nobody can read, so that those behind it are recorded.

use std::time::Duration;

use super::batch::Batch;
use super::{Note, WriteError};
use crate::db::{Client, Database};
use crate::entry::Entry;
use crate::ids::ExecutionId;
use crate::limits;
use crate::queue::{self, Event, EventId, EventKind, Link, QueueError};
use crate::telemetry;

#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    #[error("the queue's events cannot be read or removed")]
    Queue(#[source] QueueError),
    #[error("the events' rows cannot be written")]
    Write(#[source] WriteError),
}

/// What one sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// Events that are in PostgreSQL now, and removed.
    pub recorded: u64,
    /// Rows that ended by this.
    pub ended: u64,
    /// Events nobody can read or PostgreSQL never takes, set aside.
    pub damaged: u64,
    /// There may be more: sweep again at once.
    pub more: bool,
}

/// Records the oldest events that are at least `age` old, as a writer of
/// `generation`, and removes them. `link` may be one of a recovery; `generation` is
/// then the one that PostgreSQL still has.
///
/// # Errors
/// Sweeping again is safe.
pub async fn sweep(
    database: &Database,
    link: &Link,
    generation: u64,
    age: Duration,
) -> Result<SweepReport, SweepError> {
    let swept = queue::sweep(link, age, limits::SWEEP_AT_ONCE)
        .await
        .map_err(SweepError::Queue)?;
    let mut report = SweepReport {
        damaged: swept.damaged as u64,
        more: swept.events.len() + swept.damaged >= limits::SWEEP_AT_ONCE,
        ..SweepReport::default()
    };
    if swept.events.is_empty() {
        return Ok(report);
    }
    let unavailable = |error| SweepError::Write(WriteError::Database(error));
    let client = database.client().await.map_err(unavailable)?;
    let written = write(&client, generation, &swept.events)
        .await
        .map_err(SweepError::Write)?;
    drop(client);
    queue::forget(link, &written.recorded)
        .await
        .map_err(SweepError::Queue)?;
    queue::set_events_aside(link, &written.unfit)
        .await
        .map_err(SweepError::Queue)?;
    report.recorded = written.recorded.len() as u64;
    report.damaged += written.unfit.len() as u64;
    report.ended = written.ended;
    Ok(report)
}

/// What became of some events.
#[derive(Debug, Default)]
struct Written {
    recorded: Vec<(EventId, ExecutionId)>,
    unfit: Vec<EventId>,
    ended: u64,
}

/// Writes them in one batch, or each on its own where one of them is unfit.
async fn write(client: &Client, generation: u64, events: &[Event]) -> Result<Written, WriteError> {
    let mut written = Written::default();
    match write_batch(client, generation, events).await {
        Ok(ended) => {
            written.ended = ended;
            written.recorded = events.iter().map(named).collect();
        }
        Err(error) if error.is_unfit() => {
            for event in events {
                match write_batch(client, generation, std::slice::from_ref(event)).await {
                    Ok(ended) => {
                        written.ended += ended;
                        written.recorded.push(named(event));
                    }
                    Err(error) if error.is_unfit() => {
                        let error = telemetry::chain(&error);
                        tracing::error!(
                            execution.id = %event.id,
                            error,
                            "an event cannot be recorded and is set aside"
                        );
                        written.unfit.push(event.event.clone());
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Err(error) => return Err(error),
    }
    Ok(written)
}

/// Gives how many rows ended by it.
async fn write_batch(
    client: &Client,
    generation: u64,
    events: &[Event],
) -> Result<u64, WriteError> {
    let mut batch = Batch::default();
    for event in events {
        add(&mut batch, event);
    }
    Ok(batch.write(client, generation).await?.ended)
}

fn named(event: &Event) -> (EventId, ExecutionId) {
    (event.event.clone(), event.id)
}

fn add<'e>(batch: &mut Batch<'e>, event: &'e Event) {
    let key = match &event.kind {
        EventKind::Ended { key, .. } => *key,
        EventKind::Tried { .. } => None,
    };
    // A body that cannot be read makes no row; if there is one, it ends.
    if let Ok(entry) = Entry::decode(&event.body) {
        batch.row(event.id, entry, key);
    }
    match &event.kind {
        EventKind::Ended { outcome, .. } => batch.end(event.id, outcome),
        EventKind::Tried {
            attempt,
            losses,
            due,
        } => batch.note(
            event.id,
            Note::Tried {
                tried: *attempt,
                losses: *losses,
                due: *due,
            },
        ),
    }
}
