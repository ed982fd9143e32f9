//! One step each, tried on Redis and on the reference.

use std::time::Duration;

use common::execution::{FinalState, Lane};
use common::queue::{
    self, Accepted, Alone, Cancelled, Finish, Finished, HandedBack, Leased, Promoted, StreamKind,
    Taken,
};

use super::super::given::{self, Request, marked};
use super::super::model::{Answer, Execution, Place};
use super::{Run, bounds};

impl Run {
    pub(super) async fn accept(&mut self) {
        let (account, function) = (self.dice.below(2), self.dice.below(2));
        let lane = [Lane::Interactive, Lane::Background][self.dice.below(2)];
        let attempts = [1, 3][self.dice.below(2)];
        let mut request = Request::of(self.owners[account][function], lane);
        request.attempts = attempts;
        request.bounds = bounds(function);
        request.body = vec![b'x'; self.dice.below(50)];
        let answer = request.send(&self.queue.link().await).await;
        let execution = Execution::new(account, function, lane, attempts);
        let expected = match self.model.accept(execution) {
            None => Accepted::New,
            Some("full") => Accepted::Full,
            Some(_) => Accepted::NoSlot,
        };
        assert_eq!(answer, expected);
        if answer == Accepted::New {
            self.by_id.insert(request.id, self.ids.len());
            self.ids.push(request.id);
        }
    }

    pub(super) async fn take(&mut self) {
        let stream = StreamKind::ALL[self.dice.below(3)];
        let consumer = ["w1", "w2", "w3"][self.dice.below(3)];
        let taken = self.queue.take(stream, consumer, 1).await.pop();
        self.took(stream, taken);
    }

    pub(super) fn took(&mut self, stream: StreamKind, taken: Option<Leased>) {
        let expected = self.model.take(stream);
        assert_eq!(
            taken.as_ref().map(|leased| leased.id),
            expected.map(|(at, _)| self.ids[at])
        );
        if let (Some(leased), Some((at, lease))) = (taken, expected) {
            self.leases.push((at, lease, leased));
        }
    }

    /// A recent lease, which may be lost long since.
    pub(super) fn any_lease(&mut self) -> Option<(usize, usize, Leased)> {
        let recent = self.leases.len().min(30);
        if recent == 0 {
            return None;
        }
        let back = self.dice.below(recent);
        Some(self.leases[self.leases.len() - 1 - back].clone())
    }

    pub(super) async fn finish(&mut self) {
        let Some((at, lease, leased)) = self.any_lease() else {
            return;
        };
        let state = [
            FinalState::Succeeded,
            FinalState::Failed,
            FinalState::TimedOut,
            FinalState::Cancelled,
        ][self.dice.below(4)];
        let mark = format!("{lease}");
        let retry = (self.dice.below(2) == 0).then_some(Duration::ZERO);
        let next = [
            None,
            Some(StreamKind::Interactive),
            Some(StreamKind::Background),
        ][self.dice.below(3)];
        let outcome = marked(state, &mark);
        let end = Finish {
            leased: &leased,
            outcome: &outcome,
            retry,
            next,
        };
        let (answer, taken) = queue::finish(&self.queue.link().await, &end).await.unwrap();
        let expected = self.model.finish(at, lease, state, retry.is_some());
        assert_eq!(finished(&answer), expected, "{:?}", self.model.all[at]);
        if expected == Answer::Done {
            let before = self.outcomes.insert(at, mark);
            assert_eq!(before, None, "it ended twice");
        }
        if let Some(stream) = next
            && matches!(expected, Answer::Done | Answer::Delayed)
        {
            let taken = taken.map(|taken| match taken {
                Taken::Leased(leased) => leased,
                Taken::Damaged(token) => panic!("{token:?}"),
            });
            self.took(stream, taken);
        } else {
            assert_eq!(taken, None);
        }
    }

    pub(super) async fn hand_back(&mut self) {
        let Some((at, lease, leased)) = self.any_lease() else {
            return;
        };
        let link = self.queue.link().await;
        let answer = match queue::hand_back(&link, &leased).await.unwrap() {
            HandedBack::Done => Answer::Done,
            HandedBack::Asked => Answer::Asked,
            HandedBack::Fenced => Answer::Fenced,
        };
        assert_eq!(answer, self.model.hand_back(at, lease));
    }

