//! Calls into the C library, for Python (each with the call's own result: 0 is done) and for
//! the loop.

use std::mem;
use std::ptr;

use libc::{c_int, c_ulong};

use crate::python::{self, Object};

/// `hide()`: no process of the same user may look into this one (`PR_SET_DUMPABLE`).
pub(crate) unsafe extern "C" fn hide(_module: *mut Object, _args: *mut Object) -> *mut Object {
    python::number(set_dumpable(false).into())
}

/// `show()`: an ordinary process again.
pub(crate) unsafe extern "C" fn show(_module: *mut Object, _args: *mut Object) -> *mut Object {
    python::number(set_dumpable(true).into())
}

/// 0, or -1 with `errno`.
pub(crate) fn set_dumpable(dumpable: bool) -> c_int {
    // SAFETY: takes a number and touches no memory.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, c_ulong::from(dumpable), 0, 0, 0) }
}

/// `drop_capabilities()`: the ambient ones and all others (capabilities(7)).
pub(crate) unsafe extern "C" fn drop_capabilities(
    _module: *mut Object,
    _args: *mut Object,
) -> *mut Object {
    python::number(no_capabilities().into())
}

/// 0, or -1 with `errno`.
pub(crate) fn no_capabilities() -> c_int {
    const CAPABILITY_VERSION_3: u32 = 0x2008_0522;
    #[repr(C)]
    struct Header {
        version: u32,
        pid: c_int,
    }
    let header = Header {
        version: CAPABILITY_VERSION_3,
        pid: 0,
    };
    let none = [0_u32; 6];
    // SAFETY: plain calls; the kernel reads the two structures, which live here.
    unsafe {
        let ambient = libc::prctl(
            libc::PR_CAP_AMBIENT,
            libc::PR_CAP_AMBIENT_CLEAR_ALL,
            0,
            0,
            0,
        );
        let set = libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr());
        if ambient == 0 && set == 0 { 0 } else { -1 }
    }
}

/// `set_limit(resource, most)`: soft and hard alike (setrlimit(2)).
pub(crate) unsafe extern "C" fn set_limit(_module: *mut Object, args: *mut Object) -> *mut Object {
    let Some([resource, most]) = python::two_numbers(args) else {
        return ptr::null_mut();
    };
    let (Ok(resource), Ok(most)) = (u32::try_from(resource), u64::try_from(most)) else {
        return python::number(-1);
    };
    let limit = libc::rlimit {
        rlim_cur: most,
        rlim_max: most,
    };
    // SAFETY: the kernel reads the structure, which lives here.
    python::number(unsafe { libc::setrlimit(resource, &raw const limit) }.into())
}

/// `flush()`: all streams of the C library.
pub(crate) unsafe extern "C" fn flush(_module: *mut Object, _args: *mut Object) -> *mut Object {
    python::number(flush_all().into())
}

pub(crate) fn flush_all() -> c_int {
    // SAFETY: null means all of them; a stream that user code left locked is user code
    // waiting for itself.
    unsafe { libc::fflush(ptr::null_mut()) }
}

/// What a signal does, as the C library keeps it.
pub(crate) struct Disposition(libc::sigaction);

/// SIGINT's handler, taken out of this process: only executions have it.
pub(crate) fn take_interrupt() -> Disposition {
    // SAFETY: all zero is the default disposition.
    let nothing: libc::sigaction = unsafe { mem::zeroed() };
    let mut was = nothing;
    // SAFETY: both structures live here.
    unsafe { libc::sigaction(libc::SIGINT, &raw const nothing, &raw mut was) };
    Disposition(was)
}

impl Disposition {
    pub(crate) fn put_back(&self) {
        // SAFETY: a disposition that the C library gave; null takes no other.
        unsafe { libc::sigaction(libc::SIGINT, &raw const self.0, ptr::null_mut()) };
    }
}
