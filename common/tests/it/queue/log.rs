//! What is told of an execution while it runs.

use std::time::Duration;

use common::execution::{FinalState, Lane};
use common::limits::{LIVE_LOG_BYTES, LIVE_READ_BYTES, WAITERS_PER_EXECUTION};
use common::queue::recovery::Settled;
use common::queue::{
    self, Alone, Appended, HandedBack, Leased, Link, LogRead, LogText, More, Wake, Wakes,
};

use super::given::{Queue, Request, done, owner};
use super::recovery::{certify, forget_all, recovering, row, settle_one};

const KEPT: Duration = Duration::from_secs(100);

async fn append(link: &Link, leased: &Leased, run: u64, sealed: &[u8]) -> Appended {
    let text = LogText {
        leased,
        run,
        sealed,
        kept: KEPT,
    };
    queue::append_log(link, &text).await.unwrap()
}

/// One who reads, and what is new to it, as text.
struct Reader<'a>(&'a Request, LogRead);

impl<'a> Reader<'a> {
    fn of(request: &'a Request) -> Self {
        Self(request, LogRead::default())
    }

    async fn more(&mut self, link: &Link) -> Option<Vec<String>> {
        let whose = (self.0.owner.account, self.0.id);
        match self.1.more(link, whose, "a1", LIVE_READ_BYTES).await {
            Ok(More::Texts(texts)) => {
                let texts = texts.into_iter();
                Some(
                    texts
                        .map(|t| String::from_utf8(t.to_vec()).unwrap())
                        .collect(),
                )
            }
            Ok(More::Closed) => None,
            Err(error) => panic!("{error}"),
        }
    }
}

fn texts(texts: &[&str]) -> Option<Vec<String>> {
    Some(texts.iter().map(|&text| text.to_owned()).collect())
}

#[tokio::test]
async fn text_is_read_in_order_once_and_its_readers_are_woken() {
    let queue = Queue::fresh().await;
    let link = queue.link().await;
    let mut wakes = Wakes::subscribe(&queue.client, &queue.partition, "a1")
        .await
        .unwrap();
    let request = Request::of(owner(), Lane::Background);
    request.accepted(&queue).await;
    let mut reader = Reader::of(&request);
    assert_eq!(reader.more(&link).await, texts(&[]));
    let leased = queue.take_one(Lane::Background.into(), "w1").await;
    for text in ["one", "", "two"] {
        assert_eq!(
            append(&link, &leased, 7, text.as_bytes()).await,
            Appended::Done
        );
        let woken = tokio::time::timeout(Duration::from_secs(10), wakes.next()).await;
        assert_eq!(woken.unwrap().unwrap(), Wake::Printed(request.id));
    }
    assert_eq!(reader.more(&link).await, texts(&["one", "", "two"]));
    assert_eq!(reader.more(&link).await, texts(&[]));
    append(&link, &leased, 7, b"three").await;
    assert_eq!(reader.more(&link).await, texts(&["three"]));
    let mut late = Reader::of(&request);
    assert_eq!(late.more(&link).await, texts(&["one", "", "two", "three"]));
}

#[tokio::test]
async fn only_who_holds_the_lease_adds_text() {
    let queue = Queue::fresh().await;
    let link = queue.link().await;
    let request = Request::of(owner(), Lane::Interactive);
    let first = request.leased(&queue, "w1").await;
    append(&link, &first, 7, b"first").await;
    let second = queue
        .lose(&first.token, "w2", Alone::No)
        .await
        .remove(0)
        .leased;
    assert_eq!(append(&link, &first, 7, b"late").await, Appended::Fenced);
    let mut reader = Reader::of(&request);
    assert_eq!(reader.more(&link).await, texts(&["first"]));
    // The second run takes the place of the first, also for who was in the middle of it.
    assert_eq!(append(&link, &second, 8, b"2nd").await, Appended::Done);
    assert_eq!(reader.more(&link).await, texts(&["2nd"]));
    let back = queue::hand_back(&link, &second).await.unwrap();
    assert_eq!(back, HandedBack::Done);
    assert_eq!(append(&link, &second, 8, b"late").await, Appended::Fenced);
}

#[tokio::test]
async fn a_log_goes_with_the_outcome_and_stays_gone() {
    let queue = Queue::fresh().await;
    let link = queue.link().await;
    let request = Request::of(owner(), Lane::Interactive);
    let leased = request.leased(&queue, "w1").await;
    append(&link, &leased, 7, b"text").await;
    assert!(done(&queue.finish(&leased, FinalState::Succeeded).await));
    assert_eq!(append(&link, &leased, 7, b"late").await, Appended::Fenced);
    let there: u64 = exists(&queue, &request).await;
    assert_eq!(there, 0);
    assert_eq!(Reader::of(&request).more(&link).await, None);
}

async fn exists(queue: &Queue, request: &Request) -> u64 {
    queue
        .raw(&format!("EXISTS %log:{}", request.id.uuid().simple()))
        .await
}

#[tokio::test]
async fn a_failure_that_is_tried_again_leaves_no_log() {
    let queue = Queue::fresh().await;
    let link = queue.link().await;
    let mut request = Request::of(owner(), Lane::Background);
    request.attempts = 2;
    let leased = request.leased(&queue, "w1").await;
    append(&link, &leased, 7, b"text").await;
    let end = queue::Finish {
        leased: &leased,
        outcome: &super::given::outcome(FinalState::Failed),
        retry: Some(Duration::from_secs(60)),
        next: None,
    };
    queue::finish(&link, &end).await.unwrap();
    assert_eq!(exists(&queue, &request).await, 0);
    assert_eq!(Reader::of(&request).more(&link).await, texts(&[]));
}

