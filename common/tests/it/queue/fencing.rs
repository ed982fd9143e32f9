//! A late worker changes nothing, whatever it tries.

use common::execution::{FinalState, Lane};
use common::queue::{self, Alone, Cancelled, Finished, HandedBack, Leased, Watched};

use super::given::{Queue, Request, done, marked, outcome, owner};

/// The first worker's lease, lost to the second.
async fn lost(queue: &Queue, request: &Request) -> (Leased, Leased) {
    let first = request.leased(queue, "w1").await;
    let second = queue.lose(&first.token, "w2", Alone::No).await.remove(0);
    (first, second.leased)
}

#[tokio::test]
async fn a_late_worker_cannot_overwrite_the_result() {
    let queue = Queue::fresh().await;
    let link = queue.link().await;
    let request = Request::of(owner(), Lane::Interactive);
    let (late, second) = lost(&queue, &request).await;
    let right = marked(FinalState::Succeeded, "right");
    let end = queue::Finish {
        leased: &second,
        outcome: &right,
        retry: None,
        next: None,
    };
    assert!(done(&queue::finish(&link, &end).await.unwrap().0));
    for state in [
        FinalState::Succeeded,
        FinalState::Failed,
        FinalState::Cancelled,
    ] {
        assert_eq!(queue.finish(&late, state).await, Finished::Fenced);
    }
    let watched = queue::watch(&link, request.owner.account, request.id, None).await;
    assert!(matches!(watched.unwrap(), Watched::Final { outcome, .. } if outcome == right));
    let events: u64 = queue.raw("XLEN %ev").await;
    assert_eq!(events, 1);
}

#[tokio::test]
async fn a_late_worker_is_fenced_while_the_other_runs() {
    let queue = Queue::fresh().await;
    let request = Request::of(owner(), Lane::Interactive);
    let (late, second) = lost(&queue, &request).await;
    assert_eq!(
        queue.finish(&late, FinalState::Succeeded).await,
        Finished::Fenced
    );
    assert_eq!(queue.slots(&request.owner).await, (1, 0));
    assert!(done(&queue.finish(&second, FinalState::Succeeded).await));
}

#[tokio::test]
async fn a_late_renewal_does_not_take_the_lease_back() {
    let queue = Queue::fresh().await;
    let link = queue.link().await;
    let request = Request::of(owner(), Lane::Interactive);
    let (late, second) = lost(&queue, &request).await;
    let leases = [(late.id, late.token.clone())];
    let renewed = queue::renew(&link, &leases).await.unwrap();
    assert_eq!(renewed.lost, [late.id]);
    assert!(done(&queue.finish(&second, FinalState::Succeeded).await));
    let renewed = queue::renew(&link, &leases).await.unwrap();
    assert_eq!(renewed.lost, [late.id], "and not after the end");
}

#[tokio::test]
async fn the_same_worker_with_an_older_count_is_late_too() {
    let queue = Queue::fresh().await;
    let link = queue.link().await;
    let request = Request::of(owner(), Lane::Interactive);
    let first = request.leased(&queue, "w1").await;
    // It lost the lease and took it over itself: only the count tells.
    let second = queue
        .lose(&first.token, "w1", Alone::No)
        .await
        .remove(0)
        .leased;
    assert_eq!(
        queue.finish(&first, FinalState::Succeeded).await,
        Finished::Fenced
    );
    let renewed = queue::renew(&link, &[(first.id, first.token.clone())]).await;
    assert_eq!(renewed.unwrap().lost, [first.id]);
    assert_eq!(
        queue::hand_back(&link, &first).await.unwrap(),
        HandedBack::Fenced
    );
    assert!(!queue::set_aside(&link, &first.token, None).await.unwrap());
    assert!(done(&queue.finish(&second, FinalState::Succeeded).await));
}

#[tokio::test]
async fn a_token_of_another_consumer_stream_or_entry_is_refused() {
    let queue = Queue::fresh().await;
    let request = Request::of(owner(), Lane::Interactive);
    let whole = request.leased(&queue, "w1").await;
    let other = Request::of(owner(), Lane::Interactive)
        .leased(&queue, "w1")
        .await;
    let mut forged = [whole.clone(), whole.clone(), whole.clone(), whole.clone()];
    forged[0].token.consumer = "w2".to_owned();
    forged[1].token.stream = queue::StreamKind::Background;
    forged[2].token.entry.clone_from(&other.token.entry);
    forged[3].id = other.id;
    for forged in forged {
        assert_eq!(
            queue.finish(&forged, FinalState::Succeeded).await,
            Finished::Fenced,
            "{forged:?}"
        );
    }
    assert_eq!(queue.slots(&request.owner).await, (1, 0));
    assert!(done(&queue.finish(&whole, FinalState::Succeeded).await));
}

#[tokio::test]
async fn finishing_twice_gives_the_same_event_and_frees_one_slot() {
    let queue = Queue::fresh().await;
    let owner = owner();
    let other = Request::of(owner, Lane::Interactive);
    other.leased(&queue, "w1").await;
    let mut request = Request::of(owner, Lane::Interactive);
    request.key = super::given::key(4, 5);
    let leased = request.leased(&queue, "w1").await;
    let Finished::Done { event, key } = queue.finish(&leased, FinalState::Failed).await else {
        panic!("not done");
    };
    assert_eq!(key, request.key);
    let again = queue.finish(&leased, FinalState::Failed).await;
    assert_eq!(again, Finished::Already { event, key });
    assert_eq!(queue.slots(&owner).await, (1, 0));
}

#[tokio::test]
async fn an_end_after_a_cancel_that_won_is_fenced() {
    let queue = Queue::fresh().await;
    let link = queue.link().await;
    let request = Request::of(owner(), Lane::Interactive);
    let leased = request.leased(&queue, "w1").await;
    queue::hand_back(&link, &leased).await.unwrap();
    let cancelled = queue::cancel(
        &link,
        request.owner.account,
        request.id,
        &outcome(FinalState::Cancelled),
    )
    .await
    .unwrap();
    assert!(matches!(cancelled, Cancelled::Done { .. }));
    assert_eq!(
        queue.finish(&leased, FinalState::Succeeded).await,
        Finished::Fenced
    );
    queue.assert_empty(&request.owner).await;
}
