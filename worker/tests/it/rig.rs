//! A queue, a database, functions, and workers as processes that may be killed.

use std::collections::HashMap;
use std::fs::File;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::clock::{Clock as _, SystemClock};
use common::config::Env;
use common::db::{executions, processes};
use common::entry::Entry;
use common::execution::{Ending, ErrorCode, Failure, FinalState, Lane, Logs, SealedOutcome, State};
use common::ids::ExecutionId;
use common::names::FunctionName;
use common::queue::{
    self, Accept, Accepted, Bounds, Cancelled, Owner, Period, StreamKind, Watched,
};
use common::testing::given::{self, Tenant};
use common::testing::{self, Queue, Role, TestDatabase, wait_until};
use common::vault::{Purpose, Vault};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use secrecy::ExposeSecret as _;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Long enough for a slow machine, short enough to notice a hang.
pub(crate) const BOUND: Duration = Duration::from_secs(30);

/// What every test stands on.
pub(crate) struct Rig {
    pub(crate) database: TestDatabase,
    pub(crate) queue: Queue,
    pub(crate) vault: Vault,
    redis_url: String,
}

/// How to ask for an execution.
pub(crate) struct Ask<'a> {
    pub(crate) input: &'a str,
    pub(crate) lane: Lane,
    pub(crate) timeout: Duration,
    pub(crate) once: bool,
}

impl Default for Ask<'_> {
    fn default() -> Self {
        Self {
            input: "{}",
            lane: Lane::Interactive,
            timeout: Duration::from_secs(20),
            once: false,
        }
    }
}

/// An outcome, opened.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) sealed: SealedOutcome,
    pub(crate) output: Option<String>,
    pub(crate) error: Option<Failure>,
    pub(crate) logs: Logs,
}

impl Outcome {
    pub(crate) fn state(&self) -> FinalState {
        self.sealed.ending.state
    }
}

impl Rig {
    pub(crate) async fn new() -> Self {
        let database = testing::database().await;
        let queue = testing::queue(&database).await;
        Self::over(database, queue, testing::redis_url())
    }

    /// Over servers of one's own.
    pub(crate) fn over(database: TestDatabase, queue: Queue, redis_url: String) -> Self {
        Self {
            vault: database.vault(Role::Api),
            database,
            queue,
            redis_url,
        }
    }

    /// A function of one version that is ready.
    pub(crate) async fn function(&self, code: &str) -> Tenant {
        let (account, user) = given::account(&self.database).await;
        let (namespace, namespace_name) = given::namespace(&self.database, account).await;
        let function_name: FunctionName = "f".parse().unwrap();
        let place = (account, namespace);
        let (function, version) = given::version(&self.database, place, &function_name, code).await;
        Tenant {
            account,
            user,
            namespace,
            namespace_name,
            function,
            function_name,
            version,
        }
    }

    /// Accepts an execution, as an api does.
    pub(crate) async fn accept(&self, tenant: &Tenant, ask: &Ask<'_>) -> ExecutionId {
        let id = ExecutionId::new(&SystemClock);
        let input = self
            .vault
            .seal(
                tenant.account,
                Purpose::Input,
                id.uuid(),
                ask.input.as_bytes(),
            )
            .await
            .unwrap();
        let entry = Entry {
            once: ask.once,
            timeout_ms: u32::try_from(ask.timeout.as_millis()).unwrap(),
            input,
            ..tenant.entry()
        };
        self.accept_body(tenant, id, ask.lane, &entry.encode())
            .await;
        id
    }

    pub(crate) async fn accept_body(
        &self,
        tenant: &Tenant,
        id: ExecutionId,
        lane: Lane,
        body: &[u8],
    ) {
        let accept = Accept {
            id,
            owner: Owner {
                account: tenant.account,
                namespace: tenant.namespace,
                function: tenant.function,
                version: tenant.version,
            },
            lane,
            period: Period {
                name: "2026-01-01",
                ends: SystemClock.now() + Duration::from_secs(3_600),
            },
            bounds: Bounds {
                quota: None,
                concurrency: 64,
                background: 48,
                queued: 10_000,
                function_concurrency: None,
            },
            key: None,
            checked: false,
            attempts: 1,
            body,
            waiter: None,
        };
        let accepted = wait_until("the queue accepts", BOUND, async || {
            let link = self
                .queue
                .links
                .link()
                .await
                .map_err(|error| error.to_string())?;
            let accepted = queue::accept(&link, &accept).await;
            accepted.map_err(|error| error.to_string())
        })
        .await;
        assert_eq!(accepted, Accepted::New);
    }

