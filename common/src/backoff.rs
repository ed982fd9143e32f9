//! Waiting longer after each failure, with jitter so that many don't retry in step.

use std::time::Duration;

/// Delays that double from `first` up to `most`, each drawn from its upper half.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    next: Duration,
}

impl Backoff {
    #[must_use]
    pub const fn new(first: Duration, most: Duration) -> Self {
        Self {
            first,
            most,
            next: first,
        }
    }

    /// The next delay: between half and all of the present step.
    pub fn delay(&mut self) -> Duration {
        let step = self.next;
        self.next = (step * 2).min(self.most);
        jittered(step)
    }

    /// Starts over after a success.
    pub const fn reset(&mut self) {
        self.next = self.first;
    }
}

/// Something between half of `span` and all of it.
#[must_use]
pub fn jittered(span: Duration) -> Duration {
    let mut byte = [0_u8; 1];
    // Without randomness the full span is right, only less spread.
    let share = getrandom::fill(&mut byte).map_or(255, |()| byte[0]);
    span / 2 + span.mul_f64(f64::from(share) / 510.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_bound_and_start_over() {
        let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(40));
        for step in [10, 20, 40, 40] {
            let delay = backoff.delay();
            let step = Duration::from_millis(step);
            assert!(delay >= step / 2 && delay <= step, "{delay:?} of {step:?}");
        }
        backoff.reset();
        assert!(backoff.delay() <= Duration::from_millis(10));
    }
}
