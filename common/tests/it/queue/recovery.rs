//! Settling a partition that lost its memory, all or some of it or none.

use std::time::Duration;

use common::execution::{FinalState, Lane};
use common::queue::recovery::{self, Loss, OpenRow, Settled};
use common::queue::{self, Alone, Link, StreamKind, Verdict, Watched};
use jiff::Timestamp;

use super::given::{Queue, Request, done, key, marked, outcome, owner};

/// The row an accepted request has in PostgreSQL.
pub(super) fn row(request: &Request) -> OpenRow<'_> {
    OpenRow {
        id: request.id,
        owner: request.owner,
        lane: request.lane,
        bounds: request.bounds,
        tried: 0,
        attempts: request.attempts,
        losses: 0,
        due: None,
        cancel_requested: false,
        key: request.key,
        body: &request.body,
    }
}

/// The partition is closed to everybody, its groups are there.
pub(super) async fn recovering(queue: &Queue) -> Link {
    let link = queue.begin(2).await;
    recovery::groups(&link).await.unwrap();
    link
}

pub(super) async fn certify(queue: &Queue, link: &Link) {
    recovery::recount(link, &[]).await.unwrap();
    recovery::promote_backlogs(link).await.unwrap();
    recovery::certify(link, Loss::Possible).await.unwrap();
    queue.link().await.give_up();
}

pub(super) async fn settle_one(link: &Link, row: OpenRow<'_>) -> Settled {
    recovery::settle(link, &[row]).await.unwrap().remove(0)
}

/// As `FLUSHALL` would leave this partition of a shared Redis.
pub(super) async fn forget_all(queue: &Queue) {
    queue.link().await.give_up();
    let keys: Vec<String> = queue.raw("KEYS %*").await;
    for key in keys {
        let _: u64 = queue.raw(&format!("DEL {key}")).await;
    }
}

#[tokio::test]
async fn rows_that_redis_lost_run_and_only_once() {
    let queue = Queue::fresh().await;
    let mut request = Request::of(owner(), Lane::Background);
    request.key = key(1, 2);
    request.accepted(&queue).await;
    forget_all(&queue).await;
    let link = recovering(&queue).await;
    assert_eq!(settle_one(&link, row(&request)).await, Settled::Enqueued);
    assert_eq!(settle_one(&link, row(&request)).await, Settled::Present);
    certify(&queue, &link).await;
    assert_eq!(queue.slots(&request.owner).await, (1, 1));
    let taken = queue.take_one(StreamKind::Background, "w1").await;
    assert_eq!((taken.id, &taken.body[..]), (request.id, &b"body"[..]));
    let finished = queue.finish(&taken, FinalState::Succeeded).await;
    assert!(
        matches!(finished, queue::Finished::Done { key, .. } if key == request.key),
        "{finished:?}"
    );
    queue.assert_empty(&request.owner).await;
}

#[tokio::test]
async fn restored_rows_keep_to_the_accounts_bounds() {
    let queue = Queue::fresh().await;
    let mut request = Request::of(owner(), Lane::Interactive);
    request.bounds.concurrency = 2;
    let lost: Vec<_> = (0..100).map(|_| request.again()).collect();
    forget_all(&queue).await;
    let link = recovering(&queue).await;
    let rows: Vec<_> = lost.iter().map(row).collect();
    let settled = recovery::settle(&link, &rows).await.unwrap();
    assert_eq!(settled, vec![Settled::Enqueued; 100]);
    certify(&queue, &link).await;
    assert_eq!(queue.slots(&request.owner).await, (2, 0));
    assert_eq!(queue.backlog(&request.owner).await, 98);
    let mut ended = 0;
    while let Some(taken) = queue.take(StreamKind::Interactive, "w1", 1).await.pop() {
        assert!(done(&queue.finish(&taken, FinalState::Succeeded).await));
        ended += 1;
    }
    assert_eq!(ended, 100);
    queue.assert_empty(&request.owner).await;
}

#[tokio::test]
async fn a_lost_row_whose_cancel_was_asked_for_is_not_enqueued() {
    let queue = Queue::fresh().await;
    let request = Request::of(owner(), Lane::Background);
    forget_all(&queue).await;
    let link = recovering(&queue).await;
    let asked = OpenRow {
        cancel_requested: true,
        ..row(&request)
    };
    assert_eq!(settle_one(&link, asked).await, Settled::Cancel);
    let cancelled = outcome(FinalState::Cancelled);
    let was_open = recovery::conclude(&link, request.id, &cancelled).await;
    assert!(!was_open.unwrap());
    certify(&queue, &link).await;
    queue.assert_empty(&request.owner).await;
}

