//! What a sandbox may use, and the bounds of this crate that no plan sets.

use std::time::Duration;

/// What one execution may use; the plan's figures, without what the template
/// itself needs: [`crate::Sandbox`] adds that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Memory of all processes, scratch files included.
    pub memory_bytes: u64,
    /// 100 is one core.
    pub cpu_percent: u32,
    /// Share of a busy machine, 1 to 10,000; 100 is usual.
    pub cpu_weight: u32,
    /// Processes and threads.
    pub pids: u32,
    /// Bytes that fit in `/tmp`; they count as memory too.
    pub scratch_bytes: u64,
    /// Files and folders that fit in `/tmp`.
    pub scratch_inodes: u64,
}

/// Of each output stream this much is kept.
pub const LOG_BYTES: usize = 256 << 10;
/// An execution that prints more than this in all ends `output_too_large`.
pub const LOG_DRAIN_BYTES: u64 = 64 << 20;
/// An execution that is over sooner tells nothing while it runs: most are, and nobody
/// follows them. Together with [`LIVE_LINE`] it leaves room within 300 ms for the way.
pub const LIVE_AFTER: Duration = Duration::from_millis(150);
/// What was printed waits this long for more, and is told together.
pub const LIVE_EVERY: Duration = Duration::from_millis(50);
/// A line waits this long for its end.
pub const LIVE_LINE: Duration = Duration::from_millis(100);
/// Printed bytes that are told together.
pub const LIVE_BATCH_BYTES: usize = 64 << 10;
/// Of each stream's text this much is told at most: what comes after it may have to
/// make room in the log for the mark that says so.
pub const LIVE_BYTES: usize = LOG_BYTES - 64;
/// How often the two streams may take turns within a batch, and be told in that order.
pub const LIVE_MARKS: usize = 64;
/// A version's modules and their data, as imported; more is an `import_error`.
pub const TEMPLATE_BYTES: u64 = 512 << 20;
/// What nsjail, the template and the waiting child use besides the plan.
pub const BASE_BYTES: u64 = 6 << 20;
/// nsjail, the template and the waiting child.
pub const BASE_PIDS: u32 = 3;
/// JSON nesting of a result.
pub const DEPTH: u32 = 128;
/// Until a new sandbox says that it is ready.
pub const BOOT: Duration = Duration::from_secs(20);
/// Until an execution that has answered is gone. It holds no slot any more, so it may not
/// run on: neither this long, nor with more processor time than its own burial takes (or the
/// boot of its sandbox took, where that was more).
pub const LAST_STEPS: Duration = Duration::from_secs(2);
pub const LAST_CPU: Duration = Duration::from_millis(100);
/// How often that is looked at.
pub const LAST_LOOK: Duration = Duration::from_millis(50);
/// Processor time of a sandbox that only waits: its child's rehearsal, and nsjail, which wakes
/// once a second. One that uses more is not waiting.
pub const IDLE_CPU: Duration = Duration::from_secs(1);
/// Until the template has answered for an execution's child, which is dead by then.
pub const SETTLE: Duration = Duration::from_secs(10);
/// Until a killed sandbox is gone, before nsjail itself is killed.
pub const DYING: Duration = Duration::from_secs(5);
/// `/dev/shm`, whatever the plan; its pages count as memory.
pub const SHM_BYTES: u64 = 64 << 20;
pub const SHM_INODES: u64 = 1_024;
/// Files that each process has open at once.
pub const OPEN_FILES: u32 = 256;
/// Stack of each process's first thread, and what others reserve.
pub const STACK_MIB: u32 = 8;
/// Longest text of a failure and longest traceback; the runner cuts, this only refuses.
pub const FAILURE_BYTES: usize = 256 << 10;
/// Longest answer of the template to a binding: schemas and docstring.
pub const BOUND_BYTES: usize = 1 << 20;
/// What a version's import may print and have kept.
pub const IMPORT_LOG_BYTES: usize = 64 << 10;

// The way out of a sandbox.

/// Connections of one sandbox at once; more are told so.
pub const CONNECTIONS: usize = 64;
/// Connections that are being told so; others wait in the backlog.
pub const TURNED_AWAY: usize = 16;
/// Connections that one execution may ask for, look-ups included: each costs this host more
/// than its bytes do.
pub const CONNECTIONS_IN_ALL: u32 = 5_000;
/// Of a request's head: about so many bytes, and lines.
pub const HEAD_BYTES: usize = 64 << 10;
pub const HEAD_LINES: usize = 100;
/// Bytes that wait in a connection from a sandbox, each way, and in one to a host: they are
/// the kernel's memory and in no group. The kernel doubles them.
pub const SANDBOX_BUFFER: usize = 128 << 10;
pub const HOST_BUFFER: u32 = 256 << 10;

// Descriptors of the process that has the sandboxes.

/// Of the process itself: servers, logs, files being read.
pub const DESCRIPTORS_OWN: u64 = 256;
/// Of a sandbox: groups, sockets, pipes, one execution's, and all that connects to its way out.
pub const DESCRIPTORS_SANDBOX: u64 = 36 + (CONNECTIONS + TURNED_AWAY) as u64;
/// A connection to a host, or what its look-up takes; the sandbox's end is the sandbox's.
pub const DESCRIPTORS_CONNECTION: u64 = 4;
