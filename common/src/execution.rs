//! What an execution is: its states, who asked, and how it ended.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word used in SQL, JSON and metrics.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// Reads the word back; `None` where it is no such word.
            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words!(/// As clients see it. The last four are final.
State {
    Queued = "queued",
    Running = "running",
    Succeeded = "succeeded",
    Failed = "failed",
    Cancelled = "cancelled",
    TimedOut = "timed_out",
});

words!(/// How an execution ended.
FinalState {
    Succeeded = "succeeded",
    Failed = "failed",
    Cancelled = "cancelled",
    TimedOut = "timed_out",
});

words!(/// Somebody waits for an interactive execution; nobody for a background one.
Lane {
    Interactive = "i",
    Background = "b",
});

words!(/// What asked for the execution.
Trigger {
    Rest = "rest",
    Mcp = "mcp",
    Code = "code",
    Schedule = "schedule",
    Webhook = "webhook",
    Retry = "retry",
});

words!(/// Why an execution did not succeed: one code per kind of failure.
ErrorCode {
    Exception = "exception",
    Exit = "exit",
    Timeout = "timeout",
    OutOfMemory = "out_of_memory",
    TooManyProcesses = "too_many_processes",
    DiskFull = "disk_full",
    OutputTooLarge = "output_too_large",
    ResultNotSerializable = "result_not_serializable",
    Killed = "killed",
    ImportError = "import_error",
    WorkerLost = "worker_lost",
    Cancelled = "cancelled",
});

impl State {
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

impl From<FinalState> for State {
    fn from(state: FinalState) -> Self {
        match state {
            FinalState::Succeeded => Self::Succeeded,
            FinalState::Failed => Self::Failed,
            FinalState::Cancelled => Self::Cancelled,
            FinalState::TimedOut => Self::TimedOut,
        }
    }
}

impl ErrorCode {
    /// The final state an execution with this error has.
    #[must_use]
    pub const fn state(self) -> FinalState {
        match self {
            Self::Timeout => FinalState::TimedOut,
            Self::Cancelled => FinalState::Cancelled,
            _ => FinalState::Failed,
        }
    }
}

/// The `error` of an execution, as clients see it. Sealed wherever it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub code: ErrorCode,
    /// The exception's class, where there was one.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none", default)]
    pub kind: Option<String>,
    pub message: String,
    /// User frames only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub traceback: Option<String>,
    /// JSON Pointer (RFC 6901) to the value that could not be encoded.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pointer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub exit_code: Option<i32>,
}

impl Failure {
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            kind: None,
            message: message.into(),
            traceback: None,
            pointer: None,
            exit_code: None,
        }
    }
}

/// What the user's code printed. Sealed wherever it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logs {
    pub stdout: String,
    pub stderr: String,
    /// Something was cut: more than 256 KiB in one of the two.
    pub truncated: bool,
}

/// The part of an outcome that is no personal data: stored as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ending {
    pub state: FinalState,
    /// `None` exactly where the state is `succeeded`.
    pub error_code: Option<ErrorCode>,
    /// Which try by which a worker ended it, from 1; 0 where none began.
    pub attempt: u32,
    /// `None` where it never started.
    pub started_at: Option<Timestamp>,
    pub finished_at: Timestamp,
    /// Wall clock of the user's code, in microseconds.
    pub duration_us: Option<u64>,
    pub cpu_us: Option<u64>,
    pub memory_peak_bytes: Option<u64>,
    /// From the hosts its version names; the release before says nothing of it.
    #[serde(default)]
    pub network_in_bytes: Option<u64>,
    /// To them.
    #[serde(default)]
    pub network_out_bytes: Option<u64>,
}

impl Ending {
    /// Of an execution that nobody ran, or whose runs came to nothing.
    #[must_use]
    pub const fn unrun(code: ErrorCode, attempt: u32, finished_at: Timestamp) -> Self {
        Self {
            state: code.state(),
            error_code: Some(code),
            attempt,
            started_at: None,
            finished_at,
            duration_us: None,
            cpu_us: None,
            memory_peak_bytes: None,
            network_in_bytes: None,
            network_out_bytes: None,
        }
    }
}

/// An outcome as it is stored and sent: its texts sealed under the account's key.
#[derive(Clone, Debug, PartialEq)]
pub struct SealedOutcome {
    pub ending: Ending,
    /// JSON text of the result; there exactly where the state is `succeeded`.
    pub output: Option<Vec<u8>>,
    /// JSON text of a [`Failure`].
    pub error: Option<Vec<u8>>,
    /// JSON text of [`Logs`]; absent where nothing was printed.
    pub logs: Option<Vec<u8>>,
}

/// What an encoded outcome begins with.
const FORMAT: u8 = 1;

