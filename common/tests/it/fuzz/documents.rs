//! Our reader of JSON and `serde_json` take the same texts to mean the same, but for what
//! ours says it refuses or takes besides.

use std::cell::Cell;

use common::json::{Fault, read, without_mark};
use common::limits;
use fuzzing::proptest::prelude::*;
use fuzzing::{json, target};
use serde_json::{Number, Value};

/// What the other library can't be asked about, seen outside of strings.
#[derive(Default)]
struct Outline {
    depth: usize,
    /// Digits in a row.
    digits: usize,
    /// Members of all objects.
    colons: usize,
}

impl Outline {
    fn of(text: &[u8]) -> Self {
        let mut outline = Self::default();
        let (mut open, mut digits) = (0_usize, 0);
        let (mut is_inside, mut is_escaped) = (false, false);
        for byte in text {
            if is_inside {
                is_inside = is_escaped || *byte != b'"';
                is_escaped = *byte == b'\\' && !is_escaped;
                continue;
            }
            digits = if byte.is_ascii_digit() { digits + 1 } else { 0 };
            outline.digits = outline.digits.max(digits);
            match byte {
                b'"' => is_inside = true,
                b'[' | b'{' => open += 1,
                b']' | b'}' => open = open.saturating_sub(1),
                b':' => outline.colons += 1,
                _ => {}
            }
            outline.depth = outline.depth.max(open);
        }
        outline
    }

    /// Deeper than the other one goes, or longer than its numbers.
    const fn is_beyond(&self) -> bool {
        self.depth >= limits::JSON_DEPTH || self.digits > 300
    }
}

fn members(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(members).sum(),
        Value::Object(all) => all.len() + all.values().map(members).sum::<usize>(),
        _ => 0,
    }
}

/// Equal; doubles may differ in their last bit, in which the other one doesn't round.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|(one, other)| is_same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let mut pairs = one.iter().zip(other);
            one.len() == other.len()
                && pairs.all(|(one, other)| one.0 == other.0 && is_same(one.1, other.1))
        }
        (Value::Number(one), Value::Number(other)) => is_near(one, other),
        _ => one == other,
    }
}

fn is_near(one: &Number, other: &Number) -> bool {
    let is_integer = |number: &Number| number.is_i64() || number.is_u64();
    if is_integer(other) {
        return one == other;
    }
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => one == other || (one.to_bits().abs_diff(other.to_bits()) <= 1),
        _ => false,
    }
}

#[test]
fn a_document_is_read_as_another_library_reads_it_or_refused_for_a_reason() {
    let (read_well, refused, twice) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let add = |count: &Cell<usize>| count.set(count.get() + 1);
    target!("documents", 16).try_all(json::texts(), |bytes| {
        let text = without_mark(bytes);
        let outline = Outline::of(text);
        let other = serde_json::from_slice::<Value>(text);
        match read(bytes) {
            Ok(value) => {
                prop_assert!(outline.depth <= limits::JSON_DEPTH);
                if !outline.is_beyond() {
                    let other =
                        other.map_err(|error| TestCaseError::fail(format!("refused: {error}")))?;
                    prop_assert!(is_same(&value, &other), "{} and {}", value, other);
                    prop_assert_eq!(members(&value), outline.colons);
                }
                add(&read_well);
            }
            Err(Fault::Syntax { line, column, .. }) => {
                prop_assert!(other.is_err(), "read as {:?}", other);
                prop_assert!(
                    (1..=1 + count_lines(text)).contains(&line)
                        && (1..=1 + text.len()).contains(&column)
                );
                add(&refused);
            }
            // What a library could read nevertheless has a key twice.
            Err(Fault::Value { pointer, .. }) => match other {
                Ok(other) => {
                    prop_assert!(members(&other) < outline.colons, "{}", other);
                    let parent = pointer.rsplit_once('/').map(|(parent, _)| parent);
                    prop_assert!(other.pointer(parent.unwrap_or("")).is_some(), "{}", pointer);
                    add(&twice);
                }
                Err(_) => add(&refused),
            },
        }
        Ok(())
    });
    let counts = [read_well.get(), refused.get(), twice.get()];
    assert!(
        counts[0] > 1_000 && counts[1] > 500 && counts[2] > 20,
        "{counts:?} are too few"
    );
}

fn count_lines(text: &[u8]) -> usize {
    text.iter().filter(|byte| **byte == b'\n').count()
}
