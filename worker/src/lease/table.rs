//! The table of leases, shared by the attempts and the thread that keeps them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use common::clock::SharedClock;
use common::ids::ExecutionId;
use common::limits;
use common::queue::{Renewed, Token};
use jail::Killer;
use tokio::sync::{Notify, watch};

use super::holding::Lease;

/// What an attempt must do. Signs only rise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sign {
    Run,
    /// Somebody asked to cancel it: finish it as cancelled.
    Cancel,
    /// The lease could not be renewed in time, or this process stops: hand it back.
    Stop,
    /// It belongs to another now: forget it.
    Lost,
}

/// All that is held. Handles share it.
#[derive(Clone, Debug)]
pub struct Leases(pub(super) Arc<Shared>);

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) clock: SharedClock,
    held: Mutex<HashMap<ExecutionId, Held>>,
    /// After each change that somebody may wait for.
    pub(super) changed: Notify,
}

#[derive(Debug)]
pub(super) struct Held {
    pub(super) token: Token,
    /// When the last renewal that was answered was sent, by the steady clock.
    pub(super) sent: Duration,
    pub(super) phase: Phase,
    pub(super) killer: Option<Killer>,
    pub(super) sign: watch::Sender<Sign>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// No user code runs yet: the own clock has nothing to stop.
    Before,
    /// User code may run: the own clock stops it.
    Runs,
    Stopped,
    /// Its end was not forced, and is being told.
    Over,
}

impl Held {
    fn raise(&mut self, sign: Sign) {
        // First the kill, then the word.
        if let Some(killer) = self.killer.take() {
            killer.kill();
        }
        self.sign.send_if_modified(|present| {
            let rises = sign > *present;
            *present = sign.max(*present);
            rises
        });
    }
}

impl Leases {
    #[must_use]
    pub fn new(clock: SharedClock) -> Self {
        Self(Arc::new(Shared {
            clock,
            held: Mutex::default(),
            changed: Notify::new(),
        }))
    }

    /// Notes a lease that was delivered no earlier than `since` (steady clock).
    ///
    /// Where this process still holds an older lease of the same execution (it was
    /// paused, and took over from itself), the older one is lost by that.
    #[must_use]
    pub fn hold(&self, id: ExecutionId, token: Token, since: Duration) -> Lease {
        let (sign, signs) = watch::channel(Sign::Run);
        let held = Held {
            token: token.clone(),
            sent: since,
            phase: Phase::Before,
            killer: None,
            sign,
        };
        let older = self.held().insert(id, held);
        if let Some(mut older) = older {
            older.raise(Sign::Lost);
        }
        Lease::new(self.clone(), id, token, signs)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held().is_empty()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.held().len()
    }

    /// Every lease, as a renewal wants it.
    pub(super) fn tokens(&self) -> Vec<(ExecutionId, Token)> {
        self.held()
            .iter()
            .map(|(id, held)| (*id, held.token.clone()))
            .collect()
    }

    /// Takes in the answer to a renewal of `tokens` that was sent at `sent`; gives
    /// how many executions were lost while they ran.
    pub(super) fn renewed(
        &self,
        tokens: &[(ExecutionId, Token)],
        sent: Duration,
        answer: &Renewed,
    ) -> usize {
        let mut lost = 0;
        let mut table = self.held();
        for (id, token) in tokens {
            // Another lease of the same execution knows nothing of this answer.
            let Some(held) = table.get_mut(id).filter(|held| held.token == *token) else {
                continue;
            };
            if answer.lost.contains(id) {
                // One that does not run any more was perhaps finished a moment ago.
                lost += usize::from(held.phase != Phase::Over);
                held.raise(Sign::Lost);
                continue;
            }
            held.sent = held.sent.max(sent);
            if answer.cancelled.contains(id) {
                held.raise(Sign::Cancel);
            }
        }
        drop(table);
        self.0.changed.notify_waiters();
        lost
    }

    /// Somebody asked to cancel it.
    pub(super) fn cancel(&self, id: ExecutionId) {
        if let Some(held) = self.held().get_mut(&id) {
            held.raise(Sign::Cancel);
        }
    }

    /// Stops what runs under a lease that is not known to hold any more; gives how
    /// many.
    pub(super) fn stop_stale(&self) -> usize {
        let now = self.0.clock.steady();
        let mut stopped = 0;
        for held in self.held().values_mut() {
            if held.phase == Phase::Runs && stale(held.sent, now) {
                held.phase = Phase::Stopped;
                held.raise(Sign::Stop);
                stopped += 1;
            }
        }
        stopped
    }

    /// Whether a lease surely has not run out: nobody can have taken it.
    #[must_use]
    pub fn surely_hold(&self, id: ExecutionId, token: &Token) -> bool {
        let now = self.0.clock.steady();
        let table = self.held();
        let held = table.get(&id).filter(|held| held.token == *token);
        held.is_some_and(|held| now.saturating_sub(held.sent) < limits::LEASE)
    }

    /// Stops all that runs, to be handed back.
    pub fn stop_all(&self) {
        let mut table = self.held();
        let begun = |held: &&mut Held| matches!(held.phase, Phase::Before | Phase::Runs);
        for held in table.values_mut().filter(begun) {
            held.phase = Phase::Stopped;
            held.raise(Sign::Stop);
        }
    }

    pub(super) fn held(&self) -> MutexGuard<'_, HashMap<ExecutionId, Held>> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn stale(sent: Duration, now: Duration) -> bool {
    now.saturating_sub(sent) > limits::STOP_SANDBOX
}

#[cfg(test)]
mod tests {
    use common::clock::ManualClock;
    use common::queue::StreamKind;

    use super::*;

