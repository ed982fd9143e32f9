//! Promoting what is due, and removing consumers.

use std::time::Duration;

use common::execution::{FinalState, Lane};
use common::queue::{self, Dropped, Finish, Promoted, StreamKind};

use super::given::{Queue, Request, done, outcome, owner};

async fn delay(queue: &Queue, request: &Request, by: Duration) {
    let taken = request.leased(queue, "w1").await;
    let failed = outcome(FinalState::Failed);
    let end = Finish {
        leased: &taken,
        outcome: &failed,
        retry: Some(by),
        next: None,
    };
    queue::finish(&queue.link().await, &end).await.unwrap();
}

#[tokio::test]
async fn only_what_is_due_moves_and_only_sixteen_at_once() {
    let queue = Queue::fresh().await;
    let link = queue.link().await;
    let mut request = Request::of(owner(), Lane::Background);
    request.attempts = 2;
    for _ in 0..17 {
        delay(&queue, &request.again(), Duration::ZERO).await;
    }
    delay(&queue, &request, Duration::from_secs(3_600)).await;
    for moved in [16, 1, 0] {
        let promoted = queue::promote_due(&link, 1).await.unwrap();
        assert_eq!(promoted, Promoted::Moved(moved));
    }
    // Three of them found a slot, the others a place in the backlog.
    assert_eq!(queue.slots(&request.owner).await, (3, 3));
    assert_eq!(queue.backlog(&request.owner).await, 14);
    let mut ended = 0;
    while let Some(taken) = queue.take(StreamKind::Background, "w1", 1).await.pop() {
        assert!(done(&queue.finish(&taken, FinalState::Succeeded).await));
        ended += 1;
    }
    assert_eq!(ended, 17);
}

#[tokio::test]
async fn a_leader_that_was_overtaken_moves_nothing() {
    let queue = Queue::fresh().await;
    let link = queue.link().await;
    queue::promote_due(&link, 5).await.unwrap();
    let late = queue::promote_due(&link, 4).await.unwrap();
    assert_eq!(late, Promoted::Outranked);
    let same = queue::promote_due(&link, 5).await.unwrap();
    assert_eq!(same, Promoted::Moved(0));
}

#[tokio::test]
async fn a_consumer_with_leases_is_not_removed() {
    let queue = Queue::fresh().await;
    let link = queue.link().await;
    let taken = Request::of(owner(), Lane::Background)
        .leased(&queue, "w1")
        .await;
    let busy = queue::drop_consumer(&link, "w1").await.unwrap();
    assert_eq!(busy, Dropped::Busy);
    assert!(done(&queue.finish(&taken, FinalState::Succeeded).await));
    let dropped = queue::drop_consumer(&link, "w1").await.unwrap();
    assert_eq!(dropped, Dropped::Done);
    let left: Vec<redis::Value> = queue.raw("XINFO CONSUMERS %q:b w").await;
    assert_eq!(left, []);
    let unknown = queue::drop_consumer(&link, "nobody").await.unwrap();
    assert_eq!(unknown, Dropped::Done);
}
