//! What became of an execution, from what was seen of it. Computes, touches nothing.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde::de::IgnoredAny;

use crate::exact::is_exact;
use crate::frame::{FrameError, Header, Kind, only};
use crate::limits::{FAILURE_BYTES, LOG_DRAIN_BYTES, Limits, SHM_BYTES, SHM_INODES};
use crate::outcome::{Failure, FailureCode};

/// Why nobody waits any longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Its frame is there; its process may still be on its way out.
    Answered,
    /// The process has ended and all it left is gone.
    Ended(Ended),
    /// The template died, or said something it never says.
    Died,
    Timeout,
    Cancelled,
    OutOfMemory,
    OutputTooLarge,
    AnswerTooLarge,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) exit: Option<i32>,
    pub(crate) signal: Option<i32>,
    /// Something is left that could not be removed.
    pub(crate) dirty: bool,
}

/// Seen from outside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Evidence {
    pub(crate) reason: Reason,
    pub(crate) oom_kills: u64,
    pub(crate) pids_refused: u64,
    pub(crate) cpu: Duration,
    pub(crate) limits: Limits,
    pub(crate) timeout: Duration,
    pub(crate) output_bytes: usize,
    /// Off only where a test weakens it.
    pub(crate) strict: bool,
}

/// The result or the failure, and whether the sandbox may be used again.
pub(crate) fn judge(evidence: &Evidence, answer: &[u8]) -> (Result<Vec<u8>, Failure>, bool) {
    let failed = |code, message: &str| (Err(Failure::new(code, message)), false);
    match evidence.reason {
        Reason::Timeout => failed(
            FailureCode::Timeout,
            &format!("it ran longer than {} ms", evidence.timeout.as_millis()),
        ),
        Reason::Cancelled => failed(FailureCode::Cancelled, "it was cancelled"),
        Reason::OutputTooLarge => failed(
            FailureCode::OutputTooLarge,
            &format!(
                "it printed more than {} MiB to stdout and stderr",
                LOG_DRAIN_BYTES >> 20
            ),
        ),
        Reason::AnswerTooLarge => too_large(evidence, answer),
        Reason::OutOfMemory => out_of_memory(evidence),
        Reason::Died if evidence.oom_kills > 0 => out_of_memory(evidence),
        Reason::Died => failed(FailureCode::Killed, "its sandbox died"),
        Reason::Answered => {
            let (result, sound) = answered(evidence, Ended::default(), answer);
            (result, sound && evidence.oom_kills == 0)
        }
        Reason::Ended(ended) => {
            let (result, sound) = answered(evidence, ended, answer);
            (result, sound && !ended.dirty && evidence.oom_kills == 0)
        }
    }
}

fn answered(evidence: &Evidence, ended: Ended, answer: &[u8]) -> (Result<Vec<u8>, Failure>, bool) {
    if answer.is_empty() {
        return unanswered(evidence, ended);
    }
    match frame_of(evidence, answer) {
        Ok((Kind::Result, body)) if body.len() > evidence.output_bytes => {
            too_large(evidence, answer)
        }
        Ok((Kind::Result, body)) if is_json(body) || !evidence.strict => (Ok(body.to_vec()), true),
        // The runner cuts its texts: one that is longer was written by hand.
        Ok((Kind::Failure, body)) if body.len() > FAILURE_BYTES && evidence.strict => {
            disturbed("its failure is too long")
        }
        Ok((Kind::Failure, body)) => match serde_json::from_slice(body) {
            Ok(failure) => (Err(weighed(evidence, failure)), true),
            Err(_) => disturbed("its failure could not be read"),
        },
        Ok(_) => disturbed("its answer is no result"),
        Err(error) => disturbed(&error.to_string()),
    }
}

fn frame_of<'a>(evidence: &Evidence, answer: &'a [u8]) -> Result<(Kind, &'a [u8]), FrameError> {
    match only(answer) {
        Ok((header, body)) => Ok((header.kind, body)),
        Err(FrameError::Trailing) if !evidence.strict => {
            let length = answer[4..8]
                .iter()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            let end = crate::frame::HEADER + length;
            only(&answer[..end]).map(|(header, body)| (header.kind, body))
        }
        Err(FrameError::Short) if !evidence.strict => {
            let (head, body) = answer.split_first_chunk().ok_or(FrameError::Short)?;
            Header::parse(head).map(|header| (header.kind, body))
        }
        Err(error) => Err(error),
    }
}

