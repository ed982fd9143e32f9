//! Erasing what Redis holds of an execution that has ended.

use std::time::Duration;

use common::execution::{FinalState, Lane};
use common::queue::{self, Watched};

use super::given::{Queue, Request, owner};

#[tokio::test]
async fn erasing_leaves_nothing_of_an_ended_execution() {
    let queue = Queue::fresh().await;
    let link = queue.link().await;
    let mut request = Request::of(owner(), Lane::Interactive);
    request.body = b"a planted word".to_vec();
    let leased = request.leased(&queue, "w1").await;
    let account = request.owner.account;
    let open = queue::erase(&link, account, request.id).await.unwrap();
    assert!(!open, "what is open is cancelled first");
    queue.finish(&leased, FinalState::Succeeded).await;
    let stranger = owner().account;
    assert!(!queue::erase(&link, stranger, request.id).await.unwrap());
    assert!(queue::erase(&link, account, request.id).await.unwrap());
    assert!(!queue::erase(&link, account, request.id).await.unwrap());
    let watched = queue::watch(&link, account, request.id, None).await;
    assert_eq!(watched.unwrap(), Watched::Unknown);
    let swept = queue::sweep(&link, Duration::ZERO, 10).await.unwrap();
    assert_eq!((swept.events.len(), swept.damaged), (0, 0));
    let id = request.id.uuid().simple();
    let left: Vec<String> = queue.raw(&format!("KEYS *{id}*")).await;
    assert_eq!(left, Vec::<String>::new());
}
