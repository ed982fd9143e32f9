//! A sandbox of its own for each step: resolving, or installing.
//!
//! It is a sandbox like every other, bound to code of ours instead of a tenant's, with
//! the resolver as its layer and a way to the package index. Nothing that a package
//! brings is run in it: wheels are unpacked, and their files compiled.

use std::path::Path;
use std::time::Duration;

use common::limits;
use jail::{
    BootError, Code, Context, Done, Environment, Failure, FailureCode, Host, Layer, Limits,
    NamedHost, Network, Request, Sandbox, SandboxError,
};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;
use tokio::net::TcpListener;

use super::config::PackagesConfig;
use super::delivery::{self, Bounds, DeliveryError, Taken};
use crate::network;

const INSTALLER: &str = include_str!("installer.py");
/// As the installer knows it.
const DELIVERY: u16 = 3_129;
/// Besides the files: the resolver, the interpreters that compile, what is unpacked and not kept.
const ROOM: u64 = 768 << 20;
const METADATA: u64 = 128 << 20;
const THREADS: u32 = 128;
/// A delivery that stands still for so long has ended.
const SILENCE: Duration = Duration::from_secs(60);

/// A step that came to nothing: ours, never the packages'.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    #[error("there is no sandbox to build in")]
    Boot(#[source] BootError),
    #[error("the sandbox to build in failed")]
    Sandbox(#[source] SandboxError),
    #[error("the resolver cannot be put into its sandbox")]
    Resolver(#[source] jail::VisitError),
    #[error("the installed files cannot be received")]
    Way(#[source] std::io::Error),
    #[error("the installer does not start: {} {}", .0.code.as_str(), .0.message)]
    Installer(Box<Failure>),
    #[error("the package index cannot be reached: {0}")]
    Unreachable(String),
    #[error("the installed files cannot be kept")]
    Delivery(#[source] DeliveryError),
    #[error("a task ended early")]
    Task(#[source] tokio::task::JoinError),
}

/// Why packages can't be had, in the resolver's words or ours: the user's to mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(pub String);

/// What the installer says at its end.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Told {
    Lock(String),
    Refused(String),
    /// How many; what was taken is what counts.
    Files(IgnoredAny),
}

#[derive(Debug)]
pub(super) struct Builds {
    pub(super) host: Host,
    resolver: Layer,
    index: String,
    hosts: Vec<NamedHost>,
    /// Of one step.
    time: Duration,
}

/// What a step may take.
struct Step<'a> {
    name: &'static str,
    text: &'a str,
    /// Of files.
    bytes: u64,
    time: Duration,
    into: Option<(&'a Path, Bounds)>,
}

impl Step<'_> {
    /// Bytes that may come in.
    const fn downloaded(&self) -> u64 {
        self.bytes + limits::INDEX_BYTES
    }

    fn too_large(&self) -> String {
        match self.into {
            Some(_) => format!("the packages take more than {} MiB", self.bytes >> 20),
            None => "what the index told takes more room than there is".to_owned(),
        }
    }
}

impl Builds {
    pub(super) async fn new(config: PackagesConfig, host: Host) -> Result<Self, StepError> {
        // The only file of its directory.
        let directory = config.uv.parent().unwrap_or(Path::new("/"));
        Ok(Self {
            resolver: host.layer(directory).await.map_err(StepError::Resolver)?,
            host,
            index: config.index,
            hosts: config.hosts.iter().map(network::named).collect(),
            time: config.time,
        })
    }

    /// The list with hashes that requirements come to.
    pub(super) async fn resolve(&self, text: &str) -> Result<Result<String, Refusal>, StepError> {
        let step = Step {
            name: "resolve",
            text,
            bytes: 0,
            time: self.time.min(limits::RESOLVE),
            into: None,
        };
        match self.run(&step).await? {
            Ok((Told::Lock(lock), _)) if lock.len() > limits::LOCK_BYTES => Ok(Err(too_long())),
            Ok((Told::Lock(lock), _)) => Ok(Ok(lock)),
            Ok(_) => Ok(Err(nothing_known())),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    /// Installs a list into an empty directory.
    pub(super) async fn install(
        &self,
        lock: &str,
        into: &Path,
        bytes: u64,
    ) -> Result<Result<Taken, Refusal>, StepError> {
        let bounds = Bounds {
            bytes,
            files: limits::LAYER_FILES,
        };
        let step = Step {
            name: "install",
            text: lock,
            bytes,
            time: self.time,
            into: Some((into, bounds)),
        };
        match self.run(&step).await? {
            Ok((Told::Files(_), Some(taken))) => Ok(Ok(taken)),
            Ok(_) => Ok(Err(nothing_known())),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    async fn run(
        &self,
        step: &Step<'_>,
    ) -> Result<Result<(Told, Option<Taken>), Refusal>, StepError> {
        let (mut sandbox, delivery) = self.sandbox(step).await?;
        let input = json!({"step": step.name, "index": self.index, "text": step.text});
        let input = input.to_string();
        let running = sandbox.run(Request {
            input: input.as_bytes(),
            context: Context::default(),
            timeout: step.time,
            output_bytes: 2 * limits::LOCK_BYTES,
            tap: None,
            environment: Environment::default(),
        });
        let (done, taken) = beside(running, &delivery, step).await?;
        conclude(step, done.map_err(StepError::Sandbox)?, taken)
    }

    /// One with the resolver in it, and where it delivers to.
    async fn sandbox(&self, step: &Step<'_>) -> Result<(Sandbox, TcpListener), StepError> {
        let generic = self.host.boot().await.map_err(StepError::Boot)?;
        let network = Network {
            hosts: self.hosts.clone(),
            bytes: step.downloaded(),
            is_trusted: true,
        };
        let generic = generic.with(Some(self.resolver.clone())).reaching(network);
        let delivery = generic.listen(DELIVERY).await.map_err(StepError::Sandbox)?;
        let delivery = TcpListener::from_std(delivery).map_err(StepError::Way)?;
        let limits = Limits {
            memory_bytes: step.bytes + METADATA + ROOM,
            cpu_percent: 200,
            cpu_weight: 50,
            pids: THREADS,
            scratch_bytes: step.bytes + METADATA,
            scratch_inodes: 2 * limits::LAYER_FILES,
        };
        let code = Code::single(INSTALLER);
        let bound = generic
            .bind(&code, &limits, limits::IMPORT)
            .await
            .map_err(StepError::Sandbox)?;
        match bound.sandbox {
            Ok(sandbox) => Ok((sandbox, delivery)),
            Err(failure) => Err(StepError::Installer(Box::new(failure))),
        }
    }
}

type Ran = Result<Done, SandboxError>;
type Delivered = Option<Result<Taken, DeliveryError>>;

/// Runs it to its end, and takes what it delivers meanwhile.
async fn beside(
    running: impl Future<Output = Ran>,
    delivery: &TcpListener,
    step: &Step<'_>,
) -> Result<(Ran, Delivered), StepError> {
    tokio::pin!(running);
    let Some((into, bounds)) = step.into else {
        return Ok((running.await, None));
    };
    let stream = tokio::select! {
        biased;
        done = &mut running => return Ok((done, None)),
        accepted = delivery.accept() => accepted.map_err(StepError::Way)?.0,
    };
    let stream = stream.into_std().map_err(StepError::Way)?;
    stream.set_nonblocking(false).map_err(StepError::Way)?;
    stream
        .set_read_timeout(Some(SILENCE))
        .map_err(StepError::Way)?;
    let into = into.to_owned();
    // Ends with the sandbox at the latest: what it reads from is closed then.
    let taking = tokio::task::spawn_blocking(move || {
        let mut stream = stream;
        delivery::take(&mut stream, &into, bounds)
    });
    let (done, taken) = tokio::join!(running, taking);
    Ok((done, Some(taken.map_err(StepError::Task)?)))
}

fn conclude(
    step: &Step<'_>,
    done: Done,
    taken: Delivered,
) -> Result<Result<(Told, Option<Taken>), Refusal>, StepError> {
    let refused = |words: String| Ok(Err(Refusal(words)));
    let taken = match taken {
        Some(Err(error)) if error.is_refusal() => return refused(error.to_string()),
        Some(Err(_)) if done.result.is_err() => None,
        Some(Err(error)) => return Err(StepError::Delivery(error)),
        Some(Ok(taken)) => Some(taken),
        None => None,
    };
    let traffic = done.traffic;
    let told = match done.result {
        Ok(body) => match serde_json::from_slice(&body) {
            Ok(told) => told,
            Err(_) => return Ok(Err(nothing_known())),
        },
        Err(failure) if failure.code == FailureCode::Timeout => {
            let seconds = step.time.as_secs();
            let what = step.name;
            return refused(format!(
                "to {what} the packages took longer than {seconds} s"
            ));
        }
        Err(failure) if failure.code == FailureCode::OutOfMemory || is_full(&failure.message) => {
            return refused(step.too_large());
        }
        Err(failure) if failure.code == FailureCode::OutputTooLarge => {
            return Ok(Err(too_long()));
        }
        // Whatever else ended it, packages did: the next try would end the same.
        Err(failure) => {
            let (what, message) = (step.name, plain(&failure.message));
            return refused(format!("to {what} the packages failed: {message}"));
        }
    };
    match told {
        Told::Refused(_) if traffic.is_cut => {
            let most = step.downloaded() >> 20;
            refused(format!("more than {most} MiB were downloaded"))
        }
        Told::Refused(words) if is_full(&words) => refused(step.too_large()),
        Told::Refused(words) if traffic.has_failed || is_passing(&words) => {
            Err(StepError::Unreachable(plain(&words)))
        }
        Told::Refused(words) => refused(plain(&words)),
        told => Ok(Ok((told, taken))),
    }
}

fn too_long() -> Refusal {
    let most = limits::LOCK_BYTES >> 20;
    Refusal(format!(
        "the list of packages with their hashes is longer than {most} MiB"
    ))
}

fn nothing_known() -> Refusal {
    Refusal("the installer told nothing that is known".to_owned())
}

/// The resolver's words for what may be well the next time.
fn is_passing(words: &str) -> bool {
    const PASSING: [&str; 7] = [
        "status server error",
        "(408 ",
        "(425 ",
        "(429 ",
        "error sending request",
        "timed out",
        "connection reset",
    ];
    PASSING.iter().any(|passing| words.contains(passing))
}

fn is_full(words: &str) -> bool {
    words.contains("os error 28") || words.contains("No space left on device")
}

/// The resolver's words without what it draws around them.
fn plain(words: &str) -> String {
    let lines = words.lines().map(|line| {
        let line = line.trim_start_matches(|drawn: char| " ×╰─▶├│".contains(drawn));
        line.trim_end()
    });
    let mut text = lines.collect::<Vec<_>>().join("\n");
    text.truncate(text.floor_char_boundary(limits::RESOLVER_WORDS_BYTES));
    text
}
