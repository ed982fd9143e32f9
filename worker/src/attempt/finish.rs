//! From an outcome to the queue's word on it, and to the outbox.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use common::backoff::Backoff;
use common::entry::Entry;
use common::execution::{Ending, ErrorCode, SealedOutcome};
use common::ids::ExecutionId;
use common::limits;
use common::queue::{self, Finish, Finished, Leased, QueueError, StreamKind, Taken};
use common::telemetry;

use super::{Attempted, Ended, EndingFacts};
use crate::lease::{Lease, Sign};
use crate::record::Stands;
use crate::worker::Worker;

/// A finish that was sent and not answered.
#[derive(Clone, Debug)]
pub struct Doubt {
    pub leased: Leased,
    pub entry: Entry,
    pub outcome: SealedOutcome,
    /// The generation it was sent under.
    pub generation: u64,
}

/// Finishes whose answers are not known. Whoever settles for a recovery takes them.
#[derive(Clone, Debug, Default)]
pub struct InDoubt(Arc<Mutex<HashMap<ExecutionId, Doubt>>>);

impl InDoubt {
    fn note(&self, doubt: Doubt) {
        self.lock().insert(doubt.leased.id, doubt);
    }

    fn has(&self, id: ExecutionId) -> bool {
        self.lock().contains_key(&id)
    }

    /// An answer came, or the doubt was settled.
    pub fn resolve(&self, id: ExecutionId) {
        self.lock().remove(&id);
    }