    pub(crate) async fn call(&self, tenant: &Tenant, input: &str) -> Outcome {
        let ask = Ask {
            input,
            ..Ask::default()
        };
        let id = self.accept(tenant, &ask).await;
        self.outcome(tenant, id).await
    }

    /// Waits until the execution has ended in the queue.
    pub(crate) async fn outcome(&self, tenant: &Tenant, id: ExecutionId) -> Outcome {
        let sealed = wait_until("the execution ends", BOUND, async || {
            match self.watch(tenant, id).await {
                Some(Watched::Final { outcome, .. }) => Ok(outcome),
                seen => Err(seen),
            }
        })
        .await;
        self.open(tenant, id, sealed).await
    }

    /// Waits until somebody runs the execution.
    pub(crate) async fn running(&self, tenant: &Tenant, id: ExecutionId) {
        wait_until("the execution is leased", BOUND, async || {
            match self.watch(tenant, id).await {
                Some(Watched::Open {
                    state: State::Running,
                    ..
                }) => Ok(()),
                seen => Err(seen),
            }
        })
        .await;
    }

    /// How the execution stands; `None` while the partition is recovering.
    pub(crate) async fn watch(&self, tenant: &Tenant, id: ExecutionId) -> Option<Watched> {
        let link = self.queue.links.link().await.ok()?;
        queue::watch(&link, tenant.account, id, None).await.ok()
    }

    /// Waits until the execution's row is final.
    pub(crate) async fn recorded(&self, tenant: &Tenant, id: ExecutionId) -> Outcome {
        let database = self.database.connect(Role::Api);
        let sealed = wait_until("the outcome is recorded", BOUND, async || {
            let client = database.client().await.map_err(|error| error.to_string())?;
            let row = executions::find(&client, tenant.account, id).await;
            let row = row.map_err(|error| error.to_string())?;
            let outcome = row.and_then(|row| row.outcome);
            outcome.ok_or_else(|| "not final".to_owned())
        })
        .await;
        self.open(tenant, id, sealed).await
    }

    /// Asks to cancel an execution that runs, as an api does.
    pub(crate) async fn cancel(&self, tenant: &Tenant, id: ExecutionId) {
        let link = self.queue.link().await;
        let instead = SealedOutcome {
            ending: Ending {
                state: FinalState::Cancelled,
                error_code: Some(ErrorCode::Cancelled),
                attempt: 0,
                started_at: None,
                finished_at: SystemClock.now(),
                duration_us: None,
                cpu_us: None,
                memory_peak_bytes: None,
            },
            output: None,
            error: None,
            logs: None,
        };
        let cancelled = queue::cancel(&link, tenant.account, id, &instead).await;
        assert!(matches!(cancelled.unwrap(), Cancelled::Asked { .. }));
    }

    /// Waits until the execution's row says so.
    pub(crate) async fn row_is(&self, tenant: &Tenant, id: ExecutionId, state: State) {
        let database = self.database.connect(Role::Api);
        wait_until("the row is written", BOUND, async || {
            let client = database.client().await.unwrap();
            let row = executions::find(&client, tenant.account, id).await.unwrap();
            let seen = row.map(|row| row.state);
            (seen == Some(state)).then_some(()).ok_or(seen)
        })
        .await;
    }

    /// How many entries were set aside.
    pub(crate) async fn set_aside(&self) -> usize {
        let mut connection = self
            .queue
            .client
            .get_multiplexed_async_connection()
            .await
            .unwrap();
        redis::cmd("XLEN")
            .arg(self.queue.partition.key("damaged"))
            .query_async(&mut connection)
            .await
            .unwrap()
    }

