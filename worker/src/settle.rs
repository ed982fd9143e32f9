//! This worker's part in the barrier of a recovery.
//!
//! A recovery asks each process to have nothing of the old generation left: its
//! outbox written, its unanswered finishes settled, its leases compared and renewed
//! under the new one. What can't be said is an error, and the asking comes again.

use std::error::Error;
use std::sync::Arc;

use common::limits;
use common::membership::Settle;
use common::queue::{self, Link, Watched};
use common::record::{self, InDoubt as Settled};

use crate::attempt::Doubt;
use crate::attempt::{Ended, EndingFacts, cancelled};
use crate::worker::Worker;

/// Settles for one worker.
#[derive(Debug)]
pub struct Settlement(pub Arc<Worker>);

type Failed = Box<dyn Error + Send + Sync>;

#[derive(Debug, thiserror::Error)]
#[error("the outbox is not empty yet: {0} wait")]
struct NotDrained(usize);

impl Settle for Settlement {
    async fn settle(&self, generation: u64) -> Result<(), Failed> {
        let worker = &self.0;
        tracing::info!(
            generation,
            held = worker.leases.len(),
            "settling for a recovery"
        );
        let drained = tokio::time::timeout(limits::REDIS_ANSWER, worker.record.outbox.drained());
        if drained.await.is_err() {
            return Err(NotDrained(worker.record.outbox.len()).into());
        }
        let link = worker.links.recovering(generation).await?;
        for doubt in worker.in_doubt.all() {
            settle_one(worker, &link, &doubt).await?;
            worker.in_doubt.resolve(doubt.leased.id);
        }
        Ok(worker.keeper.adopt(generation).await?)
    }
}

/// A finish was sent and not answered: was it done?
async fn settle_one(worker: &Worker, link: &Link, doubt: &Doubt) -> Result<(), Failed> {
    let (id, account) = (doubt.leased.id, doubt.entry.account);
    let token = &doubt.leased.token;
    match queue::watch(link, account, id, None).await? {
        // It was, and its event is there.
        Watched::Final { .. } => return Ok(()),
        Watched::Open { .. } => {
            let renewed = queue::renew(link, &[(id, token.clone())]).await?;
            if !renewed.lost.is_empty() {
                // Another has it, and will end it.
                return Ok(());
            }
        }
        // Redis lost it. Had another taken it before that, its lease would have run
        // out here as well.
        Watched::Unknown if !worker.leases.surely_hold(id, token) => return Ok(()),
        Watched::Unknown => {}
    }
    let facts = EndingFacts {
        attempt: doubt.outcome.ending.attempt,
        finished_at: doubt.outcome.ending.finished_at,
    };
    let instead = Ended::unrun(cancelled());
    let instead = instead.seal(&worker.vault, account, id, facts).await?;
    let mut client = worker.database.client().await?;
    let outcome = Settled {
        id,
        entry: &doubt.entry,
        as_sent: &doubt.outcome,
        as_cancelled: &instead,
    };
    match record::end_in_doubt(&mut client, doubt.generation, &outcome).await {
        Ok(()) => tracing::info!(execution.id = %id, "an unanswered outcome is recorded as sent"),
        // A later recovery was quicker: it has decided.
        Err(record::WriteError::Refused(_)) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
