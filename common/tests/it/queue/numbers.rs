//! Many executions through the queue, and nothing left of them.

use std::collections::HashSet;
use std::time::Duration;

use common::execution::{FinalState, Lane};
use common::queue::{self, Accepted, Finish, Finished, StreamKind, Taken};

use super::given::{Queue, Request, outcome, owner};

#[tokio::test]
async fn after_three_thousand_executions_every_counter_is_zero() {
    let queue = Queue::fresh().await;
    let link = queue.link().await;
    let owners = [owner(), owner(), owner()];
    let mut accepted = HashSet::new();
    let mut ended = HashSet::new();
    let mut turn = 0;
    for _ in 0..10_000 {
        if ended.len() == 3_000 {
            break;
        }
        for owner in owners.iter().cycle().take(24) {
            turn += 1;
            let lane = [Lane::Interactive, Lane::Background][usize::from(turn % 4 > 0)];
            let request = Request::of(*owner, lane);
            if accepted.len() < 3_000 && request.send(&link).await == Accepted::New {
                accepted.insert(request.id);
            }
        }
        for stream in [StreamKind::Interactive, StreamKind::Background] {
            let mut running = queue.take(stream, "w1", 2).await;
            while let Some(leased) = running.pop() {
                let outcome = outcome(FinalState::Succeeded);
                let end = Finish {
                    leased: &leased,
                    outcome: &outcome,
                    retry: None,
                    next: Some(stream),
                };
                let (finished, next) = queue::finish(&link, &end).await.unwrap();
                assert!(matches!(finished, Finished::Done { .. }));
                assert!(ended.insert(leased.id), "ended twice");
                if let Some(Taken::Leased(next)) = next {
                    running.push(next);
                }
            }
        }
    }
    assert_eq!(ended, accepted);
    for owner in &owners {
        queue.assert_empty(owner).await;
    }
    let mut recorded = 0;
    loop {
        let swept = queue::sweep(&link, Duration::ZERO, 500).await.unwrap();
        if swept.events.is_empty() {
            break;
        }
        let all: Vec<_> = swept
            .events
            .iter()
            .map(|event| (event.event.clone(), event.id))
            .collect();
        recorded += queue::forget(&link, &all).await.unwrap();
    }
    assert_eq!(recorded, 3_000);
    // What is left: outcomes that expire, the quotas, and the streams themselves.
    let keys: Vec<String> = queue.raw("KEYS %*").await;
    let kept = keys.iter().filter(|key| key.contains(":x:")).count();
    assert_eq!(kept, 3_000);
    let others: Vec<_> = keys
        .iter()
        .filter(|key| !key.contains(":x:") && !key.contains(":quota:"))
        .map(|key| key.rsplit("}:").next().unwrap())
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect();
    assert_eq!(
        others,
        ["bytes", "ev", "gen", "q:b", "q:i", "q:l", "seq", "term"]
    );
}
