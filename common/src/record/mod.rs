//! The record: how decisions of the queue reach PostgreSQL.
//!
//! **How it works.** Redis has decided before anything here is called. Rows are
//! written in batches, each one transaction and one round trip: the *door* (the
//! writer's generation must be the partition's present one), the insert of rows that
//! are not there yet, the end of rows that are open, idempotency keys, commit. What
//! this process ended waits in its [`Outbox`] until PostgreSQL has it ([`Recorder`]);
//! what others ended and did not record is found among the queue's events ([`sweep`]).
//! Asynchronous requests wait for their batch's commit ([`AcceptBatcher`]).
//!
//! **What always holds.**
//! - A writer of an older generation changes nothing: the door refuses its batch whole,
//!   and its events stay where they are, for the recovery.
//! - A final row is never changed: the update asks for an open one.
//! - Every row that is inserted raises its account's usage in the same transaction,
//!   and none does twice.
//! - The key of a row, its day and its time come from the id alone, so every writer of
//!   an execution meets the same row.
//! - An event is removed only after the commit of what it says.
//! - A batch may be repeated after any failure.
//!
//! **Why ending a row takes more than one statement.** An insert-else-update in one
//! statement reads one snapshot: where another process's insert of the same row is
//! under way, it waits for it, inserts nothing, and its update does not see the row.
//! The outcome would be lost and its event removed. So the rows are inserted, then
//! locked in the order of their ids, then updated, each in a statement of its own.

mod accept_batch;
mod batch;
mod columns;
mod one;
mod outbox;
mod recorder;
mod settled;
mod sweep;

use bytes::Bytes;
use jiff::Timestamp;

pub use accept_batch::{Accept, AcceptBatcher, AcceptError, Committed, Permit};
pub use one::{InDoubt, OnceStart, Requested, end_in_doubt, request_cancel, start_once};
pub use outbox::{Outbox, Recorded};
pub use recorder::{Recorder, Report};
pub use settled::end_settled;
pub use sweep::{SweepError, SweepReport, sweep};

use batch::Written;

use crate::db::DbError;
use crate::execution::SealedOutcome;
use crate::ids::ExecutionId;
use crate::queue::{EventId, Key};

/// How an execution ended, as the queue has decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    pub id: ExecutionId,
    /// Removed once it is recorded.
    pub event: EventId,
    /// The generation of the link over which it was ended.
    pub generation: u64,
    /// [`crate::entry::Entry::encode`]: what the row is made of if it is not there.
    pub body: Bytes,
    pub key: Option<Key>,
    pub outcome: SealedOutcome,
}

/// Something an open execution's row should say.
#[derive(Clone, Debug, PartialEq)]
pub struct Noted {
    pub id: ExecutionId,
    /// Removed once it is recorded; a start has none.
    pub event: Option<EventId>,
    pub generation: u64,
    pub body: Bytes,
    pub note: Note,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// It has been running for a while.
    Started {
        /// Which try this is, from 1.
        attempt: u32,
        /// Tries that failed before.
        tried: u32,
        /// Workers lost before.
        losses: u32,
        at: Timestamp,
    },
    /// A try failed and another follows.
    Tried {
        /// Tries that failed so far.
        tried: u32,
        losses: u32,
        due: Timestamp,
    },
}

/// Why a batch was not written. None of it was, unless its answer got lost.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The door: Redis lost its memory since the writer greeted it. Not to be tried again.
    #[error("generation {0} is not the present one")]
    Refused(u64),
    #[error("the record cannot be written")]
    Database(#[source] DbError),
}

impl WriteError {
    fn of(generation: u64) -> impl Fn(DbError) -> Self {
        move |error| {
            if error.is_refused() {
                Self::Refused(generation)
            } else {
                Self::Database(error)
            }
        }
    }

    /// PostgreSQL will never take one of them as it is.
    fn is_unfit(&self) -> bool {
        matches!(self, Self::Database(error) if error.is_unfit())
    }

    /// PostgreSQL is away: the same may be tried again.
    #[must_use]
    pub const fn is_unavailable(&self) -> bool {
        matches!(self, Self::Database(error) if error.is_unavailable())
    }
}
