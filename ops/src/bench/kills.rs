//! Executions whose time is over while their processes spin.

use std::time::Instant;

use anyhow::{Context as _, Result};
use jail::floors;

use super::figures::Slice;
use super::load::micros;
use super::setting::Setting;

/// What is waited for, from the end of the time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// Its outcome is there: what its slot waits for besides is that it is recorded.
    Answered,
    /// The last process is gone.
    Gone,
}

impl Until {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Gone => "gone",
        }
    }
}

/// Each takes a second.
const KILLS: usize = 2;

pub(super) async fn kills(setting: &Setting, others: u32, until: Until) -> Result<Slice> {
    let began = Instant::now();
    let mut slice = Slice::default();
    for _ in 0..KILLS {
        let killed = floors::kill(&setting.host, others).await.context("kill")?;
        slice.latencies_us.push(micros(match until {
            Until::Answered => killed.answered,
            Until::Gone => killed.gone,
        }));
    }
    slice.elapsed = began.elapsed();
    Ok(slice)
}
