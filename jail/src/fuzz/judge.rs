//! What leaves as a result is JSON that every reader takes; what a child claims is no more
//! than a child can know.

use std::cell::Cell;
use std::time::Duration;

use fuzzing::proptest::collection::vec;
use fuzzing::proptest::prelude::*;
use fuzzing::proptest::sample::select;
use fuzzing::{json, nearly, target};
use serde_json::Value;
use serde_json::value::RawValue;

use super::streams::around;
use crate::frame::{Kind, only};
use crate::judge::{Ended, Evidence, Reason, judge};
use crate::limits::Limits;
use crate::outcome::{Failure, FailureCode};

const MOST: usize = 4 << 10;
/// Deepest nesting that is passed on, and longest integer.
const DEPTH: usize = 128;
const DIGITS: usize = 4_300;

fn evidence(output_bytes: usize) -> Evidence {
    Evidence {
        reason: Reason::Ended(Ended {
            exit: Some(0),
            ..Ended::default()
        }),
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
        output_bytes,
        strict: true,
    }
}

/// A text taken apart as far as the rules of it need: brackets open at once, and the text
/// with a short number for each that is long.
struct Apart {
    deepest: usize,
    shortened: String,
    /// Each long number can be passed on.
    fits: bool,
}

impl Apart {
    fn of(text: &str) -> Self {
        let mut apart = Self {
            deepest: 0,
            shortened: String::new(),
            fits: true,
        };
        let (mut open, mut rest) = (0_usize, text);
        while let Some(first) = rest.chars().next() {
            let length = match first {
                '"' => string_length(rest),
                '-' | '0'..='9' => {
                    let is_part = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
                    rest.find(|c| !is_part(c)).unwrap_or(rest.len())
                }
                _ => first.len_utf8(),
            };
            let (token, after) = rest.split_at(length);
            rest = after;
            open = match first {
                '[' | '{' => open + 1,
                ']' | '}' => open.saturating_sub(1),
                _ => open,
            };
            apart.deepest = apart.deepest.max(open);
            apart.add(token);
        }
        apart
    }

    fn add(&mut self, token: &str) {
        if token.starts_with('"') || token.len() <= 300 {
            return self.shortened.push_str(token);
        }
        self.shortened.push('1');
        self.fits &= if token.contains(['.', 'e', 'E']) {
            token.parse::<f64>().is_ok_and(f64::is_finite)
        } else {
            token.trim_start_matches('-').len() <= DIGITS
        };
    }
}

fn string_length(text: &str) -> usize {
    let mut is_escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    });
    end.map_or(text.len(), |end| end + 2)
}

/// As a library says it that takes no half characters and no numbers it can't hold. It goes
/// one level less deep than we do: of a text on that bound only the grammar is compared.
fn may_leave(body: &[u8]) -> Option<bool> {
    let Ok(text) = std::str::from_utf8(body) else {
        return Some(false);
    };
    let apart = Apart::of(text);
    if !apart.fits || apart.deepest > DEPTH || serde_json::from_str::<&RawValue>(text).is_err() {
        return Some(false);
    }
    let is_read = serde_json::from_str::<Value>(&apart.shortened).is_ok();
    (apart.deepest < DEPTH || is_read).then_some(is_read)
}

#[test]
fn exactly_what_is_one_json_text_in_one_frame_leaves_as_a_result() {
    let (left, kept) = (Cell::new(0), Cell::new(0));
    target!("results", 8).try_all(around(48, json::texts()), |bytes| {
        let (result, is_sound) = judge(&evidence(MOST), bytes);
        match only(bytes) {
            Ok((header, body)) if header.kind == Kind::Result => {
                let wanted = match may_leave(body) {
                    _ if body.len() > MOST => Err(FailureCode::OutputTooLarge),
                    None => return Ok(()),
                    Some(true) => Ok(body.to_vec()),
                    Some(false) => Err(FailureCode::Killed),
                };
                let count = if wanted.is_ok() { &left } else { &kept };
                count.set(count.get() + 1);
                prop_assert_eq!(is_sound, wanted.is_ok());
                prop_assert_eq!(result.map_err(|failure| failure.code), wanted);
            }
            _ => prop_assert!(result.is_err(), "{:?}", result),
        }
        Ok(())
    });
    let counts = (left.get(), kept.get());
    assert!(counts.0 > 300 && counts.1 > 300, "{counts:?} are too few");
}

const CODES: &[&str] = &[
    "exception",
    "exit",
    "timeout",
    "out_of_memory",
    "too_many_processes",
    "disk_full",
    "output_too_large",
    "result_not_serializable",
    "killed",
    "import_error",
    "cancelled",
    "else",
];

fn failures() -> impl Strategy<Value = Vec<u8>> {
    let member = prop_oneof![
        json::string().prop_map(|text| format!(",\"message\":{text}")),
        json::string().prop_map(|text| format!(",\"traceback\":{text}")),
        json::string().prop_map(|text| format!(",\"pointer\":{text}")),
        any::<i64>().prop_map(|status| format!(",\"exit_code\":{status}")),
        Just(",\"type\":null".to_owned()),
    ];
    let members = vec(member, 0..4);
    nearly((select(CODES), members).prop_map(|(code, members)| {
        format!("{{\"code\":\"{code}\"{}}}", members.concat()).into_bytes()
    }))
}

#[test]
fn a_failure_says_nothing_that_a_child_cannot_know() {
    let told = Cell::new(0);
    target!("failures", 8).try_all(around(49, failures()), |bytes| {
        let (result, is_sound) = judge(&evidence(MOST), bytes);
        let body = match only(bytes) {
            Ok((header, body)) if header.kind == Kind::Failure => body,
            _ => return Ok(()),
        };
        let failure = result.expect_err("no result");
        match serde_json::from_slice::<Failure>(body) {
            Err(_) => {
                prop_assert_eq!((failure.code, is_sound), (FailureCode::Killed, false));
            }
            Ok(claimed) => {
                let may_be_claimed = matches!(
                    failure.code,
                    FailureCode::Exception
                        | FailureCode::Exit
                        | FailureCode::DiskFull
                        | FailureCode::OutputTooLarge
                        | FailureCode::ResultNotSerializable
                );
                prop_assert!(may_be_claimed && is_sound, "{:?}", failure);
                let wanted = Failure {
                    code: failure.code,
                    // Here the limit is named.
                    message: match failure.code {
                        FailureCode::DiskFull => failure.message.clone(),
                        _ => claimed.message.clone(),
                    },
                    ..claimed
                };
                prop_assert_eq!(failure, wanted);
                told.set(told.get() + 1);
            }
        }
        Ok(())
    });
    assert!(told.get() > 500, "only {} could be read", told.get());
}
