//! Who waits in this process for which execution to end.
//!
//! One subscription serves all of them. A wake is a hint that is never repeated, so
//! each waiter registers first and looks afterwards, looks again after every new
//! subscription, and once a second besides: Redis may have lost its memory without
//! the subscription breaking.
//!
//! A waiter that leaves is forgotten and changes nothing.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::followers::Followers;
use crate::backoff::Backoff;
use crate::execution::SealedOutcome;
use crate::ids::ExecutionId;
use crate::queue::{Links, QueueError, Wake, Wakes};
use crate::telemetry;

/// An outcome as all its waiters share it.
pub(super) type Shared = Arc<SealedOutcome>;

/// The registry and its subscription's age.
#[derive(Clone, Debug)]
pub(super) struct Waiters(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    api: String,
    waiting: Mutex<HashMap<ExecutionId, Vec<Place>>>,
    /// Numbers are never used twice: a place that was woken may be left only after
    /// another was taken for the same execution.
    numbers: AtomicU64,
    /// Raised with each new subscription.
    subscription: watch::Sender<u64>,
    followers: Followers,
}

#[derive(Debug)]
struct Place {
    number: u64,
    wake: oneshot::Sender<Shared>,
}

/// One caller's place; leaving it is dropping it.
#[derive(Debug)]
pub(super) struct Waiter {
    id: ExecutionId,
    number: u64,
    all: Arc<Inner>,
    wake: oneshot::Receiver<Shared>,
    subscription: watch::Receiver<u64>,
}

/// Why a waiter stopped waiting.
#[derive(Debug)]
pub(super) enum Woken {
    Ended(Shared),
    /// Wakes may have been missed: look.
    Look,
}

impl Waiters {
    pub(super) fn new(api: String) -> Self {
        Self(Arc::new(Inner {
            api,
            waiting: Mutex::default(),
            numbers: AtomicU64::new(0),
            subscription: watch::Sender::new(0),
            followers: Followers::default(),
        }))
    }

    /// The name under which the queue wakes this process.
    pub(super) fn api(&self) -> &str {
        &self.0.api
    }

    /// Who wants to hear of text too.
    pub(super) fn followers(&self) -> &Followers {
        &self.0.followers
    }

    /// Takes a place. Look at the execution only after this.
    pub(super) fn register(&self, id: ExecutionId) -> Waiter {
        let (wake, woken) = oneshot::channel();
        let number = self.0.numbers.fetch_add(1, Ordering::Relaxed);
        let place = Place { number, wake };
        self.0.waiting().entry(id).or_default().push(place);
        Waiter {
            id,
            number,
            all: Arc::clone(&self.0),
            wake: woken,
            subscription: self.0.subscription.subscribe(),
        }
    }

    /// Keeps a subscription until `stop`.
    pub(super) async fn listen(&self, links: &Links, stop: CancellationToken) {
        let mut backoff = Backoff::new(Duration::from_millis(20), Duration::from_millis(500));
        loop {
            let lost = tokio::select! {
                () = stop.cancelled() => return,
                lost = self.listen_once(links, &mut backoff) => lost,
            };
            let error = telemetry::chain(&lost);
            tracing::warn!(error, "wakes are not heard; subscribing again");
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(backoff.delay()) => {}
            }
        }
    }

    async fn listen_once(&self, links: &Links, backoff: &mut Backoff) -> QueueError {
        let opened = Wakes::subscribe(links.client(), links.partition(), self.api()).await;
        let mut wakes = match opened {
            Ok(wakes) => wakes,
            Err(error) => return error,
        };
        backoff.reset();
        self.0.subscription.send_modify(|age| *age += 1);
        loop {
            match wakes.next().await {
                Ok(wake) => self.wake(wake),
                Err(error) => return error,
            }
        }
    }

    fn wake(&self, wake: Wake) {
        let (id, outcome) = match wake {
            Wake::Ended { id, outcome } => (id, Arc::new(outcome)),
            Wake::Printed(id) => return self.0.followers.printed(id),
        };
        let places = self.0.waiting().remove(&id);
        for place in places.into_iter().flatten() {
            // Whoever left meanwhile is not there to be told.
            let _ = place.wake.send(Arc::clone(&outcome));
        }
    }

    /// Whether wakes are heard at all; a process that hears none is not ready.
    pub(super) async fn ready(&self) {
        let mut subscription = self.0.subscription.subscribe();
        // Fails only once the sender is gone, and it is ours.
        let _ = subscription.wait_for(|age| *age > 0).await;
    }

    #[cfg(test)]
    fn count(&self) -> usize {
        self.0.waiting().values().map(Vec::len).sum()
    }
}

