//! Drops the day partitions of `executions` past their 90 days.

use std::sync::Arc;
use std::time::Duration;

use common::db::{Client, Database, DbError, days};
use common::metrics::SchedulerMetrics;
use jiff::Timestamp;

use super::{Duty, DutyError, Report, clocks};

/// A day is dropped within an hour of its time.
const LOOK: Duration = Duration::from_secs(3_600);

const STEP: &str = "drop partitions";

#[derive(Debug)]
pub struct DropPartitions {
    database: Database,
    metrics: Arc<SchedulerMetrics>,
}

impl DropPartitions {
    #[must_use]
    pub const fn new(database: Database, metrics: Arc<SchedulerMetrics>) -> Self {
        Self { database, metrics }
    }

    /// Drops what is past its time at `now`, whatever any clock says.
    ///
    /// # Errors
    /// Where PostgreSQL does not answer.
    pub async fn drop_past(&self, client: &Client, now: Timestamp) -> Result<Report, DutyError> {
        let dropped = days::drop_old(client, now).await.map_err(failed())?;
        self.metrics.dropped_partitions.inc_by(dropped);
        if dropped > 0 {
            tracing::info!(dropped, "day partitions dropped");
        }
        Ok(Report::of(dropped))
    }
}

impl Duty for DropPartitions {
    const NAME: &'static str = "drop_partitions";
    const EVERY: Duration = LOOK;

    async fn run_once(&self, now: Timestamp) -> Result<Report, DutyError> {
        let client = self.database.client().await.map_err(failed())?;
        clocks::agree(&client, STEP, now).await?;
        self.drop_past(&client, now).await
    }
}

fn failed() -> impl Fn(DbError) -> DutyError {
    DutyError::database(STEP)
}
