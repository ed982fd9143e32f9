//! A thread that enters a running sandbox's namespaces, changes one thing and leaves
//! again: how `/tmp` gets the size of a plan that was not known at boot, how a layer
//! gets into a sandbox that runs already, and how a listener gets into its network.
//!
//! At home it is in the keeper's mount namespace, where layers are mounted.

mod forget;
mod furnish;
mod layer;
mod listen;

use std::fs::File;
use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};

use caps::Capability;
use nix::sched::{CloneFlags, setns, unshare};
use tokio::sync::oneshot;

use super::HostError;
use super::undertaker::pid_of;
use crate::rights;
pub use layer::Layer;

#[derive(Debug, thiserror::Error)]
pub enum VisitError {
    #[error("the visiting thread has ended")]
    Ended,
    #[error("cannot find the sandbox's namespace")]
    Find(#[source] io::Error),
    #[error("cannot {0}")]
    Step(&'static str, #[source] nix::Error),
    #[error("cannot {0}")]
    Io(&'static str, #[source] io::Error),
}

/// What `/tmp` may hold, and what is put in at `/layer`.
#[derive(Debug)]
pub(crate) struct Furniture {
    /// `None` leaves `/tmp` as it was booted.
    pub(crate) scratch: Option<Scratch>,
    pub(crate) layer: Option<Layer>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Scratch {
    pub(crate) bytes: u64,
    pub(crate) inodes: u64,
}

type Act = Box<dyn FnOnce(&mut Home) + Send>;

/// Sends acts to the thread; it ends when every copy is gone.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    acts: Sender<Act>,
}

impl Visitor {
    /// `mounts` is the keeper's mount namespace, `place` its directory there.
    pub(crate) fn start(
        mounts: File,
        place: PathBuf,
        rights: Vec<Capability>,
    ) -> Result<Self, HostError> {
        let (acts, taken) = channel();
        let (told, answer) = channel();
        let main = move || match begin(&rights, mounts, place) {
            Ok(home) => {
                let _listener_gone = told.send(Ok(()));
                serve(home, &taken);
            }
            Err(error) => {
                let _listener_gone = told.send(Err(error));
            }
        };
        std::thread::Builder::new()
            .name("jail-visitor".into())
            .spawn(main)
            .map_err(HostError::Thread)?;
        answer.recv().map_err(|_| HostError::Ended)??;
        Ok(Self { acts })
    }

    /// Sets the size of the sandbox's `/tmp` and puts its layer in.
    pub(crate) async fn furnish(
        &self,
        first: OwnedFd,
        furniture: Furniture,
    ) -> Result<(), VisitError> {
        self.act(move |home| furnish::furnish(home, &first, &furniture))
            .await
    }

    /// Connections that are closed are gone at once, for the sandbox's life.
    pub(crate) async fn forget(&self, first: OwnedFd) -> Result<(), VisitError> {
        self.act(move |home| forget::forget(home, &first)).await
    }

    /// A listener on `127.0.0.1:port` as the sandbox sees it.
    pub(crate) async fn listen(
        &self,
        first: OwnedFd,
        port: u16,
    ) -> Result<TcpListener, VisitError> {
        self.act(move |home| listen::listen(home, &first, port))
            .await
    }

    /// Mounts a directory of packages, for sandboxes to come.
    pub(crate) async fn mount(&self, directory: &Path) -> Result<Layer, VisitError> {
        let (directory, visitor) = (directory.to_owned(), self.clone());
        self.act(move |home| layer::mount(home, &directory, visitor))
            .await
    }

    fn unmount(&self, at: PathBuf) {
        // Where the thread has ended, the keeper's namespace will, and its mounts with it.
        let _ended = self.acts.send(Box::new(move |_| layer::unmount(&at)));
    }

    async fn act<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Home) -> Result<T, VisitError> + Send + 'static,
    ) -> Result<T, VisitError> {
        let (reply, answer) = oneshot::channel();
        let act: Act = Box::new(move |home| {
            // Whoever asked and left gets nothing: what was made is dropped here.
            let _caller_gone = reply.send(act(home));
        });
        self.acts.send(act).map_err(|_| VisitError::Ended)?;
        answer.await.map_err(|_| VisitError::Ended)?
    }
}

fn begin(rights: &[Capability], mounts: File, place: PathBuf) -> Result<Home, HostError> {
    rights::gain_nothing()?;
    rights::keep(rights)?;
    Home::enter(mounts, place).map_err(HostError::Thread)
}

fn serve(mut home: Home, acts: &Receiver<Act>) {
    while let Ok(act) = acts.recv() {
        act(&mut home);
        if home.lost {
            // Never act for the next sandbox from inside this one.
            return;
        }
    }
}

/// Where the thread is when it visits nobody.
#[derive(Debug)]
struct Home {
    mounts: File,
    network: File,
    place: PathBuf,
    /// Layers mounted so far: a name for the next.
    layers: u64,
    /// It could not come back.
    lost: bool,
}

#[derive(Clone, Copy)]
enum Namespace {
    Mounts,
    Network,
}

impl Home {
    fn enter(mounts: File, place: PathBuf) -> io::Result<Self> {
        // Only a thread that shares its root and working directory with nobody may
        // change its mount namespace.
        unshare(CloneFlags::CLONE_FS)?;
        setns(&mounts, CloneFlags::CLONE_NEWNS)?;
        Ok(Self {
            mounts,
            network: File::open("/proc/thread-self/ns/net")?,
            place,
            layers: 0,
            lost: false,
        })
    }

    /// Does something in a namespace of the sandbox whose pid 1 this is.
    fn visit<T>(
        &mut self,
        first: &OwnedFd,
        namespace: Namespace,
        act: impl FnOnce() -> Result<T, VisitError>,
    ) -> Result<T, VisitError> {
        let (name, kind, home) = match namespace {
            Namespace::Mounts => ("mnt", CloneFlags::CLONE_NEWNS, &self.mounts),
            Namespace::Network => ("net", CloneFlags::CLONE_NEWNET, &self.network),
        };
        let pid = pid_of(first).map_err(VisitError::Find)?;
        let there = File::open(format!("/proc/{pid}/ns/{name}")).map_err(VisitError::Find)?;
        // The pid could have been given to another process between the two lines above.
        if pid_of(first).map_err(VisitError::Find)? != pid {
            return Err(VisitError::Find(io::ErrorKind::NotFound.into()));
        }
        setns(&there, kind).map_err(|error| VisitError::Step("enter the sandbox", error))?;
        let done = act();
        if let Err(error) = setns(home, kind) {
            self.lost = true;
            return Err(VisitError::Step("leave the sandbox", error));
        }
        done
    }
}