/// No word from it: its end says what it was.
fn unanswered(evidence: &Evidence, ended: Ended) -> (Result<Vec<u8>, Failure>, bool) {
    if evidence.oom_kills > 0 {
        return out_of_memory(evidence);
    }
    let failure = match (ended.exit, ended.signal) {
        (Some(status), _) => {
            let text = format!("the process ended with status {status} and no result");
            let mut failure = Failure::new(FailureCode::Exit, text);
            failure.exit_code = Some(status);
            failure
        }
        (_, Some(number)) => {
            let name = Signal::try_from(number).map_or("a signal", Signal::as_str);
            Failure::new(
                FailureCode::Killed,
                format!("the process was killed by {name}"),
            )
        }
        (None, None) => Failure::new(FailureCode::Killed, "the process ended unseen"),
    };
    (Err(failure), true)
}

/// A limit that was met outweighs what the code made of meeting it, and a claim that
/// the counters don't bear out is an ordinary exception. A limit is named with its figure,
/// since the kernel's own words tell none.
fn weighed(evidence: &Evidence, mut failure: Failure) -> Failure {
    match failure.code {
        FailureCode::Exception | FailureCode::Exit | FailureCode::TooManyProcesses
            if evidence.oom_kills > 0 =>
        {
            failure.code = FailureCode::OutOfMemory;
            name(&mut failure, &needed_more_memory(evidence.limits));
        }
        FailureCode::TooManyProcesses if evidence.pids_refused == 0 => {
            failure.code = FailureCode::Exception;
        }
        FailureCode::TooManyProcesses => {
            let most = evidence.limits.pids;
            let text = format!("at most {most} processes and threads besides its first");
            name(&mut failure, &text);
        }
        FailureCode::DiskFull => name(&mut failure, &room_for_files(evidence.limits)),
        // A child can say only what a child can know.
        FailureCode::Timeout
        | FailureCode::OutOfMemory
        | FailureCode::Killed
        | FailureCode::ImportError
        | FailureCode::Cancelled => failure.code = FailureCode::Exception,
        _ => {}
    }
    failure
}

fn name(failure: &mut Failure, limit: &str) {
    failure.message = match failure.message.as_str() {
        "" => limit.to_owned(),
        said => format!("{said} ({limit})"),
    };
}

fn needed_more_memory(limits: Limits) -> String {
    let mib = limits.memory_bytes >> 20;
    format!("it needed more memory than its limit of {mib} MiB")
}

fn room_for_files(limits: Limits) -> String {
    let (bytes, files) = (limits.scratch_bytes >> 20, limits.scratch_inodes);
    let (shm_bytes, shm_files) = (SHM_BYTES >> 20, SHM_INODES);
    format!("/tmp holds {bytes} MiB in {files} files, /dev/shm {shm_bytes} MiB in {shm_files}")
}

fn out_of_memory(evidence: &Evidence) -> (Result<Vec<u8>, Failure>, bool) {
    let text = needed_more_memory(evidence.limits);
    (Err(Failure::new(FailureCode::OutOfMemory, text)), false)
}

fn too_large(evidence: &Evidence, answer: &[u8]) -> (Result<Vec<u8>, Failure>, bool) {
    let length = answer.len();
    let text = format!(
        "the result is {length} bytes of JSON or more; at most {} are taken",
        evidence.output_bytes
    );
    (Err(Failure::new(FailureCode::OutputTooLarge, text)), false)
}

fn disturbed(what: &str) -> (Result<Vec<u8>, Failure>, bool) {
    let text = format!("it disturbed its own channel: {what}");
    (Err(Failure::new(FailureCode::Killed, text)), false)
}

