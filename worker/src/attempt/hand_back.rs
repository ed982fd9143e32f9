//! Giving an execution back unfinished, however long Redis is away.

use common::backoff::Backoff;
use common::limits;
use common::queue::{self, HandedBack};
use common::telemetry;

use super::{Attempted, Ended, cancelled, finish};
use crate::lease::{Lease, Sign};
use crate::worker::Worker;

/// Puts the entry back into its stream. While Redis does not answer, the lease stays
/// in the table and the asking goes on; it ends when the lease is lost, or when the
/// process does: then the lease runs out.
pub(super) async fn hand_back(worker: &Worker, lease: &Lease, attempted: Attempted<'_>) {
    let mut backoff = Backoff::new(limits::GREET_EVERY, limits::READ_BLOCK);
    loop {
        if lease.sign() == Sign::Lost {
            return;
        }
        let handed = match worker.links.link().await {
            Ok(link) => queue::hand_back(&link, &attempted.work.leased).await,
            Err(error) => Err(error),
        };
        match handed {
            Ok(HandedBack::Done) => {
                worker.metrics.hand_backs.inc();
                return;
            }
            Ok(HandedBack::Fenced) => return,
            Ok(HandedBack::Asked) => {
                let ended = Ended::unrun(cancelled());
                finish::finish(worker, lease, attempted, ended, None).await;
                return;
            }
            Err(error) => {
                let error = telemetry::chain(&error);
                tracing::debug!(error, "an execution cannot be handed back yet");
                tokio::time::sleep(backoff.delay()).await;
            }
        }
    }
}
