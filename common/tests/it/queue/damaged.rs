//! Entries and events that can't be understood are set aside, and work goes on.

use std::time::Duration;

use common::execution::{FinalState, Lane};
use common::queue::{self, Alone, Reader, StreamKind, Taken, Token};

use super::given::{Queue, Request, done, leased, outcome, owner};

/// Entries of every kind of damage there is.
async fn damage(queue: &Queue) -> u64 {
    let broken = [
        "x not-an-id d body",
        "x 0199f1a0000070008000000000000001",
        "d body",
        "nothing known",
    ];
    for fields in broken {
        let _: String = queue.raw(&format!("XADD %q:i * {fields}")).await;
    }
    4
}

#[tokio::test]
async fn a_reader_hands_out_what_it_cannot_understand_as_damaged() {
    let queue = Queue::fresh().await;
    let link = queue.link().await;
    let damaged = damage(&queue).await;
    let request = Request::of(owner(), Lane::Interactive);
    request.accepted(&queue).await;
    let mut reader = Reader::new(
        queue.client.clone(),
        &queue.partition,
        StreamKind::Interactive,
        "w1",
    );
    let mut aside = 0;
    for taken in reader.read(10).await.unwrap() {
        match taken {
            Taken::Damaged(token) => {
                assert!(queue::set_aside(&link, &token, None).await.unwrap());
                aside += 1;
            }
            Taken::Leased(leased) => {
                assert_eq!(leased.id, request.id);
                assert!(done(&queue.finish(&leased, FinalState::Succeeded).await));
            }
        }
    }
    assert_eq!(aside, damaged);
    let kept: u64 = queue.raw("XLEN %damaged").await;
    assert_eq!(kept, damaged);
    let expires: i64 = queue.raw("TTL %damaged").await;
    assert!(expires > 0, "it may hold sealed inputs, so it has an end");
    queue.assert_empty(&request.owner).await;
}

#[tokio::test]
async fn a_damaged_next_entry_comes_as_such() {
    let queue = Queue::fresh().await;
    let link = queue.link().await;
    let request = Request::of(owner(), Lane::Interactive);
    let first = request.leased(&queue, "w1").await;
    let _: String = queue.raw("XADD %q:i * d body").await;
    request.again().accepted(&queue).await;
    let outcome = outcome(FinalState::Succeeded);
    let end = |leased| queue::Finish {
        leased,
        outcome: &outcome,
        retry: None,
        next: Some(StreamKind::Interactive),
    };
    let (_, next) = queue::finish(&link, &end(&first)).await.unwrap();
    let Some(Taken::Damaged(token)) = next else {
        panic!("{next:?}");
    };
    assert!(queue::set_aside(&link, &token, None).await.unwrap());
    let after = leased(Some(Taken::Leased(
        queue.take_one(StreamKind::Interactive, "w1").await,
    )));
    queue::finish(&link, &end(&after)).await.unwrap();
    queue.assert_empty(&request.owner).await;
}

#[tokio::test]
async fn a_lost_lease_of_a_damaged_entry_is_taken_over_as_damaged() {
    let queue = Queue::fresh().await;
    let link = queue.link().await;
    let count = damage(&queue).await;
    let dead: redis::Value = queue
        .raw("XREADGROUP GROUP w w1 COUNT 10 STREAMS %q:i >")
        .await;
    assert_ne!(dead, redis::Value::Nil);
    let pending: Vec<(String, String, u64, u64)> = queue.raw("XPENDING %q:i w - + 10").await;
    for (entry, consumer, _, count) in pending {
        let token = Token {
            stream: StreamKind::Interactive,
            entry,
            consumer,
            count,
        };
        queue.run_out(&token).await;
    }
    let (none, damaged) = queue::reclaim(&link, "w2", 16, Alone::No).await.unwrap();
    assert_eq!(none, []);
    assert_eq!(u64::try_from(damaged.len()).unwrap(), count);
    for token in damaged {
        assert!(queue::set_aside(&link, &token, None).await.unwrap());
    }
    assert_eq!(queue.entries(StreamKind::Interactive).await, 0);
}

#[tokio::test]
async fn one_whose_id_can_be_read_is_looked_at_later_and_ended_now() {
    let queue = Queue::fresh().await;
    let request = Request::of(owner(), Lane::Background);
    let taken = request.leased(&queue, "w1").await;
    let link = queue.link().await;
    assert!(
        queue::set_aside(&link, &taken.token, Some(taken.id))
            .await
            .unwrap()
    );
    let kept: Vec<redis::Value> = queue.raw("XRANGE %damaged - +").await;
    assert_eq!(kept.len(), 1);
    assert!(done(&queue.finish(&taken, FinalState::Failed).await));
    queue.assert_empty(&request.owner).await;
}

#[tokio::test]
async fn a_lease_whose_execution_is_gone_is_dropped() {
    let queue = Queue::fresh().await;
    let request = Request::of(owner(), Lane::Interactive);
    let taken = request.leased(&queue, "w1").await;
    let hash = queue.partition.execution(taken.id);
    let _: u64 = queue.raw(&format!("DEL {hash}")).await;
    assert_eq!(queue.lose(&taken.token, "w2", Alone::No).await, []);
    assert_eq!(queue.entries(StreamKind::Interactive).await, 0);
}

#[tokio::test]
async fn damaged_events_do_not_stop_the_others() {
    let queue = Queue::fresh().await;
    let link = queue.link().await;
    let _: String = queue.raw("XADD %ev * k f x nobody d body").await;
    let _: String = queue.raw("XADD %ev * nothing known").await;
    let request = Request::of(owner(), Lane::Interactive);
    let taken = request.leased(&queue, "w1").await;
    queue.finish(&taken, FinalState::Succeeded).await;
    let _: String = queue
        .raw("XADD %ev * k t x 0199f1a0000070008000000000000001")
        .await;
    let swept = queue::sweep(&link, Duration::ZERO, 100).await.unwrap();
    assert_eq!(swept.damaged, 3);
    assert_eq!(swept.events.len(), 1);
    assert_eq!(swept.events[0].id, request.id);
    let left: u64 = queue.raw("XLEN %ev").await;
    assert_eq!(left, 1);
}
