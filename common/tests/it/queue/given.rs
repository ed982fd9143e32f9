//! A partition of one's own, and short ways to bring executions into a state.

use bytes::Bytes;
use common::clock::SystemClock;
use common::config::Env;
use common::execution::{Ending, ErrorCode, FinalState, Lane, SealedOutcome};
use common::ids::{AccountId, ExecutionId, FunctionId, NamespaceId, VersionId};
use common::limits;
use common::queue::recovery::{self, Begun, Certified, Loss};
use common::queue::{
    self, Accept, Accepted, Alone, Bounds, Finish, Finished, Key, Leased, Link, Links, Owner,
    Partition, Period, QueueError, Reclaimed, StreamKind, Taken, Token,
};
use jiff::Timestamp;
use redis::FromRedisValue;
use redis::aio::MultiplexedConnection;
use redis::streams::StreamReadReply;

/// A certified partition under a prefix that no other test has.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) links: Links,
    pub(super) client: redis::Client,
    pub(super) partition: Partition,
    raw: MultiplexedConnection,
}

impl Queue {
    /// In the shared Redis of the test run.
    pub(super) async fn fresh() -> Self {
        let url: Option<String> = Env::process().optional("PATCHBAY_TEST_REDIS_URL");
        let url = url.expect("start the servers: eval \"$(ops/test --servers)\"");
        let prefix = format!("{}:", ExecutionId::new(&SystemClock).uuid().simple());
        let queue = Self::uncertified(&url, &prefix).await;
        queue.recover(1, Loss::Impossible).await;
        queue
    }

    pub(super) async fn uncertified(url: &str, prefix: &str) -> Self {
        let client = redis::Client::open(url).unwrap();
        let partition = Partition::with_prefix(prefix);
        // Without the client's own half second: a busy machine is no failure.
        let patient = redis::AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        let raw = client
            .get_multiplexed_async_connection_with_config(&patient)
            .await
            .unwrap();
        Self {
            links: Links::new(client.clone(), partition.clone()),
            client,
            partition,
            raw,
        }
    }

    /// The whole of a recovery that finds nothing to settle.
    pub(super) async fn recover(&self, generation: u64, loss: Loss) {
        let link = self.begin(generation).await;
        recovery::groups(&link).await.unwrap();
        let certified = recovery::certify(&link, loss).await.unwrap();
        assert_eq!(certified, Certified::Yes);
    }

    pub(super) async fn begin(&self, generation: u64) -> Link {
        match recovery::begin(&self.links, generation, 1).await.unwrap() {
            Begun::Yes(link) => link,
            other => panic!("{other:?}"),
        }
    }

    /// A link; after a refusal, the next greeting may be some milliseconds away.
    pub(super) async fn link(&self) -> Link {
        for _ in 0..500 {
            match self.links.link().await {
                Err(QueueError::Recovering) => {
                    tokio::time::sleep(limits::GREET_EVERY / 5).await;
                }
                link => return link.unwrap(),
            }
        }
        panic!("the partition is not certified");
    }

    /// A plain command, words parted by spaces; `%` is the partition's beginning.
    pub(super) async fn raw<T: FromRedisValue>(&self, command: &str) -> T {
        let start = self.partition.key("");
        let mut words = command.split(' ').map(|word| word.replace('%', &start));
        let mut command = redis::cmd(&words.next().unwrap());
        for word in words {
            command.arg(word);
        }
        command.query_async(&mut self.raw.clone()).await.unwrap()
    }

    /// Slots an account has in use, and how many of them are background.
    pub(super) async fn slots(&self, owner: &Owner) -> (u64, u64) {
        let account = owner.account.uuid().simple();
        let (n, b): (Option<u64>, Option<u64>) =
            self.raw(&format!("HMGET %conc:{account} n b")).await;
        (n.unwrap_or(0), b.unwrap_or(0))
    }

    pub(super) async fn backlog(&self, owner: &Owner) -> u64 {
        let account = owner.account.uuid().simple();
        self.raw(&format!("ZCARD %back:{account}")).await
    }

    /// Entries in a stream, waiting or leased.
    pub(super) async fn entries(&self, stream: StreamKind) -> u64 {
        self.raw(&format!("XLEN %q:{stream}")).await
    }

    /// Takes new entries at once, without waiting for any.
    pub(super) async fn take(
        &self,
        stream: StreamKind,
        consumer: &str,
        count: usize,
    ) -> Vec<Leased> {
        let reply: Option<StreamReadReply> = self
            .raw(&format!(
                "XREADGROUP GROUP w {consumer} COUNT {count} STREAMS %q:{stream} >"
            ))
            .await;
        let entries = reply.into_iter().flat_map(|reply| reply.keys);
        entries
            .flat_map(|stream| stream.ids)
            .map(|entry| Leased {
                token: Token {
                    stream,
                    entry: entry.id.clone(),
                    consumer: consumer.to_owned(),
                    count: 1,
                },
                id: id(&entry.get::<String>("x").unwrap()),
                body: Bytes::from(entry.get::<Vec<u8>>("d").unwrap()),
            })
            .collect()
    }

    pub(super) async fn take_one(&self, stream: StreamKind, consumer: &str) -> Leased {
        let mut taken = self.take(stream, consumer, 1).await;
        taken.pop().expect("an entry to take")
    }

    /// Makes a lease look as if its worker had been silent for the lease time.
    pub(super) async fn run_out(&self, token: &Token) {
        let Token {
            stream,
            entry,
            consumer,
            ..
        } = token;
        let _: redis::Value = self
            .raw(&format!(
                "XCLAIM %q:{stream} w {consumer} 0 {entry} IDLE 2001 JUSTID"
            ))
            .await;
    }

