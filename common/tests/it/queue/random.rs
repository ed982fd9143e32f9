//! Thousands of steps in random order, each compared with the reference.
//!
//! Leases that are long lost are tried again and again: whatever a late worker
//! does, the answer is the reference's and nothing changes. Every few steps all
//! of Redis is compared: places, slots, backlogs in order, bytes, outcomes.

use std::collections::HashMap;
use std::time::Duration;

use common::execution::{FinalState, Lane};
use common::ids::{ExecutionId, FunctionId};
use common::queue::recovery::{self, Loss, OpenRow, Settled};
use common::queue::{
    self, Accepted, Alone, Cancelled, Finish, Finished, HandedBack, Leased, Owner, Promoted,
    StreamKind, Taken, Watched,
};

use super::given::{BOUNDS, Queue, Request, marked, owner};
use super::model::{Answer, BACKGROUND, BOUND, Execution, Model, Place, QUEUED, SLOTS};

const STEPS: usize = 1_200;

/// Chance that is the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(most).unwrap()).unwrap()
    }
}

struct Run {
    queue: Queue,
    model: Model,
    dice: Dice,
    owners: [[Owner; 2]; 2],
    ids: Vec<ExecutionId>,
    by_id: HashMap<ExecutionId, usize>,
    /// Every lease there was: execution, the reference's number, the token.
    leases: Vec<(usize, usize, Leased)>,
    generation: u64,
    /// Outcome of each final execution, as it must stay.
    outcomes: HashMap<usize, String>,
}

#[tokio::test]
async fn the_queue_does_what_the_reference_does_seed_1() {
    Run::new(0x9e37_79b9_7f4a_7c15).await.all().await;
}

#[tokio::test]
async fn the_queue_does_what_the_reference_does_seed_2() {
    Run::new(0xd1b5_4a32_d192_ed03).await.all().await;
}

#[tokio::test]
async fn the_queue_does_what_the_reference_does_seed_3() {
    Run::new(0x2545_f491_4f6c_dd1d).await.all().await;
}

impl Run {
    async fn new(seed: u64) -> Self {
        let owners = [(); 2].map(|()| {
            let first = owner();
            let second = Owner {
                function: FunctionId::new(&common::clock::SystemClock),
                ..first
            };
            [first, second]
        });
        Self {
            queue: Queue::fresh().await,
            model: Model::default(),
            dice: Dice(seed),
            owners,
            ids: Vec::new(),
            by_id: HashMap::new(),
            leases: Vec::new(),
            generation: 1,
            outcomes: HashMap::new(),
        }
    }

    async fn all(mut self) {
        for step in 0..STEPS {
            match self.dice.below(100) {
                0..30 => self.accept().await,
                30..50 => self.take().await,
                50..70 => self.finish().await,
                70..76 => self.hand_back().await,
                76..86 => self.reclaim().await,
                86..92 => self.cancel().await,
                92..98 => self.promote_due().await,
                98 => self.renew().await,
                _ => self.recover().await,
            }
            if step % 20 == 0 {
                self.compare(step).await;
            }
        }
        self.drain().await;
    }