    #[must_use]
    pub fn all(&self) -> Vec<Doubt> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ExecutionId, Doubt>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the execution with what the attempt came to.
pub(super) async fn finish(
    worker: &Worker,
    lease: &Lease,
    attempted: Attempted<'_>,
    ended: Ended,
    next: Option<StreamKind>,
) -> Option<Taken> {
    let outcome = seal(worker, lease, attempted, &ended).await?;
    match send(worker, lease, attempted, &outcome, next).await {
        Sent::Over(next) => next,
        Sent::Asked => {
            let outcome = seal(worker, lease, attempted, &ended.cancelled()).await?;
            match send(worker, lease, attempted, &outcome, next).await {
                Sent::Over(next) => next,
                Sent::Asked => None,
            }
        }
    }
}

/// What the queue said at last.
enum Sent {
    /// Nothing is left to do; perhaps here is the next entry.
    Over(Option<Taken>),
    /// Somebody asked to cancel it.
    Asked,
}

/// Sends an outcome until there is an answer, or the lease is lost.
async fn send(
    worker: &Worker,
    lease: &Lease,
    attempted: Attempted<'_>,
    outcome: &SealedOutcome,
    next: Option<StreamKind>,
) -> Sent {
    let leased = &attempted.work.leased;
    let mut backoff = Backoff::new(limits::GREET_EVERY / 2, limits::READ_BLOCK);
    let mut doubted = false;
    loop {
        if lease.fresh().await.is_err() {
            worker.metrics.finishes.with_label_values(&["lost"]).inc();
            worker.in_doubt.resolve(leased.id);
            return Sent::Over(None);
        }
        if doubted && !worker.in_doubt.has(leased.id) {
            // Settled for a recovery.
            return Sent::Over(None);
        }
        let next = next.filter(|_| !worker.draining.is_cancelled());
        let (generation, answer) = ask(worker, leased, outcome, next).await;
        let error = match answer {
            Ok((finished, next)) => {
                worker.in_doubt.resolve(leased.id);
                return answered(
                    worker,
                    attempted,
                    outcome,
                    Answer {
                        finished,
                        next,
                        generation,
                    },
                );
            }
            Err(error) => error,
        };
        if error.is_unsure() {
            doubted = true;
            worker.in_doubt.note(Doubt {
                leased: leased.clone(),
                entry: attempted.entry.clone(),
                outcome: outcome.clone(),
                generation,
            });
        }
        let error = telemetry::chain(&error);
        tracing::debug!(error, "an outcome waits for the queue");
        tokio::time::sleep(backoff.delay()).await;
    }
}

async fn ask(
    worker: &Worker,
    leased: &Leased,
    outcome: &SealedOutcome,
    next: Option<StreamKind>,
) -> (u64, Result<(Finished, Option<Taken>), QueueError>) {
    // Nothing was sent, whatever failed here.
    let Ok(link) = worker.links.link().await else {
        return (0, Err(QueueError::Recovering));
    };
    let asked = Finish {
        leased,
        outcome,
        retry: None,
        next,
    };
    (link.generation(), queue::finish(&link, &asked).await)
}

struct Answer {
    finished: Finished,
    next: Option<Taken>,
    generation: u64,
}

fn answered(
    worker: &Worker,
    attempted: Attempted<'_>,
    outcome: &SealedOutcome,
    answer: Answer,
) -> Sent {
    let (word, recorded) = match answer.finished {
        Finished::Done { event, key } => ("done", Some((event, key))),
        Finished::Already { event, key } => ("already", Some((event, key))),
        Finished::Delayed { .. } => ("delayed", None),
        Finished::Fenced => ("fenced", None),
        Finished::Asked => {
            worker.metrics.finishes.with_label_values(&["asked"]).inc();
            return Sent::Asked;
        }
    };
    worker.metrics.finishes.with_label_values(&[word]).inc();
    if word == "fenced" {
        tracing::warn!("an outcome came too late: the execution is another worker's");
    }
    if let Some((event, key)) = recorded {
        count(worker, &outcome.ending);
        let id = attempted.work.leased.id;
        worker.record.ended(Stands {
            id,
            body: attempted.work.leased.body.clone(),
            outcome: outcome.clone(),
            event,
            key,
            generation: answer.generation,
        });
    }
    Sent::Over(answer.next)
}

fn count(worker: &Worker, ending: &Ending) {
    let code = ending.error_code.map_or("", ErrorCode::as_str);
    let labels = [ending.state.as_str(), code];
    worker.metrics.outcomes.with_label_values(&labels).inc();
}

/// Seals what the user's code did; waits for the vault as long as the lease lasts.
async fn seal(
    worker: &Worker,
    lease: &Lease,
    attempted: Attempted<'_>,
    ended: &Ended,
) -> Option<SealedOutcome> {
    let facts = EndingFacts {
        attempt: attempted.work.attempt(),
        finished_at: worker.clock.now(),
    };
    let (id, account) = (attempted.work.leased.id, attempted.entry.account);
    let mut backoff = Backoff::new(limits::GREET_EVERY, limits::READ_BLOCK);
    loop {
        match ended.seal(&worker.vault, account, id, facts).await {
            Ok(outcome) => return Some(outcome),
            Err(error) => {
                let error = telemetry::chain(&error);
                tracing::warn!(error, "an outcome cannot be sealed yet");
            }
        }
        if lease.sign() == Sign::Lost {
            return None;
        }
        tokio::time::sleep(backoff.delay()).await;
    }
}

/// Ends an execution whose entry nobody can read, so that its slot is free again.
/// There is no account to seal under, so there is no text.
pub(super) async fn damaged(worker: &Worker, lease: &Lease, leased: &Leased) {
    let outcome = SealedOutcome {
        ending: Ending::unrun(ErrorCode::Killed, 0, worker.clock.now()),
        output: None,
        error: None,
        logs: None,
    };
    worker.metrics.damaged.inc();
    let mut backoff = Backoff::new(limits::GREET_EVERY, limits::READ_BLOCK);
    while lease.fresh().await.is_ok() {
        let done = async {
            let link = worker.links.link().await?;
            queue::set_aside(&link, &leased.token, Some(leased.id)).await?;
            ask(worker, leased, &outcome, None).await.1
        };
        // Its event is swept: without an entry there is nothing to put in the outbox.
        match done.await {
            Ok(_) => return,
            Err(_) => tokio::time::sleep(backoff.delay()).await,
        }
    }
}
