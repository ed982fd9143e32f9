//! The thread that buries sandboxes: SIGKILL to the first process, then nsjail, the group,
//! the uids; in this order, or dead processes keep the group.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::Child;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use caps::Capability;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::{Id, WaitPidFlag, waitid};

use super::HostError;
use super::keeper::{Keeper, Remains};
use crate::cgroup::Parents;
use crate::limits::DYING;
use crate::rights;
use crate::sys;
use crate::uids::Block;

/// Buries sandboxes, and at last the worker's own groups; ends when every sender is gone.
#[derive(Clone, Debug)]
pub(crate) struct Undertaker {
    remains: Sender<Remains>,
    block: Arc<Block>,
}

impl Undertaker {
    /// The receiver hears when nothing is left. The keeper outlives the undertaker, for
    /// its end would kill nsjails before what they must reap.
    pub(crate) fn start(
        block: Arc<Block>,
        parents: Parents,
        keeper: Keeper,
        rights: Vec<Capability>,
    ) -> Result<(Self, Receiver<()>), HostError> {
        let (remains, brought) = channel::<Remains>();
        let (done, finished) = channel();
        let (ready, begun) = channel();
        let places = block.clone();
        let main = move || {
            let _ready = ready.send(rights::keep_only(&rights));
            while let Ok(remains) = brought.recv() {
                bury(remains, &places);
                places.died();
            }
            super::sweep::groups(&parents);
            drop(keeper);
            let _nobody_waits = done.send(());
        };
        std::thread::Builder::new()
            .name("jail-undertaker".into())
            .spawn(main)
            .map_err(HostError::Thread)?;
        begun.recv().map_err(|_| HostError::Ended)??;
        Ok((Self { remains, block }, finished))
    }

    /// Kills at once, buries in time.
    pub(crate) fn bring(&self, remains: Remains) {
        kill(&remains);
        self.block.dies();
        if self.remains.send(remains).is_err() {
            self.block.died();
            tracing::error!("a killed sandbox could not be buried");
        }
    }
}

/// SIGKILL to the jail's pid 1, which ends its pid namespace and then nsjail.
pub(crate) fn kill(remains: &Remains) {
    remains.group.lift_cpu();
    if let Some(first) = &remains.first {
        let _gone_already = sys::pidfd_kill(first);
    }
}

/// Waits until nsjail is gone, removes the group, frees the uids.
pub(super) fn bury(mut remains: Remains, block: &Block) {
    if remains.first.is_none() {
        remains.first = born(&mut remains.nsjail);
    }
    kill(&remains);
    if !wait(&mut remains.nsjail) {
        tracing::warn!(
            place = remains.place,
            "nsjail outlived its sandbox and is killed"
        );
        let _gone_already = remains.nsjail.kill();
        wait(&mut remains.nsjail);
    }
    if let Some(first) = &remains.first {
        reap(first);
    }
    let place = remains.place;
    match remains.group.remove() {
        Ok(()) => block.give_back(place),
        // Its uids are not used again: something may still run under them.
        Err(error) => tracing::error!(place, error = %error, "a sandbox could not be buried"),
    }
}

/// The first process of a sandbox that is given up while it starts: it may not be there yet,
/// and would be nobody's if nsjail were killed first.
fn born(nsjail: &mut Child) -> Option<OwnedFd> {
    let until = Instant::now() + DYING;
    loop {
        if let Ok(first) = first_process(nsjail.id()) {
            return Some(first);
        }
        if !matches!(nsjail.try_wait(), Ok(None)) || Instant::now() >= until {
            return None;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn wait(nsjail: &mut Child) -> bool {
    let Ok(id) = i32::try_from(nsjail.id()) else {
        return false;
    };
    let until = Instant::now() + DYING;
    let Ok(pidfd) = sys::pidfd_open(id) else {
        return matches!(nsjail.try_wait(), Ok(Some(_)));
    };
    loop {
        if matches!(nsjail.try_wait(), Ok(Some(_)) | Err(_)) {
            return true;
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let _checked_above = poll(
            &mut [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)],
            timeout,
        );
    }
}

/// Where nsjail died before the jail's pid 1, as when the kernel chose nsjail for want of
/// memory, that one has become this process's child: dead, and there for ever if nobody asks.
fn reap(first: &OwnedFd) {
    if !is_dead_within(first, DYING) {
        tracing::error!("the first process of a sandbox outlives it");
    }
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG;
    // Nearly always it was nsjail's, which has reaped it.
    let _not_ours = waitid(Id::PIDFd(first.as_fd()), flags);
}

/// A signal for this process, as for a child's death, may end the wait early: it goes on then.
fn is_dead_within(process: &OwnedFd, patience: Duration) -> bool {
    let until = Instant::now() + patience;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let mut dead = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
        match poll(&mut dead, timeout) {
            Ok(count) if count > 0 => return true,
            _ if left.is_zero() => return false,
            _ => {}
        }
    }
}

/// The jail's pid 1: nsjail's only child.
pub(crate) fn first_process(nsjail: u32) -> io::Result<OwnedFd> {
    let children = fs::read_to_string(format!("/proc/{nsjail}/task/{nsjail}/children"))?;
    let pid: i32 = children
        .split_whitespace()
        .next()
        .and_then(|pid| pid.parse().ok())
        .ok_or(io::ErrorKind::NotFound)?;
    let pidfd = sys::pidfd_open(pid)?;
    // Only now can the number not come to mean another process.
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let inner = status
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:")?.split_whitespace().last());
    if inner != Some("1") {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(pidfd)
}

/// The pid behind a pidfd, for `/proc`.
pub(crate) fn pid_of(pidfd: &OwnedFd) -> io::Result<i32> {
    let path = format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd());
    let text = fs::read_to_string(path)?;
    text.lines()
        .find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok())
        .filter(|&pid| pid > 0)
        .ok_or_else(|| io::ErrorKind::NotFound.into())
}
