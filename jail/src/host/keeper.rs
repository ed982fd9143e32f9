//! The thread that starts sandboxes.
//!
//! The kernel kills nsjail when the *thread* that started it ends
//! (`PR_SET_PDEATHSIG`), so one thread starts all of them and lives as long as the
//! process; whoever kills the worker kills its sandboxes. This thread alone sees the
//! mounts that sandboxes are made of.

use std::fs::{self, File};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use tokio::sync::oneshot;

use super::undertaker::{Undertaker, bury};
use super::{BootError, HostError, mounts};
use crate::cgroup::{Group, Parents};
use crate::profile::{Place, Profile};
use crate::rights::{self, Rights};
use crate::sys::{self, Entering};
use crate::uids::Block;

/// First words of the interpreter: takes the runner from descriptor `argv[1]`.
const BOOTSTRAP: &str = include_str!("../runner/bootstrap.py");

/// A started nsjail, not heard from yet.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) remains: Remains,
    pub(crate) control: UnixStream,
    /// What the template prints: the import's output.
    pub(crate) output: OwnedFd,
    /// What nsjail itself says.
    pub(crate) log: OwnedFd,
}

/// All that must be given back when a sandbox ends.
#[derive(Debug)]
pub(crate) struct Remains {
    pub(crate) nsjail: Child,
    /// Of the jail's pid 1, once known.
    pub(crate) first: Option<OwnedFd>,
    pub(crate) group: Group,
    pub(crate) place: u32,
}

/// What is started inside: arguments of the interpreter before the control socket's number.
pub(crate) type Program = Vec<&'static str>;

/// The interpreter with the runner's first words.
pub(crate) fn runner() -> Program {
    vec!["-I", "-S", "-B", "-u", "-X", "utf8", "-c", BOOTSTRAP]
}

#[derive(Debug)]
struct Order {
    program: Program,
    reply: oneshot::Sender<Result<Started, BootError>>,
}

/// Sends orders to the thread; it ends when every copy is gone.
#[derive(Clone, Debug)]
pub(crate) struct Keeper {
    orders: Sender<Order>,
}

/// What the thread knows.
#[derive(Debug)]
pub(crate) struct Shop {
    pub(crate) nsjail: PathBuf,
    pub(crate) profile: Profile,
    pub(crate) block: Arc<Block>,
    pub(crate) parents: Parents,
    pub(crate) rights: Rights,
}

impl Keeper {
    /// Starts the thread and prepares its mounts; gives its mount namespace and the
    /// directory in there that holds them.
    pub(crate) fn start(
        shop: Shop,
        rootfs: PathBuf,
        avoid: Vec<PathBuf>,
    ) -> Result<(Self, File, PathBuf), HostError> {
        let (orders, taken) = channel();
        let (told, answer) = channel();
        let main = move || match prepare(&shop, &rootfs, &avoid) {
            Ok((place, namespace)) => {
                let _listener_gone = told.send(Ok((namespace, place.clone())));
                serve(&shop, &place, &taken);
            }
            Err(error) => {
                let _listener_gone = told.send(Err(error));
            }
        };
        std::thread::Builder::new()
            .name("jail-keeper".into())
            .spawn(main)
            .map_err(HostError::Thread)?;
        let (namespace, place) = answer.recv().map_err(|_| HostError::Ended)??;
        Ok((Self { orders }, namespace, place))
    }

    /// Should the future be dropped, what was started for it is buried.
    pub(crate) async fn order(
        &self,
        program: Program,
        undertaker: &Undertaker,
    ) -> Result<Started, BootError> {
        let (reply, answer) = oneshot::channel();
        self.orders
            .send(Order { program, reply })
            .map_err(|_| BootError::Ended)?;
        let mut coming = Coming { answer, undertaker };
        (&mut coming.answer).await.map_err(|_| BootError::Ended)?
    }
}

/// A sandbox that was ordered. Its reply may be on its way when nobody waits any more.
struct Coming<'a> {
    answer: oneshot::Receiver<Result<Started, BootError>>,
    undertaker: &'a Undertaker,
}