    /// Puts an entry of these fields into a stream, as no script of ours does.
    pub(crate) async fn plant(&self, stream: StreamKind, fields: &[(&str, &str)]) {
        let mut connection = self
            .queue
            .client
            .get_multiplexed_async_connection()
            .await
            .unwrap();
        let _: String = redis::cmd("XADD")
            .arg(self.queue.partition.stream(stream))
            .arg("*")
            .arg(fields)
            .query_async(&mut connection)
            .await
            .unwrap();
    }

    /// The server's process, for a Redis of the test's own.
    pub(crate) async fn redis_pid(&self) -> Pid {
        let mut connection = self
            .queue
            .client
            .get_multiplexed_async_connection()
            .await
            .unwrap();
        let told: String = redis::cmd("INFO")
            .arg("server")
            .query_async(&mut connection)
            .await
            .unwrap();
        let pid = told
            .lines()
            .find_map(|line| line.strip_prefix("process_id:"))
            .unwrap();
        Pid::from_raw(pid.trim().parse().unwrap())
    }

    /// Empties the whole Redis: only for one of the test's own.
    pub(crate) async fn flush(&self) {
        let mut connection = self
            .queue
            .client
            .get_multiplexed_async_connection()
            .await
            .unwrap();
        let _: String = redis::cmd("FLUSHALL")
            .query_async(&mut connection)
            .await
            .unwrap();
    }

    /// Has PostgreSQL write all it has to its files.
    pub(crate) async fn checkpoint(&self) {
        let client = self.database.connect(Role::Owner).client().await.unwrap();
        client.batch_execute("checkpoint").await.unwrap();
    }

    /// The consumers of every stream's group.
    pub(crate) async fn consumers(&self) -> Vec<String> {
        let mut connection = self
            .queue
            .client
            .get_multiplexed_async_connection()
            .await
            .unwrap();
        let mut names = Vec::new();
        for stream in StreamKind::ALL {
            let found: Vec<HashMap<String, redis::Value>> = redis::cmd("XINFO")
                .arg("CONSUMERS")
                .arg(self.queue.partition.stream(stream))
                .arg(queue::GROUP)
                .query_async(&mut connection)
                .await
                .unwrap();
            for mut consumer in found {
                let name = consumer.remove("name").unwrap();
                names.push(redis::from_redis_value(name).unwrap());
            }
        }
        names
    }

    /// How many processes have a row.
    pub(crate) async fn processes(&self) -> usize {
        let client = self
            .database
            .connect(Role::Scheduler)
            .client()
            .await
            .unwrap();
        processes::list(&client).await.unwrap().len()
    }

    async fn open(&self, tenant: &Tenant, id: ExecutionId, sealed: SealedOutcome) -> Outcome {
        let open = async |purpose, value: &Option<Vec<u8>>| match value {
            None => None,
            Some(value) => Some(
                self.vault
                    .open(tenant.account, purpose, id.uuid(), value)
                    .await
                    .unwrap(),
            ),
        };
        let output = open(Purpose::Output, &sealed.output).await;
        let error = open(Purpose::Error, &sealed.error).await;
        let logs = open(Purpose::Logs, &sealed.logs).await;
        Outcome {
            output: output.map(|text| String::from_utf8(text).unwrap()),
            error: error.map(|text| serde_json::from_slice(&text).unwrap()),
            logs: logs.map_or_else(Logs::default, |text| serde_json::from_slice(&text).unwrap()),
            sealed,
        }
    }

    /// Starts a worker and waits until it is ready.
    pub(crate) async fn worker(&self, settings: &[(&str, &str)]) -> WorkerProcess {
        let worker = self.start(settings);
        worker.ready().await;
        worker
    }

