//! What waits without a slot: in order, within bounds, in nobody's way.

use common::execution::{FinalState, Lane};
use common::ids::{ExecutionId, FunctionId};
use common::queue::{Accepted, Leased, Owner, StreamKind};

use super::given::{Queue, Request, done, owner};

/// One background slot, taken by the first.
async fn full(queue: &Queue) -> (Request, Leased) {
    let mut request = Request::of(owner(), Lane::Background);
    request.bounds.background = 1;
    let running = request.leased(queue, "w1").await;
    (request, running)
}

async fn finish_and_take(queue: &Queue, leased: &Leased) -> Option<Leased> {
    assert!(done(&queue.finish(leased, FinalState::Succeeded).await));
    queue.take(StreamKind::Background, "w1", 1).await.pop()
}

#[tokio::test]
async fn the_backlog_is_served_in_the_order_it_came() {
    let queue = Queue::fresh().await;
    let (request, mut running) = full(&queue).await;
    let mut waiting = Vec::new();
    for _ in 0..40 {
        waiting.push(request.again().accepted(&queue).await);
    }
    let mut served = Vec::new();
    while let Some(next) = finish_and_take(&queue, &running).await {
        served.push(next.id);
        running = next;
    }
    assert_eq!(served, waiting);
    queue.assert_empty(&request.owner).await;
}

#[tokio::test]
async fn a_flood_in_one_backlog_delays_nobody_else() {
    let queue = Queue::fresh().await;
    let (flood, running) = full(&queue).await;
    for _ in 0..50 {
        flood.again().accepted(&queue).await;
    }
    let other = Request::of(owner(), Lane::Background);
    other.accepted(&queue).await;
    let next = queue.take_one(StreamKind::Background, "w2").await;
    assert_eq!(next.id, other.id, "it is the next in the stream");
    assert!(done(&queue.finish(&next, FinalState::Succeeded).await));
    assert_eq!(
        queue.backlog(&flood.owner).await,
        50,
        "others' ends free nothing here"
    );
    assert!(finish_and_take(&queue, &running).await.is_some());
}

#[tokio::test]
async fn the_backlogs_bound_stands_and_one_past_it_is_refused() {
    let queue = Queue::fresh().await;
    let (mut request, running) = full(&queue).await;
    request.bounds.queued = 3;
    for _ in 0..3 {
        request.again().accepted(&queue).await;
    }
    let link = queue.link().await;
    assert_eq!(request.again().send(&link).await, Accepted::Full);
    assert!(finish_and_take(&queue, &running).await.is_some());
    request.again().accepted(&queue).await;
}

#[tokio::test]
async fn a_function_at_its_bound_is_passed_over() {
    let queue = Queue::fresh().await;
    let mut bounded = Request::of(owner(), Lane::Background);
    bounded.bounds.background = 2;
    bounded.bounds.function_concurrency = Some(1);
    let first = bounded.leased(&queue, "w1").await;
    let mut free = bounded.again();
    free.owner = another_function(&bounded.owner);
    free.bounds.function_concurrency = None;
    let second = free.leased(&queue, "w1").await;
    let waiting = bounded.again().accepted(&queue).await;
    let behind = free.again().accepted(&queue).await;
    // The account has a slot, the bounded function has none.
    let next = finish_and_take(&queue, &second).await.unwrap();
    assert_eq!(next.id, behind);
    let next = finish_and_take(&queue, &first).await.unwrap();
    assert_eq!(next.id, waiting);
}

#[tokio::test]
async fn no_more_than_sixteen_are_looked_at_and_nobody_is_left_behind() {
    let queue = Queue::fresh().await;
    let mut bounded = Request::of(owner(), Lane::Background);
    bounded.bounds.background = 2;
    bounded.bounds.function_concurrency = Some(1);
    let mut running = bounded.leased(&queue, "w1").await;
    let mut other = bounded.again();
    other.owner = another_function(&bounded.owner);
    let beside = other.leased(&queue, "w1").await;
    for _ in 0..16 {
        bounded.again().accepted(&queue).await;
    }
    let seventeenth = other.again().accepted(&queue).await;
    // Sixteen of a function at its bound stand before it: its turn is not yet.
    assert_eq!(finish_and_take(&queue, &beside).await, None);
    let mut served: Vec<ExecutionId> = Vec::new();
    while served.len() < 17 {
        assert!(done(&queue.finish(&running, FinalState::Succeeded).await));
        let mut next = queue.take(StreamKind::Background, "w1", 2).await;
        served.extend(next.iter().map(|one| one.id));
        if next.len() == 2 {
            assert_eq!(next[1].id, seventeenth, "it came into sight");
            queue
                .finish(&next.pop().unwrap(), FinalState::Succeeded)
                .await;
        }
        running = next.remove(0);
    }
    queue.finish(&running, FinalState::Succeeded).await;
    queue.assert_empty(&bounded.owner).await;
}

#[tokio::test]
async fn the_functions_bound_is_never_passed_while_the_backlog_drains() {
    let queue = Queue::fresh().await;
    let mut request = Request::of(owner(), Lane::Background);
    request.bounds.concurrency = 12;
    request.bounds.background = 9;
    request.bounds.function_concurrency = Some(2);
    for _ in 0..30 {
        request.again().accepted(&queue).await;
    }
    let mut ended = 0;
    loop {
        let running = queue.take(StreamKind::Background, "w1", 30).await;
        if running.is_empty() {
            break;
        }
        assert!(running.len() <= 2, "{} at once", running.len());
        for leased in running {
            assert!(done(&queue.finish(&leased, FinalState::Succeeded).await));
            ended += 1;
        }
    }
    assert_eq!(ended, 30);
    queue.assert_empty(&request.owner).await;
}

#[tokio::test]
async fn what_a_better_plan_allows_is_used_by_what_waits_already() {
    let queue = Queue::fresh().await;
    let (mut request, running) = full(&queue).await;
    for _ in 0..3 {
        request.again().accepted(&queue).await;
    }
    request.bounds.concurrency = 8;
    request.bounds.background = 6;
    request.again().accepted(&queue).await;
    assert!(done(&queue.finish(&running, FinalState::Succeeded).await));
    let running = queue.take(StreamKind::Background, "w1", 10).await;
    assert_eq!(running.len(), 4, "all that waited");
}

#[tokio::test]
async fn a_poorer_plan_promotes_nobody_until_enough_have_ended() {
    let queue = Queue::fresh().await;
    let mut request = Request::of(owner(), Lane::Background);
    let mut running = Vec::new();
    for _ in 0..3 {
        running.push(request.again().leased(&queue, "w1").await);
    }
    request.bounds.concurrency = 2;
    request.bounds.background = 1;
    request.again().accepted(&queue).await;
    for leased in &running[..2] {
        assert_eq!(finish_and_take(&queue, leased).await, None);
    }
    assert!(finish_and_take(&queue, &running[2]).await.is_some());
}

fn another_function(owner: &Owner) -> Owner {
    Owner {
        function: FunctionId::new(&common::clock::SystemClock),
        ..*owner
    }
}
