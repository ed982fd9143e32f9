//! A thread that enters a running sandbox's mount namespace, changes one mount and
//! leaves again: how `/tmp` gets the size of a plan that was not known at boot.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, Sender, channel};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use tokio::sync::oneshot;

use super::HostError;
use super::keeper::pid_of;

#[derive(Debug, thiserror::Error)]
pub enum VisitError {
    #[error("the visiting thread has ended")]
    Ended,
    #[error("cannot find the sandbox's mounts")]
    Find(#[source] io::Error),
    #[error("cannot {0}")]
    Step(&'static str, #[source] nix::Error),
}

struct Visit {
    first: OwnedFd,
    bytes: u64,
    inodes: u64,
    reply: oneshot::Sender<Result<(), VisitError>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    visits: Sender<Visit>,
}

impl std::fmt::Debug for Visit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Visit").finish_non_exhaustive()
    }
}

impl Visitor {
    pub(crate) fn start() -> Result<Self, HostError> {
        let (visits, taken) = channel();
        let (told, answer) = channel();
        let main = move || {
            // Only a thread that shares its root and working directory with nobody may
            // change its mount namespace.
            let ready = unshare(CloneFlags::CLONE_FS)
                .map_err(io::Error::from)
                .and_then(|()| File::open("/proc/thread-self/ns/mnt"));
            match ready {
                Ok(home) => {
                    let _listener_gone = told.send(Ok(()));
                    serve(&home, &taken);
                }
                Err(error) => {
                    let _listener_gone = told.send(Err(HostError::Thread(error)));
                }
            }
        };
        std::thread::Builder::new()
            .name("jail-visitor".into())
            .spawn(main)
            .map_err(HostError::Thread)?;
        answer.recv().map_err(|_| HostError::Ended)??;
        Ok(Self { visits })
    }

    /// Sets the size of the sandbox's `/tmp`.
    pub(crate) async fn resize(
        &self,
        first: OwnedFd,
        bytes: u64,
        inodes: u64,
    ) -> Result<(), VisitError> {
        let (reply, answer) = oneshot::channel();
        let visit = Visit {
            first,
            bytes,
            inodes,
            reply,
        };
        self.visits.send(visit).map_err(|_| VisitError::Ended)?;
        answer.await.map_err(|_| VisitError::Ended)?
    }
}

fn serve(home: &File, visits: &Receiver<Visit>) {
    while let Ok(visit) = visits.recv() {
        let result = resize(home, &visit);
        let lost = matches!(result, Err(VisitError::Step(LEAVE, _)));
        let _caller_gone = visit.reply.send(result);
        if lost {
            // Never act for the next sandbox from inside this one.
            return;
        }
    }
}

const LEAVE: &str = "leave the sandbox's mounts";

fn resize(home: &File, visit: &Visit) -> Result<(), VisitError> {
    let pid = pid_of(&visit.first).map_err(VisitError::Find)?;
    let there = File::open(format!("/proc/{pid}/ns/mnt")).map_err(VisitError::Find)?;
    // The pid could have been given to another process between the two lines above.
    if pid_of(&visit.first).map_err(VisitError::Find)? != pid {
        return Err(VisitError::Find(io::ErrorKind::NotFound.into()));
    }
    let step = |what| move |error| VisitError::Step(what, error);
    setns(&there, CloneFlags::CLONE_NEWNS).map_err(step("enter the sandbox's mounts"))?;
    let options = format!("size={},nr_inodes={},mode=1777", visit.bytes, visit.inodes);
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    let none: Option<&str> = None;
    let resized = mount(none, "/tmp", Some("tmpfs"), flags, Some(options.as_str()));
    setns(home, CloneFlags::CLONE_NEWNS).map_err(step(LEAVE))?;
    resized.map_err(step("resize /tmp"))
}
