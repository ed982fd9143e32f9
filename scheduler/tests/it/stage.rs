//! A database and a Redis of one's own, a tenant, and the scheduler's parts on them.

use std::sync::Arc;
use std::time::Duration;

use common::clock::{Clock as _, SharedClock, SystemClock};
use common::db::partitions;
use common::execution::{Ending, ErrorCode, FinalState, Lane, SealedOutcome, State};
use common::ids::ExecutionId;
use common::limits::GREET_EVERY;
use common::metrics::{SchedulerMetrics, registry};
use common::plan::{Plan, Plans};
use common::queue::{
    self, Accept, Accepted, Bounds, Finish, Finished, Leased, Link, Links, Owner, Partition,
    Period, QueueError, Reader, StreamKind, Taken,
};
use common::record::{Accept as RecordedAccept, AcceptBatcher, Committed};
use common::testing::given::{self, Tenant};
use common::testing::{PrivateRedis, Role, TestDatabase, database};
use redis::FromRedisValue;
use scheduler::duty::recover::Tools;
use scheduler::duty::{Duty as _, DutyError, Recover, Report};
use scheduler::points::Points;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) struct Stage {
    pub(crate) database: TestDatabase,
    pub(crate) redis: PrivateRedis,
    pub(crate) tenant: Tenant,
    batcher: AcceptBatcher,
    stop: CancellationToken,
}

impl Stage {
    /// Nothing certified yet.
    pub(crate) async fn empty() -> Self {
        let database = database().await;
        let tenant = given::tenant(&database).await;
        let batcher = AcceptBatcher::new(database.connect(Role::Api));
        let stop = CancellationToken::new();
        let (running, stopping) = (batcher.clone(), stop.clone());
        TaskTracker::new().spawn(async move { running.run(&stopping, |_| ()).await });
        Self {
            database,
            redis: PrivateRedis::start().await,
            tenant,
            batcher,
            stop,
        }
    }

    /// Certified by a recovery.
    pub(crate) async fn certified() -> Self {
        let stage = Self::empty().await;
        stage.recover().await;
        stage
    }

    pub(crate) fn links(&self) -> Links {
        let client = redis::Client::open(self.redis.url()).unwrap();
        Links::new(client, Partition::first())
    }

    pub(crate) async fn link(&self) -> Link {
        let links = self.links();
        for _ in 0..500 {
            match links.link().await {
                Err(QueueError::Recovering) => tokio::time::sleep(GREET_EVERY / 5).await,
                link => return link.unwrap(),
            }
        }
        panic!("the partition is not certified");
    }

    pub(crate) fn tools(&self, points: Points) -> Tools {
        let clock: SharedClock = Arc::new(SystemClock);
        Tools {
            database: self.database.connect(Role::Scheduler),
            links: self.links(),
            clock,
            plans: Arc::new(Plans::shipped().unwrap()),
            metrics: Arc::new(SchedulerMetrics::register(&registry().unwrap()).unwrap()),
            points,
        }
    }

    /// The duty as a leader of the first term would have it.
    pub(crate) fn duty(&self, points: Points) -> Recover {
        Recover::new(self.tools(points), 1, Arc::new(Notify::new()))
    }

    pub(crate) async fn recover_once(&self) -> Result<Report, DutyError> {
        self.duty(Points::none()).run_once(SystemClock.now()).await
    }

    /// A recovery that had to be and was done.
    pub(crate) async fn recover(&self) {
        assert_eq!(self.recover_once().await.unwrap(), Report::of(1));
    }

    /// The generation PostgreSQL lets through.
    pub(crate) async fn generation(&self) -> u64 {
        let client = self
            .database
            .connect(Role::Scheduler)
            .client()
            .await
            .unwrap();
        partitions::generation(&client, partitions::FIRST)
            .await
            .unwrap()
    }

    /// The generation under construction; 0 for none.
    pub(crate) async fn begun(&self) -> u64 {
        let begun: Option<u64> = self.raw("GET %recovering").await;
        begun.unwrap_or(0)
    }

