//! The few calls into the kernel that have no safe form elsewhere: the only `unsafe`
//! of this crate.

#![expect(
    unsafe_code,
    reason = "pidfds have no safe wrapper in nix, and a hook between fork and exec is unsafe by nature"
)]

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};

use nix::libc;
use nix::sys::signal::Signal;
use tokio::io::unix::AsyncFd;

/// What the child does between fork and exec.
#[derive(Debug)]
pub(crate) struct Entering {
    /// Each open for writing; the child writes itself in.
    pub(crate) groups: Vec<OwnedFd>,
    /// Stays open across exec; every other descriptor is close-on-exec.
    pub(crate) keep: Vec<RawFd>,
}

/// Starts `command` in a session of its own, inside the groups, dying with the
/// *thread* that called this.
pub(crate) fn spawn_inside(command: &mut Command, entering: Entering) -> io::Result<Child> {
    let parent = nix::unistd::getpid();
    let hook = move || {
        nix::unistd::setsid()?;
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
        // The parent may have died before the line above took effect.
        if nix::unistd::getppid() != parent {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        for group in &entering.groups {
            nix::unistd::write(group, b"0")?;
        }
        for fd in &entering.keep {
            keep_across_exec(*fd)?;
        }
        Ok(())
    };
    // SAFETY: the hook runs in the forked child, where only async-signal-safe calls are
    // allowed: setsid, prctl, getppid, write and fcntl are; it allocates nothing, takes
    // no lock, and its errors are plain numbers.
    unsafe { command.pre_exec(hook) };
    command.spawn()
}

fn keep_across_exec(fd: RawFd) -> io::Result<()> {
    // SAFETY: F_SETFD takes an int and touches no memory; a bad `fd` is an error.
    match unsafe { libc::fcntl(fd, libc::F_SETFD, 0) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Nobody can send a descriptor to this end (`SO_PASSRIGHTS`; Linux 6.16). Before, what is sent
/// is thrown away unread, by whoever reads: the call list keeps what could hold that up.
pub(crate) fn refuse_descriptors(socket: &UnixStream) -> io::Result<()> {
    const SO_PASSRIGHTS: libc::c_int = 83;
    let off: libc::c_int = 0;
    // SAFETY: the kernel reads one integer, which lives here, and the length says so.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_PASSRIGHTS,
            (&raw const off).cast(),
            libc::socklen_t::try_from(size_of_val(&off)).unwrap_or_default(),
        )
    };
    match io::Error::last_os_error() {
        error if set < 0 && error.raw_os_error() != Some(libc::ENOPROTOOPT) => Err(error),
        _ => Ok(()),
    }
}

/// A handle of a process that can't come to mean another one.
pub(crate) fn pidfd_open(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: the call takes two integers and touches no memory of ours.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = RawFd::try_from(fd).map_err(|_| io::ErrorKind::Other)?;
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Kills the process; an error where it is gone already.
pub(crate) fn pidfd_kill(pidfd: &OwnedFd) -> io::Result<()> {
    let fd = pidfd.as_raw_fd();
    // SAFETY: a null `siginfo` is allowed and means a plain signal; no memory is touched.
    let done = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            fd,
            libc::SIGKILL,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    match done {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The descriptor, watched by the runtime.
pub(crate) fn watch(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is open, is always the same descriptor, and nothing takes it
    // out of the `AsyncFd` before that is dropped.
    unsafe { AsyncFd::register(fd) }.map_err(|error| error.into_parts().1)
}

/// The mount at `at` once more, in no mount namespace: read-only, no devices, no suid
/// (`open_tree(2)`, `mount_setattr(2)`; Linux 5.12).
pub(crate) fn detached_read_only(at: &Path) -> io::Result<OwnedFd> {
    let at = CString::new(at.as_os_str().as_bytes())?;
    let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC;
    // SAFETY: the path ends with NUL and lives across the call.
    let fd = unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, at.as_ptr(), flags) };
    let fd = RawFd::try_from(done(fd)?).map_err(|_| io::ErrorKind::Other)?;
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    let tree = unsafe { OwnedFd::from_raw_fd(fd) };
    let wanted = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV,
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    // SAFETY: the empty path ends with NUL, and the structure is as long as is said.
    let set = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const wanted,
            size_of_val(&wanted),
        )
    };
    done(set)?;
    Ok(tree)
}

/// Attaches such a mount at a path of the calling thread's mount namespace
/// (`move_mount(2)`; Linux 5.2).
pub(crate) fn attach(tree: &OwnedFd, at: &CStr) -> io::Result<()> {
    // SAFETY: both paths end with NUL and live across the call.
    let moved = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_FDCWD,
            at.as_ptr(),
            libc::MOVE_MOUNT_F_EMPTY_PATH,
        )
    };
    done(moved).map(|_| ())
}

fn done(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// What the kernel says to a call whose arguments are all nonsense.
#[cfg(test)]
pub(crate) fn answer(call: i64, first: i64) -> nix::errno::Errno {
    // SAFETY: no address in these arguments is one of ours, or of anybody.
    match unsafe { libc::syscall(call, first, -1_i64, -1_i64, -1_i64, -1_i64, -1_i64) } {
        -1 => nix::errno::Errno::last(),
        done => panic!("call {call} did something: {done}"),
    }
}