    async fn accept(&mut self) {
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

    async fn take(&mut self) {
        let stream = StreamKind::ALL[self.dice.below(3)];
        let consumer = ["w1", "w2", "w3"][self.dice.below(3)];
        let taken = self.queue.take(stream, consumer, 1).await.pop();
        self.took(stream, taken);
    }

    fn took(&mut self, stream: StreamKind, taken: Option<Leased>) {
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
    fn any_lease(&mut self) -> Option<(usize, usize, Leased)> {
        let recent = self.leases.len().min(30);
        if recent == 0 {
            return None;
        }
        let back = self.dice.below(recent);
        Some(self.leases[self.leases.len() - 1 - back].clone())
    }

    async fn finish(&mut self) {
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

    async fn hand_back(&mut self) {
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
    async fn reclaim(&mut self) {
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
    async fn renew(&mut self) {
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

    async fn cancel(&mut self) {
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

    async fn promote_due(&mut self) {
        let ids: Vec<String> = self.queue.raw("ZRANGE %delay 0 15").await;
        let due: Vec<_> = ids
            .iter()
            .map(|id| self.by_id[&super::given::id(id)])
            .collect();
        let link = self.queue.link().await;
        let moved = queue::promote_due(&link, 1).await.unwrap();
        assert_eq!(moved, Promoted::Moved(u64::try_from(due.len()).unwrap()));
        self.model.promote_due(&due);
    }

    /// The partition is closed, settled from rows and opened again; every other
    /// time it had lost everything.
    async fn recover(&mut self) {
        self.generation += 1;
        let lost = self.generation.is_multiple_of(2);
        if lost {
            let keys: Vec<String> = self.queue.raw("KEYS %*").await;
            let _: u64 = self.queue.raw(&format!("DEL {}", keys.join(" "))).await;
        }
        let link = self.queue.begin(self.generation).await;
        recovery::groups(&link).await.unwrap();
        let open: Vec<_> = (0..self.ids.len())
            .filter(|at| self.model.all[*at].is_open())
            .collect();
        let rows: Vec<_> = open.iter().map(|at| self.row(*at)).collect();
        let settled = recovery::settle(&link, &rows).await.unwrap();
        for (at, settled) in open.iter().zip(settled) {
            let expected = match (lost, self.model.all[*at].asked) {
                (true, true) => Settled::Cancel,
                (true, false) => Settled::Enqueued,
                (false, _) => Settled::Present,
            };
            assert_eq!(settled, expected);
        }
        if lost {
            self.model.forget_all();
        }
        recovery::stranded(&link).await.unwrap();
        recovery::recount(&link, &[]).await.unwrap();
        assert_eq!(recovery::promote_backlogs(&link).await.unwrap(), 0);
        recovery::certify(&link, Loss::Possible).await.unwrap();
        self.queue.link().await.give_up();
    }

    fn row(&self, at: usize) -> OpenRow<'static> {
        let one = &self.model.all[at];
        OpenRow {
            id: self.ids[at],
            owner: self.owners[one.account][one.function],
            lane: one.lane,
            bounds: bounds(one.function),
            tried: one.tried,
            attempts: one.attempts,
            losses: one.losses,
            due: None,
            cancel_requested: one.asked,
            key: None,
            body: b"restored",
        }
    }

    /// All of Redis against all of the reference.
    async fn compare(&self, step: usize) {
        for account in 0..2 {
            let owner = &self.owners[account][0];
            let slots = (
                u64::try_from(self.model.holding(account).count()).unwrap(),
                u64::try_from(self.model.background(account)).unwrap(),
            );
            assert_eq!(self.queue.slots(owner).await, slots, "slots, step {step}");
            let key = owner.account.uuid().simple();
            let waiting: Vec<String> = self.queue.raw(&format!("ZRANGE %back:{key} 0 -1")).await;
            let expected: Vec<_> = self
                .model
                .backlog(account)
                .iter()
                .map(|at| self.ids[*at].uuid().simple().to_string())
                .collect();
            assert_eq!(waiting, expected, "backlog, step {step}");
        }
        let link = self.queue.link().await;
        for (at, one) in self.model.all.iter().enumerate() {
            let account = self.owners[one.account][0].account;
            let watched = queue::watch(&link, account, self.ids[at], None)
                .await
                .unwrap();
            let running = matches!(one.place, Place::Leased { .. });
            match (one.place, watched) {
                (Place::Final(..), Watched::Unknown) if one.gone => {}
                (Place::Final(state, _), Watched::Final { outcome, .. }) => {
                    assert_eq!(outcome, marked(state, &self.outcomes[&at]), "step {step}");
                }
                (_, Watched::Open { state, .. }) if one.is_open() => {
                    assert_eq!(state == common::execution::State::Running, running);
                }
                (place, watched) => panic!("{watched:?} where it is {place:?}, step {step}"),
            }
        }
    }

    /// Everything comes to an end, and nothing is left.
    async fn drain(mut self) {
        for _ in 0..10_000 {
            if self.model.all.iter().all(|one| !one.is_open()) {
                break;
            }
            self.promote_due().await;
            for stream in StreamKind::ALL {
                let taken = self.queue.take(stream, "w1", 1).await.pop();
                self.took(stream, taken);
            }
            let held: Vec<_> = self
                .leases
                .iter()
                .filter(|(at, lease, _)| self.model.held(*at, *lease).is_some())
                .cloned()
                .collect();
            for (at, lease, leased) in held {
                let answer = self.queue.finish(&leased, FinalState::Cancelled).await;
                let expected = self.model.finish(at, lease, FinalState::Cancelled, false);
                assert_eq!(finished(&answer), expected);
                self.outcomes.insert(at, String::new());
            }
        }
        self.compare(STEPS).await;
        for [owner, _] in &self.owners {
            self.queue.assert_empty(owner).await;
        }
    }
}

fn bounds(function: usize) -> queue::Bounds {
    queue::Bounds {
        concurrency: u32::try_from(SLOTS).unwrap(),
        background: u32::try_from(BACKGROUND).unwrap(),
        queued: u64::try_from(QUEUED).unwrap(),
        function_concurrency: BOUND[function],
        ..BOUNDS
    }
}

fn finished(answer: &Finished) -> Answer {
    match answer {
        Finished::Done { .. } => Answer::Done,
        Finished::Already { .. } => Answer::Already,
        Finished::Delayed { .. } => Answer::Delayed,
        Finished::Asked => Answer::Asked,
        Finished::Fenced => Answer::Fenced,
    }
}
