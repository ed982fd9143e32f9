//! Turns: how many executions may begin at once.
//!
//! A slot lets an execution be held, which may wait for anything for minutes; a turn lets
//! it begin. There are as many turns as cores, or a quarter of the slots where that is more,
//! and one is over when its execution ends or after [`TURN`], whichever is first. So short
//! executions run a few at a time, in sandboxes whose pages are still in the processor's
//! caches, rather than all at once and each slower; and who waits, waits for a few turns,
//! however long the others take.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use common::queue::StreamKind;
use tokio::sync::Semaphore;

use crate::config::SlotsConfig;

/// The longest turn: several times what a short execution takes, nothing to who waits.
const TURN: Duration = Duration::from_millis(5);

/// The turns of one process. What somebody waits for and what nobody waits for have
/// turns of their own.
#[derive(Clone, Debug)]
pub struct Turns {
    interactive: Arc<Semaphore>,
    background: Arc<Semaphore>,
}

impl Turns {
    #[must_use]
    pub fn new(cores: usize, slots: SlotsConfig) -> Self {
        let of = |slots: u32| {
            let quarter = usize::try_from(slots.div_ceil(4)).unwrap_or(1);
            Arc::new(Semaphore::new(cores.max(quarter).max(1)))
        };
        Self {
            interactive: of(slots.interactive),
            background: of(slots.background),
        }
    }

    /// Waits for a turn, then does it. If the future is dropped, so is what it does.
    pub async fn take<T>(&self, stream: StreamKind, begin: impl Future<Output = T>) -> T {
        let turn = self.of(stream).clone().acquire_owned().await;
        let over = async move {
            tokio::time::sleep(TURN).await;
            drop(turn);
            std::future::pending().await
        };
        tokio::select! {
            biased;
            done = begin => done,
            never = over => never,
        }
    }

    fn of(&self, stream: StreamKind) -> &Arc<Semaphore> {
        match stream {
            StreamKind::Background => &self.background,
            StreamKind::Interactive | StreamKind::LastStarts => &self.interactive,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::Instant;

    use super::*;

    fn of(cores: usize, slots: u32) -> Turns {
        let slots = SlotsConfig {
            interactive: slots,
            background: slots,
            last_starts: false,
        };
        Turns::new(cores, slots)
    }

    /// Time until there was a turn of `stream`, beside one of `other` that has no end.
    async fn beside_endless(other: StreamKind, stream: StreamKind) -> Duration {
        let turns = of(1, 4);
        let began = Instant::now();
        tokio::select! {
            biased;
            () = turns.take(other, pending()) => unreachable!("it has no end"),
            () = turns.take(stream, async {}) => {}
        }
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn one_more_than_there_are_turns_waits_until_a_turn_is_over() {
        let interactive = StreamKind::Interactive;
        assert_eq!(beside_endless(interactive, interactive).await, TURN);
    }

    #[test]
    fn there_is_a_turn_for_each_core_or_each_four_slots() {
        for (cores, slots, expected) in [(1, 1, 1), (1, 4, 1), (1, 5, 2), (2, 8, 2), (4, 8, 4)] {
            let turns = of(cores, slots);
            assert_eq!(turns.interactive.available_permits(), expected);
            assert_eq!(turns.background.available_permits(), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_is_over_with_what_it_was_for() {
        let turns = of(1, 4);
        let began = Instant::now();
        for _ in 0..3 {
            turns.take(StreamKind::Interactive, async {}).await;
        }
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_waits_for_takes_no_turn_of_the_others() {
        let waited = beside_endless(StreamKind::Background, StreamKind::Interactive).await;
        assert_eq!(waited, Duration::ZERO);
    }
}
