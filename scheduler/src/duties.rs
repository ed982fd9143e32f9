//! The leader's duties, each in a loop of its own while the reign lasts.
//!
//! A loop runs its duty at once, then whenever it is woken, and at the latest
//! after the duty's own time, jittered. A failure is logged when it begins and
//! tried again with growing pauses. When the reign ends every loop is dropped
//! where it stands: a duty may be cut anywhere.

use std::time::Duration;

use common::backoff::{Backoff, jittered};
use common::clock::SharedClock;
use common::metrics::SchedulerMetrics;
use common::telemetry;

use crate::duty::{
    DropPartitions, DropProcesses, Duty, DutyError, MakePartitions, PromoteDelayed, Purge, Recover,
    Report,
};

/// The pause after the first failure.
const RETRY_FIRST: Duration = Duration::from_millis(100);

/// What the leader looks after.
#[derive(Debug)]
pub struct Duties {
    pub recover: Recover,
    pub promote_delayed: PromoteDelayed,
    pub make_partitions: MakePartitions,
    pub drop_partitions: DropPartitions,
    pub drop_processes: DropProcesses,
    pub purge: Purge,
}

/// What a loop needs besides its duty.
#[derive(Debug)]
pub struct Rounds<'a> {
    pub clock: &'a SharedClock,
    pub metrics: &'a SchedulerMetrics,
}

impl Duties {
    /// Looks after everything until a duty finds that a later leader was here.
    pub async fn all(&self, rounds: &Rounds<'_>) {
        // Before anybody may write: an execution needs the partition of its day.
        let first = rounds.once(&self.make_partitions).await;
        if let Err(error) = first {
            report(MakePartitions::NAME, &error);
        }
        tokio::select! {
            () = rounds.keep(&self.recover) => {}
            () = rounds.keep(&self.promote_delayed) => {}
            () = rounds.keep(&self.make_partitions) => {}
            () = rounds.keep(&self.drop_partitions) => {}
            () = rounds.keep(&self.drop_processes) => {}
            () = rounds.keep(&self.purge) => {}
        }
    }
}

impl Rounds<'_> {
    /// Runs one duty again and again; ends when a later leader was met.
    async fn keep<D: Duty>(&self, duty: &D) {
        let mut backoff = Backoff::new(RETRY_FIRST, D::RETRY_AT_MOST);
        let mut failing = false;
        loop {
            let pause = match self.once(duty).await {
                Err(DutyError::Deposed) => return,
                Err(error) => {
                    if !failing {
                        report(D::NAME, &error);
                    }
                    failing = true;
                    backoff.delay()
                }
                Ok(report) => {
                    failing = false;
                    backoff.reset();
                    if report.more {
                        tokio::task::yield_now().await;
                        continue;
                    }
                    jittered(D::EVERY)
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = duty.woken() => {}
            }
        }
    }

    async fn once<D: Duty>(&self, duty: &D) -> Result<Report, DutyError> {
        let began = self.clock.steady();
        let result = duty.run_once(self.clock.now()).await;
        let took = self.clock.steady().saturating_sub(began);
        let name = &[D::NAME];
        self.metrics
            .duty
            .with_label_values(name)
            .observe(took.as_secs_f64());
        if result.is_err() {
            self.metrics.duty_failures.with_label_values(name).inc();
        }
        result
    }
}

fn report(duty: &str, error: &DutyError) {
    let error = telemetry::chain(error);
    tracing::warn!(duty, error, "a duty failed and is tried again");
}
