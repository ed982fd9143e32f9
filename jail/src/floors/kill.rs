//! What killing costs: an execution whose time is over while processes of its spin.

use std::time::{Duration, Instant};

use crate::environment::Environment;
use crate::host::Host;
use crate::limits::Limits;
use crate::outcome::FailureCode;
use crate::sandbox::{Code, Context, Request};

use super::{FloorError, PATIENCE};

/// The word comes once all of them are there.
const SPIN: &str = "
import os
def main(others):
    for _ in range(others):
        if os.fork() == 0:
            while True: pass
    os.write(1, b'spinning')
    while True: pass
";

/// From the end of its time.
#[derive(Clone, Copy, Debug)]
pub struct Killed {
    /// It has its outcome.
    pub answered: Duration,
    /// Its last process is gone.
    pub gone: Duration,
}

/// Runs one that has so many processes besides its first, all of them busy, past its time.
///
/// # Errors
/// Where that did not end in a time-out of all of them.
pub async fn kill(host: &Host, others: u32) -> Result<Killed, FloorError> {
    const MIB: u64 = 1 << 20;
    let limits = Limits {
        memory_bytes: 256 * MIB,
        cpu_percent: 200,
        cpu_weight: 100,
        pids: others.max(1),
        scratch_bytes: 16 * MIB,
        scratch_inodes: 1_024,
    };
    let code = Code::single(SPIN);
    let bound = host.boot().await?.bind(&code, &limits, PATIENCE).await?;
    let mut sandbox = bound.sandbox.map_err(|_| FloorError::Wrong(bound.log))?;
    let input = format!("{{\"others\":{others}}}");
    let timeout = Duration::from_millis(500) + Duration::from_millis(10) * others;
    let request = Request {
        input: input.as_bytes(),
        context: Context::default(),
        timeout,
        output_bytes: 1_024,
        tap: None,
        environment: Environment::default(),
    };
    // The fork ahead is none of its time.
    sandbox.settle().await;
    let begun = Instant::now();
    let done = sandbox.run(request).await?;
    let answered = begun.elapsed().saturating_sub(timeout);
    let timed_out = matches!(&done.result, Err(failure) if failure.code == FailureCode::Timeout);
    if !timed_out || done.stdout != "spinning" {
        return Err(FloorError::Wrong(format!(
            "{:?}: {}",
            done.result, done.stdout
        )));
    }
    // The kernel lets the first process go when all others of its namespace are gone.
    drop(sandbox.jail.first.readable().await?);
    let gone = begun.elapsed().saturating_sub(timeout);
    Ok(Killed { answered, gone })
}
