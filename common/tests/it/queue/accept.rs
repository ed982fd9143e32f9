//! What `accept` decides, and that a refusal writes nothing.

use common::execution::{FinalState, Lane, State};
use common::queue::recovery::Loss;
use common::queue::{Accepted, Links, StreamKind};
use futures_util::future::join_all;

use super::given::{BOUNDS, Queue, Request, done, key, owner};

#[tokio::test]
async fn an_accepted_execution_holds_a_slot_and_waits_in_its_stream() {
    let queue = Queue::fresh().await;
    let owner = owner();
    let interactive = Request::of(owner, Lane::Interactive);
    let background = Request::of(owner, Lane::Background);
    interactive.accepted(&queue).await;
    background.accepted(&queue).await;
    assert_eq!(queue.slots(&owner).await, (2, 1));
    let first = queue.take_one(StreamKind::Interactive, "w1").await;
    let second = queue.take_one(StreamKind::Background, "w1").await;
    assert_eq!((first.id, second.id), (interactive.id, background.id));
    assert_eq!(first.body.as_ref(), b"body");
}

#[tokio::test]
async fn quota_is_exact_under_two_hundred_parallel_requests() {
    let queue = Queue::fresh().await;
    let mut request = Request::of(owner(), Lane::Background);
    request.bounds.quota = Some(73);
    request.bounds.queued = 1_000;
    let answers = at_once(&queue, &request, 200).await;
    assert_eq!(count(&answers, Accepted::New), 73);
    assert_eq!(count(&answers, Accepted::Quota), 127);
    let account = request.owner.account.uuid().simple();
    let charged: u64 = queue.raw(&format!("GET %quota:{account}:2100-01-01")).await;
    assert_eq!(charged, 73);
    let expires: i64 = queue
        .raw(&format!("EXPIRETIME %quota:{account}:2100-01-01"))
        .await;
    let week = 7 * 24 * 3_600;
    assert_eq!(expires, super::given::period().ends.as_second() + week);
}

#[tokio::test]
async fn concurrency_is_exact_under_two_hundred_parallel_requests() {
    let queue = Queue::fresh().await;
    let mut request = Request::of(owner(), Lane::Interactive);
    request.bounds.concurrency = 17;
    let answers = at_once(&queue, &request, 200).await;
    assert_eq!(count(&answers, Accepted::New), 17);
    assert_eq!(count(&answers, Accepted::NoSlot), 183);
    assert_eq!(queue.slots(&request.owner).await, (17, 0));
    assert_eq!(queue.entries(StreamKind::Interactive).await, 17);
}

#[tokio::test]
async fn background_takes_its_share_and_then_waits_without_a_slot() {
    let queue = Queue::fresh().await;
    let mut request = Request::of(owner(), Lane::Background);
    request.bounds.concurrency = 20;
    request.bounds.background = 15;
    request.bounds.queued = 30;
    let answers = at_once(&queue, &request, 200).await;
    assert_eq!(count(&answers, Accepted::New), 45);
    assert_eq!(count(&answers, Accepted::Full), 155);
    assert_eq!(queue.slots(&request.owner).await, (15, 15));
    assert_eq!(queue.backlog(&request.owner).await, 30);
    // Its own flood leaves a quarter for its synchronous calls.
    request.lane = Lane::Interactive;
    let answers = at_once(&queue, &request, 10).await;
    assert_eq!(count(&answers, Accepted::New), 5);
}

#[tokio::test]
async fn a_functions_own_bound_holds_beside_the_accounts() {
    let queue = Queue::fresh().await;
    let mut bounded = Request::of(owner(), Lane::Interactive);
    bounded.bounds.function_concurrency = Some(2);
    let answers = at_once(&queue, &bounded, 20).await;
    assert_eq!(count(&answers, Accepted::New), 2);
    // Executions accepted before the bound was set count too.
    let other = Request::of(
        common::queue::Owner {
            function: owner().function,
            ..bounded.owner
        },
        Lane::Interactive,
    );
    other.accepted(&queue).await;
    let mut later = other.again();
    later.bounds.function_concurrency = Some(1);
    assert_eq!(later.send(&queue.link().await).await, Accepted::NoSlot);
}

#[tokio::test]
async fn one_key_gives_one_execution_under_parallel_requests() {
    let queue = Queue::fresh().await;
    let mut request = Request::of(owner(), Lane::Background);
    request.key = key(1, 1);
    let answers = at_once(&queue, &request, 50).await;
    assert_eq!(count(&answers, Accepted::New), 1);
    let replayed = answers.iter().filter(|answer| {
        matches!(
            answer,
            Accepted::Replay {
                state: Some(State::Queued),
                ..
            }
        )
    });
    assert_eq!(replayed.count(), 49);
    assert_eq!(queue.slots(&request.owner).await, (1, 1));
}

#[tokio::test]
async fn a_key_replays_its_execution_in_each_state_and_refuses_another_request() {
    let queue = Queue::fresh().await;
    let link = queue.link().await;
    let mut request = Request::of(owner(), Lane::Interactive);
    request.key = key(1, 1);
    let leased = request.leased(&queue, "w1").await;
    let mut other = request.again();
    other.key = key(1, 2);
    assert_eq!(other.send(&link).await, Accepted::Conflict);
    assert!(done(&queue.finish(&leased, FinalState::Failed).await));
    let replay = |state| Accepted::Replay {
        id: request.id,
        state,
    };
    let again = request.again();
    assert_eq!(again.send(&link).await, replay(Some(State::Failed)));
    let hash = queue.partition.execution(request.id);
    let _: u64 = queue.raw(&format!("DEL {hash}")).await;
    assert_eq!(again.send(&link).await, replay(None));
    // Another account's key of the same name is its own.
    let mut stranger = again.again();
    stranger.owner = owner();
    stranger.accepted(&queue).await;
}

