//! What was measured of one case: latencies, rate, CPU.

use std::time::Duration;

/// The calls of one slice of one case.
#[derive(Clone, Debug, Default)]
pub(super) struct Slice {
    /// One latency a call, in microseconds, unordered.
    pub(super) latencies_us: Vec<u64>,
    pub(super) elapsed: Duration,
    /// CPU time spent meanwhile, by the name of the process group.
    pub(super) cpu_us: Vec<(&'static str, u64)>,
    /// Page faults in the sandboxes meanwhile, where they were counted.
    pub(super) faults: Option<u64>,
}

/// One case over all rounds: each figure is the median of the rounds.
#[derive(Clone, Debug)]
pub(super) struct Figures {
    pub(super) calls: usize,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    pub(super) rate: f64,
    pub(super) cpu_us_per_call: Vec<(&'static str, f64)>,
    pub(super) faults_per_call: Option<f64>,
}

impl Figures {
    /// The medians over the rounds; `None` where no call was made.
    #[must_use]
    pub(super) fn of(slices: &[Slice]) -> Option<Self> {
        let rounds: Vec<&Slice> = slices
            .iter()
            .filter(|s| !s.latencies_us.is_empty())
            .collect();
        let first = rounds.first()?;
        let over = |figure: &dyn Fn(&Slice) -> f64| {
            median(rounds.iter().map(|slice| figure(slice)).collect())
        };
        let cpu_us_per_call = (0..first.cpu_us.len())
            .map(|at| {
                let figure = |s: &Slice| float(s.cpu_us.get(at).map_or(0, |cpu| cpu.1)) / calls(s);
                (first.cpu_us[at].0, over(&figure))
            })
            .collect();
        Some(Self {
            calls: rounds.iter().map(|slice| slice.latencies_us.len()).sum(),
            p50_us: over(&|s| percentile(&s.latencies_us, 50)),
            p99_us: over(&|s| percentile(&s.latencies_us, 99)),
            rate: over(&|s| calls(s) / s.elapsed.as_secs_f64()),
            cpu_us_per_call,
            faults_per_call: first
                .faults
                .map(|_| over(&|s| float(s.faults.unwrap_or(0)) / calls(s))),
        })
    }

    /// CPU of one process group per call; 0 where it wasn't counted.
    #[must_use]
    pub(super) fn cpu(&self, group: &str) -> f64 {
        self.cpu_us_per_call
            .iter()
            .find(|cpu| cpu.0 == group)
            .map_or(0.0, |cpu| cpu.1)
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures far below 2^52")]
fn float(n: u64) -> f64 {
    n as f64
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn calls(slice: &Slice) -> f64 {
    slice.latencies_us.len() as f64
}

/// The nearest-rank percentile of unordered values; 0 of none.
#[must_use]
pub(super) fn percentile(values: &[u64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().map_or(0.0, float)
}

/// The middle of the values, the mean of the two middle ones of an even number.
#[must_use]
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    match (values.len(), values.get(values.len() / 2)) {
        (_, None) => 0.0,
        (len, Some(upper)) if len % 2 == 0 => f64::midpoint(values[len / 2 - 1], *upper),
        (_, Some(middle)) => *middle,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let hundred: Vec<u64> = (1..=100).rev().collect();
        assert_eq!(percentile(&hundred, 50).to_string(), "50");
        assert_eq!(percentile(&hundred, 99).to_string(), "99");
        assert_eq!(percentile(&[7], 99).to_string(), "7");
        assert_eq!(percentile(&[], 50).to_string(), "0");
    }

    #[test]
    fn the_median_of_an_even_number_is_between_the_middle_two() {
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]).to_string(), "2.5");
        assert_eq!(median(vec![3.0, 1.0, 2.0]).to_string(), "2");
    }
}
