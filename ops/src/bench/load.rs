//! Closed-loop load: so many callers, each with its next call as soon as the last was answered.

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::task::JoinSet;

use super::figures::Slice;

/// One caller: makes one call and checks its answer.
pub(super) trait Caller: Send + 'static {
    /// `n` is different in each call, so that no answer can be a remembered one.
    fn call(&mut self, n: u64) -> impl Future<Output = Result<()>> + Send;
}

/// Runs the callers side by side for `span`; they are given back for the next slice.
///
/// CPU and faults of the slice are the caller's to add.
pub(super) async fn closed_loop<C: Caller>(
    callers: Vec<C>,
    span: Duration,
) -> Result<(Vec<C>, Slice)> {
    let began = Instant::now();
    let mut running = JoinSet::new();
    for (at, mut caller) in callers.into_iter().enumerate() {
        running.spawn(async move {
            let mut latencies = Vec::with_capacity(4_096);
            let mut n = u64::try_from(at).unwrap_or(0) << 32;
            while began.elapsed() < span {
                n += 1;
                let asked = Instant::now();
                caller.call(n).await?;
                latencies.push(micros(asked.elapsed()));
            }
            anyhow::Ok((caller, latencies))
        });
    }
    let mut slice = Slice::default();
    let mut callers = Vec::new();
    while let Some(ended) = running.join_next().await {
        let (caller, latencies) = ended??;
        callers.push(caller);
        slice.latencies_us.extend(latencies);
    }
    slice.elapsed = began.elapsed();
    Ok((callers, slice))
}

/// Whole microseconds of a span.
#[must_use]
pub(super) fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
