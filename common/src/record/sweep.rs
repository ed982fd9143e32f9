//! Recording what others ended and did not record.
//!
//! Anyone may sweep, several at once: the rows decide who was first, and an event
//! is removed only after a commit.

use std::time::Duration;

use super::batch::Batch;
use super::{Note, WriteError};
use crate::db::Database;
use crate::entry::Entry;
use crate::limits;
use crate::queue::{self, Event, EventKind, Link, QueueError};

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
    /// Events nobody can read, set aside.
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
    let mut batch = Batch::default();
    for event in &swept.events {
        add(&mut batch, event);
    }
    let written = batch
        .write(&client, generation)
        .await
        .map_err(SweepError::Write)?;
    drop(client);
    let events: Vec<_> = swept
        .events
        .iter()
        .map(|event| (event.event.clone(), event.id))
        .collect();
    queue::forget(link, &events)
        .await
        .map_err(SweepError::Queue)?;
    report.recorded = events.len() as u64;
    report.ended = written.ended;
    Ok(report)
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