    fn clock() -> Arc<ManualClock> {
        Arc::new(ManualClock::at("2026-03-01T00:00:00Z"))
    }

    fn token(count: u64) -> Token {
        Token {
            stream: StreamKind::Interactive,
            entry: "1-1".to_owned(),
            consumer: "me".to_owned(),
            count,
        }
    }

    fn later(clock: &ManualClock, by: Duration) -> Duration {
        clock.advance(by);
        common::clock::Clock::steady(clock)
    }

    const MOMENT: Duration = Duration::from_millis(1);

    #[test]
    fn without_a_renewal_what_runs_is_stopped_after_the_bound_and_not_before() {
        let clock = clock();
        let leases = Leases::new(clock.clone());
        let id = ExecutionId::new(clock.as_ref());
        let lease = leases.hold(id, token(1), Duration::ZERO);
        lease.begin();
        later(&clock, limits::STOP_SANDBOX);
        assert_eq!(leases.stop_stale(), 0);
        assert_eq!(lease.sign(), Sign::Run);
        later(&clock, MOMENT);
        assert_eq!(leases.stop_stale(), 1);
        assert_eq!(lease.sign(), Sign::Stop);
    }

    #[test]
    fn a_renewal_counts_from_when_it_was_sent() {
        let clock = clock();
        let leases = Leases::new(clock.clone());
        let id = ExecutionId::new(clock.as_ref());
        let lease = leases.hold(id, token(1), Duration::ZERO);
        lease.begin();
        let sent = later(&clock, limits::RENEW_EVERY);
        let tokens = leases.tokens();
        // The answer takes its time.
        later(&clock, limits::STOP_SANDBOX);
        leases.renewed(&tokens, sent, &Renewed::default());
        assert_eq!(leases.stop_stale(), 0);
        later(&clock, MOMENT);
        assert_eq!(leases.stop_stale(), 1);
        assert_eq!(lease.sign(), Sign::Stop);
    }

    #[test]
    fn what_was_delivered_long_ago_waits_for_a_renewal_instead_of_being_stopped() {
        let clock = clock();
        let leases = Leases::new(clock.clone());
        let id = ExecutionId::new(clock.as_ref());
        let now = later(&clock, limits::LEASE);
        let lease = leases.hold(id, token(1), Duration::ZERO);
        assert_eq!(leases.stop_stale(), 0);
        leases.renewed(&leases.tokens(), now, &Renewed::default());
        lease.begin();
        assert_eq!(leases.stop_stale(), 0);
        assert_eq!(lease.sign(), Sign::Run);
    }

    #[test]
    fn an_outcome_that_waits_to_be_sent_is_not_stopped_by_the_clock() {
        let clock = clock();
        let leases = Leases::new(clock.clone());
        let id = ExecutionId::new(clock.as_ref());
        let lease = leases.hold(id, token(1), Duration::ZERO);
        lease.ran();
        assert!(leases.surely_hold(id, &token(1)));
        assert!(!leases.surely_hold(id, &token(2)));
        later(&clock, limits::LEASE);
        assert!(!leases.surely_hold(id, &token(1)));
        assert_eq!(leases.stop_stale(), 0);
        assert_eq!(lease.sign(), Sign::Run);
    }

    #[test]
    fn who_took_over_from_itself_keeps_only_the_younger_lease() {
        let clock = clock();
        let leases = Leases::new(clock.clone());
        let id = ExecutionId::new(clock.as_ref());
        let older = leases.hold(id, token(1), Duration::ZERO);
        let tokens = leases.tokens();
        let younger = leases.hold(id, token(2), Duration::ZERO);
        assert_eq!(older.sign(), Sign::Lost);
        // The answer to a renewal of the older one says nothing about the younger.
        let answer = Renewed {
            lost: vec![id],
            cancelled: Vec::new(),
        };
        assert_eq!(leases.renewed(&tokens, Duration::ZERO, &answer), 0);
        assert_eq!(younger.sign(), Sign::Run);
        drop(older);
        assert_eq!(leases.len(), 1);
        drop(younger);
        assert!(leases.is_empty());
    }

    #[test]
    fn signs_only_rise() {
        let clock = clock();
        let leases = Leases::new(clock.clone());
        let id = ExecutionId::new(clock.as_ref());
        let lease = leases.hold(id, token(1), Duration::ZERO);
        let tokens = leases.tokens();
        let lost = Renewed {
            lost: vec![id],
            cancelled: Vec::new(),
        };
        assert_eq!(leases.renewed(&tokens, Duration::ZERO, &lost), 1);
        leases.cancel(id);
        leases.stop_all();
        assert_eq!(lease.sign(), Sign::Lost);
    }

    #[tokio::test]
    async fn after_a_gap_an_outcome_waits_for_a_renewal_or_for_the_loss() {
        let clock = clock();
        let leases = Leases::new(clock.clone());
        let id = ExecutionId::new(clock.as_ref());
        let lease = leases.hold(id, token(1), Duration::ZERO);
        assert!(lease.fresh().await.is_ok());
        let now = later(&clock, limits::LEASE);
        let tokens = leases.tokens();
        let renewing = async {
            tokio::task::yield_now().await;
            leases.renewed(&tokens, now, &Renewed::default());
        };
        let (fresh, ()) = tokio::join!(lease.fresh(), renewing);
        assert!(fresh.is_ok());
        let now = later(&clock, limits::LEASE);
        let lost = Renewed {
            lost: vec![id],
            cancelled: Vec::new(),
        };
        let losing = async {
            tokio::task::yield_now().await;
            leases.renewed(&tokens, now, &lost);
        };
        let (fresh, ()) = tokio::join!(lease.fresh(), losing);
        assert!(fresh.is_err());
    }
}
