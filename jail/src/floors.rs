//! What `ops/bench` compares with, in the very sandbox that calls run in.
//!
//! Two floors, of plain Python. [`spawn`] is what starting a sandbox for
//! each call costs: nsjail with our profile and groups, and an interpreter that reads a
//! number and prints it plus one. [`ForkFloor`] is what forking costs: one sandbox, a
//! plain interpreter that forks for each request, with no runner, queue or record.

mod kill;

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::channel::Capture;
use crate::environment::Environment;
use crate::host::{BootError, Host, Remains, Started, first_process, pid_of};
use crate::limits::Limits;
use crate::sandbox::{Code, Context, GenericSandbox, Request, Sandbox, SandboxError};

pub use kill::{Killed, kill};

const PATIENCE: Duration = Duration::from_secs(30);

const SPAWN: &str = "
import json, os, sys
n = json.loads(os.read(int(sys.argv[1]), 64))
print(json.dumps(n + 1))
";

const FORK: &str = "
import gc, json, os, socket, sys
def main(n):
    return n + 1
sock = socket.socket(fileno=int(sys.argv[1]))
gc.collect()
gc.freeze()
sock.send(b'ready')
while True:
    request = sock.recv(65536)
    if not request:
        break
    pid = os.fork()
    if pid == 0:
        sock.send(json.dumps(main(**json.loads(request))).encode())
        os._exit(0)
    os.waitpid(pid, 0)
";

#[derive(Debug, thiserror::Error)]
pub enum FloorError {
    #[error("the sandbox did not start")]
    Boot(#[from] BootError),
    #[error("the sandbox did not answer")]
    Io(#[from] io::Error),
    #[error("no answer in time")]
    Slow,
    #[error("the answer was {0}")]
    Wrong(String),
    #[error("the sandbox failed")]
    Sandbox(#[from] SandboxError),
}

/// One sandbox of its own for one call: `n` plus one, checked, and the sandbox gone.
///
/// # Errors
/// Where it didn't answer rightly.
pub async fn spawn(host: &Host, n: u64) -> Result<(), FloorError> {
    let started = host.start(vec!["-I", "-c", SPAWN]).await?;
    let mut output = Capture::of(started.output, 4_096)?;
    let grave = Grave {
        host,
        remains: Some(started.remains),
    };
    let mut control = UnixStream::from_std(started.control)?;
    control.write_all(n.to_string().as_bytes()).await?;
    let read = async {
        while output.is_open() {
            output.fill().await?;
        }
        io::Result::Ok(())
    };
    timeout(PATIENCE, read)
        .await
        .map_err(|_| FloorError::Slow)??;
    drop(grave);
    expect(&output.into_text().0, n + 1)
}

fn expect(text: &str, wanted: u64) -> Result<(), FloorError> {
    if text.trim() == wanted.to_string() {
        return Ok(());
    }
    Err(FloorError::Wrong(text.to_owned()))
}

/// Of a jail's first process.
fn host_pid(first: Option<&OwnedFd>) -> Result<u32, FloorError> {
    let pid = pid_of(first.ok_or(SandboxError::Gone)?)?;
    u32::try_from(pid).map_err(|_| SandboxError::Gone.into())
}

/// Gives back what a sandbox holds, however its use ends.
struct Grave<'a> {
    host: &'a Host,
    remains: Option<Remains>,
}

impl Drop for Grave<'_> {
    fn drop(&mut self) {
        if let Some(remains) = self.remains.take() {
            self.host.undertaker().bring(remains);
        }
    }
}

/// A plain interpreter that forks for each request.
#[derive(Debug)]
pub struct ForkFloor {
    host: Host,
    remains: Option<Remains>,
    control: UnixStream,
    pid: u32,
}

impl Drop for ForkFloor {
    fn drop(&mut self) {
        if let Some(remains) = self.remains.take() {
            self.host.undertaker().bring(remains);
        }
    }
}

impl ForkFloor {
    /// # Errors
    /// Where it didn't come up.
    pub async fn start(host: &Host) -> Result<Self, FloorError> {
        let Started {
            mut remains,
            control,
            ..
        } = host.start(vec!["-I", "-S", "-c", FORK]).await?;
        let mut control = UnixStream::from_std(control)?;
        let mut word = [0; 5];
        let ready = timeout(PATIENCE, control.read_exact(&mut word)).await;
        ready.map_err(|_| FloorError::Slow)??;
        let first = first_process(remains.nsjail.id())?;
        let pid = host_pid(Some(&first))?;
        remains.first = Some(first);
        Ok(Self {
            host: host.clone(),
            remains: Some(remains),
            control,
            pid,
        })
    }

    /// Host pid of the interpreter that forks.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// One call: `n` plus one, checked.
    ///
    /// # Errors
    /// Where it didn't answer rightly.
    pub async fn call(&mut self, n: u64) -> Result<(), FloorError> {
        self.control
            .write_all(format!("{{\"n\":{n}}}").as_bytes())
            .await?;
        let mut answer = [0; 64];
        let read = timeout(PATIENCE, self.control.read(&mut answer)).await;
        let read = read.map_err(|_| FloorError::Slow)??;
        expect(&String::from_utf8_lossy(&answer[..read]), n + 1)
    }
}

/// A generic sandbox, as a worker's pool keeps them.
#[derive(Debug)]
pub struct Ready {
    /// Host pids of all in it: nsjail and the interpreter.
    pub pids: Vec<u32>,
    _sandbox: GenericSandbox,
}

impl Ready {
    /// # Errors
    /// Where it didn't come up.
    pub async fn start(host: &Host) -> Result<Self, FloorError> {
        let sandbox = host.boot().await?;
        let remains = sandbox.jail.remains()?;
        let pids = vec![remains.nsjail.id(), host_pid(remains.first.as_ref())?];
        Ok(Self {
            pids,
            _sandbox: sandbox,
        })
    }
}

/// A sandbox that holds a function, as a worker has it.
#[derive(Debug)]
pub struct LoneSandbox {
    sandbox: Sandbox,
    pid: u32,
}

impl LoneSandbox {
    /// # Errors
    /// Where it didn't come up.
    pub async fn start(host: &Host) -> Result<Self, FloorError> {
        const MIB: u64 = 1 << 20;
        let limits = Limits {
            memory_bytes: 128 * MIB,
            cpu_percent: 100,
            cpu_weight: 100,
            pids: 16,
            scratch_bytes: 16 * MIB,
            scratch_inodes: 1_024,
        };
        let code = Code::single("def main(n: int) -> int:\n    return n + 1\n");
        let bound = host.boot().await?.bind(&code, &limits, PATIENCE).await?;
        let sandbox = bound.sandbox.map_err(|_| FloorError::Wrong(bound.log))?;
        let pid = host_pid(sandbox.jail.remains()?.first.as_ref())?;
        Ok(Self { sandbox, pid })
    }

    /// Host pid of the template.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// One call: `n` plus one, checked.
    ///
    /// # Errors
    /// Where it didn't answer rightly.
    pub async fn call(&mut self, n: u64) -> Result<(), FloorError> {
        let input = format!("{{\"n\":{n}}}");
        let request = Request {
            input: input.as_bytes(),
            context: Context::default(),
            timeout: PATIENCE,
            output_bytes: 1_024,
            tap: None,
            environment: Environment::default(),
        };
        let done = self.sandbox.run(request).await?;
        match done.result {
            Ok(output) => expect(&String::from_utf8_lossy(&output), n + 1),
            Err(failure) => Err(FloorError::Wrong(format!("{failure:?}"))),
        }
    }
}
