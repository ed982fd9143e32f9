//! Removes the rows of processes that died without removing them, and their
//! consumers from the queue.
//!
//! A process whose row was removed and that was only asleep writes it anew with
//! its next heartbeat. A consumer that still has leases is left, and with it the
//! row, until others have taken them over.

use std::sync::Mutex;
use std::time::Duration;

use common::clock::SharedClock;
use common::db::Database;
use common::db::processes::{self, Kind, Process};
use common::queue::{self, Dropped, Links, QueueError};
use jiff::Timestamp;

use super::{Duty, DutyError, Report};
use crate::contact::{CONTACT_GAP, Contact};

/// Silence after which nobody waits for a process any more. Far longer than a
/// recovery's, which settles everything; this only tidies up.
pub const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct DropProcesses {
    database: Database,
    links: Links,
    clock: SharedClock,
    contact: Mutex<Contact>,
}

impl DropProcesses {
    #[must_use]
    pub fn new(database: Database, links: Links, clock: SharedClock) -> Self {
        Self {
            database,
            links,
            clock,
            contact: Mutex::default(),
        }
    }

    async fn list(&self) -> Result<Vec<Process>, DutyError> {
        let failed = DutyError::database("list processes");
        let client = self.database.client().await.map_err(&failed)?;
        processes::list(&client).await.map_err(failed)
    }

    fn contact(&self) -> std::sync::MutexGuard<'_, Contact> {
        self.contact
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Whether nothing of the process is left in the queue.
    async fn is_out_of_queue(&self, process: &Process) -> Result<bool, DutyError> {
        if process.kind != Kind::Worker {
            return Ok(true);
        }
        let failed = DutyError::queue("drop a consumer");
        let link = match self.links.link().await {
            Err(QueueError::Recovering) => return Ok(false),
            link => link.map_err(&failed)?,
        };
        match queue::drop_consumer(&link, &process.id.to_string()).await {
            Ok(dropped) => Ok(dropped == Dropped::Done),
            Err(QueueError::Recovering) => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }

    async fn remove(&self, process: &Process) -> Result<bool, DutyError> {
        let failed = DutyError::database("remove a process");
        let client = self.database.client().await.map_err(&failed)?;
        processes::remove(&client, process.id, process.heartbeat_at)
            .await
            .map_err(failed)
    }
}

impl Duty for DropProcesses {
    const NAME: &'static str = "drop_processes";
    // Looks must be no further apart, or silence is never counted.
    const EVERY: Duration = CONTACT_GAP.saturating_sub(Duration::from_millis(300));

    /// `now` is not looked at: silence is counted in the scheduler's steady time.
    async fn run_once(&self, _now: Timestamp) -> Result<Report, DutyError> {
        let asked = self.clock.steady();
        let rows = match self.list().await {
            Ok(rows) => rows,
            Err(error) => {
                self.contact().lost();
                return Err(error);
            }
        };
        let silences = self.contact().look((asked, self.clock.steady()), &rows);
        let mut removed = 0;
        for (process, silence) in silences {
            if silence >= FORGOTTEN_AFTER && self.is_out_of_queue(&process).await? {
                let gone = self.remove(&process).await?;
                tracing::warn!(process.id = %process.id, gone, "a dead process is forgotten");
                removed += u64::from(gone);
            }
        }
        Ok(Report::of(removed))
    }
}
