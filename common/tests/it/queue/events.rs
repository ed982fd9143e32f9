//! Events stay until they are recorded; outcomes begin to expire only then.

use std::time::Duration;

use common::execution::{FinalState, Lane};
use common::queue::{self, EventKind, Finish, Finished};

use super::given::{Queue, Request, key, outcome, owner};

#[tokio::test]
async fn an_outcome_expires_fifteen_minutes_after_it_was_recorded_and_not_before() {
    let queue = Queue::fresh().await;
    let link = queue.link().await;
    let request = Request::of(owner(), Lane::Interactive);
    let taken = request.leased(&queue, "w1").await;
    let Finished::Done { event, .. } = queue.finish(&taken, FinalState::Succeeded).await else {
        panic!("not done");
    };
    let hash = queue.partition.execution(taken.id);
    let before: i64 = queue.raw(&format!("TTL {hash}")).await;
    assert_eq!(before, -1);
    let recorded = [(event.clone(), taken.id)];
    assert_eq!(queue::forget(&link, &recorded).await.unwrap(), 1);
    let after: i64 = queue.raw(&format!("TTL {hash}")).await;
    assert!((890..=900).contains(&after), "{after}");
    assert_eq!(queue::forget(&link, &recorded).await.unwrap(), 0);
    let events: u64 = queue.raw("XLEN %ev").await;
    assert_eq!(events, 0);
}

#[tokio::test]
async fn a_sweep_gives_all_that_a_row_needs_and_takes_nothing() {
    let queue = Queue::fresh().await;
    let link = queue.link().await;
    let mut request = Request::of(owner(), Lane::Interactive);
    request.key = key(7, 8);
    let taken = request.leased(&queue, "w1").await;
    queue.finish(&taken, FinalState::TimedOut).await;
    for _ in 0..2 {
        let swept = queue::sweep(&link, Duration::ZERO, 10).await.unwrap();
        assert_eq!(swept.events.len(), 1);
        let event = &swept.events[0];
        assert_eq!((event.id, &event.body), (request.id, &taken.body));
        let expected = EventKind::Ended {
            outcome: outcome(FinalState::TimedOut),
            key: request.key,
        };
        assert_eq!(event.kind, expected);
    }
}

#[tokio::test]
async fn a_sweep_leaves_young_events_to_whoever_made_them() {
    let queue = Queue::fresh().await;
    let link = queue.link().await;
    let request = Request::of(owner(), Lane::Interactive);
    for _ in 0..3 {
        let taken = request.again().leased(&queue, "w1").await;
        queue.finish(&taken, FinalState::Succeeded).await;
    }
    let hour = Duration::from_secs(3_600);
    let swept = queue::sweep(&link, hour, 10).await.unwrap();
    assert_eq!(swept.events, []);
    let bounded = queue::sweep(&link, Duration::ZERO, 2).await.unwrap();
    assert_eq!(bounded.events.len(), 2);
}

#[tokio::test]
async fn recording_a_try_does_not_let_an_open_execution_expire() {
    let queue = Queue::fresh().await;
    let link = queue.link().await;
    let mut request = Request::of(owner(), Lane::Background);
    request.attempts = 2;
    let taken = request.leased(&queue, "w1").await;
    let failed = outcome(FinalState::Failed);
    let end = Finish {
        leased: &taken,
        outcome: &failed,
        retry: Some(Duration::from_secs(60)),
        next: None,
    };
    let (Finished::Delayed { event }, _) = queue::finish(&link, &end).await.unwrap() else {
        panic!("not delayed");
    };
    queue::forget(&link, &[(event, request.id)]).await.unwrap();
    let hash = queue.partition.execution(request.id);
    let expires: i64 = queue.raw(&format!("TTL {hash}")).await;
    assert_eq!(expires, -1);
}