    /// A plain command, words parted by spaces; `%` is the partition's beginning.
    pub(crate) async fn raw<T: FromRedisValue>(&self, command: &str) -> T {
        let client = redis::Client::open(self.redis.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let mut words = command.split(' ').map(|word| word.replace('%', "{p0}:"));
        let mut command = redis::cmd(&words.next().unwrap());
        for word in words {
            command.arg(word);
        }
        command.query_async(&mut connection).await.unwrap()
    }

    pub(crate) fn owner(&self) -> Owner {
        Owner {
            account: self.tenant.account,
            namespace: self.tenant.namespace,
            function: self.tenant.function,
            version: self.tenant.version,
        }
    }

    /// Accepted by the queue alone: a synchronous call nobody recorded yet.
    pub(crate) async fn call(&self) -> ExecutionId {
        let id = ExecutionId::new(&SystemClock);
        self.accept(&self.link().await, id, Lane::Interactive, 1)
            .await;
        id
    }

    /// Accepted by queue and record: its 202 was sent.
    pub(crate) async fn enqueue(&self) -> ExecutionId {
        let id = ExecutionId::new(&SystemClock);
        let link = self.link().await;
        self.accept(&link, id, Lane::Background, 1).await;
        let commit = RecordedAccept {
            id,
            generation: link.generation(),
            entry: self.tenant.entry(),
            key: None,
        };
        let committed = self.batcher.permit().unwrap().commit(commit).await.unwrap();
        assert_eq!(committed, Committed::Row);
        id
    }

    async fn accept(&self, link: &Link, id: ExecutionId, lane: Lane, attempts: u32) {
        let plans = Plans::shipped().unwrap();
        let limits = plans.of(Plan::Local);
        let accept = Accept {
            id,
            owner: self.owner(),
            lane,
            period: Period {
                name: &self.period(),
                ends: "2100-01-01T00:00:00Z".parse().unwrap(),
            },
            bounds: Bounds {
                quota: None,
                concurrency: limits.concurrency,
                background: limits.background(),
                queued: limits.queued,
                function_concurrency: None,
            },
            key: None,
            checked: false,
            attempts,
            body: &self.tenant.entry().encode(),
            waiter: None,
        };
        assert_eq!(queue::accept(link, &accept).await.unwrap(), Accepted::New);
    }

    /// The name of the quota period of now; accounts of tests begin today.
    pub(crate) fn period(&self) -> String {
        common::db::days::utc_day(SystemClock.now()).to_string()
    }

    pub(crate) async fn quota(&self) -> Option<u64> {
        let account = self.tenant.account.uuid().simple();
        self.raw(&format!("GET %quota:{account}:{}", self.period()))
            .await
    }

    /// Slots in use, and how many of them are background.
    pub(crate) async fn slots(&self) -> (u64, u64) {
        let account = self.tenant.account.uuid().simple();
        let key = format!("%conc:{account}");
        let counts: Vec<Option<u64>> = match self.raw::<String>(&format!("TYPE {key}")).await {
            kind if kind == "hash" => self.raw(&format!("HMGET {key} n b")).await,
            kind if kind == "string" => {
                let text: String = self.raw(&format!("GET {key}")).await;
                text.split(' ').map(|count| count.parse().ok()).collect()
            }
            _ => vec![None, None],
        };
        (counts[0].unwrap_or(0), counts[1].unwrap_or(0))
    }

    /// Executions waiting or leased, in all streams.
    pub(crate) async fn entries(&self) -> u64 {
        let mut entries = 0;
        for stream in StreamKind::ALL {
            entries += self.raw::<u64>(&format!("XLEN %q:{stream}")).await;
        }
        entries
    }

    pub(crate) async fn take(&self, stream: StreamKind, consumer: &str) -> Leased {
        let client = redis::Client::open(self.redis.url()).unwrap();
        let mut reader = Reader::new(client, &Partition::first(), stream, consumer);
        match reader.read(1).await.unwrap().pop() {
            Some(Taken::Leased(leased)) => leased,
            other => panic!("nothing to take: {other:?}"),
        }
    }

    pub(crate) async fn finish(&self, leased: &Leased) -> Finished {
        let outcome = succeeded(b"sealed output");
        let end = Finish {
            leased,
            outcome: &outcome,
            retry: None,
            next: None,
        };
        queue::finish(&self.link().await, &end).await.unwrap().0
    }

    /// An execution whose first try failed and whose second is due after `delay`.
    pub(crate) async fn retry_later(&self, delay: Duration) {
        let id = ExecutionId::new(&SystemClock);
        self.accept(&self.link().await, id, Lane::Interactive, 2)
            .await;
        let leased = self.take(StreamKind::Interactive, "w8").await;
        let mut outcome = succeeded(b"");
        outcome.ending.state = FinalState::Failed;
        outcome.ending.error_code = Some(ErrorCode::Exception);
        outcome.output = None;
        let end = Finish {
            leased: &leased,
            outcome: &outcome,
            retry: Some(delay),
            next: None,
        };
        let finished = queue::finish(&self.link().await, &end).await.unwrap().0;
        assert!(matches!(finished, Finished::Delayed { .. }), "{finished:?}");
    }

    /// Runs what is queued in a stream to its end; gives the ids.
    pub(crate) async fn run_all(&self, stream: StreamKind, count: u64) -> Vec<ExecutionId> {
        let mut ran = Vec::new();
        for _ in 0..count {
            let leased = self.take(stream, "w9").await;
            assert!(matches!(self.finish(&leased).await, Finished::Done { .. }));
            ran.push(leased.id);
        }
        ran.sort_unstable();
        ran
    }

    pub(crate) async fn state(&self, id: ExecutionId) -> Option<State> {
        let client = self.database.connect(Role::Api).client().await.unwrap();
        common::db::executions::find(&client, self.tenant.account, id)
            .await
            .unwrap()
            .map(|execution| execution.state)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub(crate) fn succeeded(output: &[u8]) -> SealedOutcome {
    SealedOutcome {
        ending: Ending {
            state: FinalState::Succeeded,
            error_code: None,
            attempt: 1,
            started_at: None,
            finished_at: SystemClock.now(),
            duration_us: None,
            cpu_us: None,
            memory_peak_bytes: None,
            network_in_bytes: None,
            network_out_bytes: None,
        },
        output: Some(output.to_vec()),
        error: None,
        logs: None,
    }
}
