//! Redis loses its memory, is restarted, or was never fit.

use common::execution::{FinalState, Lane};
use common::queue::recovery::{self, Begun, Certified, Loss};
use common::queue::{self, Accepted, Hello, QueueError, Reader, Standing, StreamKind};
use common::testing::PrivateRedis;
use futures_util::FutureExt as _;

use super::given::{Queue, Request, done, outcome, owner};

async fn given(server: &PrivateRedis) -> Queue {
    let queue = Queue::uncertified(&server.url(), "").await;
    queue.recover(1, Loss::Impossible).await;
    queue
}

/// The same request as a new execution.
fn new(request: &Request) -> queue::Accept<'_> {
    queue::Accept {
        id: request.again().id,
        owner: request.owner,
        lane: request.lane,
        period: super::given::period(),
        bounds: request.bounds,
        key: None,
        checked: false,
        attempts: 1,
        body: b"body",
        waiter: None,
    }
}

#[tokio::test]
async fn nothing_goes_before_somebody_certified_the_partition() {
    let server = PrivateRedis::start().await;
    let queue = Queue::uncertified(&server.url(), "").await;
    assert!(matches!(
        queue.links.link().await,
        Err(QueueError::Recovering)
    ));
    let Hello {
        standing,
        server_ms,
    } = queue.links.hello().await.unwrap();
    assert_eq!(standing, Standing::Recovering(None));
    assert!(server_ms > 1_700_000_000_000);
    let link = queue.begin(7).await;
    let hello = queue.links.hello().await.unwrap();
    assert_eq!(hello.standing, Standing::Recovering(Some(7)));
    recovery::groups(&link).await.unwrap();
    recovery::certify(&link, Loss::Impossible).await.unwrap();
    let hello = queue.links.hello().await.unwrap();
    assert_eq!(hello.standing, Standing::Certified(7));
}

#[tokio::test]
async fn an_emptied_redis_answers_recovering_to_every_script() {
    let server = PrivateRedis::start().await;
    let queue = given(&server).await;
    let link = queue.link().await;
    let request = Request::of(owner(), Lane::Interactive);
    let leased = request.leased(&queue, "w1").await;
    let _: String = queue.raw("FLUSHALL").await;
    let ending = outcome(FinalState::Succeeded);
    let end = queue::Finish {
        leased: &leased,
        outcome: &ending,
        retry: None,
        next: None,
    };
    let account = request.owner.account;
    let leases = [(leased.id, leased.token.clone())];
    for (script, answer) in [
        ("finish", queue::finish(&link, &end).await.err()),
        ("renew", queue::renew(&link, &leases).await.err()),
        (
            "reclaim",
            queue::reclaim(&link, "w2", 1, queue::Alone::No).await.err(),
        ),
        ("hand_back", queue::hand_back(&link, &leased).await.err()),
        (
            "set_aside",
            queue::set_aside(&link, &leased.token, None).await.err(),
        ),
        (
            "cancel",
            queue::cancel(&link, account, leased.id, &ending)
                .await
                .err(),
        ),
        (
            "watch",
            queue::watch(&link, account, leased.id, Some("a"))
                .await
                .err(),
        ),
        (
            "sweep",
            queue::sweep(&link, std::time::Duration::ZERO, 1)
                .await
                .err(),
        ),
        ("accept", queue::accept(&link, &new(&request)).await.err()),
        ("promote_due", queue::promote_due(&link, 1).await.err()),
        (
            "drop_consumer",
            queue::drop_consumer(&link, "w1").await.err(),
        ),
    ] {
        assert!(
            matches!(answer, Some(QueueError::Recovering)),
            "{script}: {answer:?}"
        );
    }
    let left: u64 = queue.raw("DBSIZE").await;
    assert_eq!(left, 0, "nothing was written");
    assert!(matches!(
        queue.links.link().await,
        Err(QueueError::Recovering)
    ));
}

