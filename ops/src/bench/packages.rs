//! Functions with packages: spaced calls, first calls, and what a layer adds to binding.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use jail::{Code, Limits};
use serde_json::{Value, json};

use super::figures::Slice;
use super::load::{Caller, micros};
use super::patchbay::{self, PLUS_ONE, Sync, Target};
use super::setting::Setting;

/// What a function imports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Imports {
    Nothing,
    Pandas,
}

impl Imports {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing imported",
            Self::Pandas => "pandas imported",
        }
    }

    /// What is published; `k` makes it a version of its own.
    fn body(self, k: u64) -> Value {
        let code = format!("K = {k}\ndef main(n: int) -> int:\n    return n + K\n");
        match self {
            Self::Nothing => json!({"code": code}),
            Self::Pandas => json!({
                "code": format!("import pandas\n{code}"),
                "requirements": ["pandas"],
            }),
        }
    }
}

/// The function that imports pandas, and does no more than the other.
pub(super) const FUNCTION: &str = "plus_one_pandas";
/// Between two spaced calls.
const SPACE: Duration = Duration::from_millis(100);
const BINDS: usize = 20;

pub(super) async fn publish(target: &Target) -> Result<()> {
    target.publish(FUNCTION, Imports::Pandas.body(1)).await
}

/// One caller who takes a rest after each call.
pub(super) async fn spaced(
    setting: &Setting,
    imports: Imports,
    span: Duration,
    round: u64,
) -> Result<Slice> {
    let function = match imports {
        Imports::Nothing => PLUS_ONE,
        Imports::Pandas => {
            publish(&setting.target).await?;
            FUNCTION
        }
    };
    let mut caller = Sync::connect(&setting.target, function, round).await?;
    caller.call(0).await?;
    let began = Instant::now();
    let mut slice = Slice::default();
    while began.elapsed() < span {
        tokio::time::sleep(SPACE).await;
        let asked = Instant::now();
        caller
            .call(u64::try_from(slice.latencies_us.len())? + 1)
            .await?;
        slice.latencies_us.push(micros(asked.elapsed()));
    }
    slice.elapsed = began.elapsed();
    Ok(slice)
}

/// First calls of versions nobody has run; their layer is there.
pub(super) async fn first_calls(setting: &Setting, imports: Imports, round: u64) -> Result<Slice> {
    let (many, name) = match imports {
        Imports::Nothing => (10, "first"),
        Imports::Pandas => (2, "first_pandas"),
    };
    let began = Instant::now();
    let mut slice = Slice::default();
    for at in 0..many {
        let k = round * many + at + 1;
        let named = format!("{name}_{k}");
        let took = patchbay::first_call(&setting.target, (&named, k), imports.body(k)).await?;
        slice.latencies_us.push(micros(took));
    }
    slice.elapsed = began.elapsed();
    Ok(slice)
}

/// Sandboxes that are ready become a version's own.
pub(super) async fn binds(setting: &Setting, layer: bool) -> Result<Slice> {
    const MIB: u64 = 1 << 20;
    let limits = Limits {
        memory_bytes: 128 * MIB,
        cpu_percent: 100,
        cpu_weight: 100,
        pids: 16,
        scratch_bytes: 16 * MIB,
        scratch_inodes: 1_024,
    };
    let directory = setting.home.join("bench/layer");
    std::fs::create_dir_all(&directory)?;
    std::fs::write(directory.join("in_layer.py"), "x = 1\n")?;
    let mounted = setting.host.layer(&directory).await?;
    let code = Code::single("def main(n: int) -> int:\n    return n + 1\n");
    let began = Instant::now();
    let mut slice = Slice::default();
    for _ in 0..BINDS {
        let generic = setting.host.boot().await?;
        let generic = generic.with(layer.then(|| mounted.clone()));
        let asked = Instant::now();
        let bound = generic
            .bind(&code, &limits, Duration::from_secs(10))
            .await?;
        slice.latencies_us.push(micros(asked.elapsed()));
        bound.sandbox.map_err(|failure| anyhow!("{failure:?}"))?;
    }
    slice.elapsed = began.elapsed();
    ensure!(!slice.latencies_us.is_empty());
    Ok(slice)
}
