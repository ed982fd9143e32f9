//! Cancelling in each state.

use std::time::Duration;

use common::execution::{FinalState, Lane};
use common::ids::AccountId;
use common::queue::{
    self, CancelOrders, Cancelled, EventKind, Finish, Finished, StreamKind, Watched,
};

use super::given::{Queue, Request, done, key, marked, outcome, owner};

async fn cancel(queue: &Queue, request: &Request) -> Cancelled {
    cancel_as(queue, request.owner.account, request).await
}

async fn cancel_as(queue: &Queue, account: AccountId, request: &Request) -> Cancelled {
    let outcome = marked(FinalState::Cancelled, "by the caller");
    queue::cancel(&queue.link().await, account, request.id, &outcome)
        .await
        .unwrap()
}

/// Cancelled at once: final, nothing left, and an event like any other end's.
async fn assert_cancelled(queue: &Queue, request: &Request) {
    let Cancelled::Done { event, key, body } = cancel(queue, request).await else {
        panic!("not done");
    };
    assert_eq!((key, &body[..]), (request.key, &request.body[..]));
    let link = queue.link().await;
    let swept = queue::sweep(&link, Duration::ZERO, 100).await.unwrap();
    let event = swept.events.iter().find(|one| one.event == event).unwrap();
    assert_eq!((event.id, &event.body), (request.id, &body));
    let outcome = marked(FinalState::Cancelled, "by the caller");
    assert!(matches!(&event.kind, EventKind::Ended { outcome: o, .. } if *o == outcome));
    let late = cancel(queue, request).await;
    assert_eq!(late, Cancelled::Late(outcome));
}

#[tokio::test]
async fn what_waits_in_its_stream_never_starts() {
    let queue = Queue::fresh().await;
    let mut request = Request::of(owner(), Lane::Interactive);
    request.key = key(1, 1);
    request.accepted(&queue).await;
    assert_cancelled(&queue, &request).await;
    queue.assert_empty(&request.owner).await;
    assert_eq!(queue.take(StreamKind::Interactive, "w1", 1).await, []);
}

#[tokio::test]
async fn what_waits_in_the_backlog_never_starts() {
    let queue = Queue::fresh().await;
    let mut request = Request::of(owner(), Lane::Background);
    request.bounds.background = 1;
    let running = request.leased(&queue, "w1").await;
    let (second, third) = (request.again(), request.again());
    second.accepted(&queue).await;
    third.accepted(&queue).await;
    assert_cancelled(&queue, &second).await;
    assert_eq!(queue.slots(&request.owner).await, (1, 1));
    assert!(done(&queue.finish(&running, FinalState::Succeeded).await));
    let next = queue.take_one(StreamKind::Background, "w1").await;
    assert_eq!(next.id, third.id);
    assert!(done(&queue.finish(&next, FinalState::Succeeded).await));
    queue.assert_empty(&request.owner).await;
}

#[tokio::test]
async fn what_waits_for_its_next_try_never_starts_again() {
    let queue = Queue::fresh().await;
    let mut request = Request::of(owner(), Lane::Background);
    request.attempts = 2;
    let taken = request.leased(&queue, "w1").await;
    let failed = outcome(FinalState::Failed);
    let end = Finish {
        leased: &taken,
        outcome: &failed,
        retry: Some(Duration::from_secs(3_600)),
        next: None,
    };
    let (finished, _) = queue::finish(&queue.link().await, &end).await.unwrap();
    assert!(matches!(finished, Finished::Delayed { .. }));
    assert_cancelled(&queue, &request).await;
    queue.assert_empty(&request.owner).await;
}

#[tokio::test]
async fn cancelling_what_waits_gives_its_slot_to_the_backlog() {
    let queue = Queue::fresh().await;
    let mut request = Request::of(owner(), Lane::Background);
    request.bounds.background = 1;
    request.accepted(&queue).await;
    let second = request.again().accepted(&queue).await;
    assert_cancelled(&queue, &request).await;
    assert_eq!(
        queue.take_one(StreamKind::Background, "w1").await.id,
        second
    );
    assert_eq!(queue.slots(&request.owner).await, (1, 1));
}

#[tokio::test]
async fn the_worker_of_what_runs_is_told() {
    let queue = Queue::fresh().await;
    let mut orders = CancelOrders::subscribe(&queue.client, &queue.partition, "w1")
        .await
        .unwrap();
    let request = Request::of(owner(), Lane::Interactive);
    let taken = request.leased(&queue, "w1").await;
    let asked = cancel(&queue, &request).await;
    assert_eq!(
        asked,
        Cancelled::Asked {
            body: request.body.clone().into()
        }
    );
    let order = tokio::time::timeout(Duration::from_secs(10), orders.next()).await;
    assert_eq!(order.unwrap().unwrap(), request.id);
    assert!(matches!(
        cancel(&queue, &request).await,
        Cancelled::Asked { .. }
    ));
    let outcome = outcome(FinalState::Cancelled);
    assert!(done(&queue.finish(&taken, FinalState::Cancelled).await));
    assert_eq!(cancel(&queue, &request).await, Cancelled::Late(outcome));
}

#[tokio::test]
async fn what_has_ended_says_how() {
    let queue = Queue::fresh().await;
    let request = Request::of(owner(), Lane::Interactive);
    let taken = request.leased(&queue, "w1").await;
    queue.finish(&taken, FinalState::Succeeded).await;
    let late = cancel(&queue, &request).await;
    assert_eq!(late, Cancelled::Late(outcome(FinalState::Succeeded)));
    let events: u64 = queue.raw("XLEN %ev").await;
    assert_eq!(events, 1);
}

#[tokio::test]
async fn another_accounts_execution_is_unknown_and_stays_as_it_is() {
    let queue = Queue::fresh().await;
    let link = queue.link().await;
    let request = Request::of(owner(), Lane::Interactive);
    request.accepted(&queue).await;
    let stranger = owner().account;
    assert_eq!(
        cancel_as(&queue, stranger, &request).await,
        Cancelled::Unknown
    );
    let watched = queue::watch(&link, stranger, request.id, Some("api")).await;
    assert_eq!(watched.unwrap(), Watched::Unknown);
    let nothing = request.again();
    assert_eq!(cancel(&queue, &nothing).await, Cancelled::Unknown);
    let key = queue.partition.execution(nothing.id);
    let left: u64 = queue.raw(&format!("EXISTS {key}")).await;
    assert_eq!(left, 0, "asking leaves no mark");
    queue.take_one(StreamKind::Interactive, "w1").await;
}
