//! Drops the day partitions of `executions` past their 90 days.

use std::sync::Arc;
use std::time::Duration;

use common::db::{Database, days};
use common::metrics::SchedulerMetrics;
use jiff::Timestamp;

use super::{Duty, DutyError, Report};

/// A day is dropped within an hour of its time.
const LOOK: Duration = Duration::from_secs(3_600);

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
}

impl Duty for DropPartitions {
    const NAME: &'static str = "drop_partitions";
    const EVERY: Duration = LOOK;

    async fn run_once(&self, now: Timestamp) -> Result<Report, DutyError> {
        let failed = DutyError::database("drop partitions");
        let client = self.database.client().await.map_err(&failed)?;
        let dropped = days::drop_old(&client, now).await.map_err(failed)?;
        self.metrics.dropped_partitions.inc_by(dropped);
        if dropped > 0 {
            tracing::info!(dropped, "day partitions dropped");
        }
        Ok(Report::of(dropped))
    }
}