#[tokio::test]
async fn a_blocked_reader_learns_that_its_stream_is_gone() {
    let server = PrivateRedis::start().await;
    let queue = given(&server).await;
    let mut reader = Reader::new(
        queue.client.clone(),
        &queue.partition,
        StreamKind::Interactive,
        "w1",
    );
    reader.read(1).await.unwrap();
    let reading = reader.read(1);
    let emptying = queue.raw::<String>("FLUSHALL");
    let (read, _) = tokio::join!(reading, emptying);
    assert!(matches!(read, Err(QueueError::Recovering)), "{read:?}");
    let read = reader.read(1).await;
    assert!(matches!(read, Err(QueueError::Recovering)), "{read:?}");
    queue.recover(2, Loss::Possible).await;
    let request = Request::of(owner(), Lane::Interactive);
    request.accepted(&queue).await;
    assert_eq!(reader.read(1).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_restart_is_noticed_though_the_log_brings_everything_back() {
    let mut server = PrivateRedis::start().await;
    let queue = given(&server).await;
    let request = Request::of(owner(), Lane::Interactive);
    let leased = request.leased(&queue, "w1").await;
    let old = queue.link().await;
    server.restart().await;
    let broken = queue::renew(&old, &[(leased.id, leased.token.clone())]).await;
    assert!(
        matches!(&broken, Err(QueueError::Redis { .. })),
        "{broken:?}"
    );
    assert!(matches!(
        queue.links.link().await,
        Err(QueueError::Recovering)
    ));
    let queue = Queue::uncertified(&server.url(), "").await;
    let stamp: String = queue.raw("GET %gen").await;
    assert!(stamp.starts_with("1 "), "the log brought {stamp} back");
    assert!(matches!(
        queue.links.link().await,
        Err(QueueError::Recovering)
    ));
    // While recovering a lease may be kept, under the generation its holder was told.
    let link = queue.begin(2).await;
    let worker = queue.links.recovering(2).await.unwrap();
    let leases = [(leased.id, leased.token.clone())];
    let renewed = queue::renew(&worker, &leases).await.unwrap();
    assert_eq!(renewed.lost, []);
    let stale = queue.links.recovering(1).await.unwrap();
    assert!(matches!(
        queue::renew(&stale, &leases).await,
        Err(QueueError::Recovering)
    ));
    recovery::groups(&link).await.unwrap();
    recovery::certify(&link, Loss::Possible).await.unwrap();
    assert!(done(&queue.finish(&leased, FinalState::Succeeded).await));
    queue.assert_empty(&request.owner).await;
}

#[tokio::test]
async fn a_server_that_was_changed_during_a_recovery_is_not_certified() {
    let mut server = PrivateRedis::start().await;
    let queue = Queue::uncertified(&server.url(), "").await;
    let first = queue.begin(1).await;
    recovery::groups(&first).await.unwrap();
    server.restart().await;
    assert!(recovery::certify(&first, Loss::Possible).await.is_err());
    // Even over a new connection the step's run id is the one that was greeted.
    let second = Queue::uncertified(&server.url(), "").await;
    let link = second.links.recovering(1).await.unwrap();
    assert_eq!(
        recovery::certify(&link, Loss::Possible).await.unwrap(),
        Certified::Yes
    );
}

#[tokio::test]
async fn a_recovery_that_was_overtaken_does_nothing_more() {
    let server = PrivateRedis::start().await;
    let queue = Queue::uncertified(&server.url(), "").await;
    let first = queue.begin(1).await;
    let second = queue.begin(2).await;
    for answer in [
        recovery::groups(&first).await.err(),
        recovery::settle(&first, &[]).await.err(),
        recovery::stranded(&first).await.err(),
        recovery::recount(&first, &[]).await.err(),
        recovery::certify(&first, Loss::Impossible).await.err(),
    ] {
        assert!(matches!(answer, None | Some(QueueError::Recovering)));
    }
    let stale = recovery::begin(&queue.links, 2, 1).await.unwrap();
    assert!(matches!(stale, Begun::Stale));
    let outranked = recovery::begin(&queue.links, 3, 0).await.unwrap();
    assert!(matches!(outranked, Begun::Outranked));
    recovery::groups(&second).await.unwrap();
    recovery::certify(&second, Loss::Impossible).await.unwrap();
    assert_eq!(queue.link().await.generation(), 2);
}

#[tokio::test]
async fn a_lost_script_is_loaded_again_without_anybody_noticing() {
    let server = PrivateRedis::start().await;
    let queue = given(&server).await;
    let link = queue.link().await;
    let _: String = queue.raw("SCRIPT FLUSH").await;
    let request = Request::of(owner(), Lane::Interactive);
    assert_eq!(request.send(&link).await, Accepted::New);
}

#[tokio::test]
async fn a_full_memory_refuses_new_work_and_nothing_else() {
    let server = PrivateRedis::start().await;
    let queue = given(&server).await;
    let mut request = Request::of(owner(), Lane::Background);
    request.attempts = 2;
    let first = request.leased(&queue, "w1").await;
    let second = request.again().leased(&queue, "w1").await;
    let link = queue.link().await;
    let _: String = queue.raw("CONFIG SET maxmemory 1").await;
    let refused = queue::accept(&link, &new(&request)).await;
    assert!(matches!(refused, Err(QueueError::OutOfMemory)));
    assert_eq!(queue.slots(&request.owner).await, (2, 2));
    assert_eq!(
        queue::hand_back(&link, &second).await.unwrap(),
        queue::HandedBack::Done
    );
    assert!(done(&queue.finish(&first, FinalState::Succeeded).await));
}

#[tokio::test]
async fn a_greeting_that_is_dropped_leaves_the_connection_to_the_next_one() {
    let server = PrivateRedis::start().await;
    let queue = given(&server).await;
    let request = Request::of(owner(), Lane::Background);
    let link = queue.link().await;
    let connections = async || {
        let told: String = queue.raw("CLIENT LIST").await;
        let ids = told.lines().filter_map(|line| line.split(' ').next());
        ids.map(str::to_owned).collect::<Vec<_>>()
    };
    let before = connections().await;
    let _: String = queue.raw("CONFIG SET maxmemory 1").await;
    let refused = queue::accept(&link, &new(&request)).await;
    assert!(matches!(refused, Err(QueueError::OutOfMemory)));
    // It has to greet again, and whoever does is gone before the answer.
    assert!(queue.links.link().now_or_never().is_none());
    queue.link().await;
    assert_eq!(connections().await, before);
}

#[tokio::test]
async fn a_redis_that_may_forget_is_refused_and_the_setting_named() {
    for (options, named) in [
        (&["--appendonly", "no"][..], "appendonly"),
        (&["--maxmemory-policy", "allkeys-lru"], "maxmemory-policy"),
    ] {
        let server = PrivateRedis::with(options).await;
        let queue = Queue::uncertified(&server.url(), "").await;
        let refused = queue.links.link().await.unwrap_err();
        assert!(refused.to_string().contains(named), "{refused}");
    }
}
