//! The loop inside a sandbox, as a module that Python loads: `executions(...)`,
//! and the few calls into the C library that Python has no way to make without `ctypes`.
//!
//! It does what `template.py` and `child.py` do in Python, in the same frames, with a
//! fraction of the page faults: between the fork and the user's code no Python runs
//! that isn't the user's or the JSON around it. Whatever is rare (something was left
//! behind, a version that can't be forked) stays in Python.
//!
//! What always holds: one frame a child; a child that user code forked never answers;
//! a child that fails in here ends without an answer, which the worker names.

mod child;
mod frame;
mod heap;
mod machine;
mod python;
mod template;
mod text;
mod walls;

use std::ffi::{CStr, c_int, c_void};
use std::ptr;

use python::{MethodDef, ModuleDef, Object};
use walls::Walls;

const METH_VARARGS: c_int = 1;
/// `PYTHON_ABI_VERSION`: of the stable interface since 3.2 (PEP 384).
const ABI: c_int = 3;

type Method = unsafe extern "C" fn(*mut Object, *mut Object) -> *mut Object;

struct Methods([MethodDef; 7]);
struct Definition(ModuleDef);

// SAFETY: read by the interpreter alone, which holds its lock.
unsafe impl Sync for Methods {}
// SAFETY: as above; the interpreter writes its own index into it under its lock.
unsafe impl Sync for Definition {}

const fn method(name: &'static CStr, call: Method) -> MethodDef {
    MethodDef {
        name: name.as_ptr(),
        call: Some(call),
        flags: METH_VARARGS,
        doc: ptr::null(),
    }
}

static METHODS: Methods = Methods([
    method(c"executions", executions),
    method(c"hide", machine::hide),
    method(c"show", machine::show),
    method(c"drop_capabilities", machine::drop_capabilities),
    method(c"set_limit", machine::set_limit),
    method(c"flush", machine::flush),
    MethodDef {
        name: ptr::null(),
        call: None,
        flags: 0,
        doc: ptr::null(),
    },
]);

static mut MODULE: Definition = Definition(ModuleDef::new(
    c"patchbay_native".as_ptr(),
    METHODS.0.as_ptr(),
));

/// Before the first fork: the usual path has its pages, and its caches are warm.
const REHEARSALS: u32 = 10;

/// What the interpreter calls to load the module.
///
/// # Safety
/// Called once by the interpreter, which holds its lock.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn PyInit_patchbay_native() -> *mut Object {
    // SAFETY: the definition lives as long as the process and is touched by nobody else.
    unsafe { python::PyModule_Create2(&raw mut MODULE.0, ABI) }
}

/// `executions(answer, bound, rehearse, reseed, environment, sweep, out, err, walls)`: serves until
/// the worker is gone. `reseed` may be `None`. Never returns.
unsafe extern "C" fn executions(_module: *mut Object, args: *mut Object) -> *mut Object {
    let mut given: [*mut Object; 8] = [ptr::null_mut(); 8];
    let mut walls: c_int = 0;
    let [
        answer,
        bound,
        rehearse,
        reseed,
        environment,
        sweep,
        out,
        err,
    ] = &mut given;
    // SAFETY: `args` is the tuple Python gave; the places match the format.
    let read = unsafe {
        python::PyArg_ParseTuple(
            args,
            c"OOOOOOOOi".as_ptr(),
            ptr::from_mut(answer).cast::<c_void>(),
            ptr::from_mut(bound).cast::<c_void>(),
            ptr::from_mut(rehearse).cast::<c_void>(),
            ptr::from_mut(reseed).cast::<c_void>(),
            ptr::from_mut(environment).cast::<c_void>(),
            ptr::from_mut(sweep).cast::<c_void>(),
            ptr::from_mut(out).cast::<c_void>(),
            ptr::from_mut(err).cast::<c_void>(),
            ptr::from_mut(&mut walls).cast::<c_void>(),
        )
    };
    if read == 0 {
        return ptr::null_mut();
    }
    let Some(flush) = python::name(c"flush") else {
        return ptr::null_mut();
    };
    let [left_out, left_err] = child::STREAMS.map(python::system_object);
    let calls = child::Calls {
        answer: *answer,
        bound: *bound,
        rehearse: *rehearse,
        reseed: (!python::is_none(*reseed)).then_some(*reseed),
        environment: *environment,
        streams: [
            [python::held(*out), left_out],
            [python::held(*err), left_err],
        ],
        flush,
        interrupt: machine::take_interrupt(),
    };
    if text::copy_on_fork().is_err() {
        // SAFETY: ends the process at once.
        unsafe { libc::_exit(71) };
    }
    for _ in 0..REHEARSALS {
        python::call(calls.rehearse);
    }
    heap::tidy();
    template::serve(&calls, *sweep, Walls::of(walls))
}