#[tokio::test]
async fn a_log_has_a_bound_and_an_end_in_time() {
    let queue = Queue::fresh().await;
    let link = queue.link().await;
    let request = Request::of(owner(), Lane::Interactive);
    let leased = request.leased(&queue, "w1").await;
    // Besides this text there are the name of the run and the length.
    let most = vec![b'x'; LIVE_LOG_BYTES - 16 - 4];
    let more = [most.as_slice(), b"x"].concat();
    assert_eq!(append(&link, &leased, 7, &more).await, Appended::Full);
    assert_eq!(exists(&queue, &request).await, 0);
    assert_eq!(append(&link, &leased, 7, &most).await, Appended::Done);
    assert_eq!(append(&link, &leased, 7, b"").await, Appended::Full);
    let left: i64 = queue
        .raw(&format!("PTTL %log:{}", request.id.uuid().simple()))
        .await;
    assert!(left > 90_000 && left <= 100_000, "{left}");
    // Another run has all the room again.
    assert_eq!(append(&link, &leased, 8, &most).await, Appended::Done);
}

#[tokio::test]
async fn another_accounts_log_is_not_there() {
    let queue = Queue::fresh().await;
    let link = queue.link().await;
    let request = Request::of(owner(), Lane::Interactive);
    let leased = request.leased(&queue, "w1").await;
    append(&link, &leased, 7, b"text").await;
    let mut stranger = request.clone();
    stranger.owner = owner();
    assert_eq!(Reader::of(&stranger).more(&link).await, None);
    assert_eq!(Reader::of(&request.again()).more(&link).await, None);
}

#[tokio::test]
async fn much_text_is_read_in_parts() {
    let queue = Queue::fresh().await;
    let link = queue.link().await;
    let request = Request::of(owner(), Lane::Interactive);
    let leased = request.leased(&queue, "w1").await;
    let text = "x".repeat(LIVE_READ_BYTES / 2 - 4);
    for _ in 0..5 {
        append(&link, &leased, 7, text.as_bytes()).await;
    }
    let mut reader = Reader::of(&request);
    let mut sizes = Vec::new();
    loop {
        let read = reader.more(&link).await.unwrap();
        if read.is_empty() {
            break;
        }
        assert!(read.iter().all(|one| *one == text));
        sizes.push(read.len());
    }
    assert_eq!(sizes, [2, 2, 1]);
}

#[tokio::test]
async fn a_log_is_read_from_its_beginning_after_redis_lost_its_memory() {
    let queue = Queue::fresh().await;
    let link = queue.link().await;
    let request = Request::of(owner(), Lane::Background);
    let leased = request.leased(&queue, "w1").await;
    append(&link, &leased, 7, b"lost").await;
    let mut reader = Reader::of(&request);
    assert_eq!(reader.more(&link).await, texts(&["lost"]));
    forget_all(&queue).await;
    let closed = recovering(&queue).await;
    assert_eq!(settle_one(&closed, row(&request)).await, Settled::Enqueued);
    certify(&queue, &closed).await;
    let link = queue.link().await;
    let leased = queue.take_one(Lane::Background.into(), "w1").await;
    // The name of a run is a time: two of them may have the same one.
    append(&link, &leased, 7, b"1").await;
    append(&link, &leased, 7, b"2").await;
    assert_eq!(reader.more(&link).await, texts(&["1", "2"]));
}

#[tokio::test]
async fn where_too_many_read_the_one_that_came_first_gives_way() {
    let queue = Queue::fresh().await;
    let link = queue.link().await;
    let request = Request::of(owner(), Lane::Interactive);
    let leased = request.leased(&queue, "w1").await;
    let whose = (request.owner.account, request.id);
    let read = async |api: &str| {
        let more = LogRead::default().more(&link, whose, api, 1).await;
        assert_eq!(more.unwrap(), More::Texts(Vec::new()));
        let hash = request.id.uuid().simple();
        let following: String = queue.raw(&format!("HGET %x:{hash} fol")).await;
        following
            .split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let names: Vec<_> = (0..=WAITERS_PER_EXECUTION)
        .map(|n| format!("a{n}"))
        .collect();
    let (last, most) = names.split_last().unwrap();
    for (at, name) in most.iter().enumerate() {
        assert_eq!(read(name).await, names[..=at]);
    }
    assert_eq!(read(&names[0]).await, most);
    assert_eq!(read(last).await, names[1..]);
    let mut wakes = Wakes::subscribe(&queue.client, &queue.partition, last)
        .await
        .unwrap();
    append(&link, &leased, 7, b"text").await;
    let woken = tokio::time::timeout(Duration::from_secs(10), wakes.next()).await;
    assert_eq!(woken.unwrap().unwrap(), Wake::Printed(request.id));
}

#[tokio::test]
async fn a_recovering_partition_takes_no_text() {
    let queue = Queue::fresh().await;
    let link = queue.link().await;
    let request = Request::of(owner(), Lane::Interactive);
    let leased = request.leased(&queue, "w1").await;
    queue.begin(2).await;
    let text = LogText {
        leased: &leased,
        run: 7,
        sealed: b"text",
        kept: KEPT,
    };
    let refused = queue::append_log(&link, &text).await;
    assert!(matches!(refused, Err(queue::QueueError::Recovering)));
    assert_eq!(exists(&queue, &request).await, 0);
}
