//! Wall time, whatever the code does with it.

use std::time::Duration;

use jail::{FailureCode, Limits};
use serde_json::json;

use super::{Stand, tells};
use crate::traces::{groups_of_all, living_in};
use crate::world::{LIMITS, request};

const LIMIT: Duration = Duration::from_secs(3);

#[tokio::test]
async fn time_is_over_when_the_plan_says_so_and_what_was_printed_is_told() {
    let limits = Limits { pids: 64, ..LIMITS };
    for (how, others) in [("asleep", 0), ("busy", 0), ("busy", 8)] {
        let mut stand = Stand::new(program!("time"), limits).await;
        let spend = |seconds: f64| json!({"how": how, "seconds": seconds, "others": others});
        let within = spend(0.5).to_string();
        let mut asked = request(&within);
        asked.timeout = LIMIT;
        assert!(stand.runs(asked.clone()).await.result.is_ok());
        let beyond = spend(600.0).to_string();
        let mut endless = request(&beyond);
        endless.timeout = LIMIT;
        let done = stand.runs(endless).await;
        tells(&done, FailureCode::Timeout, "longer than 3000 ms");
        assert!(
            done.stdout.starts_with("before\n"),
            "{how}: {}",
            done.stdout
        );
        assert!(done.duration >= LIMIT && !done.reusable);
        assert!(stand.runs(asked).await.result.is_ok());
        stand.stays_well(spend(0.0)).await;
    }
}

/// Sixty processes take a while to die, for which nobody waits: while the answer is given
/// some of them are on their way out.
#[tokio::test]
async fn the_answer_does_not_wait_until_all_of_it_is_dead() {
    let limits = Limits {
        pids: 64,
        memory_bytes: 256 << 20,
        ..LIMITS
    };
    let mut stand = Stand::new(program!("time"), limits).await;
    let input = json!({"how": "busy", "seconds": 600.0, "others": 60}).to_string();
    // Whoever looks may be held up for as long as they take to die: once is enough to see.
    let mut most = 0;
    for _ in 0..5 {
        let mut endless = request(&input);
        endless.timeout = LIMIT;
        stand.sandbox().await;
        let groups = groups_of_all(&stand.world);
        let done = stand.runs(endless).await;
        let living = groups.iter().map(|group| living_in(group)).max();
        tells(&done, FailureCode::Timeout, "longer than 3000 ms");
        most = most.max(living.unwrap());
        if most > 2 {
            break;
        }
    }
    // More than nsjail and the first process, which end last.
    assert!(most > 2, "{most}");
    stand
        .stays_well(json!({"how": "busy", "seconds": 0.0}))
        .await;
}
