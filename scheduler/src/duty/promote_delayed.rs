//! Gives executions that wait for their next try back to the queue when it is due.

use std::sync::Arc;
use std::time::Duration;

use common::limits::PROMOTE_AT_ONCE;
use common::metrics::SchedulerMetrics;
use common::queue::{self, Links, Promoted, QueueError};
use jiff::Timestamp;
use tokio::sync::Notify;

use super::{Duty, DutyError, Report};

/// A due execution waits no longer than this.
const LOOK: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub struct PromoteDelayed {
    links: Links,
    term: u64,
    metrics: Arc<SchedulerMetrics>,
    /// Woken where the partition is found closed.
    closed: Arc<Notify>,
}

impl PromoteDelayed {
    #[must_use]
    pub fn new(
        links: Links,
        term: u64,
        metrics: Arc<SchedulerMetrics>,
        closed: Arc<Notify>,
    ) -> Self {
        Self {
            links,
            term,
            metrics,
            closed,
        }
    }

    /// Nothing is promoted while recovering: not a failure, but a reason to look.
    fn wait_for_recovery(&self) -> Report {
        self.closed.notify_one();
        Report::default()
    }
}

impl Duty for PromoteDelayed {
    const NAME: &'static str = "promote_delayed";
    const EVERY: Duration = LOOK;

    /// `now` is not looked at: what is due is decided by the clock of Redis, which set it.
    async fn run_once(&self, _now: Timestamp) -> Result<Report, DutyError> {
        let failed = DutyError::queue("promote");
        let link = match self.links.link().await {
            Err(QueueError::Recovering) => return Ok(self.wait_for_recovery()),
            link => link.map_err(&failed)?,
        };
        match queue::promote_due(&link, self.term).await {
            Ok(Promoted::Moved(moved)) => {
                self.metrics.promoted.inc_by(moved);
                Ok(Report {
                    done: moved,
                    more: moved >= PROMOTE_AT_ONCE as u64,
                })
            }
            Ok(Promoted::Outranked) => Err(DutyError::Deposed),
            Err(QueueError::Recovering) => Ok(self.wait_for_recovery()),
            Err(error) => Err(failed(error)),
        }
    }
}
