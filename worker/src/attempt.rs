//! One attempt at one execution, top to bottom.
//!
//! ```text
//! leased ─ entry read ─ [started once: recorded] ─ version ─ input opened ─ sandbox ─ run
//!    │                                                                              │
//!    └── set aside (damaged)      handed back (ours) / forgotten (lost) ◄── or ──► sealed ─ finish ─ outbox
//! ```
//!
//! **What always holds.** The lease is in the table from before anything else until
//! after the last word to the queue. No user code starts, and no outcome is sent,
//! unless the lease is known to hold. What the user's code did is data and ends the
//! execution; what we failed at ([`AttemptError`]) never does: it hands the entry
//! back, or forgets it where it is another's already.

mod ended;
mod finish;
mod hand_back;
mod live;
mod run;

use std::time::Duration;

use common::entry::Entry;
use common::execution::{ErrorCode, Failure};
use common::queue::{Leased, StreamKind, Taken, Verdict};
use common::telemetry;
use common::vault::VaultError;
use jail::SandboxError;

pub use ended::{Ended, EndingFacts, cancelled, failure_of, worker_lost};
pub use finish::{Doubt, InDoubt};

use crate::lease::{Lease, Lost, Sign};
use crate::record::OnceError;
use crate::sandboxes::TakeError;
use crate::secrets::SecretsError;
use crate::versions::LoadError;
use crate::worker::Worker;

/// One execution this process was given.
#[derive(Debug)]
pub struct Work {
    pub leased: Leased,
    /// Workers lost while it ran, as far as is known.
    pub losses: u32,
    /// What must be done with it; `Run`, but for some that are reclaimed.
    pub verdict: Verdict,
    /// Steady time before which the lease did not begin.
    pub since: Duration,
}

impl Work {
    /// What was read anew.
    #[must_use]
    pub const fn new(leased: Leased, since: Duration) -> Self {
        Self {
            leased,
            losses: 0,
            verdict: Verdict::Run,
            since,
        }
    }

    /// Which start this is, from 1, or how many there were where it isn't one.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        match self.verdict {
            Verdict::Run => self.losses + 1,
            Verdict::Cancelled | Verdict::WorkerLost => self.losses,
        }
    }
}

/// What an attempt is at.
#[derive(Clone, Copy, Debug)]
struct Attempted<'a> {
    work: &'a Work,
    entry: &'a Entry,
}

/// Why an attempt has no outcome: ours, never the user's.
#[derive(Debug, thiserror::Error)]
enum AttemptError {
    #[error("told to {0:?}")]
    Told(Sign),
    #[error("the version cannot be had")]
    Version(#[source] LoadError),
    #[error("the input cannot be opened")]
    Input(#[source] VaultError),
    #[error("the environment cannot be had")]
    Environment(#[source] SecretsError),
    #[error("there is no sandbox")]
    Sandbox(#[source] TakeError),
    #[error("the sandbox failed before the input was in it")]
    Run(#[source] SandboxError),
    #[error("the only start cannot be recorded")]
    Once(#[source] OnceError),
}

/// What becomes of the entry.
enum Disposition {
    /// It goes back into its stream; after a while, where trying at once is no use.
    HandBack { at_once: bool },
    /// It is another's.
    Forget,
}

impl AttemptError {
    fn disposition(&self) -> Disposition {
        match self {
            Self::Told(Sign::Lost) => Disposition::Forget,
            Self::Told(_) => Disposition::HandBack { at_once: true },
            Self::Version(_)
            | Self::Input(_)
            | Self::Environment(_)
            | Self::Sandbox(_)
            | Self::Run(_)
            | Self::Once(_) => Disposition::HandBack { at_once: false },
        }
    }
}

impl From<Lost> for AttemptError {
    fn from(_: Lost) -> Self {
        Self::Told(Sign::Lost)
    }
}

/// Makes one attempt. Gives the next entry, where finishing this one took it.
#[tracing::instrument(name = "attempt.run", skip_all, fields(execution.id = %work.leased.id))]
pub async fn attempt(worker: &Worker, work: Work, next: Option<StreamKind>) -> Option<Taken> {
    let lease = worker
        .leases
        .hold(work.leased.id, work.leased.token.clone(), work.since);
    worker.count_running();
    let next = attempt_under(worker, &lease, &work, next).await;
    drop(lease);
    worker.count_running();
    next
}

async fn attempt_under(
    worker: &Worker,
    lease: &Lease,
    work: &Work,
    next: Option<StreamKind>,
) -> Option<Taken> {
    let entry = match Entry::decode(&work.leased.body) {
        Ok(entry) => entry,
        Err(error) => {
            let error = telemetry::chain(&error);
            tracing::error!(error, "an entry cannot be read; it is set aside");
            finish::damaged(worker, lease, &work.leased).await;
            return None;
        }
    };
    let attempted = Attempted {
        work,
        entry: &entry,
    };
    let ended = match work.verdict {
        Verdict::Cancelled => Ok(Ended::unrun(cancelled())),
        Verdict::WorkerLost => Ok(Ended::unrun(worker_lost())),
        Verdict::Run => run::run(worker, lease, attempted).await,
    };
    lease.ran();
    match ended {
        Ok(ended) => {
            worker.faults.over();
            finish::finish(worker, lease, attempted, ended, next).await
        }
        Err(error) => {
            give_up(worker, lease, attempted, &error).await;
            None
        }
    }
}

/// The entry has no outcome from here.
async fn give_up(worker: &Worker, lease: &Lease, attempted: Attempted<'_>, error: &AttemptError) {
    let text = telemetry::chain(error);
    let at_once = match error.disposition() {
        Disposition::Forget => {
            tracing::warn!(
                error = text,
                "an attempt was dropped: the lease is another's"
            );
            return;
        }
        Disposition::HandBack { at_once } => at_once,
    };
    tracing::warn!(error = text, "an attempt is handed back");
    if !at_once {
        worker.faults.wait(&worker.draining).await;
    }
    hand_back::hand_back(worker, lease, attempted).await;
}

/// What an execution ends with whose version is gone.
fn version_gone() -> Failure {
    Failure::new(
        ErrorCode::ImportError,
        "this version was deleted before it ran",
    )
}