    /// One lease more runs out; somebody takes over what may be taken.
    pub(super) async fn reclaim(&mut self) {
        self.renew().await;
        if let Some((at, lease, leased)) = self.any_lease()
            && self.model.held(at, lease).is_some()
        {
            self.queue.run_out(&leased.token).await;
            self.model.run_out(at, lease);
        }
        let (alone, flag) = [(Alone::Yes, true), (Alone::No, false)][self.dice.below(2)];
        let link = self.queue.link().await;
        let (reclaimed, damaged) = queue::reclaim(&link, "r", 16, alone).await.unwrap();
        assert_eq!(damaged, []);
        let expected = self.model.reclaim(flag);
        let short = |(at, _, verdict): &(usize, usize, _)| (self.ids[*at], *verdict);
        assert_eq!(
            reclaimed
                .iter()
                .map(|one| (one.leased.id, one.verdict))
                .collect::<Vec<_>>(),
            expected.iter().map(short).collect::<Vec<_>>()
        );
        for (one, (at, lease, _)) in reclaimed.into_iter().zip(expected) {
            self.leases.push((at, lease, one.leased));
        }
    }

    /// All leases are renewed but those that ran out; lost ones are named.
    pub(super) async fn renew(&mut self) {
        let kept: Vec<_> = self
            .leases
            .iter()
            .filter(|(at, lease, _)| match self.model.all[*at].place {
                Place::Leased {
                    lease: now,
                    ran_out,
                    ..
                } => now == *lease && !ran_out,
                _ => false,
            })
            .collect();
        let lost = self
            .leases
            .iter()
            .rev()
            .find(|(at, lease, _)| self.model.held(*at, *lease).is_none());
        let tokens: Vec<_> = kept
            .iter()
            .copied()
            .chain(lost)
            .map(|(_, _, leased)| (leased.id, leased.token.clone()))
            .collect();
        let link = self.queue.link().await;
        let renewed = queue::renew(&link, &tokens).await.unwrap();
        let expected: Vec<_> = lost.iter().map(|(_, _, leased)| leased.id).collect();
        assert_eq!(renewed.lost, expected);
        let asked: Vec<_> = kept
            .iter()
            .filter(|(at, _, _)| self.model.all[*at].asked)
            .map(|(_, _, leased)| leased.id)
            .collect();
        assert_eq!(renewed.cancelled, asked);
    }

    pub(super) async fn cancel(&mut self) {
        if self.ids.is_empty() {
            return;
        }
        let recent = self.ids.len().min(20);
        let at = self.ids.len() - 1 - self.dice.below(recent);
        let account = self.owners[self.model.all[at].account][0].account;
        let outcome = marked(FinalState::Cancelled, "cancel");
        let link = self.queue.link().await;
        let answer = queue::cancel(&link, account, self.ids[at], &outcome)
            .await
            .unwrap();
        if self.model.all[at].gone {
            assert_eq!(answer, Cancelled::Unknown);
            return;
        }
        match (self.model.cancel(at), answer) {
            (Some(state), Cancelled::Late(late)) => {
                assert_eq!(late, marked(state, &self.outcomes[&at]));
            }
            (None, Cancelled::Asked { .. }) => assert!(self.model.all[at].is_open()),
            (None, Cancelled::Done { .. }) => {
                assert!(!self.model.all[at].is_open());
                self.outcomes.insert(at, "cancel".to_owned());
            }
            (expected, answer) => panic!("{answer:?} where it was {expected:?}"),
        }
    }

    pub(super) async fn promote_due(&mut self) {
        let ids: Vec<String> = self.queue.raw("ZRANGE %delay 0 15").await;
        let due: Vec<_> = ids.iter().map(|id| self.by_id[&given::id(id)]).collect();
        let link = self.queue.link().await;
        let moved = queue::promote_due(&link, 1).await.unwrap();
        assert_eq!(moved, Promoted::Moved(u64::try_from(due.len()).unwrap()));
        self.model.promote_due(&due);
    }
}

pub(super) fn finished(answer: &Finished) -> Answer {
    match answer {
        Finished::Done { .. } => Answer::Done,
        Finished::Already { .. } => Answer::Already,
        Finished::Delayed { .. } => Answer::Delayed,
        Finished::Asked => Answer::Asked,
        Finished::Fenced => Answer::Fenced,
    }
}
