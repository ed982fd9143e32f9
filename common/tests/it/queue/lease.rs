//! Reading, renewing, taking over and giving back leases.

use common::execution::{FinalState, Lane};
use common::queue::{self, Alone, HandedBack, Reader, StreamKind, Taken, Verdict};

use super::given::{Queue, Request, done, owner};

#[tokio::test]
async fn a_reader_takes_as_many_as_it_has_permits_for() {
    let queue = Queue::fresh().await;
    let request = Request::of(owner(), Lane::Interactive);
    for _ in 0..4 {
        request.again().accepted(&queue).await;
    }
    let mut reader = Reader::new(
        queue.client.clone(),
        &queue.partition,
        StreamKind::Interactive,
        "w1",
    );
    assert_eq!(reader.read(0).await.unwrap(), []);
    assert_eq!(reader.read(3).await.unwrap().len(), 3);
    let rest = reader.read(3).await.unwrap();
    assert!(matches!(&rest[..], [Taken::Leased(last)] if last.token.count == 1));
    // Nothing there: it waits its time and says so, without an error.
    assert_eq!(reader.read(1).await.unwrap(), []);
}

#[tokio::test]
async fn a_lease_that_ran_out_goes_to_one_other_worker_and_the_first_is_fenced() {
    let queue = Queue::fresh().await;
    let request = Request::of(owner(), Lane::Interactive);
    let first = request.leased(&queue, "w1").await;
    let link = queue.link().await;
    let early = queue::reclaim(&link, "w2", 16, Alone::No).await.unwrap();
    assert_eq!(early.0, [], "it has not run out");
    let second = queue.lose(&first.token, "w2", Alone::No).await;
    assert_eq!(second.len(), 1);
    assert_eq!(second[0].leased.token.count, 2);
    assert_eq!((second[0].losses, second[0].verdict), (1, Verdict::Run));
    assert_eq!(second[0].leased.body, first.body);
    let third = queue::reclaim(&link, "w3", 16, Alone::No).await.unwrap();
    assert_eq!(third.0, [], "somebody just took it");
    let renewed = queue::renew(&link, &[(first.id, first.token.clone())])
        .await
        .unwrap();
    assert_eq!(renewed.lost, [first.id]);
    assert!(done(
        &queue.finish(&second[0].leased, FinalState::Succeeded).await
    ));
    queue.assert_empty(&request.owner).await;
}

#[tokio::test]
async fn renewing_keeps_a_lease_and_tells_of_a_cancel() {
    let queue = Queue::fresh().await;
    let owner = owner();
    let kept = Request::of(owner, Lane::Interactive)
        .leased(&queue, "w1")
        .await;
    let asked = Request::of(owner, Lane::Interactive)
        .leased(&queue, "w1")
        .await;
    let link = queue.link().await;
    let outcome = super::given::outcome(FinalState::Cancelled);
    queue::cancel(&link, owner.account, asked.id, &outcome)
        .await
        .unwrap();
    for leased in [&kept, &asked] {
        queue.run_out(&leased.token).await;
    }
    let both = [
        (kept.id, kept.token.clone()),
        (asked.id, asked.token.clone()),
    ];
    let renewed = queue::renew(&link, &both).await.unwrap();
    assert_eq!(renewed.lost, []);
    assert_eq!(renewed.cancelled, [asked.id]);
    let none = queue::reclaim(&link, "w2", 16, Alone::No).await.unwrap();
    assert_eq!(none.0, [], "both were renewed");
    assert!(done(&queue.finish(&kept, FinalState::Succeeded).await));
}

#[tokio::test]
async fn the_last_start_is_left_to_a_process_that_is_alone() {
    let queue = Queue::fresh().await;
    let owner = owner();
    let mut poison = Vec::new();
    for _ in 0..2 {
        poison.push(
            Request::of(owner, Lane::Interactive)
                .leased(&queue, "w1")
                .await,
        );
    }
    let link = queue.link().await;
    for leased in &poison {
        queue.run_out(&leased.token).await;
    }
    let (second, _) = queue::reclaim(&link, "w2", 16, Alone::No).await.unwrap();
    assert_eq!(second.len(), 2, "first losses are taken freely");
    for start in &second {
        queue.run_out(&start.leased.token).await;
    }
    let (refused, _) = queue::reclaim(&link, "w3", 16, Alone::No).await.unwrap();
    assert_eq!(refused, [], "a last start is not for a process with others");
    let (last, _) = queue::reclaim(&link, "w4", 16, Alone::Yes).await.unwrap();
    assert_eq!(last.len(), 1, "one at a time");
    assert_eq!((last[0].losses, last[0].verdict), (2, Verdict::Run));
    // Lost again: the verdict starts nothing, so it comes to anyone.
    let (verdict, _) = (queue.lose(&last[0].leased.token, "w5", Alone::No).await, ());
    let verdict: Vec<_> = verdict
        .iter()
        .filter(|one| one.leased.id == last[0].leased.id)
        .collect();
    assert_eq!(verdict[0].verdict, Verdict::WorkerLost);
    assert!(done(
        &queue.finish(&verdict[0].leased, FinalState::Failed).await
    ));
}

#[tokio::test]
async fn a_process_that_is_alone_leaves_first_losses_to_the_others() {
    let queue = Queue::fresh().await;
    let first = Request::of(owner(), Lane::Background)
        .leased(&queue, "w1")
        .await;
    assert_eq!(queue.lose(&first.token, "alone", Alone::Yes).await, []);
    assert_eq!(queue.lose(&first.token, "w2", Alone::No).await.len(), 1);
}

