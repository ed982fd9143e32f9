//! One execution: takes its request, has the user's code called, answers once, ends.

use std::ffi::CStr;
use std::io;

use libc::c_int;

use crate::frame::{self, FAILURE, HEADER, REQUEST, RESULT};
use crate::machine::{self, Disposition};
use crate::python::{self, Object, Ref};
use crate::walls::Walls;

/// Descriptor of an execution's channel.
const CHANNEL: c_int = 3;
/// The uid and gid of executions; the template is 1000.
const EXECUTION: u32 = 1_001;
/// What prints, as `sys` names it.
pub(crate) const STREAMS: [&CStr; 2] = [c"stdout", c"stderr"];
/// Ends without an answer that anybody should believe.
const BROKEN: c_int = 70;
/// A request longer than this is not the worker's.
const REQUEST_BYTES: usize = 8 << 20;

/// Python's part, borrowed from the caller of `executions` for the process's life.
pub(crate) struct Calls {
    /// `answer(bound, input, context, most) -> (kind, bytes)`; catches everything.
    pub(crate) answer: *mut Object,
    pub(crate) bound: *mut Object,
    /// Goes the same way once, with a function that does nothing.
    pub(crate) rehearse: *mut Object,
    /// Where something's randomness was copied by the fork.
    pub(crate) reseed: Option<*mut Object>,
    /// `take(bytes)`, for an execution that brings an environment: most bring none, and
    /// nothing of it is touched.
    pub(crate) environment: *mut Object,
    /// Out and err, as the import found them and as it left them.
    pub(crate) streams: [[Option<Ref>; 2]; 2],
    /// `"flush"`.
    pub(crate) flush: Ref,
    pub(crate) interrupt: Disposition,
}

/// In the forked process. Never returns.
pub(crate) fn run(calls: &Calls, fds: [c_int; 3], walls: Walls) -> ! {
    let code = match serve(calls, fds, walls) {
        Ok(code) => code,
        Err(_) => BROKEN,
    };
    // SAFETY: ends the process at once; nothing of the template's may run on its way out.
    unsafe { libc::_exit(code) }
}

fn serve(calls: &Calls, fds: [c_int; 3], walls: Walls) -> io::Result<c_int> {
    take_streams(fds)?;
    if walls.own_stdin() {
        own_stdin()?;
    }
    become_execution(walls.second_uid())?;
    calls.interrupt.put_back();
    if let Some(reseed) = calls.reseed {
        python::call(reseed);
    }
    if is_quiet() {
        // Takes the page faults of the usual path while nobody waits.
        python::call(calls.rehearse);
    }
    let mut head = [0; HEADER];
    if !frame::read_exact(CHANNEL, &mut head)? {
        return Ok(0);
    }
    let Some(header) = frame::parse(head) else {
        return Ok(BROKEN);
    };
    if header.kind != REQUEST || header.length > REQUEST_BYTES {
        return Ok(BROKEN);
    }
    let mut body = vec![0; header.length];
    if !frame::read_exact(CHANNEL, &mut body)? {
        return Ok(0);
    }
    Ok(execute(calls, &body, header.value).unwrap_or(BROKEN))
}

/// A request's parts.
struct Request<'a> {
    /// Longest result.
    most: u32,
    environment: &'a [u8],
    context: &'a [u8],
    input: &'a [u8],
}

impl<'a> Request<'a> {
    /// `length` is that of all before the input.
    fn parse(body: &'a [u8], length: u64) -> Option<Self> {
        let (told, input) = body.split_at_checked(usize::try_from(length).ok()?)?;
        let (most, told) = told.split_first_chunk()?;
        let (length, told) = told.split_first_chunk()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (environment, context) = told.split_at_checked(length)?;
        Some(Self {
            most: u32::from_be_bytes(*most),
            environment,
            context,
            input: input.trim_ascii(),
        })
    }
}

