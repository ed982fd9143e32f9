//! Deletes what is past its retention, some rows at a time.

use std::time::Duration;

use common::db::{Database, retention};
use jiff::Timestamp;

use super::{Duty, DutyError, Report, clocks};

/// Rules count in hours and days.
const LOOK: Duration = Duration::from_secs(600);

const STEP: &str = "purge";

#[derive(Debug)]
pub struct Purge {
    database: Database,
}

impl Purge {
    #[must_use]
    pub const fn new(database: Database) -> Self {
        Self { database }
    }
}

impl Duty for Purge {
    const NAME: &'static str = "purge";
    const EVERY: Duration = LOOK;

    async fn run_once(&self, now: Timestamp) -> Result<Report, DutyError> {
        let failed = DutyError::database(STEP);
        let client = self.database.client().await.map_err(&failed)?;
        clocks::agree(&client, STEP, now).await?;
        let (done, more) = retention::purge_some(&client, now).await.map_err(failed)?;
        Ok(Report { done, more })
    }
}
