//! A stand-in for the worker: it builds and runs over the real tables and the real
//! queue, only not in a sandbox. What a function does is its code, one order:
//!
//! - `echo`: the input · `fail`: an exception · `say <json>`: that JSON
//! - `env`: the environment values that came with the call, or null
//! - `granted`: milliseconds and MiB that its entry grants
//! - `hold`: runs until [`Worker::release`], then answers `"released"`
//! - requirements: `absent` can't be had, others come to the version's own number
//! - What it prints comes by [`Worker::print`]; at the end `printed\n`
//! - `LEAVES`: its import prints and leaves a thread
//! - `SYNTAX`: is no Python; in one of several files, `a/b.py` is none · `schema <json>`: `echo`, with that inferred schema

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::clock::{Clock as _, SystemClock};
use common::db::Database;
use common::db::builds::{self, Building, Built, Claim};
use common::db::versions::{self, BrokenKind, SingleUse};
use common::entry::Entry;
use common::execution::{Ending, ErrorCode, Failure, FinalState, Logs, SealedOutcome};
use common::ids::{AccountId, ExecutionId, ProcessId, VersionId};
use common::limits;
use common::packages::Lock;
use common::queue::{
    self, CancelOrders, Finish, Finished, Leased, Links, Partition, Reader, StreamKind, Taken,
};
use common::record::{Ended, Outbox, Recorder};
use common::testing::{Role, wait_until};
use common::vault::{Purpose, Vault};
use serde_json::json;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::order::done;
use super::printing::Printing;
use super::{BOUND, Home};

