//! How an execution or an import ended: data, never an `Err`.

use std::time::Duration;

use serde::Deserialize;

use crate::egress::Traffic;
use crate::mask::Mask;

/// Why it did not succeed. The same words are used in SQL and JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    Exception,
    Exit,
    Timeout,
    OutOfMemory,
    TooManyProcesses,
    DiskFull,
    OutputTooLarge,
    ResultNotSerializable,
    Killed,
    ImportError,
    Cancelled,
}

impl FailureCode {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exception => "exception",
            Self::Exit => "exit",
            Self::Timeout => "timeout",
            Self::OutOfMemory => "out_of_memory",
            Self::TooManyProcesses => "too_many_processes",
            Self::DiskFull => "disk_full",
            Self::OutputTooLarge => "output_too_large",
            Self::ResultNotSerializable => "result_not_serializable",
            Self::Killed => "killed",
            Self::ImportError => "import_error",
            Self::Cancelled => "cancelled",
        }
    }
}

/// The user's failure, as the runner or the limits tell it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Failure {
    pub code: FailureCode,
    /// The exception's class, where there was one.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    #[serde(default)]
    pub message: String,
    /// User frames only.
    #[serde(default)]
    pub traceback: Option<String>,
    /// JSON Pointer to the value that could not be encoded.
    #[serde(default)]
    pub pointer: Option<String>,
    #[serde(default)]
    pub exit_code: Option<i32>,
}

impl Failure {
    #[must_use]
    pub fn new(code: FailureCode, message: impl Into<String>) -> Self {
        Self {
            code,
            kind: None,
            message: message.into(),
            traceback: None,
            pointer: None,
            exit_code: None,
        }
    }

    /// Of an execution whose connections were closed: what its client made of that seldom
    /// tells why.
    pub(crate) fn after_cut(mut self, bytes: u64) -> Self {
        if self.code == FailureCode::Exception {
            let most = bytes >> 20;
            let why = format!(" (its connections were closed: it may move {most} MiB)");
            self.message.push_str(&why);
        }
        self
    }

    /// With values covered wherever they stand.
    pub(crate) fn masked(self, mask: &Mask) -> Self {
        if mask.is_empty() {
            return self;
        }
        let pointer = self.pointer.as_ref().map(|pointer| mask.pointer(pointer));
        // The message names the pointer as it is written.
        let message = match (&self.pointer, &pointer) {
            (Some(told), Some(covered)) => self.message.replace(told, covered),
            _ => self.message,
        };
        Self {
            kind: self.kind.map(|text| mask.told(&text)),
            message: mask.told(&message),
            traceback: self.traceback.map(|text| mask.told(&text)),
            pointer,
            ..self
        }
    }
}

/// How one execution ended.
#[derive(Clone, Debug)]
pub struct Done {
    /// JSON text of the result, or why there is none.
    pub result: Result<Vec<u8>, Failure>,
    /// At most [`crate::limits::LOG_BYTES`], cut between characters, with a mark where cut.
    pub stdout: String,
    pub stderr: String,
    /// Something was cut.
    pub truncated: bool,
    /// Of all processes of the execution, exact.
    pub cpu: Duration,
    /// From handing over the input to the answer.
    pub duration: Duration,
    /// Largest use of memory on top of what the template uses. On version 2 of cgroups before
    /// Linux 6.12 the largest since the sandbox began, where this execution stayed below it.
    pub memory_peak: u64,
    /// Moved through its network.
    pub traffic: Traffic,
    /// The sandbox may run the next execution once it has settled; else drop it.
    pub reusable: bool,
}

/// What the user's code is, as seen by importing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// `main(...)`.
    Main,
    /// `handler(input, context)`.
    Handler,
    /// Run from top to bottom, leaving `result`.
    Script,
}

/// Where the code is no Python.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SyntaxFailure {
    pub message: String,
    /// Of the upload; from 1.
    pub line: u32,
    /// From 1.
    pub column: u32,
    /// Which file.
    pub file: String,
}

impl SyntaxFailure {
    pub(crate) fn masked(self, mask: &Mask) -> Self {
        Self {
            message: mask.told(&self.message),
            ..self
        }
    }
}

/// What was learnt about a version by importing it once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    pub entry: Entry,
    /// JSON Schema as text; absent where anything may be given.
    pub input_schema: Option<String>,
    /// JSON Schema as text; absent where the return annotation doesn't tell.
    pub output_schema: Option<String>,
    /// The docstring of the entry, else of the module.
    pub doc: Option<String>,
    /// Each execution needs a sandbox of its own: why.
    pub single_use: Option<SingleUse>,
}

/// What an import left that a fork of it would lack, or share with the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SingleUse {
    Threads,
    Processes,
    /// SIGCHLD is ignored: no child can be waited for.
    Sigchld,
    /// Another user than the template's.
    User,
    OpenFiles,
    SharedMemory,
    /// In `/tmp` or `/dev/shm`.
    Files,
    /// A word that is none of ours: the import has spoken in the template's name.
    #[serde(other)]
    Other,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Described(Described),
    Syntax(SyntaxFailure),
    /// Code `import_error`: every call will answer this.
    Import(Failure),
}

/// The answer to `describe`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    pub verdict: Verdict,
    /// What the import printed, both streams, bounded.
    pub log: String,
    /// Those of the watched names that the import read, or may have read.
    pub read: Vec<String>,
}
