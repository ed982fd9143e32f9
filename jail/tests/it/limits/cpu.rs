//! The processor's share is a quota: past it an execution is slower, never wrong.

use std::time::Duration;

use jail::Limits;
use serde_json::json;

use super::Stand;
use crate::world::LIMITS;

/// The kernel hands a share out anew ten times a second, and the first is there at once.
const PERIOD: Duration = Duration::from_millis(100);

#[tokio::test]
async fn a_share_of_a_core_is_exact_however_many_processes_want_it() {
    let limits = Limits {
        cpu_percent: 20,
        ..LIMITS
    };
    let mut stand = Stand::new(program!("cpu"), limits).await;
    for processes in [1, 4] {
        let done = stand
            .passes(json!({"seconds": 0.2, "processes": processes}))
            .await;
        // A fifth: what was used took five times as long, less the period that it began in
        // and the one that it ended in.
        let least = done.cpu * 5 - 2 * PERIOD;
        assert!(
            done.duration >= least,
            "{:?} in {:?}",
            done.cpu,
            done.duration
        );
        assert!(done.cpu >= Duration::from_millis(200), "{:?}", done.cpu);
        assert!(done.reusable);
    }
    stand.stays_well(json!({"seconds": 0.0})).await;
}