/// Whether no request comes for a moment. Under load one is there at once, and a
/// rehearsal would only cost what it saves.
fn is_quiet() -> bool {
    const MOMENT_MS: c_int = 50;
    let mut watched = libc::pollfd {
        fd: CHANNEL,
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one live structure, and the count says so.
    unsafe { libc::poll(&raw mut watched, 1, MOMENT_MS) == 0 }
}

/// The exit status; `None` where Python itself failed us.
fn execute(calls: &Calls, body: &[u8], told: u64) -> Option<c_int> {
    let request = Request::parse(body, told)?;
    // SAFETY: has no preconditions.
    let me = unsafe { libc::getpid() };
    if !request.environment.is_empty() {
        let values = python::bytes(request.environment)?;
        python::call1(calls.environment, &values)?;
    }
    let input = python::text(request.input)?;
    let context = python::bytes(request.context)?;
    let most = python::counted(request.most)?;
    let answer = python::call4(calls.answer, calls.bound, [&input, &context, &most]);
    flush(calls);
    let answer = answer?;
    let kind = u8::try_from(answer.number_at(0)?).ok()?;
    let text = answer.bytes_at(1)?;
    // SAFETY: has no preconditions.
    if unsafe { libc::getpid() } != me {
        // A process that user code forked came back here: it is no execution.
        return Some(c_int::from(kind != RESULT));
    }
    if kind != RESULT && kind != FAILURE {
        return None;
    }
    // Where the channel was closed by the user's code there is no answer.
    let _ = frame::write_both(CHANNEL, &frame::header(kind, text.len(), 0), text);
    Some(0)
}

/// What Python and the C library hold back.
fn flush(calls: &Calls) {
    for (name, [found, left]) in STREAMS.into_iter().zip(&calls.streams) {
        let now = python::system_object(name);
        let mut last: Option<&Ref> = None;
        for stream in now.iter().chain(left).chain(found) {
            // Nearly always all three are one.
            if !last.is_some_and(|last| last.is(stream)) {
                python::call_method(stream, &calls.flush);
            }
            last = Some(stream);
        }
    }
    machine::flush_all();
}

/// Descriptors of an execution: 0 at its end, 1 and 2 the log, 3 the channel.
fn take_streams(fds: [c_int; 3]) -> io::Result<()> {
    let [channel, out, err] = fds;
    // SAFETY: plain calls on descriptors of this process.
    let results = unsafe {
        [
            libc::dup3(channel, CHANNEL, libc::O_CLOEXEC),
            libc::dup2(out, 1),
            libc::dup2(err, 2),
        ]
    };
    for result in results {
        check(result)?;
    }
    for fd in fds {
        if fd > CHANNEL {
            // SAFETY: a descriptor that came with the order and is not used again.
            unsafe { libc::close(fd) };
        }
    }
    Ok(())
}

/// An open file is shared by a fork: its flags, and locks on it, would stay with the template.
fn own_stdin() -> io::Result<()> {
    // SAFETY: plain calls on a descriptor of this process; the path ends with NUL.
    let fd = unsafe {
        libc::close(0);
        libc::open(c"/dev/null".as_ptr(), libc::O_RDWR)
    };
    // The lowest that is free.
    if check(fd)? == 0 {
        Ok(())
    } else {
        Err(io::ErrorKind::Other.into())
    }
}

/// Another uid than the template's, no capability, an ordinary process otherwise.
fn become_execution(second_uid: bool) -> io::Result<()> {
    if second_uid {
        // SAFETY: plain calls without pointers.
        check(unsafe { libc::setresgid(EXECUTION, EXECUTION, EXECUTION) })?;
        // SAFETY: as above. One thread: the raw call and the library's agree.
        check(unsafe { libc::setresuid(EXECUTION, EXECUTION, EXECUTION) })?;
    }
    check(machine::no_capabilities())?;
    check(machine::set_dumpable(true))?;
    Ok(())
}

pub(crate) fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}