#[tokio::test]
async fn a_lost_lease_whose_cancel_was_asked_for_comes_with_that_verdict() {
    let queue = Queue::fresh().await;
    let request = Request::of(owner(), Lane::Interactive);
    let leased = request.leased(&queue, "w1").await;
    let outcome = super::given::outcome(FinalState::Cancelled);
    queue::cancel(
        &queue.link().await,
        request.owner.account,
        leased.id,
        &outcome,
    )
    .await
    .unwrap();
    let reclaimed = queue.lose(&leased.token, "w2", Alone::No).await;
    assert_eq!(reclaimed[0].verdict, Verdict::Cancelled);
    assert!(done(
        &queue
            .finish(&reclaimed[0].leased, FinalState::Cancelled)
            .await
    ));
    queue.assert_empty(&request.owner).await;
}

#[tokio::test]
async fn reclaim_takes_no_more_than_there_is_room_for() {
    let queue = Queue::fresh().await;
    let mut request = Request::of(owner(), Lane::Interactive);
    request.bounds.concurrency = 20;
    for _ in 0..20 {
        let leased = request.again().leased(&queue, "w1").await;
        queue.run_out(&leased.token).await;
    }
    let link = queue.link().await;
    let mut taken = Vec::new();
    for (room, given) in [(0, 0), (3, 3), (1_000, 16), (16, 1)] {
        let (reclaimed, _) = queue::reclaim(&link, "w2", room, Alone::No).await.unwrap();
        assert_eq!(reclaimed.len(), given, "room for {room}");
        taken.extend(reclaimed.into_iter().map(|one| one.leased.id));
    }
    taken.sort();
    taken.dedup();
    assert_eq!(taken.len(), 20);
}

#[tokio::test]
async fn a_lease_given_back_runs_elsewhere_and_counts_no_loss() {
    let queue = Queue::fresh().await;
    let request = Request::of(owner(), Lane::Background);
    let mut leased = request.leased(&queue, "w1").await;
    let link = queue.link().await;
    for start in 0..5 {
        let given = queue::hand_back(&link, &leased).await.unwrap();
        assert_eq!(given, HandedBack::Done, "start {start}");
        let again = queue::hand_back(&link, &leased).await.unwrap();
        assert_eq!(again, HandedBack::Fenced);
        assert_eq!(
            queue.slots(&request.owner).await,
            (1, 1),
            "the slot is kept"
        );
        leased = queue.take_one(StreamKind::Background, "w2").await;
        assert_eq!((leased.id, &leased.body[..]), (request.id, &b"body"[..]));
    }
    assert!(done(&queue.finish(&leased, FinalState::Succeeded).await));
    queue.assert_empty(&request.owner).await;
}

#[tokio::test]
async fn losses_before_it_was_given_back_still_count() {
    let queue = Queue::fresh().await;
    let request = Request::of(owner(), Lane::Interactive);
    let link = queue.link().await;
    let first = request.leased(&queue, "w1").await;
    let second = queue.lose(&first.token, "w2", Alone::No).await.remove(0);
    queue::hand_back(&link, &second.leased).await.unwrap();
    // One loss: this start is the second, in the usual stream.
    let third = queue.take_one(StreamKind::Interactive, "w3").await;
    assert_eq!(
        queue.lose(&third.token, "w4", Alone::No).await,
        [],
        "a last start"
    );
    let last = queue.lose(&third.token, "w4", Alone::Yes).await.remove(0);
    assert_eq!(last.losses, 2);
    queue::hand_back(&link, &last.leased).await.unwrap();
    // Two losses: its next start is its last, so it waits where those are read.
    assert_eq!(queue.entries(StreamKind::Interactive).await, 0);
    let last = queue.take_one(StreamKind::LastStarts, "alone").await;
    let verdict = queue.lose(&last.token, "w5", Alone::No).await.remove(0);
    assert_eq!(verdict.verdict, Verdict::WorkerLost);
    assert!(done(
        &queue.finish(&verdict.leased, FinalState::Failed).await
    ));
    queue.assert_empty(&request.owner).await;
}

#[tokio::test]
async fn what_was_asked_to_cancel_is_not_given_back() {
    let queue = Queue::fresh().await;
    let request = Request::of(owner(), Lane::Interactive);
    let leased = request.leased(&queue, "w1").await;
    let link = queue.link().await;
    let outcome = super::given::outcome(FinalState::Cancelled);
    queue::cancel(&link, request.owner.account, leased.id, &outcome)
        .await
        .unwrap();
    assert_eq!(
        queue::hand_back(&link, &leased).await.unwrap(),
        HandedBack::Asked
    );
}

#[tokio::test]
async fn as_many_leases_are_renewed_as_there_are() {
    let queue = Queue::fresh().await;
    let mut request = Request::of(owner(), Lane::Interactive);
    request.bounds.concurrency = 200;
    let mut leases = Vec::new();
    for _ in 0..130 {
        let leased = request.again().leased(&queue, "w1").await;
        queue.run_out(&leased.token).await;
        leases.push((leased.id, leased.token));
    }
    let link = queue.link().await;
    let renewed = queue::renew(&link, &leases).await.unwrap();
    assert_eq!(renewed, queue::Renewed::default());
    let (none, _) = queue::reclaim(&link, "w2", 16, Alone::No).await.unwrap();
    assert_eq!(none, [], "each of them was renewed");
    assert_eq!(
        queue::renew(&link, &[]).await.unwrap(),
        queue::Renewed::default()
    );
}
