//! The end of an attempt, and taking the next entry with it.

use std::time::Duration;

use common::execution::{FinalState, Lane, State};
use common::queue::{self, Alone, EventKind, Finish, Finished, StreamKind, Watched};

use super::given::{Queue, Request, done, leased, outcome, owner};

#[tokio::test]
async fn an_end_frees_the_slot_keeps_the_outcome_and_leaves_an_event() {
    let queue = Queue::fresh().await;
    let link = queue.link().await;
    let request = Request::of(owner(), Lane::Background);
    let mut taken = request.leased(&queue, "w1").await;
    for state in [
        FinalState::Succeeded,
        FinalState::Failed,
        FinalState::TimedOut,
    ] {
        assert!(done(&queue.finish(&taken, state).await));
        queue.assert_empty(&request.owner).await;
        let watched = queue::watch(&link, request.owner.account, taken.id, None).await;
        let Watched::Final { owner, outcome } = watched.unwrap() else {
            panic!("not final");
        };
        assert_eq!(owner, request.owner);
        assert_eq!(outcome, super::given::outcome(state));
        let key = queue.partition.execution(taken.id);
        let expires: i64 = queue.raw(&format!("TTL {key}")).await;
        assert_eq!(
            expires, -1,
            "an outcome does not expire before it is recorded"
        );
        taken = request.again().leased(&queue, "w1").await;
    }
}

#[tokio::test]
async fn finishing_takes_the_next_entry_in_the_same_round_trip() {
    let queue = Queue::fresh().await;
    let link = queue.link().await;
    let request = Request::of(owner(), Lane::Interactive);
    let first = request.leased(&queue, "w1").await;
    let second = request.again().accepted(&queue).await;
    let outcome = outcome(FinalState::Succeeded);
    let end = |leased| Finish {
        leased,
        outcome: &outcome,
        retry: None,
        next: Some(StreamKind::Interactive),
    };
    let (finished, next) = queue::finish(&link, &end(&first)).await.unwrap();
    assert!(done(&finished));
    let next = leased(next);
    assert_eq!((next.id, next.token.count), (second, 1));
    let (again, none) = queue::finish(&link, &end(&first)).await.unwrap();
    assert!(matches!(again, Finished::Already { .. }));
    assert_eq!(none, None, "an answer given twice takes nothing twice");
    let (finished, none) = queue::finish(&link, &end(&next)).await.unwrap();
    assert!(done(&finished));
    assert_eq!(none, None, "nothing is left");
}

#[tokio::test]
async fn the_entry_promoted_by_an_end_can_be_taken_with_it() {
    let queue = Queue::fresh().await;
    let link = queue.link().await;
    let mut request = Request::of(owner(), Lane::Background);
    request.bounds.background = 1;
    let first = request.leased(&queue, "w1").await;
    let second = request.again().accepted(&queue).await;
    assert_eq!(queue.backlog(&request.owner).await, 1);
    let outcome = outcome(FinalState::Succeeded);
    let end = Finish {
        leased: &first,
        outcome: &outcome,
        retry: None,
        next: Some(StreamKind::Background),
    };
    let (_, next) = queue::finish(&link, &end).await.unwrap();
    assert_eq!(leased(next).id, second);
    assert_eq!(queue.slots(&request.owner).await, (1, 1));
}

#[tokio::test]
async fn a_users_failure_is_tried_again_until_its_tries_are_used_up() {
    let queue = Queue::fresh().await;
    let link = queue.link().await;
    let mut request = Request::of(owner(), Lane::Background);
    request.attempts = 3;
    request.accepted(&queue).await;
    let failed = outcome(FinalState::Failed);
    for attempt in 1..=3 {
        let taken = queue.take_one(StreamKind::Background, "w1").await;
        assert_eq!(taken.body.as_ref(), b"body");
        let end = Finish {
            leased: &taken,
            outcome: &failed,
            retry: Some(Duration::ZERO),
            next: None,
        };
        let (finished, _) = queue::finish(&link, &end).await.unwrap();
        if attempt == 3 {
            assert!(done(&finished));
            break;
        }
        assert!(matches!(finished, Finished::Delayed { .. }), "{attempt}");
        assert_eq!(queue.slots(&request.owner).await, (0, 0));
        let swept = queue::sweep(&link, Duration::ZERO, 10).await.unwrap();
        let last = swept.events.last().unwrap();
        assert!(matches!(last.kind, EventKind::Tried { attempt: tried, .. } if tried == attempt));
        let moved = queue::promote_due(&link, 1).await.unwrap();
        assert_eq!(moved, queue::Promoted::Moved(1));
    }
    queue.assert_empty(&request.owner).await;
}

#[tokio::test]
async fn what_succeeded_or_may_not_be_tried_again_is_not() {
    let queue = Queue::fresh().await;
    let link = queue.link().await;
    for (attempts, state) in [(3, FinalState::Succeeded), (1, FinalState::Failed)] {
        let mut request = Request::of(owner(), Lane::Background);
        request.attempts = attempts;
        let taken = request.leased(&queue, "w1").await;
        let outcome = outcome(state);
        let end = Finish {
            leased: &taken,
            outcome: &outcome,
            retry: Some(Duration::ZERO),
            next: None,
        };
        assert!(done(&queue::finish(&link, &end).await.unwrap().0));
    }
}

#[tokio::test]
async fn losses_are_carried_through_a_retry() {
    let queue = Queue::fresh().await;
    let link = queue.link().await;
    let mut request = Request::of(owner(), Lane::Interactive);
    request.attempts = 2;
    let mut token = request.leased(&queue, "w1").await.token;
    let mut last = None;
    for alone in [Alone::No, Alone::Yes] {
        let start = queue.lose(&token, "w2", alone).await.remove(0);
        token = start.leased.token.clone();
        last = Some(start.leased);
    }
    let failed = outcome(FinalState::Failed);
    let end = Finish {
        leased: last.as_ref().unwrap(),
        outcome: &failed,
        retry: Some(Duration::ZERO),
        next: None,
    };
    let (finished, _) = queue::finish(&link, &end).await.unwrap();
    assert!(matches!(finished, Finished::Delayed { .. }));
    queue::promote_due(&link, 1).await.unwrap();
    let taken = queue.take_one(StreamKind::LastStarts, "alone").await;
    assert_eq!(taken.id, request.id);
}

#[tokio::test]
async fn after_a_cancel_was_asked_only_cancelled_ends_it() {
    let queue = Queue::fresh().await;
    let link = queue.link().await;
    let request = Request::of(owner(), Lane::Interactive);
    let taken = request.leased(&queue, "w1").await;
    let cancelled = outcome(FinalState::Cancelled);
    queue::cancel(&link, request.owner.account, request.id, &cancelled)
        .await
        .unwrap();
    for state in [
        FinalState::Succeeded,
        FinalState::Failed,
        FinalState::TimedOut,
    ] {
        assert_eq!(queue.finish(&taken, state).await, Finished::Asked);
    }
    let watched = queue::watch(&link, request.owner.account, request.id, None).await;
    assert!(matches!(
        watched.unwrap(),
        Watched::Open {
            state: State::Running,
            ..
        }
    ));
    assert!(done(&queue.finish(&taken, FinalState::Cancelled).await));
    queue.assert_empty(&request.owner).await;
}
