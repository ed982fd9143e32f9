//! Makes the day partitions of `executions` before their day comes.

use std::time::Duration;

use common::db::{Database, days};
use jiff::Timestamp;

use super::{Duty, DutyError, Report};

/// Days exist three days ahead, so an hour is soon enough.
const LOOK: Duration = Duration::from_secs(3_600);

#[derive(Debug)]
pub struct MakePartitions {
    database: Database,
}

impl MakePartitions {
    #[must_use]
    pub const fn new(database: Database) -> Self {
        Self { database }
    }
}

impl Duty for MakePartitions {
    const NAME: &'static str = "make_partitions";
    const EVERY: Duration = LOOK;

    async fn run_once(&self, now: Timestamp) -> Result<Report, DutyError> {
        let failed = DutyError::database("make partitions");
        let client = self.database.client().await.map_err(&failed)?;
        let made = days::make_coming(&client, now).await.map_err(failed)?;
        if made > 0 {
            tracing::info!(made, "day partitions made");
        }
        Ok(Report::of(made))
    }
}
