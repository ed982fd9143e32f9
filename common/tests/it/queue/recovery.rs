//! Settling a partition that lost its memory, all or some of it or none.

use std::time::Duration;

use common::execution::{FinalState, Lane};
use common::queue::recovery::{self, Charged, Loss, OpenRow, Settled};
use common::queue::{self, Alone, Cancelled, Link, StreamKind, Verdict, Watched};
use jiff::Timestamp;

use super::given::{Queue, Request, done, key, marked, outcome, owner, period};
use super::server::Server;

/// The row an accepted request has in PostgreSQL.
fn row(request: &Request) -> OpenRow<'_> {
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
async fn recovering(queue: &Queue) -> Link {
    let link = queue.begin(2).await;
    recovery::groups(&link).await.unwrap();
    link
}

async fn certify(queue: &Queue, link: &Link) {
    recovery::recount(link, &[]).await.unwrap();
    recovery::promote_backlogs(link).await.unwrap();
    recovery::certify(link, Loss::Possible).await.unwrap();
    queue.link().await.give_up();
}

async fn settle_one(link: &Link, row: OpenRow<'_>) -> Settled {
    recovery::settle(link, &[row]).await.unwrap().remove(0)
}

/// As `FLUSHALL` would leave this partition of a shared Redis.
async fn forget_all(queue: &Queue) {
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

#[tokio::test]
async fn entries_pending_for_nobody_come_back_as_after_one_loss() {
    let queue = Queue::fresh().await;
    let request = Request::of(owner(), Lane::Interactive);
    let leased = request.leased(&queue, "w1").await;
    request.again().accepted(&queue).await;
    let _: u64 = queue.raw("XGROUP DELCONSUMER %q:i w w1").await;
    let link = recovering(&queue).await;
    assert_eq!(recovery::stranded(&link).await.unwrap(), 1);
    assert_eq!(recovery::stranded(&link).await.unwrap(), 0);
    certify(&queue, &link).await;
    let link = queue.link().await;
    let (reclaimed, _) = queue::reclaim(&link, "w2", 16, Alone::No).await.unwrap();
    assert_eq!(reclaimed.len(), 1);
    assert_eq!(reclaimed[0].leased.id, leased.id);
    assert_eq!(reclaimed[0].losses, 1);
}

#[tokio::test]
async fn counters_are_what_is_there_whatever_they_said() {
    let queue = Queue::fresh().await;
    let owner = owner();
    let mut request = Request::of(owner, Lane::Background);
    request.bounds.background = 2;
    for _ in 0..4 {
        request.again().accepted(&queue).await;
    }
    Request::of(owner, Lane::Interactive).accepted(&queue).await;
    let account = owner.account.uuid().simple().to_string();
    let stranger = super::given::owner().account.uuid().simple().to_string();
    let _: redis::Value = queue
        .raw(&format!("HSET %conc:{account} n 9 b 7 gone 3"))
        .await;
    let _: redis::Value = queue.raw(&format!("HSET %conc:{stranger} n 2 b 1")).await;
    let _: redis::Value = queue.raw(&format!("SET %quota:{stranger}:x 8")).await;
    let _: redis::Value = queue.raw("SET %bytes 77").await;
    let link = recovering(&queue).await;
    let charged = [Charged {
        account: owner.account,
        period: period(),
        count: 11,
    }];
    recovery::recount(&link, &charged).await.unwrap();
    assert_eq!(queue.slots(&owner).await, (3, 2));
    let function = owner.function.uuid().simple();
    let held: u64 = queue.raw(&format!("HGET %conc:{account} {function}")).await;
    assert_eq!(held, 3);
    let gone: u64 = queue.raw(&format!("HEXISTS %conc:{account} gone")).await;
    let other: u64 = queue
        .raw(&format!("EXISTS %conc:{stranger} %quota:{stranger}:x"))
        .await;
    assert_eq!((gone, other), (0, 0));
    let bytes: u64 = queue.raw("GET %bytes").await;
    assert_eq!(bytes, 5 * 4);
    recovery::certify(&link, Loss::Possible).await.unwrap();
    queue.link().await.give_up();
    let mut bounded = request.again();
    bounded.bounds.quota = Some(12);
    bounded.accepted(&queue).await;
    let link = queue.link().await;
    let refused = bounded.again().send(&link).await;
    assert_eq!(
        refused,
        queue::Accepted::Quota,
        "eleven were charged before"
    );
}

#[tokio::test]
async fn slots_that_nobody_holds_go_to_the_backlog() {
    let queue = Queue::fresh().await;
    let mut request = Request::of(owner(), Lane::Background);
    request.bounds.background = 1;
    request.accepted(&queue).await;
    for _ in 0..3 {
        request.again().accepted(&queue).await;
    }
    let account = request.owner.account.uuid().simple();
    // More was counted than there is, as half a script may leave it.
    let hash = queue.partition.execution(request.id);
    let _: u64 = queue.raw(&format!("DEL {hash}")).await;
    let _: u64 = queue.raw("XTRIM %q:b MAXLEN 0").await;
    let link = recovering(&queue).await;
    recovery::recount(&link, &[]).await.unwrap();
    let counted: u64 = queue.raw(&format!("EXISTS %conc:{account}")).await;
    assert_eq!(counted, 0);
    assert_eq!(recovery::promote_backlogs(&link).await.unwrap(), 1);
    recovery::certify(&link, Loss::Possible).await.unwrap();
    assert_eq!(queue.slots(&request.owner).await, (1, 1));
    assert_eq!(queue.backlog(&request.owner).await, 2);
}

#[tokio::test]
async fn what_half_a_script_left_behind_is_mended_by_its_row() {
    let queue = Queue::fresh().await;
    let mut request = Request::of(owner(), Lane::Background);
    request.bounds.background = 1;
    request.accepted(&queue).await;
    let behind = request.again();
    behind.accepted(&queue).await;
    let _: u64 = queue.raw("XTRIM %q:b MAXLEN 0").await;
    let account = request.owner.account.uuid().simple();
    let _: u64 = queue.raw(&format!("DEL %back:{account}")).await;
    let link = recovering(&queue).await;
    let settled = recovery::settle(&link, &[row(&request), row(&behind)]).await;
    assert_eq!(settled.unwrap(), [Settled::Present, Settled::Present]);
    certify(&queue, &link).await;
    for expected in [request.id, behind.id] {
        let taken = queue.take_one(StreamKind::Background, "w1").await;
        assert_eq!(taken.id, expected);
        assert!(done(&queue.finish(&taken, FinalState::Succeeded).await));
    }
    queue.assert_empty(&request.owner).await;
}

#[tokio::test]
async fn events_are_recorded_and_removed_while_the_partition_is_closed() {
    let queue = Queue::fresh().await;
    let request = Request::of(owner(), Lane::Interactive);
    let leased = request.leased(&queue, "w1").await;
    queue.finish(&leased, FinalState::Succeeded).await;
    let link = recovering(&queue).await;
    let swept = queue::sweep(&link, Duration::ZERO, 10).await.unwrap();
    let event = (swept.events[0].event.clone(), request.id);
    assert_eq!(queue::forget(&link, &[event]).await.unwrap(), 1);
}

#[tokio::test]
async fn the_log_is_written_anew_before_the_partition_opens() {
    let server = Server::start().await;
    let queue = Queue::uncertified(&server.url(), "").await;
    let link = queue.begin(1).await;
    recovery::groups(&link).await.unwrap();
    recovery::rewrite_log(&link, Duration::from_secs(60))
        .await
        .unwrap();
    let info: String = queue.raw("INFO persistence").await;
    assert!(info.contains("aof_last_bgrewrite_status:ok"));
    let rewrites = info
        .lines()
        .find_map(|line| line.strip_prefix("aof_rewrites:"));
    assert_eq!(rewrites, Some("1"));
}

#[tokio::test]
async fn a_cancel_after_a_recovery_finds_what_was_restored() {
    let queue = Queue::fresh().await;
    let request = Request::of(owner(), Lane::Background);
    forget_all(&queue).await;
    let link = recovering(&queue).await;
    settle_one(&link, row(&request)).await;
    certify(&queue, &link).await;
    let link = queue.link().await;
    let cancelled = outcome(FinalState::Cancelled);
    let answer = queue::cancel(&link, request.owner.account, request.id, &cancelled).await;
    assert!(matches!(answer.unwrap(), Cancelled::Done { .. }));
    queue.assert_empty(&request.owner).await;
}
