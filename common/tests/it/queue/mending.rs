//! Recovery mends what does not fit together: counters, lists, half a script.

use std::time::Duration;

use common::execution::{FinalState, Lane};
use common::queue::recovery::{self, Charged, Loss, Settled};
use common::queue::{self, Alone, Cancelled, StreamKind};
use common::testing::PrivateRedis;

use super::given::{Queue, Request, done, outcome, owner, period};
use super::recovery::{certify, forget_all, recovering, row, settle_one};

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
    let (owner, stranger) = (owner(), owner());
    let mut request = Request::of(owner, Lane::Background);
    request.bounds.background = 2;
    for _ in 0..4 {
        request.again().accepted(&queue).await;
    }
    Request::of(owner, Lane::Interactive).accepted(&queue).await;
    let account = owner.account.uuid().simple().to_string();
    let stranger = stranger.account.uuid().simple().to_string();
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
    let server = PrivateRedis::start().await;
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

#[tokio::test]
async fn entries_that_were_there_before_the_group_are_read() {
    let queue = Queue::fresh().await;
    let request = Request::of(owner(), Lane::Interactive);
    request.accepted(&queue).await;
    let _: u64 = queue.raw("XGROUP DESTROY %q:i w").await;
    let link = recovering(&queue).await;
    certify(&queue, &link).await;
    let taken = queue.take_one(StreamKind::Interactive, "w1").await;
    assert_eq!(taken.id, request.id);
}