#[tokio::test]
async fn losses_and_tries_of_the_row_go_on_counting() {
    let queue = Queue::fresh().await;
    let mut request = Request::of(owner(), Lane::Interactive);
    request.attempts = 2;
    forget_all(&queue).await;
    let link = recovering(&queue).await;
    let (last, later) = (request.again(), request.again());
    let rows = [
        OpenRow {
            losses: 1,
            ..row(&request)
        },
        OpenRow {
            losses: 2,
            ..row(&last)
        },
        OpenRow {
            tried: 1,
            due: Some(Timestamp::UNIX_EPOCH),
            ..row(&later)
        },
    ];
    recovery::settle(&link, &rows).await.unwrap();
    certify(&queue, &link).await;
    let second = queue.take_one(StreamKind::Interactive, "w1").await;
    assert_eq!(second.id, request.id);
    let third = queue.lose(&second.token, "w2", Alone::Yes).await.remove(0);
    assert_eq!((third.losses, third.verdict), (2, Verdict::Run));
    assert!(done(&queue.finish(&third.leased, FinalState::Failed).await));
    let alone = queue.take_one(StreamKind::LastStarts, "alone").await;
    assert_eq!(alone.id, last.id);
    assert!(done(&queue.finish(&alone, FinalState::Failed).await));
    // Between two tries: due, and its last.
    let link = queue.link().await;
    queue::promote_due(&link, 1).await.unwrap();
    let taken = queue.take_one(StreamKind::Interactive, "w1").await;
    assert_eq!(taken.id, later.id);
    let failed = outcome(FinalState::Failed);
    let end = queue::Finish {
        leased: &taken,
        outcome: &failed,
        retry: Some(Duration::ZERO),
        next: None,
    };
    assert!(done(&queue::finish(&link, &end).await.unwrap().0));
    queue.assert_empty(&request.owner).await;
}

#[tokio::test]
async fn what_redis_still_has_is_not_enqueued_again_and_learns_of_a_cancel() {
    let queue = Queue::fresh().await;
    let mut request = Request::of(owner(), Lane::Background);
    request.bounds.background = 2;
    let leased = request.leased(&queue, "w1").await;
    let (waiting, behind, ended) = (request.again(), request.again(), request.again());
    let last = ended.leased(&queue, "w1").await;
    queue.finish(&last, FinalState::Succeeded).await;
    waiting.accepted(&queue).await;
    behind.accepted(&queue).await;
    let link = recovering(&queue).await;
    let asked = |request| OpenRow {
        cancel_requested: true,
        ..row(request)
    };
    let rows = [
        asked(&request),
        asked(&waiting),
        asked(&behind),
        asked(&ended),
    ];
    let settled = recovery::settle(&link, &rows).await.unwrap();
    let expected = [
        Settled::Present,
        Settled::Cancel,
        Settled::Cancel,
        Settled::Ended,
    ];
    assert_eq!(settled, expected);
    let cancelled = outcome(FinalState::Cancelled);
    for id in [waiting.id, behind.id] {
        assert!(recovery::conclude(&link, id, &cancelled).await.unwrap());
    }
    certify(&queue, &link).await;
    let asked = queue.finish(&leased, FinalState::Succeeded).await;
    assert_eq!(asked, queue::Finished::Asked);
    assert!(done(&queue.finish(&leased, FinalState::Cancelled).await));
    queue.assert_empty(&request.owner).await;
}

#[tokio::test]
async fn what_is_final_in_postgresql_leaves_the_queue_and_keeps_that_outcome() {
    let queue = Queue::fresh().await;
    let mut request = Request::of(owner(), Lane::Background);
    request.bounds.background = 1;
    let leased = request.leased(&queue, "w1").await;
    let behind = request.again();
    behind.accepted(&queue).await;
    let link = recovering(&queue).await;
    let (_, open) = survey_all(&link).await;
    assert_eq!(open.len(), 2);
    let recorded = marked(FinalState::Failed, "from the row");
    assert!(
        recovery::conclude(&link, leased.id, &recorded)
            .await
            .unwrap()
    );
    assert!(
        !recovery::conclude(&link, leased.id, &recorded)
            .await
            .unwrap()
    );
    certify(&queue, &link).await;
    assert_eq!(
        queue.finish(&leased, FinalState::Succeeded).await,
        queue::Finished::Fenced
    );
    let link = queue.link().await;
    let watched = queue::watch(&link, request.owner.account, leased.id, None).await;
    assert!(matches!(watched.unwrap(), Watched::Final { outcome, .. } if outcome == recorded));
    let events: u64 = queue.raw("XLEN %ev").await;
    assert_eq!(events, 0, "PostgreSQL knows it already");
    let next = queue.take_one(StreamKind::Background, "w1").await;
    assert_eq!(next.id, behind.id, "its slot went to the backlog");
    assert!(done(&queue.finish(&next, FinalState::Succeeded).await));
    queue.assert_empty(&request.owner).await;
}

async fn survey_all(link: &Link) -> (u64, Vec<recovery::OpenInRedis>) {
    let (mut cursor, mut all) = (0, Vec::new());
    loop {
        let (next, page) = recovery::survey(link, cursor).await.unwrap();
        all.extend(page);
        cursor = next;
        if cursor == 0 {
            all.sort_by_key(|open| open.id);
            all.dedup();
            return (0, all);
        }
    }
}