#[tokio::test]
async fn an_unknown_key_is_looked_up_for_a_day_after_a_loss() {
    let queue = Queue::fresh().await;
    queue.recover(2, Loss::Possible).await;
    queue.link().await.give_up();
    let link = queue.link().await;
    assert_eq!(link.generation(), 2);
    let mut request = Request::of(owner(), Lane::Interactive);
    request.accepted(&queue).await;
    request = request.again();
    request.key = key(1, 1);
    assert_eq!(request.send(&link).await, Accepted::LookUp);
    request.checked = true;
    assert_eq!(request.send(&link).await, Accepted::New);
    // A key that Redis knows needs no look.
    request.checked = false;
    assert!(matches!(
        request.again().send(&link).await,
        Accepted::Replay { .. }
    ));
    let (gen_key, run_id) = stamp(&queue).await;
    let (now, _): (i64, i64) = queue.raw("TIME").await;
    for (ago, answer) in [(86_399, Accepted::LookUp), (86_401, Accepted::New)] {
        let lost_at = (now - ago) * 1_000;
        let old = format!("2 {run_id} {lost_at}");
        set_stamp(&queue, &gen_key, &old).await;
        queue.link().await.give_up();
        let mut late = request.again();
        late.key = key(9, 9);
        assert_eq!(late.send(&queue.link().await).await, answer, "{ago} s ago");
    }
}

async fn stamp(queue: &Queue) -> (String, String) {
    let stamp: String = queue.raw("GET %gen").await;
    let run_id = stamp.split(' ').nth(1).unwrap().to_owned();
    (queue.partition.key("gen"), run_id)
}

async fn set_stamp(queue: &Queue, key: &str, stamp: &str) {
    let mut connection = queue
        .client
        .get_multiplexed_async_connection()
        .await
        .unwrap();
    let mut set = redis::cmd("SET");
    set.arg(key).arg(stamp);
    let _: String = set.query_async(&mut connection).await.unwrap();
}

#[tokio::test]
async fn bounds_stand_and_one_past_them_is_refused_without_a_trace() {
    let queue = Queue::fresh().await;
    let link = queue.link().await;
    let mut request = Request::of(owner(), Lane::Background);
    let _: u64 = queue.raw("INCRBY %bytes 268435452").await;
    request.accepted(&queue).await;
    let before = keys(&queue).await;
    assert_eq!(request.again().send(&link).await, Accepted::Full);
    let _: u64 = queue.raw("DECRBY %bytes 100").await;
    request.bounds.quota = Some(1);
    assert_eq!(request.again().send(&link).await, Accepted::Quota);
    request.bounds = BOUNDS;
    request.lane = Lane::Interactive;
    request.bounds.concurrency = 1;
    assert_eq!(request.again().send(&link).await, Accepted::NoSlot);
    request.lane = Lane::Background;
    request.bounds.queued = 0;
    assert_eq!(request.again().send(&link).await, Accepted::Full);
    assert_eq!(keys(&queue).await, before);
}

async fn keys(queue: &Queue) -> Vec<String> {
    let mut keys: Vec<String> = queue.raw("KEYS %*").await;
    keys.sort();
    keys
}

#[tokio::test]
async fn two_hundred_thousand_unrecorded_events_stop_new_work() {
    let queue = Queue::fresh().await;
    let link = queue.link().await;
    let fill = "for i = 1, tonumber(ARGV[1]) do redis.call('XADD', KEYS[1], '*', 'k', 'f') end";
    let events = queue.partition.key("ev");
    let fill = |count: u32| {
        let script = redis::Script::new(fill);
        let (mut connection, events) = (queue.client.clone(), events.clone());
        async move {
            let connection = &mut connection;
            let mut connection = connection.get_multiplexed_async_connection().await.unwrap();
            connection.set_response_timeout(std::time::Duration::from_secs(30));
            let mut call = script.prepare_invoke();
            let filled: Result<(), _> = call
                .key(events)
                .arg(count)
                .invoke_async(&mut connection)
                .await;
            filled.unwrap();
        }
    };
    fill(199_999).await;
    let request = Request::of(owner(), Lane::Interactive);
    request.accepted(&queue).await;
    fill(1).await;
    assert_eq!(request.again().send(&link).await, Accepted::Behind);
    let _: u64 = queue.raw("DEL %ev").await;
}

/// Sends as many copies of a request at once, over several connections.
async fn at_once(queue: &Queue, request: &Request, copies: usize) -> Vec<Accepted> {
    let mut links = Vec::new();
    for _ in 0..8 {
        let process = Links::new(queue.client.clone(), queue.partition.clone());
        links.push(process.link().await.unwrap());
    }
    let requests: Vec<_> = (0..copies).map(|_| request.again()).collect();
    let sent = requests
        .iter()
        .zip(links.iter().cycle())
        .map(|(request, link)| request.send(link));
    join_all(sent).await
}

fn count(answers: &[Accepted], one: Accepted) -> usize {
    answers.iter().filter(|answer| **answer == one).count()
}
