//! Entries and outcomes as they lie in Redis: what is read is written as it was, and what is
//! damaged is refused.

use std::cell::Cell;

use common::entry::Entry;
use common::execution::SealedOutcome;
use fuzzing::proptest::collection::vec;
use fuzzing::proptest::prelude::*;
use fuzzing::proptest::sample::select;
use fuzzing::{nearly, target};

/// A length and as many bytes; now and then another length.
fn counted() -> impl Strategy<Value = Vec<u8>> {
    let off = prop_oneof![12 => Just(0), 1 => any::<u32>()];
    (vec(any::<u8>(), 0..40), off).prop_map(|(bytes, off)| {
        let length = u32::try_from(bytes.len()).unwrap().wrapping_add(off);
        [&length.to_be_bytes()[..], &bytes].concat()
    })
}

fn entries() -> impl Strategy<Value = Vec<u8>> {
    let words = (
        1..=2_u8,
        0..8_u8,
        0..5_u8,
        prop_oneof![9 => 0..2_u8, 1 => any::<u8>()],
    );
    let fixed = vec(any::<u8>(), 72);
    nearly((words, fixed, counted(), vec(any::<u8>(), 0..40)).prop_map(
        |((format, trigger, plan, once), fixed, env, input)| {
            let env = if format == 2 { env } else { Vec::new() };
            [&[format, trigger, plan, once][..], &fixed, &env, &input].concat()
        },
    ))
}

#[test]
fn an_entry_that_is_read_is_written_as_it_was() {
    let (first, second) = (Cell::new(0), Cell::new(0));
    target!("entries", 16).try_all(entries(), |bytes| {
        let Ok(entry) = Entry::decode(bytes) else {
            return Ok(());
        };
        prop_assert_eq!(entry.encode(), bytes);
        prop_assert_eq!(entry.env.is_some(), bytes[0] == 2);
        let count = if bytes[0] == 1 { &first } else { &second };
        count.set(count.get() + 1);
        Ok(())
    });
    let counts = (first.get(), second.get());
    assert!(counts.0 > 300 && counts.1 > 300, "{counts:?} are too few");
}

const ENDINGS: &[&str] = &[
    r#"{"state":"succeeded","error_code":null,"attempt":1,"started_at":"2026-03-01T00:00:00Z","finished_at":"2026-03-01T00:00:01.5Z","duration_us":7,"cpu_us":5,"memory_peak_bytes":1,"network_in_bytes":3,"network_out_bytes":0}"#,
    r#"{"state":"failed","error_code":"exit","attempt":2,"started_at":null,"finished_at":"1970-01-01T00:00:00Z","duration_us":null,"cpu_us":null,"memory_peak_bytes":null}"#,
    r#" {"state":"timed_out","error_code":"timeout","attempt":4294967295,"started_at":null,"finished_at":"9999-12-30T22:00:00.999999999Z","duration_us":18446744073709551615,"cpu_us":0,"memory_peak_bytes":0,"else":[]}"#,
    r#"{"state":"done","attempt":1}"#,
    r#"{"state":"failed","error_code":"exit","attempt":-1,"finished_at":"1970-01-01T00:00:00Z"}"#,
    "",
];

fn outcomes() -> impl Strategy<Value = Vec<u8>> {
    let ending = prop_oneof![3 => select(&ENDINGS[..3]), 1 => select(ENDINGS)].prop_map(|text| {
        let length = u32::try_from(text.len()).unwrap();
        [&length.to_be_bytes()[..], text.as_bytes()].concat()
    });
    let part = prop_oneof![
        4 => Just(vec![0]),
        4 => counted().prop_map(|bytes| [&[1][..], &bytes].concat()),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    let first = prop_oneof![20 => Just(1_u8), 1 => any::<u8>()];
    nearly(
        (first, ending, vec(part, 3))
            .prop_map(|(first, ending, parts)| [&[first][..], &ending, &parts.concat()].concat()),
    )
}

/// The optional parts, as the description says where they stand.
fn parts(bytes: &[u8]) -> Option<[Option<&[u8]>; 3]> {
    let counted = |at: &mut usize| {
        let length = bytes
            .get(*at..*at + 4)?
            .iter()
            .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        let part = bytes.get(*at + 4..*at + 4 + length)?;
        *at += 4 + length;
        Some(part)
    };
    let mut at = 1;
    let mut parts = [None; 3];
    counted(&mut at)?;
    for part in &mut parts {
        at += 1;
        match bytes.get(at - 1)? {
            0 => {}
            1 => *part = Some(counted(&mut at)?),
            _ => return None,
        }
    }
    (bytes[0] == 1 && at == bytes.len()).then_some(parts)
}

#[test]
fn an_outcome_that_is_read_reads_back_and_has_its_parts_in_their_places() {
    let read = Cell::new(0);
    target!("outcomes", 16).try_all(outcomes(), |bytes| {
        let Ok(outcome) = SealedOutcome::decode(bytes) else {
            return Ok(());
        };
        read.set(read.get() + 1);
        let given = [&outcome.output, &outcome.error, &outcome.logs].map(|part| part.as_deref());
        prop_assert_eq!(Some(given), parts(bytes));
        let again = SealedOutcome::decode(&outcome.encode());
        let again = again.map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(again, outcome);
        Ok(())
    });
    assert!(read.get() > 500, "only {} could be read", read.get());
}