    /// Lets a lease run out and has another consumer look.
    pub(super) async fn lose(&self, token: &Token, to: &str, alone: Alone) -> Vec<Reclaimed> {
        self.run_out(token).await;
        let (reclaimed, damaged) = queue::reclaim(&self.link().await, to, 16, alone)
            .await
            .unwrap();
        assert_eq!(damaged, []);
        reclaimed
    }

    pub(super) async fn finish(&self, leased: &Leased, state: FinalState) -> Finished {
        let outcome = outcome(state);
        let end = Finish {
            leased,
            outcome: &outcome,
            retry: None,
            next: None,
        };
        queue::finish(&self.link().await, &end).await.unwrap().0
    }

    /// Nothing is in use, waiting or counted; outcomes may still be kept.
    pub(super) async fn assert_empty(&self, owner: &Owner) {
        assert_eq!(self.slots(owner).await, (0, 0), "slots");
        assert_eq!(self.backlog(owner).await, 0, "backlog");
        for stream in StreamKind::ALL {
            assert_eq!(self.entries(stream).await, 0, "stream {stream}");
            let pending: (u64, redis::Value, redis::Value, redis::Value) =
                self.raw(&format!("XPENDING %q:{stream} w")).await;
            assert_eq!(pending.0, 0, "pending of {stream}");
        }
        let bytes: Option<i64> = self.raw("GET %bytes").await;
        assert_eq!(bytes.unwrap_or(0), 0, "bytes");
        let delayed: u64 = self.raw("ZCARD %delay").await;
        assert_eq!(delayed, 0, "delayed");
    }
}

pub(super) fn id(hex: &str) -> ExecutionId {
    format!("ex_{hex}").parse().unwrap()
}

pub(super) fn owner() -> Owner {
    Owner {
        account: AccountId::new(&SystemClock),
        namespace: NamespaceId::new(&SystemClock),
        function: FunctionId::new(&SystemClock),
        version: VersionId::new(&SystemClock),
    }
}

pub(super) const BOUNDS: Bounds = Bounds {
    quota: None,
    concurrency: 4,
    background: 3,
    queued: 100,
    function_concurrency: None,
};

/// A request, to be changed before it is sent.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) id: ExecutionId,
    pub(super) owner: Owner,
    pub(super) lane: Lane,
    pub(super) bounds: Bounds,
    pub(super) key: Option<Key>,
    pub(super) checked: bool,
    pub(super) attempts: u32,
    pub(super) body: Vec<u8>,
    pub(super) waiter: Option<&'static str>,
}

impl Request {
    pub(super) fn of(owner: Owner, lane: Lane) -> Self {
        Self {
            id: ExecutionId::new(&SystemClock),
            owner,
            lane,
            bounds: BOUNDS,
            key: None,
            checked: false,
            attempts: 1,
            body: b"body".to_vec(),
            waiter: None,
        }
    }

    /// The same request as another execution.
    pub(super) fn again(&self) -> Self {
        Self {
            id: ExecutionId::new(&SystemClock),
            ..self.clone()
        }
    }

    pub(super) async fn send(&self, link: &Link) -> Accepted {
        let accept = Accept {
            id: self.id,
            owner: self.owner,
            lane: self.lane,
            period: period(),
            bounds: self.bounds,
            key: self.key,
            checked: self.checked,
            attempts: self.attempts,
            body: &self.body,
            waiter: self.waiter,
        };
        queue::accept(link, &accept).await.unwrap()
    }

    pub(super) async fn accepted(&self, queue: &Queue) -> ExecutionId {
        assert_eq!(self.send(&queue.link().await).await, Accepted::New);
        self.id
    }

    /// Accepted and taken by a consumer.
    pub(super) async fn leased(&self, queue: &Queue, consumer: &str) -> Leased {
        self.accepted(queue).await;
        let leased = queue.take_one(self.lane.into(), consumer).await;
        assert_eq!(leased.id, self.id);
        leased
    }
}

pub(super) fn period() -> Period<'static> {
    Period {
        name: "2100-01-01",
        ends: "2100-02-01T00:00:00Z".parse().unwrap(),
    }
}

pub(super) fn key(name: u8, request: u8) -> Option<Key> {
    Some(Key {
        hash: [name; 32],
        digest: [request; 32],
    })
}

/// An outcome as small as they get.
pub(super) fn outcome(state: FinalState) -> SealedOutcome {
    marked(state, "")
}

/// An outcome that can be told from others.
pub(super) fn marked(state: FinalState, mark: &str) -> SealedOutcome {
    let error_code = match state {
        FinalState::Succeeded => None,
        FinalState::Failed => Some(ErrorCode::Exception),
        FinalState::Cancelled => Some(ErrorCode::Cancelled),
        FinalState::TimedOut => Some(ErrorCode::Timeout),
    };
    SealedOutcome {
        ending: Ending {
            state,
            error_code,
            attempt: 1,
            started_at: None,
            finished_at: Timestamp::UNIX_EPOCH,
            duration_us: None,
            cpu_us: None,
            memory_peak_bytes: None,
            network_in_bytes: None,
            network_out_bytes: None,
        },
        output: error_code.is_none().then(|| mark.as_bytes().to_vec()),
        error: error_code.map(|_| mark.as_bytes().to_vec()),
        logs: None,
    }
}

pub(super) fn done(finished: &Finished) -> bool {
    matches!(finished, Finished::Done { .. })
}

pub(super) fn leased(taken: Option<Taken>) -> Leased {
    match taken {
        Some(Taken::Leased(leased)) => leased,
        other => panic!("no lease: {other:?}"),
    }
}
