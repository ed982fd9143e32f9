//! All of Redis against all of the reference; and a recovery in between.

use common::execution::State;
use common::queue::recovery::{self, Loss, OpenRow, Settled};
use common::queue::{self, Watched};

use super::super::given::marked;
use super::super::model::Place;
use super::{Run, bounds};

impl Run {
    /// The partition is closed, settled from rows and opened again; every other
    /// time it had lost everything.
    pub(super) async fn recover(&mut self) {
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

    pub(super) fn row(&self, at: usize) -> OpenRow<'static> {
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
    pub(super) async fn compare(&self, step: usize) {
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
                    assert_eq!(state == State::Running, running);
                }
                (place, watched) => panic!("{watched:?} where it is {place:?}, step {step}"),
            }
        }
    }
}
