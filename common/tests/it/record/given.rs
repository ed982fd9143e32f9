//! Executions the queue has decided on, and looks at their rows.

use std::time::Duration;

use bytes::Bytes;
use common::clock::SystemClock;
use common::db::{Client, Database};
use common::execution::{Ending, ErrorCode, FinalState, Lane, SealedOutcome};
use common::ids::ExecutionId;
use common::queue::{
    self, Accept, Accepted, Bounds, Finish, Finished, Key, Leased, Owner, Period, Reader,
    StreamKind, Taken,
};
use common::record::{Ended, Outbox, Recorder};
use common::testing::given::{self, Tenant};
use common::testing::{self, Queue, Role, TestDatabase};
use jiff::Timestamp;

/// A tenant, a certified partition and a recorder that runs when it is told to.
pub(super) struct Record {
    pub(super) database: TestDatabase,
    pub(super) queue: Queue,
    pub(super) tenant: Tenant,
    pub(super) worker: Database,
    pub(super) outbox: Outbox,
    pub(super) recorder: Recorder,
    pub(super) generation: u64,
}

impl Record {
    pub(super) async fn fresh() -> Self {
        let database = testing::database().await;
        let queue = testing::queue(&database).await;
        let tenant = given::tenant(&database).await;
        let worker = database.connect(Role::Worker);
        let outbox = Outbox::new();
        let recorder = Recorder::new(worker.clone(), queue.links.clone(), outbox.clone());
        let generation = queue.link().await.generation();
        Self {
            database,
            queue,
            tenant,
            worker,
            outbox,
            recorder,
            generation,
        }
    }

    /// Accepted by the queue and taken by a worker.
    pub(super) async fn leased(&self, key: Option<Key>) -> Leased {
        let body = self.tenant.entry().encode();
        let accept = Accept {
            id: ExecutionId::new(&SystemClock),
            owner: Owner {
                account: self.tenant.account,
                namespace: self.tenant.namespace,
                function: self.tenant.function,
                version: self.tenant.version,
            },
            lane: Lane::Interactive,
            period: Period {
                name: "2100-01-01",
                ends: "2100-02-01T00:00:00Z".parse().unwrap(),
            },
            bounds: Bounds {
                quota: None,
                concurrency: 1_000,
                background: 750,
                queued: 1_000,
                function_concurrency: None,
            },
            key,
            checked: true,
            attempts: 2,
            body: &body,
            waiter: None,
        };
        let link = self.queue.link().await;
        assert_eq!(queue::accept(&link, &accept).await.unwrap(), Accepted::New);
        let (client, partition) = (self.queue.client.clone(), &self.queue.partition);
        let mut reader = Reader::new(client, partition, StreamKind::Interactive, "w1");
        match reader.read(1).await.unwrap().pop() {
            Some(Taken::Leased(leased)) => leased,
            other => panic!("{other:?}"),
        }
    }

    /// Ended in the queue, not recorded.
    pub(super) async fn ended(&self, key: Option<Key>) -> Ended {
        self.ended_as(key, succeeded()).await
    }

    pub(super) async fn ended_as(&self, key: Option<Key>, outcome: SealedOutcome) -> Ended {
        let leased = self.leased(key).await;
        let finish = Finish {
            leased: &leased,
            outcome: &outcome,
            retry: None,
            next: None,
        };
        let link = self.queue.link().await;
        match queue::finish(&link, &finish).await.unwrap().0 {
            Finished::Done { event, key } => Ended {
                id: leased.id,
                event,
                generation: link.generation(),
                body: leased.body,
                key,
                outcome,
            },
            other => panic!("{other:?}"),
        }
    }

    /// Events in Redis that are not recorded.
    pub(super) async fn events(&self) -> usize {
        // The link that is held may be of before a recovery: the first call tells.
        let bound = Duration::from_secs(10);
        testing::wait_until("the events can be read", bound, async || {
            let link = self.queue.links.link().await?;
            let swept = queue::sweep(&link, Duration::ZERO, 1_000).await?;
            Ok::<_, queue::QueueError>(swept.events.len())
        })
        .await
    }

    pub(super) async fn owner(&self) -> Client {
        self.database.connect(Role::Owner).client().await.unwrap()
    }

    pub(super) async fn row(&self, id: ExecutionId) -> Option<Row> {
        let row = self
            .owner()
            .await
            .query_opt(
                "select state, attempt, tried, losses, output, input, started_at, due_at,
                    version_number, cancel_requested
                from executions where day = $1 and id = $2",
                &[&id.day(), &id.uuid()],
            )
            .await
            .unwrap()?;
        Some(Row {
            state: row.get("state"),
            attempt: row.get("attempt"),
            tried: row.get("tried"),
            losses: row.get("losses"),
            output: row.get("output"),
            input: row.get("input"),
            started_at: row.get("started_at"),
            due_at: row.get("due_at"),
            version_number: row.get("version_number"),
            cancel_requested: row.get("cancel_requested"),
        })
    }

    /// Executions the tenant was charged for.
    pub(super) async fn charged(&self) -> i64 {
        let row = self
            .owner()
            .await
            .query_one(
                "select coalesce(sum(accepted), 0)::bigint from usage_daily where account_id = $1",
                &[&self.tenant.account.uuid()],
            )
            .await
            .unwrap();
        row.get(0)
    }

    /// Everything now has a later generation.
    pub(super) async fn lose_memory(&self) -> u64 {
        let loss = queue::recovery::Loss::Possible;
        self.queue.recover(&self.database, loss).await
    }
}

#[derive(Debug, PartialEq)]
pub(super) struct Row {
    pub(super) state: String,
    pub(super) attempt: i32,
    pub(super) tried: i32,
    pub(super) losses: i32,
    pub(super) output: Option<Vec<u8>>,
    pub(super) input: Option<Vec<u8>>,
    pub(super) started_at: Option<Timestamp>,
    pub(super) due_at: Option<Timestamp>,
    pub(super) version_number: Option<i32>,
    pub(super) cancel_requested: bool,
}

pub(super) fn succeeded() -> SealedOutcome {
    outcome(FinalState::Succeeded, b"sealed output")
}

pub(super) fn outcome(state: FinalState, text: &[u8]) -> SealedOutcome {
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
            started_at: Some(Timestamp::UNIX_EPOCH),
            finished_at: Timestamp::UNIX_EPOCH,
            duration_us: Some(1_500),
            cpu_us: Some(900),
            memory_peak_bytes: Some(1 << 20),
            network_in_bytes: Some(4_096),
            network_out_bytes: Some(512),
        },
        output: error_code.is_none().then(|| text.to_vec()),
        error: error_code.map(|_| text.to_vec()),
        logs: None,
    }
}

pub(super) fn key(name: u8, request: u8) -> Key {
    Key {
        hash: [name; 32],
        digest: [request; 32],
    }
}

pub(super) fn body(tenant: &Tenant) -> Bytes {
    Bytes::from(tenant.entry().encode())
}