impl Drop for Coming<'_> {
    fn drop(&mut self) {
        // From here on the keeper finds nobody; what it sent before is here.
        self.answer.close();
        if let Ok(Ok(unwanted)) = self.answer.try_recv() {
            self.undertaker.bring(unwanted.remains);
        }
    }
}

fn prepare(shop: &Shop, rootfs: &Path, avoid: &[PathBuf]) -> Result<(PathBuf, File), HostError> {
    // What this thread can't gain no sandbox can: a test that lets one has to let it as well.
    if shop.profile.no_new_privs {
        rights::gain_nothing()?;
    }
    rights::keep(&shop.rights.mounts)?;
    let place = mounts::prepare(rootfs, avoid)?;
    rights::keep(&shop.rights.nsjail)?;
    let namespace = File::open("/proc/thread-self/ns/mnt").map_err(HostError::Thread)?;
    Ok((place, namespace))
}

fn serve(shop: &Shop, place: &Path, orders: &Receiver<Order>) {
    while let Ok(order) = orders.recv() {
        if order.reply.is_closed() {
            continue;
        }
        // Nobody waits any more.
        if let Err(Ok(unwanted)) = order.reply.send(start(shop, place, &order.program)) {
            bury(unwanted.remains, &shop.block);
        }
    }
}

fn start(shop: &Shop, mounts: &Path, program: &Program) -> Result<Started, BootError> {
    let place = shop.block.place().ok_or(BootError::Full)?;
    start_at(shop, mounts, place, program).inspect_err(|_| shop.block.give_back(place))
}

fn start_at(
    shop: &Shop,
    mounts: &Path,
    place: u32,
    program: &Program,
) -> Result<Started, BootError> {
    let group = Group::make(&shop.parents, &format!("s{place}"))?;
    let begun = begin(shop, mounts, place, &group, program);
    let (nsjail, control, output, log) = match begun {
        Ok(begun) => begun,
        Err(error) => {
            if let Err(left) = group.remove() {
                tracing::error!(error = %left, "an empty group is left");
            }
            return Err(error);
        }
    };
    Ok(Started {
        remains: Remains {
            nsjail,
            first: None,
            group,
            place,
        },
        control,
        output,
        log,
    })
}

type Begun = (Child, UnixStream, OwnedFd, OwnedFd);

fn begin(
    shop: &Shop,
    mounts: &Path,
    place: u32,
    group: &Group,
    program: &Program,
) -> Result<Begun, BootError> {
    let (control, far) = UnixStream::pair().map_err(BootError::Socket)?;
    let (output, output_end) = pipe()?;
    let (log, log_end) = pipe()?;
    let config = mounts.join("profiles").join(format!("s{place}.cfg"));
    let text = shop.profile.render(Place {
        mounts: &mounts.display().to_string(),
        uid: shop.block.uid(place),
        control: far.as_raw_fd(),
        log: log_end.as_raw_fd(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
    });
    fs::write(&config, text).map_err(BootError::Profile)?;
    let entering = Entering {
        groups: group.doors()?,
        keep: vec![far.as_raw_fd(), log_end.as_raw_fd()],
    };
    if shop.profile.refuse_descriptors {
        sys::refuse_descriptors(&control).map_err(BootError::Socket)?;
    }
    let mut command = Command::new(&shop.nsjail);
    if shop.profile.own_environment {
        command.env_clear();
    }
    command
        .arg("--config")
        .arg(&config)
        .args(["--", "/usr/bin/python3.11"])
        .args(program)
        .arg(far.as_raw_fd().to_string())
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::from(File::from(
            output_end.try_clone().map_err(BootError::Socket)?,
        )))
        .stderr(Stdio::from(File::from(output_end)));
    let nsjail = sys::spawn_inside(&mut command, entering).map_err(BootError::Spawn)?;
    control.set_nonblocking(true).map_err(BootError::Socket)?;
    Ok((nsjail, control, output, log))
}

fn pipe() -> Result<(OwnedFd, OwnedFd), BootError> {
    let (near, far) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)
        .map_err(|error| BootError::Socket(error.into()))?;
    let flags = nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK);
    nix::fcntl::fcntl(&near, flags).map_err(|error| BootError::Socket(error.into()))?;
    Ok((near, far))
}