#[derive(Clone)]
pub(crate) struct Worker {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    process: ProcessId,
    database: Database,
    pub(super) vault: Vault,
    pub(super) links: Links,
    client: redis::Client,
    partition: Partition,
    outbox: Outbox,
    released: watch::Sender<bool>,
    cancelled: broadcast::Sender<ExecutionId>,
    started: AtomicUsize,
    orders: Mutex<HashMap<VersionId, String>>,
    pub(super) printing: Mutex<HashMap<ExecutionId, Printing>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Worker {
    pub(super) fn start(home: &Home) -> Self {
        let stop = home.stopping();
        let worker = Self::building(home, stop);
        worker.beside(stop, |worker| async move { worker.hear_orders().await });
        for stream in [StreamKind::Interactive, StreamKind::Background] {
            worker.beside(stop, move |worker| async move { worker.run(stream).await });
        }
        let (inner, stop) = (worker.inner.clone(), stop.clone());
        home.tasks.spawn(async move {
            let (database, links) = (inner.database.clone(), inner.links.clone());
            let recorder = Recorder::new(database, links, inner.outbox.clone());
            recorder.run(&stop, |_| {}).await;
        });
        worker
    }

    pub(super) fn building(home: &Home, stop: &CancellationToken) -> Self {
        let worker = Self {
            inner: Arc::new(Inner {
                process: ProcessId::new(&SystemClock),
                database: home.database.connect(Role::Worker),
                vault: home.database.vault(Role::Worker),
                links: Links::new(home.queue.client.clone(), home.queue.partition.clone()),
                client: home.queue.client.clone(),
                partition: home.queue.partition.clone(),
                outbox: Outbox::new(),
                released: watch::Sender::new(false),
                cancelled: broadcast::Sender::new(64),
                started: AtomicUsize::new(0),
                orders: Mutex::default(),
                printing: Mutex::default(),
                tasks: home.tasks.clone(),
                stop: stop.clone(),
            }),
        };
        worker.beside(stop, |worker| async move { worker.build().await });
        worker
    }

    /// Lets go of everything that holds, now and later.
    pub(crate) fn release(&self) {
        self.inner.released.send_replace(true);
    }

    /// How many executions began.
    pub(crate) fn started(&self) -> usize {
        self.inner.started.load(Ordering::SeqCst)
    }

    /// Waits until so many have begun.
    pub(crate) async fn has_started(&self, executions: usize) {
        wait_until("they run", BOUND, async || {
            let started = self.started();
            (started == executions).then_some(()).ok_or(started)
        })
        .await;
    }

    fn beside<F, W>(&self, stop: &CancellationToken, work: F)
    where
        F: FnOnce(Self) -> W,
        W: Future<Output = ()> + Send + 'static,
    {
        let (work, stop) = (work(self.clone()), stop.clone());
        self.inner.tasks.spawn(async move {
            tokio::select! {
                () = work => {}
                () = stop.cancelled() => {}
            }
        });
    }

    async fn build(&self) {
        loop {
            let now = SystemClock.now();
            let claim = Claim {
                process: self.inner.process,
                now,
                lease: limits::LEASE,
                with_packages: true,
            };
            if let Ok(mut client) = self.inner.database.client().await
                && let Ok(Some(building)) = builds::claim(&client, &claim).await
            {
                let built = self.built(&building).await;
                let version = building.version.id;
                builds::finish(&mut client, version, self.inner.process, &built, now)
                    .await
                    .unwrap();
                continue;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn built(&self, building: &Building) -> Built {
        let (account, id) = (building.account, building.version.id.uuid());
        let code = self
            .opened(account, (Purpose::Code, id), &building.code)
            .await;
        let mut built = Built::default();
        if let Some(schema) = code.strip_prefix("schema ") {
            built.input_schema = Some(schema.to_owned());
        }
        if code == "LEAVES" {
            let log = "left a thread\n";
            built.import_log = Some(self.sealed(account, (Purpose::ImportLog, id), log).await);
            built.single_use = Some(SingleUse::Threads);
        }
        if code.contains("SYNTAX") {
            let file = if code == "SYNTAX" {
                "main.py"
            } else {
                "a/b.py"
            };
            let reason = json!({"message": "invalid syntax", "line": 1, "column": 7, "file": file});
            let reason = reason.to_string();
            built.reason = Some(self.sealed(account, (Purpose::Reason, id), &reason).await);
            built.broken = Some(BrokenKind::Syntax);
        }
        self.resolve(building, &mut built).await;
        built
    }

    /// Requirements come to the number of the version, and `absent` to nothing.
    async fn resolve(&self, building: &Building, built: &mut Built) {
        let (account, version) = (building.account, &building.version);
        if version.requirements.iter().any(|name| name == "absent") {
            let reason = json!({"message": "absent was not found"}).to_string();
            let place = (Purpose::Reason, version.id.uuid());
            built.reason = Some(self.sealed(account, place, &reason).await);
            built.broken = Some(BrokenKind::Packages);
        } else if !version.requirements.is_empty() && building.lock_text.is_none() {
            let line = |name: &String| format!("{name}=={}\n", version.number);
            built.lock = Some(Lock::of(version.requirements.iter().map(line).collect()));
        }
    }

    async fn run(&self, stream: StreamKind) {
        let inner = &self.inner;
        let consumer = inner.process.to_string();
        let mut reader = Reader::new(inner.client.clone(), &inner.partition, stream, &consumer);
        loop {
            let Ok(taken) = reader.read(8).await else {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            for taken in taken {
                let Taken::Leased(leased) = taken else {
                    panic!("a damaged entry");
                };
                inner.started.fetch_add(1, Ordering::SeqCst);
                let stop = inner.stop.clone();
                self.beside(&stop, |worker| async move { worker.answer(leased).await });
            }
        }
    }

    async fn hear_orders(&self) {
        let inner = &self.inner;
        let consumer = inner.process.to_string();
        loop {
            let orders = CancelOrders::subscribe(&inner.client, &inner.partition, &consumer).await;
            if let Ok(mut orders) = orders {
                while let Ok(id) = orders.next().await {
                    let _ = inner.cancelled.send(id);
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn answer(&self, leased: Leased) {
        let mut orders = self.inner.cancelled.subscribe();
        let began = SystemClock.now();
        let entry = Entry::decode(&leased.body).unwrap();
        let (account, id) = (entry.account, leased.id.uuid());
        self.began(&leased, account, began);
        let input = self
            .opened(account, (Purpose::Input, id), &entry.input)
            .await;
        let order = self.order(&entry).await;
        let env = match &entry.env {
            None => "null".to_owned(),
            Some(env) => self.opened(account, (Purpose::Env, id), env).await,
        };
        let input = match order.as_str() {
            "env" => env,
            "granted" => format!("[{},{}]", entry.timeout_ms, entry.memory_mib),
            _ => input,
        };
        let mut released = self.inner.released.subscribe();
        let done = tokio::select! {
            done = done(&order, &input, &mut released) => done,
            () = ordered(&mut orders, leased.id) => Err(killed()),
        };
        let outcome = self.outcome(&entry, (leased.id, began), done).await;
        if self.finish(&leased, &outcome).await == Finished::Asked {
            let cancelled = self
                .outcome(&entry, (leased.id, began), Err(killed()))
                .await;
            self.finish(&leased, &cancelled).await;
        }
    }

    /// The code, kept in memory as a bound sandbox keeps it.
    async fn order(&self, entry: &Entry) -> String {
        if let Some(order) = self.inner.orders.lock().unwrap().get(&entry.version) {
            return order.clone();
        }
        let client = self.inner.database.client().await.unwrap();
        let sealed = versions::code(&client, entry.account, entry.version).await;
        drop(client);
        let place = (Purpose::Code, entry.version.uuid());
        let sealed = sealed.unwrap().unwrap();
        let order = self.opened(entry.account, place, &sealed).await;
        let mut orders = self.inner.orders.lock().unwrap();
        orders.insert(entry.version, order.clone());
        order
    }

    async fn finish(&self, leased: &Leased, outcome: &SealedOutcome) -> Finished {
        let finish = Finish {
            leased,
            outcome,
            retry: None,
            next: None,
        };
        loop {
            let Ok(link) = self.inner.links.link().await else {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            let Ok((finished, _)) = queue::finish(&link, &finish).await else {
                continue;
            };
            if let Finished::Done { event, key } | Finished::Already { event, key } = &finished {
                let taken = self.inner.outbox.end(Ended {
                    id: leased.id,
                    event: event.clone(),
                    generation: link.generation(),
                    body: leased.body.clone(),
                    key: *key,
                    outcome: outcome.clone(),
                });
                assert!(taken);
            }
            return finished;
        }
    }

    async fn outcome(
        &self,
        entry: &Entry,
        (id, began): (ExecutionId, jiff::Timestamp),
        done: Result<String, Failure>,
    ) -> SealedOutcome {
        let seal = async |purpose, text: &str| {
            Some(self.sealed(entry.account, (purpose, id.uuid()), text).await)
        };
        let (output, error, code) = match &done {
            Ok(output) => (seal(Purpose::Output, output).await, None, None),
            Err(failure) => {
                let text = serde_json::to_string(failure).unwrap();
                (None, seal(Purpose::Error, &text).await, Some(failure.code))
            }
        };
        let (logs, began, attempt) = self.printed(id).unwrap_or((Logs::default(), began, 1));
        let logs = serde_json::to_string(&logs).unwrap();
        SealedOutcome {
            ending: Ending {
                state: code.map_or(FinalState::Succeeded, ErrorCode::state),
                error_code: code,
                attempt,
                started_at: Some(began),
                finished_at: SystemClock.now(),
                duration_us: Some(1_500),
                cpu_us: Some(500),
                memory_peak_bytes: Some(1 << 20),
                network_in_bytes: Some(4_096),
                network_out_bytes: Some(512),
            },
            output,
            error,
            logs: seal(Purpose::Logs, &logs).await,
        }
    }

    async fn sealed(
        &self,
        account: AccountId,
        (purpose, id): (Purpose, Uuid),
        text: &str,
    ) -> Vec<u8> {
        let sealed = self.inner.vault.seal(account, purpose, id, text.as_bytes());
        sealed.await.unwrap()
    }

    async fn opened(
        &self,
        account: AccountId,
        (purpose, id): (Purpose, Uuid),
        sealed: &[u8],
    ) -> String {
        let opened = self.inner.vault.open(account, purpose, id, sealed).await;
        String::from_utf8(opened.unwrap()).unwrap()
    }
}

fn killed() -> Failure {
    Failure::new(ErrorCode::Cancelled, "killed")
}

async fn ordered(orders: &mut broadcast::Receiver<ExecutionId>, id: ExecutionId) {
    loop {
        match orders.recv().await {
            Ok(ordered) if ordered == id => return,
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}