/// Exactly one JSON text that can be passed on: code can write to its channel by hand,
/// and what it wrote goes into answers to clients as it is.
fn is_json(body: &[u8]) -> bool {
    std::str::from_utf8(body)
        .is_ok_and(|text| is_exact(text) && serde_json::from_str::<IgnoredAny>(text).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::frame;

    fn evidence(reason: Reason) -> Evidence {
        Evidence {
            reason,
            oom_kills: 0,
            pids_refused: 0,
            cpu: Duration::ZERO,
            limits: Limits {
                memory_bytes: 64 << 20,
                cpu_percent: 100,
                cpu_weight: 100,
                pids: 16,
                scratch_bytes: 16 << 20,
                scratch_inodes: 100,
            },
            timeout: Duration::from_secs(1),
            output_bytes: 10,
            strict: true,
        }
    }

    fn ended() -> Reason {
        Reason::Ended(Ended {
            exit: Some(0),
            ..Ended::default()
        })
    }

    fn code(judged: &(Result<Vec<u8>, Failure>, bool)) -> FailureCode {
        judged.0.as_ref().unwrap_err().code
    }

    #[test]
    fn exactly_one_good_frame_is_a_result() {
        let good = frame(Kind::Result, 0, &[b"[1]"]);
        assert_eq!(
            judge(&evidence(ended()), &good),
            (Ok(b"[1]".to_vec()), true)
        );
        let twice = [good.clone(), good.clone()].concat();
        for bad in [
            &twice[..],
            &good[..good.len() - 1],
            b"junk",
            &frame(Kind::Ended, 0, &[]),
        ] {
            let judged = judge(&evidence(ended()), bad);
            assert_eq!((code(&judged), judged.1), (FailureCode::Killed, false));
        }
    }

    #[test]
    fn bytes_that_are_no_json_never_leave() {
        let deep = [b"[".repeat(200), b"]".repeat(200)].concat();
        for bad in [
            &b"{\"a\":"[..],
            b"NaN",
            b"1 2",
            b"1e400",
            b"\"\xff\"",
            b"\"\\ud800\"",
            b"",
            &deep,
        ] {
            let mut seen = evidence(ended());
            seen.output_bytes = 1_000;
            let judged = judge(&seen, &frame(Kind::Result, 0, &[bad]));
            assert_eq!(code(&judged), FailureCode::Killed);
        }
    }

    #[test]
    fn the_counters_outweigh_what_the_code_says() {
        let claim = |code: &str| {
            let body = format!("{{\"code\":\"{code}\",\"message\":\"m\"}}");
            frame(Kind::Failure, 0, &[body.as_bytes()])
        };
        let mut seen = evidence(ended());
        for claimed in [
            "timeout",
            "cancelled",
            "out_of_memory",
            "too_many_processes",
        ] {
            assert_eq!(code(&judge(&seen, &claim(claimed))), FailureCode::Exception);
        }
        seen.pids_refused = 1;
        let judged = judge(&seen, &claim("too_many_processes"));
        assert_eq!(code(&judged), FailureCode::TooManyProcesses);
        seen.oom_kills = 1;
        let judged = judge(&seen, &claim("exception"));
        assert_eq!((code(&judged), judged.1), (FailureCode::OutOfMemory, false));
        assert_eq!(code(&judge(&seen, &[])), FailureCode::OutOfMemory);
    }

    #[test]
    fn a_process_without_a_word_is_judged_by_its_end() {
        let judged = judge(&evidence(ended()), &[]);
        assert_eq!(code(&judged), FailureCode::Exit);
        assert_eq!(judged.0.unwrap_err().exit_code, Some(0));
        let signal = Reason::Ended(Ended {
            signal: Some(11),
            ..Ended::default()
        });
        assert_eq!(code(&judge(&evidence(signal), &[])), FailureCode::Killed);
    }

    #[test]
    fn a_dirty_sandbox_is_not_used_again() {
        let dirty = Reason::Ended(Ended {
            exit: Some(0),
            signal: None,
            dirty: true,
        });
        let (result, sound) = judge(&evidence(dirty), &frame(Kind::Result, 0, &[b"1"]));
        assert!(result.is_ok() && !sound);
    }
}