#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("format {0} is not one this release reads")]
    Format(u8),
    #[error("the text ends too early")]
    Short,
    #[error("something follows the end")]
    Trailing,
    #[error("the ending cannot be read")]
    Ending(#[source] serde_json::Error),
}

impl SealedOutcome {
    /// `1 | ending (length, JSON) | output | error | logs`, each optional part as
    /// a 0 or 1 and, where 1, a big-endian length of four bytes and the bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let ending = serde_json::to_vec(&self.ending).unwrap_or_default();
        let mut out = Vec::with_capacity(64 + ending.len() + self.sealed_len());
        out.push(FORMAT);
        put(&mut out, &ending);
        for part in [&self.output, &self.error, &self.logs] {
            out.push(u8::from(part.is_some()));
            if let Some(bytes) = part {
                put(&mut out, bytes);
            }
        }
        out
    }

    /// # Errors
    /// Where the bytes are not exactly one encoded outcome.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (&format, mut rest) = bytes.split_first().ok_or(DecodeError::Short)?;
        if format != FORMAT {
            return Err(DecodeError::Format(format));
        }
        let ending = serde_json::from_slice(take(&mut rest)?).map_err(DecodeError::Ending)?;
        let output = take_optional(&mut rest)?;
        let error = take_optional(&mut rest)?;
        let logs = take_optional(&mut rest)?;
        if !rest.is_empty() {
            return Err(DecodeError::Trailing);
        }
        Ok(Self {
            ending,
            output,
            error,
            logs,
        })
    }

    fn sealed_len(&self) -> usize {
        [&self.output, &self.error, &self.logs]
            .into_iter()
            .flatten()
            .map(Vec::len)
            .sum()
    }
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    // Every part is bounded far below 4 GiB by `limits`.
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(bytes);
}

fn take<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], DecodeError> {
    let (len, tail) = rest.split_first_chunk::<4>().ok_or(DecodeError::Short)?;
    let len = usize::try_from(u32::from_be_bytes(*len)).map_err(|_| DecodeError::Short)?;
    let (bytes, tail) = tail.split_at_checked(len).ok_or(DecodeError::Short)?;
    *rest = tail;
    Ok(bytes)
}

fn take_optional(rest: &mut &[u8]) -> Result<Option<Vec<u8>>, DecodeError> {
    let (&there, tail) = rest.split_first().ok_or(DecodeError::Short)?;
    *rest = tail;
    match there {
        0 => Ok(None),
        1 => take(rest).map(|bytes| Some(bytes.to_vec())),
        other => Err(DecodeError::Format(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome() -> SealedOutcome {
        SealedOutcome {
            ending: Ending {
                state: FinalState::Succeeded,
                error_code: None,
                attempt: 1,
                started_at: Some(Timestamp::UNIX_EPOCH),
                finished_at: Timestamp::UNIX_EPOCH,
                duration_us: Some(7),
                cpu_us: None,
                memory_peak_bytes: Some(1),
                network_in_bytes: Some(3),
                network_out_bytes: Some(2),
            },
            output: Some(b"sealed".to_vec()),
            error: None,
            logs: Some(Vec::new()),
        }
    }

    #[test]
    fn an_outcome_reads_back_what_was_written() {
        assert_eq!(
            SealedOutcome::decode(&outcome().encode()).unwrap(),
            outcome()
        );
    }

    #[test]
    fn a_damaged_outcome_is_refused_wherever_it_is_cut() {
        let whole = outcome().encode();
        for len in 0..whole.len() {
            assert!(
                SealedOutcome::decode(&whole[..len]).is_err(),
                "cut at {len}"
            );
        }
        let mut longer = whole.clone();
        longer.push(0);
        assert!(matches!(
            SealedOutcome::decode(&longer),
            Err(DecodeError::Trailing)
        ));
        let mut newer = whole;
        newer[0] = 2;
        assert!(matches!(
            SealedOutcome::decode(&newer),
            Err(DecodeError::Format(2))
        ));
    }

    #[test]
    fn an_outcome_of_the_release_before_is_read() {
        let ending = br#"{"state":"failed","error_code":"exit","attempt":2,"started_at":null,
            "finished_at":"1970-01-01T00:00:00Z","duration_us":7,"cpu_us":5,"memory_peak_bytes":1}"#;
        let mut bytes = vec![FORMAT];
        put(&mut bytes, ending);
        bytes.extend([0, 0, 0]);
        let old = SealedOutcome::decode(&bytes).unwrap().ending;
        assert_eq!((old.attempt, old.cpu_us), (2, Some(5)));
        assert_eq!((old.network_in_bytes, old.network_out_bytes), (None, None));
    }

    #[test]
    fn every_word_reads_back() {
        for state in State::ALL {
            assert_eq!(State::parse(state.as_str()), Some(*state));
        }
        assert_eq!(State::parse("done"), None);
    }
}
