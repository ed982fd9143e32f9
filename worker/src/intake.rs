//! Taking entries: as many as there are free slots, never more.
//!
//! One reader per stream, each with a connection of its own. A process that serves
//! last starts has one loop instead, which looks for what ran out and for what
//! waits in turn, and runs each alone.

use std::sync::Arc;
use std::time::Duration;

use common::backoff::{Backoff, jittered};
use common::limits;
use common::queue::{self, Alone, Reader, Reclaimed, StreamKind, Taken, Token, Verdict};
use common::telemetry;

use crate::attempt::Work;
use crate::slots::Slot;
use crate::worker::Worker;

/// A read whose answer takes longer than this may have been delivered long before.
const PROMPT: Duration = Duration::from_millis(1_500);

/// Reads one stream until the worker drains.
pub async fn read_stream(worker: Arc<Worker>, stream: StreamKind) {
    let mut reader = reader(&worker, stream);
    let mut backoff = Backoff::new(limits::GREET_EVERY, limits::READ_BLOCK);
    loop {
        let slots = tokio::select! {
            biased;
            () = worker.draining.cancelled() => return,
            slots = worker.slots.take(stream) => slots,
        };
        read_once(&worker, (&mut reader, stream), slots, &mut backoff).await;
    }
}

/// Takes over leases that ran out, until the worker drains.
pub async fn reclaim(worker: Arc<Worker>) {
    loop {
        tokio::select! {
            biased;
            () = worker.draining.cancelled() => return,
            () = tokio::time::sleep(jittered(limits::RECLAIM_EVERY)) => {}
        }
        let slots = worker.slots.take_for_reclaimed(limits::RECLAIM_AT_ONCE);
        reclaim_once(&worker, slots, Alone::No).await;
    }
}

/// Serves last starts, one at a time, until the worker drains.
pub async fn last_starts(worker: Arc<Worker>) {
    let mut reader = reader(&worker, StreamKind::LastStarts).waiting(limits::RECLAIM_EVERY);
    let mut backoff = Backoff::new(limits::GREET_EVERY, limits::READ_BLOCK);
    while !worker.draining.is_cancelled() {
        let slots = worker.slots.take_for_reclaimed(1);
        reclaim_once(&worker, slots, Alone::Yes).await;
        // The slot is free again only when nothing runs.
        let slots = tokio::select! {
            biased;
            () = worker.draining.cancelled() => return,
            slot = worker.slots.take_alone() => Vec::from_iter(slot),
        };
        let stream = StreamKind::LastStarts;
        read_once(&worker, (&mut reader, stream), slots, &mut backoff).await;
    }
}

fn reader(worker: &Worker, stream: StreamKind) -> Reader {
    let partition = worker.links.partition();
    Reader::new(worker.client.clone(), partition, stream, &worker.consumer)
}

async fn read_once(
    worker: &Arc<Worker>,
    (reader, stream): (&mut Reader, StreamKind),
    slots: Vec<Slot>,
    backoff: &mut Backoff,
) {
    let asked = worker.clock.steady();
    match reader.read(slots.len()).await {
        Ok(taken) => {
            backoff.reset();
            let now = worker.clock.steady();
            // An answer that took too long was perhaps delivered to a paused process.
            let prompt = now.saturating_sub(asked) < PROMPT;
            let since = if prompt { now } else { asked };
            let lane = stream.as_str();
            let count = u64::try_from(taken.len()).unwrap_or(0);
            worker
                .metrics
                .reads
                .with_label_values(&[lane])
                .inc_by(count);
            for (taken, slot) in taken.into_iter().zip(slots) {
                match taken {
                    Taken::Leased(leased) => worker.occupy(slot, Work::new(leased, since)),
                    Taken::Damaged(token) => worker.set_aside(&token).await,
                }
            }
        }
        Err(error) => {
            drop(slots);
            let error = telemetry::chain(&error);
            tracing::debug!(error, "nothing can be read");
            tokio::select! {
                () = worker.draining.cancelled() => {}
                () = tokio::time::sleep(backoff.delay()) => {}
            }
        }
    }
}

async fn reclaim_once(worker: &Arc<Worker>, slots: Vec<Slot>, alone: Alone) {
    if slots.is_empty() {
        return;
    }
    let asked = worker.clock.steady();
    let found = async {
        let link = worker.links.link().await?;
        queue::reclaim(&link, &worker.consumer, slots.len(), alone).await
    };
    let (reclaimed, damaged) = match found.await {
        Ok(found) => found,
        Err(error) => {
            let error = telemetry::chain(&error);
            tracing::debug!(error, "nothing can be reclaimed");
            return;
        }
    };
    set_aside(worker, &damaged).await;
    // Verdicts start nothing, but they are held until they are finished.
    for (one, slot) in reclaimed.into_iter().zip(slots) {
        take_over(worker, one, slot, asked);
    }
}

fn take_over(worker: &Arc<Worker>, one: Reclaimed, slot: Slot, since: Duration) {
    worker.metrics.reclaims.inc();
    tracing::info!(
        execution.id = %one.leased.id,
        losses = one.losses,
        verdict = verdict(one.verdict),
        "took over a lease that ran out"
    );
    let work = Work {
        leased: one.leased,
        losses: one.losses,
        verdict: one.verdict,
        since,
    };
    worker.occupy(slot, work);
}

const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Run => "run",
        Verdict::Cancelled => "cancelled",
        Verdict::WorkerLost => "worker_lost",
    }
}

async fn set_aside(worker: &Worker, damaged: &[Token]) {
    for token in damaged {
        worker.set_aside(token).await;
    }
}
