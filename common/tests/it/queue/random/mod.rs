//! Thousands of steps in random order, each compared with the reference.
//!
//! Leases that are long lost are tried again and again: whatever a late worker
//! does, the answer is the reference's and nothing changes. Every few steps all
//! of Redis is compared: places, slots, backlogs in order, bytes, outcomes.

mod compare;
mod steps;

use std::collections::HashMap;

use common::execution::FinalState;
use common::ids::{ExecutionId, FunctionId};
use common::queue::{self, Leased, Owner, StreamKind};

use self::steps::finished;
use super::given::{BOUNDS, Queue, owner};
use super::model::{BACKGROUND, BOUND, Model, QUEUED, SLOTS};

const STEPS: usize = 800;

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
            if step % 40 == 0 {
                self.compare(step).await;
            }
        }
        self.drain().await;
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
