//! How an attempt ended, and the same sealed: what leaves this process.

use std::time::Duration;

use common::execution::{Ending, ErrorCode, Failure, FinalState, Logs, SealedOutcome};
use common::ids::{AccountId, ExecutionId};
use common::vault::{DataKey, Purpose, SealError, Vault, VaultError};
use jail::{Done, FailureCode, Traffic};
use jiff::Timestamp;

/// How an attempt ended. The user's failure is data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// JSON text of the result, or why there is none.
    pub result: Result<Vec<u8>, Failure>,
    pub logs: Logs,
    /// `None` where no user code ran.
    pub used: Option<Used>,
}

/// What the user's code used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    pub started_at: Timestamp,
    pub duration: Duration,
    pub cpu: Duration,
    pub memory_peak: u64,
    pub traffic: Traffic,
}

impl Ended {
    /// Without any user code having run.
    #[must_use]
    pub fn unrun(failure: Failure) -> Self {
        Self {
            result: Err(failure),
            logs: Logs::default(),
            used: None,
        }
    }

    #[must_use]
    pub fn of(done: Done, started_at: Timestamp) -> Self {
        Self {
            result: done.result.map_err(|failure| failure_of(&failure)),
            logs: Logs {
                stdout: done.stdout,
                stderr: done.stderr,
                truncated: done.truncated,
            },
            used: Some(Used {
                started_at,
                duration: done.duration,
                cpu: done.cpu,
                memory_peak: done.memory_peak,
                traffic: done.traffic,
            }),
        }
    }

    /// The same, but somebody asked to cancel it: the result is nobody's, what was
    /// printed stays.
    #[must_use]
    pub fn cancelled(self) -> Self {
        Self {
            result: Err(cancelled()),
            ..self
        }
    }

    #[must_use]
    pub fn state(&self) -> FinalState {
        match &self.result {
            Ok(_) => FinalState::Succeeded,
            Err(failure) => failure.code.state(),
        }
    }

    /// Seals all that is the user's.
    ///
    /// # Errors
    /// Where the account's data key can't be had.
    pub async fn seal(
        &self,
        vault: &Vault,
        account: AccountId,
        id: ExecutionId,
        facts: EndingFacts,
    ) -> Result<SealedOutcome, VaultError> {
        let key = vault.key_to_seal(account).await?;
        self.seal_with(&key, id, facts)
            .map_err(|(purpose, source)| VaultError::Text {
                purpose,
                id: id.uuid(),
                source,
            })
    }

    fn seal_with(
        &self,
        key: &DataKey,
        id: ExecutionId,
        facts: EndingFacts,
    ) -> Result<SealedOutcome, (Purpose, SealError)> {
        let seal = |purpose, text: &[u8]| {
            key.seal(purpose, id.uuid(), text)
                .map_err(|error| (purpose, error))
        };
        let printed = !self.logs.stdout.is_empty() || !self.logs.stderr.is_empty();
        let logs = printed.then(|| seal(Purpose::Logs, &json(&self.logs)));
        let (output, error) = match &self.result {
            Ok(text) => (Some(seal(Purpose::Output, text)?), None),
            Err(failure) => (None, Some(seal(Purpose::Error, &json(failure))?)),
        };
        Ok(SealedOutcome {
            ending: self.ending(facts),
            output,
            error,
            logs: logs.transpose()?,
        })
    }

    /// The part that is no personal data.
    #[must_use]
    pub fn ending(&self, facts: EndingFacts) -> Ending {
        Ending {
            state: self.state(),
            error_code: self.result.as_ref().err().map(|failure| failure.code),
            attempt: facts.attempt,
            started_at: self.used.map(|used| whole_micros(used.started_at)),
            finished_at: whole_micros(facts.finished_at),
            duration_us: self.used.map(|used| micros(used.duration)),
            cpu_us: self.used.map(|used| micros(used.cpu)),
            memory_peak_bytes: self.used.map(|used| used.memory_peak),
            network_in_bytes: self.used.map(|used| used.traffic.bytes_in),
            network_out_bytes: self.used.map(|used| used.traffic.bytes_out),
        }
    }
}

/// What the worker, not the user's code, knows of an ending.
#[derive(Clone, Copy, Debug)]
pub struct EndingFacts {
    /// From 1; 0 where none began.
    pub attempt: u32,
    pub finished_at: Timestamp,
}

