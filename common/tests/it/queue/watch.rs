//! How an execution stands, and being woken when it ends.

use std::time::Duration;

use common::execution::{FinalState, Lane, State};
use common::queue::{self, QueueError, Wake, Wakes, Watched};

use super::given::{Queue, Request, done, outcome, owner};

#[tokio::test]
async fn a_waiting_api_is_woken_with_the_outcome() {
    let queue = Queue::fresh().await;
    let link = queue.link().await;
    let mut first = subscribe(&queue, "a1").await;
    let mut second = subscribe(&queue, "a2").await;
    let mut request = Request::of(owner(), Lane::Interactive);
    request.waiter = Some("a1");
    let taken = request.leased(&queue, "w1").await;
    let watched = queue::watch(&link, request.owner.account, request.id, Some("a2")).await;
    assert_eq!(
        watched.unwrap(),
        Watched::Open {
            owner: request.owner,
            state: State::Running,
            joined: true,
        }
    );
    assert!(done(&queue.finish(&taken, FinalState::Failed).await));
    for wakes in [&mut first, &mut second] {
        let wake = tokio::time::timeout(Duration::from_secs(10), wakes.next())
            .await
            .unwrap()
            .unwrap();
        let (id, outcome) = (request.id, outcome(FinalState::Failed));
        assert_eq!(wake, Wake::Ended { id, outcome });
    }
}

async fn subscribe(queue: &Queue, api: &str) -> Wakes {
    Wakes::subscribe(&queue.client, &queue.partition, api)
        .await
        .unwrap()
}

#[tokio::test]
async fn eight_apis_may_wait_and_a_ninth_has_to_look_again() {
    let queue = Queue::fresh().await;
    let link = queue.link().await;
    let request = Request::of(owner(), Lane::Interactive);
    request.accepted(&queue).await;
    let mut joined = Vec::new();
    for api in ["1", "2", "3", "4", "5", "6", "7", "8", "9", "1"] {
        let watched = queue::watch(&link, request.owner.account, request.id, Some(api)).await;
        let Watched::Open { joined: one, .. } = watched.unwrap() else {
            panic!("not open");
        };
        joined.push(one);
    }
    let mut expected = vec![true; 8];
    expected.extend([false, true]);
    assert_eq!(joined, expected);
}

#[tokio::test]
async fn an_execution_is_queued_until_a_worker_takes_it() {
    let queue = Queue::fresh().await;
    let mut request = Request::of(owner(), Lane::Background);
    request.bounds.background = 1;
    let waiting = request.again();
    request.accepted(&queue).await;
    waiting.accepted(&queue).await;
    for one in [&request, &waiting] {
        assert_eq!(state(&queue, one).await, Some(State::Queued));
    }
    queue.take_one(Lane::Background.into(), "w1").await;
    assert_eq!(state(&queue, &request).await, Some(State::Running));
    assert_eq!(state(&queue, &waiting).await, Some(State::Queued));
    assert_eq!(state(&queue, &request.again()).await, None);
}

async fn state(queue: &Queue, request: &Request) -> Option<State> {
    let link = queue.link().await;
    match queue::watch(&link, request.owner.account, request.id, None)
        .await
        .unwrap()
    {
        Watched::Open { state, .. } => Some(state),
        Watched::Final { outcome, .. } => Some(outcome.ending.state.into()),
        Watched::Unknown => None,
    }
}

#[tokio::test]
async fn a_message_that_cannot_be_read_does_not_end_the_subscription() {
    let queue = Queue::fresh().await;
    let mut wakes = subscribe(&queue, "a1").await;
    let channel = queue.partition.channel("api:a1");
    let _: u64 = queue.raw(&format!("PUBLISH {channel} nonsense")).await;
    let mut request = Request::of(owner(), Lane::Interactive);
    request.waiter = Some("a1");
    let taken = request.leased(&queue, "w1").await;
    queue.finish(&taken, FinalState::Succeeded).await;
    let wake: Result<_, QueueError> = tokio::time::timeout(Duration::from_secs(10), wakes.next())
        .await
        .unwrap();
    assert!(matches!(wake.unwrap(), Wake::Ended { id, .. } if id == request.id));
}