    /// Starts a worker.
    pub(crate) fn start(&self, settings: &[(&str, &str)]) -> WorkerProcess {
        let state = std::env::temp_dir().join(format!(
            "pbw-{}",
            ExecutionId::new(&SystemClock).uuid().simple()
        ));
        std::fs::create_dir(&state).unwrap();
        // Freed at once, and taken again a moment later.
        let port = TcpListener::bind("127.0.0.1:0").unwrap();
        let admin = port.local_addr().unwrap().to_string();
        drop(port);
        let (database, keys) = (
            self.database.url(Role::Worker),
            self.database.keys_url(Role::Worker),
        );
        let log = state.join("log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_worker"));
        command
            .env_clear()
            .env("DATABASE_URL", database.expose_secret())
            .env("KEYS_DATABASE_URL", keys.expose_secret())
            .env("PATCHBAY_KEK", testing::KEK)
            .env("REDIS_URL", &self.redis_url)
            .env("PATCHBAY_REDIS_PREFIX", &self.queue.partition.prefix)
            .env("PATCHBAY_STATE_DIR", &state)
            .env("PATCHBAY_ROOTFS", from_environment("PATCHBAY_ROOTFS"))
            .env("PATCHBAY_NSJAIL", from_environment("PATCHBAY_NSJAIL"))
            .env("PATCHBAY_ADMIN_LISTEN", &admin)
            .env("PATCHBAY_GENERIC_POOL", "1")
            .env("PATCHBAY_LOG", "info,worker=debug")
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .process_group(0);
        WorkerProcess {
            child: command.spawn().unwrap(),
            admin,
            state,
        }
    }
}

/// A scheduler in this process, which recovers the queue; stopped when dropped.
pub(crate) struct Scheduler {
    stop: CancellationToken,
    _tasks: JoinSet<()>,
}

impl Scheduler {
    pub(crate) fn start(rig: &Rig) -> Self {
        let settings = [
            (
                "DATABASE_URL",
                rig.database.url(Role::Scheduler).expose_secret().to_owned(),
            ),
            ("REDIS_URL", rig.redis_url.clone()),
            ("PATCHBAY_ADMIN_LISTEN", "127.0.0.1:0".to_owned()),
            ("PATCHBAY_REDIS_PREFIX", rig.queue.partition.prefix.clone()),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value));
        let config = scheduler::Config::from_env(&mut Env::of(settings)).unwrap();
        // A test that fails shows what the scheduler thought.
        common::telemetry::start("scheduler", "info");
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let stopped = stop.clone();
        tasks.spawn(async move { scheduler::run(config, stopped).await.unwrap() });
        Self {
            stop,
            _tasks: tasks,
        }
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn from_environment(name: &str) -> String {
    let value: Option<String> = Env::process().optional(name);
    value.unwrap_or_else(|| {
        panic!("{name} is not set; start the servers: eval \"$(ops/test --servers)\"")
    })
}

/// A worker that runs; killed when it is dropped.
pub(crate) struct WorkerProcess {
    child: Child,
    pub(crate) admin: String,
    state: PathBuf,
}

impl WorkerProcess {
    pub(crate) async fn ready(&self) {
        wait_until("the worker is ready", BOUND, async || {
            let stopped = self.log().contains("\nError: ");
            assert!(!stopped, "the worker did not start:\n{}", self.log());
            match get(&self.admin, "/readyz").await {
                Some(answer) if answer.starts_with("HTTP/1.1 200") => Ok(()),
                seen => Err((seen, self.log())),
            }
        })
        .await;
    }

    pub(crate) async fn metrics(&self) -> String {
        get(&self.admin, "/metrics").await.unwrap_or_default()
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Kills it without a word and reaps it.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn ended(&mut self) -> std::process::ExitStatus {
        wait_until("the worker ends", BOUND, async || {
            self.child.try_wait().unwrap().ok_or("still running")
        })
        .await
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.state.join("log")).unwrap_or_default()
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- worker's log\n{}", self.log());
        }
        let _ = std::fs::remove_dir_all(&self.state);
    }
}

/// One plain request to an admin listener.
async fn get(address: &str, path: &str) -> Option<String> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    Some(answer)
}

/// Whether a process lives anywhere on this machine with the word among its arguments.
pub(crate) fn sandbox_alive(word: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap();
    processes.flatten().any(|process| {
        let arguments = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        let found = arguments
            .split(|byte| *byte == 0)
            .any(|part| part == word.as_bytes());
        // A dead one that nobody reaped yet has no arguments any more.
        found
    })
}
