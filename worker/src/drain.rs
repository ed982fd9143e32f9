//! Stopping: nothing new, what runs is given its time, the rest is handed back.

use std::time::Duration;

use common::backoff::Backoff;
use common::limits;
use common::queue::{self, Dropped};
use common::telemetry;
use tokio_util::sync::CancellationToken;

use crate::worker::Worker;

/// How long the last words to Redis and PostgreSQL may take.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Ends what the worker holds: soft first, then hard. The readers have stopped.
///
/// `hurry` cuts the soft part short.
pub async fn drain(worker: &Worker, patience: Duration, hurry: &CancellationToken) {
    worker.attempts.close();
    tracing::info!(held = worker.leases.len(), "draining");
    let ended = tokio::select! {
        () = worker.attempts.wait() => true,
        () = tokio::time::sleep(patience) => false,
        () = hurry.cancelled() => false,
    };
    if !ended {
        tracing::info!(held = worker.leases.len(), "handing back what still runs");
        worker.leases.stop_all();
        if tokio::time::timeout(LAST_WORDS, worker.attempts.wait())
            .await
            .is_err()
        {
            tracing::warn!(held = worker.leases.len(), "what is still held runs out");
        }
    }
    let outbox = &worker.record.outbox;
    if tokio::time::timeout(LAST_WORDS, outbox.drained())
        .await
        .is_err()
    {
        tracing::warn!(waiting = outbox.len(), "outcomes are left to the sweep");
    }
    drop_consumer(worker).await;
}

async fn drop_consumer(worker: &Worker) {
    let mut backoff = Backoff::new(limits::GREET_EVERY, limits::RENEW_EVERY);
    for _ in 0..3 {
        let dropped = async {
            let link = worker.links.link().await?;
            queue::drop_consumer(&link, &worker.consumer).await
        };
        match dropped.await {
            Ok(Dropped::Done) => return,
            // What it still holds is reclaimed first; the scheduler drops it then.
            Ok(Dropped::Busy) => break,
            Err(error) => {
                let error = telemetry::chain(&error);
                tracing::debug!(error, "the consumer cannot be dropped");
                tokio::time::sleep(backoff.delay()).await;
            }
        }
    }
    tracing::info!("the consumer is left to the scheduler");
}
