//! What every duty is: something to look after, again and again.
//!
//! A duty's [`Duty::run_once`] looks at how things are and changes what is not as
//! it should be. It may be dropped at any await and be run again: nothing it does
//! counts on having been done once.

mod clocks;
mod drop_partitions;
pub mod drop_processes;
mod make_partitions;
mod promote_delayed;
mod purge;
pub mod recover;

use std::time::Duration;

use common::db::DbError;
use common::queue::QueueError;
use common::record::{SweepError, WriteError};
use jiff::Timestamp;

pub use drop_partitions::DropPartitions;
pub use drop_processes::DropProcesses;
pub use make_partitions::MakePartitions;
pub use promote_delayed::PromoteDelayed;
pub use purge::Purge;
pub use recover::Recover;

/// What one run of a duty did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Things changed: rows, partitions, executions.
    pub done: u64,
    /// There was more to do than one run does: run again at once.
    pub more: bool,
}

impl Report {
    #[must_use]
    pub const fn of(done: u64) -> Self {
        Self { done, more: false }
    }
}

/// Why a run of a duty did not end well; the next run tries again.
#[derive(Debug, thiserror::Error)]
pub enum DutyError {
    #[error("{step}: postgresql failed")]
    Database {
        step: &'static str,
        #[source]
        source: DbError,
    },
    #[error("{step}: the queue failed")]
    Queue {
        step: &'static str,
        #[source]
        source: QueueError,
    },
    #[error("{step}: the record failed")]
    Record {
        step: &'static str,
        #[source]
        source: WriteError,
    },
    #[error("the events that survived cannot be recorded")]
    Events(#[source] SweepError),
    #[error("this machine's clock says {here}, postgresql's {there}")]
    Clocks { here: Timestamp, there: Timestamp },
    #[error("another recovery closed the door before generation {0}")]
    Overtaken(u64),
    /// Not to be tried again under this term.
    #[error("a leader of a later term was here")]
    Deposed,
}

impl DutyError {
    pub fn database(step: &'static str) -> impl Fn(DbError) -> Self {
        move |source| Self::Database { step, source }
    }

    pub fn queue(step: &'static str) -> impl Fn(QueueError) -> Self {
        move |source| Self::Queue { step, source }
    }
}

/// Something the leader looks after.
pub trait Duty {
    /// As it stands in metrics and logs.
    const NAME: &'static str;

    /// The longest time between two runs.
    const EVERY: Duration;

    /// The longest pause after failures.
    const RETRY_AT_MOST: Duration = Duration::from_secs(5);

    /// Ends when there is reason to look before the time is over.
    fn woken(&self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }

    /// Looks once and mends what it finds. `now` is the wall clock's time.
    fn run_once(&self, now: Timestamp) -> impl Future<Output = Result<Report, DutyError>> + Send;
}