/// What an execution ends with that somebody asked to cancel.
#[must_use]
pub fn cancelled() -> Failure {
    Failure::new(ErrorCode::Cancelled, "cancelled by request")
}

/// What an execution ends with whose workers were lost too often.
#[must_use]
pub fn worker_lost() -> Failure {
    Failure::new(
        ErrorCode::WorkerLost,
        "the workers that ran this execution were lost",
    )
}

/// The jail's failure in the words that are stored and shown.
#[must_use]
pub fn failure_of(failure: &jail::Failure) -> Failure {
    Failure {
        code: code_of(failure.code),
        kind: failure.kind.clone(),
        message: failure.message.clone(),
        traceback: failure.traceback.clone(),
        pointer: failure.pointer.clone(),
        exit_code: failure.exit_code,
    }
}

const fn code_of(code: FailureCode) -> ErrorCode {
    match code {
        FailureCode::Exception => ErrorCode::Exception,
        FailureCode::Exit => ErrorCode::Exit,
        FailureCode::Timeout => ErrorCode::Timeout,
        FailureCode::OutOfMemory => ErrorCode::OutOfMemory,
        FailureCode::TooManyProcesses => ErrorCode::TooManyProcesses,
        FailureCode::DiskFull => ErrorCode::DiskFull,
        FailureCode::OutputTooLarge => ErrorCode::OutputTooLarge,
        FailureCode::ResultNotSerializable => ErrorCode::ResultNotSerializable,
        // Only this process cancels, and it knows when it did: whatever else killed
        // the code was not somebody's request.
        FailureCode::Killed | FailureCode::Cancelled => ErrorCode::Killed,
        FailureCode::ImportError => ErrorCode::ImportError,
    }
}

/// Texts and numbers always become JSON.
fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// PostgreSQL keeps microseconds: an outcome must read the same before and after it
/// was recorded.
fn whole_micros(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> Timestamp {
        Timestamp::from_second(1_772_323_200).unwrap()
    }

    fn done(result: Result<Vec<u8>, jail::Failure>) -> Done {
        Done {
            result,
            stdout: "out".to_owned(),
            stderr: String::new(),
            truncated: false,
            cpu: Duration::from_micros(7),
            duration: Duration::from_micros(9),
            memory_peak: 11,
            traffic: Traffic::default(),
            reusable: true,
        }
    }

    #[test]
    fn a_code_means_the_same_in_the_jail_and_in_the_record() {
        for (jailed, stored) in [
            (FailureCode::Exception, FinalState::Failed),
            (FailureCode::Timeout, FinalState::TimedOut),
            (FailureCode::OutOfMemory, FinalState::Failed),
            (FailureCode::Cancelled, FinalState::Failed),
        ] {
            let ended = Ended::of(done(Err(jail::Failure::new(jailed, "x"))), at());
            assert_eq!(ended.state(), stored, "{jailed:?}");
        }
    }

    #[test]
    fn an_ending_says_what_was_used_and_nothing_of_what_was_said() {
        let facts = EndingFacts {
            attempt: 2,
            finished_at: at(),
        };
        let ending = Ended::of(done(Ok(b"1".to_vec())), at()).ending(facts);
        assert_eq!(ending.state, FinalState::Succeeded);
        assert_eq!(ending.error_code, None);
        assert_eq!((ending.duration_us, ending.cpu_us), (Some(9), Some(7)));
        assert_eq!(ending.attempt, 2);
        let unrun = Ended::unrun(worker_lost()).ending(facts);
        assert_eq!(unrun.error_code, Some(ErrorCode::WorkerLost));
        assert_eq!(unrun.started_at, None);
    }

    #[test]
    fn times_are_as_fine_as_the_record_keeps_them() {
        let at = Timestamp::from_nanosecond(1_772_323_200_123_456_789).unwrap();
        assert_eq!(whole_micros(at).to_string(), "2026-03-01T00:00:00.123456Z");
    }

    #[test]
    fn a_cancelled_one_keeps_its_logs_and_loses_its_result() {
        let ended = Ended::of(done(Ok(b"1".to_vec())), at()).cancelled();
        assert_eq!(ended.state(), FinalState::Cancelled);
        assert_eq!(ended.logs.stdout, "out");
    }
}
