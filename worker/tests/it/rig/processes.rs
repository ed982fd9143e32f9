//! Workers and schedulers, started and ended.

use std::fs::File;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::clock::SystemClock;
use common::config::Env;
use common::ids::ExecutionId;
use common::testing::{self, Role, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use secrecy::ExposeSecret as _;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{BOUND, Rig};

impl Rig {
    /// Starts a worker and waits until it is ready.
    pub(crate) async fn worker(&self, settings: &[(&str, &str)]) -> WorkerProcess {
        let worker = self.start(settings);
        worker.ready().await;
        worker
    }

    /// Starts a worker.
    pub(crate) fn start(&self, settings: &[(&str, &str)]) -> WorkerProcess {
        self.start_by(&[], settings)
    }

    /// Starts a worker by way of a program that becomes it.
    pub(crate) fn start_by(&self, way: &[&str], settings: &[(&str, &str)]) -> WorkerProcess {
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
        let worker = env!("CARGO_BIN_EXE_worker");
        let words: Vec<&str> = way.iter().copied().chain([worker]).collect();
        let mut command = Command::new(words[0]);
        command
            .args(&words[1..])
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("DATABASE_URL", database.expose_secret())
            .env("KEYS_DATABASE_URL", keys.expose_secret())
            .env("PATCHBAY_KEK", testing::KEK)
            .env("REDIS_URL", &self.redis_url)
            .env("PATCHBAY_REDIS_PREFIX", &self.queue.partition.prefix)
            .env("PATCHBAY_STATE_DIR", &state)
            .env("PATCHBAY_ROOTFS", from_environment("PATCHBAY_ROOTFS"))
            .env("PATCHBAY_NSJAIL", from_environment("PATCHBAY_NSJAIL"))
            .env("PATCHBAY_UV", from_environment("PATCHBAY_UV"))
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

pub(crate) fn from_environment(name: &str) -> String {
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

    /// Its state directory.
    pub(crate) fn state(&self) -> &Path {
        &self.state
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
