//! The template's side: forks a process for each order, buries it, proves that
//! nothing of it is left.

use std::io;
use std::mem;

use libc::{c_int, c_void};

use crate::child::{self, Calls, check};
use crate::frame::{self, ENDED, HEADER, NEXT};
use crate::python::{self, Object};
use crate::walls::Walls;

/// Descriptor of the socket to the worker, until a child puts its channel there.
const CONTROL: c_int = 3;
/// Where an execution can leave files.
const PLACES: [&std::ffi::CStr; 2] = [c"/tmp", c"/dev/shm"];

/// Free blocks and inodes of each place.
type Shown = [(u64, u64); 2];

/// Serves orders until the worker is gone, then ends the process: pid 1, and with it
/// whatever runs beside it.
pub(crate) fn serve(calls: &Calls, sweep: *mut Object, walls: Walls) -> ! {
    let ended = orders(calls, sweep, walls);
    // SAFETY: ends the process at once.
    unsafe { libc::_exit(if ended.is_ok() { 0 } else { 71 }) }
}

fn orders(calls: &Calls, sweep: *mut Object, walls: Walls) -> io::Result<()> {
    let baseline = shown()?;
    while let Some(fds) = next()? {
        let pid = fork(calls, fds, walls)?;
        for fd in fds {
            // SAFETY: descriptors that came with the order; the child has its own.
            unsafe { libc::close(fd) };
        }
        let status = reap(pid, walls)?;
        let (strays, flags) = if is_clean(&baseline, walls)? {
            (0, 0)
        } else {
            swept(sweep)
        };
        let mut body = [0; 8];
        body[..4].copy_from_slice(&status.to_be_bytes());
        body[4..].copy_from_slice(&flags.to_be_bytes());
        frame::write_both(CONTROL, &frame::header(ENDED, body.len(), strays), &body)?;
    }
    Ok(())
}

fn fork(calls: &Calls, fds: [c_int; 3], walls: Walls) -> io::Result<c_int> {
    // SAFETY: one thread, which holds the interpreter's lock; the three hooks stand
    // around the fork as CPython's own `os.fork` has them.
    let pid = unsafe {
        python::PyOS_BeforeFork();
        let pid = libc::fork();
        if pid == 0 {
            python::PyOS_AfterFork_Child();
        } else {
            python::PyOS_AfterFork_Parent();
        }
        pid
    };
    if pid == 0 {
        child::run(calls, fds, walls);
    }
    check(pid)
}

/// Waits for the next order: its three descriptors, `None` where the worker is gone.
fn next() -> io::Result<Option<[c_int; 3]>> {
    let mut head = [0_u8; HEADER];
    let (read, fds) = receive(&mut head)?;
    if read == 0 {
        return Ok(None);
    }
    if !frame::read_exact(CONTROL, &mut head[read..])? {
        return Ok(None);
    }
    match (frame::parse(head), fds) {
        (Some(header), Some(fds)) if header.kind == NEXT && header.length == 0 => Ok(Some(fds)),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Part of a header, with the descriptors that come with its first byte.
fn receive(head: &mut [u8; HEADER]) -> io::Result<(usize, Option<[c_int; 3]>)> {
    let mut part = libc::iovec {
        iov_base: head.as_mut_ptr().cast::<c_void>(),
        iov_len: HEADER,
    };
    // Room for three descriptors behind a `cmsghdr`, aligned as the kernel wants it.
    let mut control = [0_u64; 8];
    // SAFETY: all zero is a message without anything.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast::<c_void>();
    message.msg_controllen = mem::size_of_val(&control);
    let read = loop {
        // SAFETY: the message points to places that live here and are as long as they say.
        let read = unsafe { libc::recvmsg(CONTROL, &raw mut message, libc::MSG_CMSG_CLOEXEC) };
        match usize::try_from(read) {
            Ok(read) => break read,
            Err(_) => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    };
    Ok((read, descriptors(&message)))
}

fn descriptors(message: &libc::msghdr) -> Option<[c_int; 3]> {
    // SAFETY: the kernel filled the message; the macros stay inside it.
    unsafe {
        let first = libc::CMSG_FIRSTHDR(message);
        let wanted = libc::CMSG_LEN(u32::try_from(mem::size_of::<[c_int; 3]>()).ok()?);
        let is_rights = !first.is_null()
            && (*first).cmsg_level == libc::SOL_SOCKET
            && (*first).cmsg_type == libc::SCM_RIGHTS
            && (*first).cmsg_len == usize::try_from(wanted).ok()?;
        is_rights.then(|| libc::CMSG_DATA(first).cast::<[c_int; 3]>().read_unaligned())
    }
}

/// Waits for the execution's process, and buries the orphans that come by.
fn reap(pid: c_int, walls: Walls) -> io::Result<u32> {
    loop {
        let mut status = 0;
        // SAFETY: `status` lives here.
        let done =
            unsafe { libc::wait4(-1, &raw mut status, walls.children(), std::ptr::null_mut()) };
        if done == pid {
            return Ok(u32::from_ne_bytes(status.to_ne_bytes()));
        }
        if done < 0 && io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return Err(io::Error::last_os_error());
        }
    }
}

/// No process but this one, and not a file more than before.
fn is_clean(baseline: &Shown, walls: Walls) -> io::Result<bool> {
    let options = libc::WNOHANG | walls.children();
    // SAFETY: asks without waiting; null takes no status.
    let left = unsafe { libc::waitpid(-1, std::ptr::null_mut(), options) };
    let alone = left < 0 && io::Error::last_os_error().raw_os_error() == Some(libc::ECHILD);
    Ok(alone && shown()? == *baseline)
}

/// Python's thorough way: kills, removes, and tells (processes killed, flags).
fn swept(sweep: *mut Object) -> (u64, u32) {
    const DIRTY: u32 = 2;
    let told = python::call(sweep).and_then(|told| {
        let strays = u64::try_from(told.number_at(0)?).ok()?;
        Some((strays, u32::try_from(told.number_at(1)?).ok()?))
    });
    // What can't be swept is not used again.
    told.unwrap_or((0, DIRTY))
}

fn shown() -> io::Result<Shown> {
    let mut shown = Shown::default();
    for (now, place) in shown.iter_mut().zip(PLACES) {
        // SAFETY: all zero is a place for the answer; the path ends with NUL.
        let mut told: libc::statfs = unsafe { mem::zeroed() };
        // SAFETY: as above.
        check(unsafe { libc::statfs(place.as_ptr(), &raw mut told) })?;
        *now = (told.f_bfree, told.f_ffree);
    }
    Ok(shown)
}