impl Inner {
    fn waiting(&self) -> MutexGuard<'_, HashMap<ExecutionId, Vec<Place>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter {
    pub(super) fn id(&self) -> ExecutionId {
        self.id
    }

    /// Waits for the wake alone.
    pub(super) async fn ended(&mut self) -> Shared {
        match (&mut self.wake).await {
            Ok(outcome) => outcome,
            // The place is held until it is woken or left: this does not come.
            Err(_) => std::future::pending().await,
        }
    }

    /// Waits for the wake, at most `pause`. May be dropped and called again.
    pub(super) async fn woken(&mut self, pause: Duration) -> Woken {
        tokio::select! {
            biased;
            outcome = &mut self.wake => match outcome {
                Ok(outcome) => Woken::Ended(outcome),
                Err(_) => Woken::Look,
            },
            _ = self.subscription.changed() => Woken::Look,
            () = tokio::time::sleep(pause) => Woken::Look,
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut waiting = self.all.waiting();
        if let Entry::Occupied(mut places) = waiting.entry(self.id) {
            places.get_mut().retain(|place| place.number != self.number);
            if places.get().is_empty() {
                places.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::execution::{Ending, FinalState};

    fn wake(id: ExecutionId) -> Wake {
        Wake::Ended {
            id,
            outcome: SealedOutcome {
                ending: Ending {
                    state: FinalState::Succeeded,
                    error_code: None,
                    attempt: 1,
                    started_at: None,
                    finished_at: jiff::Timestamp::UNIX_EPOCH,
                    duration_us: None,
                    cpu_us: None,
                    memory_peak_bytes: None,
                    network_in_bytes: None,
                    network_out_bytes: None,
                },
                output: None,
                error: None,
                logs: None,
            },
        }
    }

    #[tokio::test]
    async fn every_waiter_of_an_execution_is_woken_and_none_of_another() {
        let waiters = Waiters::new("a".to_owned());
        let (one, other) = (
            ExecutionId::new(&SystemClock),
            ExecutionId::new(&SystemClock),
        );
        let mut first = waiters.register(one);
        let mut second = waiters.register(one);
        let mut stranger = waiters.register(other);
        waiters.wake(wake(one));
        for waiter in [&mut first, &mut second] {
            let woken = waiter.woken(Duration::from_secs(60)).await;
            assert!(matches!(woken, Woken::Ended(_)));
        }
        let woken = stranger.woken(Duration::ZERO).await;
        assert!(matches!(woken, Woken::Look));
    }

    #[tokio::test]
    async fn a_waiter_that_leaves_is_forgotten_and_the_others_stay() {
        let waiters = Waiters::new("a".to_owned());
        let id = ExecutionId::new(&SystemClock);
        let leaving = waiters.register(id);
        let mut staying = waiters.register(id);
        drop(leaving);
        assert_eq!(waiters.count(), 1);
        waiters.wake(wake(id));
        let later = waiters.register(id);
        let woken = staying.woken(Duration::from_secs(60)).await;
        assert!(matches!(woken, Woken::Ended(_)));
        drop(staying);
        assert_eq!(waiters.count(), 1);
        drop(later);
        assert_eq!(waiters.count(), 0);
    }

    #[tokio::test]
    async fn a_new_subscription_makes_everyone_look_again() {
        let waiters = Waiters::new("a".to_owned());
        let mut waiter = waiters.register(ExecutionId::new(&SystemClock));
        waiters.0.subscription.send_modify(|age| *age += 1);
        let woken = waiter.woken(Duration::from_secs(60)).await;
        assert!(matches!(woken, Woken::Look));
    }
}
