//! Reading JSON that a stranger wrote: one document, every number exact, every
//! fault with its place.
//!
//! `serde_json` alone would round integers above 2^64, accept a repeated key and
//! stop at depth 127 with no pointer. What is read here is *checked*; the bytes
//! themselves travel on verbatim, so an integer of 4,300 digits arrives as it was
//! written although the value built for a schema check holds only its nearest double.
//!
//! Always: UTF-8, at most [`JSON_DEPTH`](crate::limits::JSON_DEPTH) deep, no key twice in an object,
//! no lone surrogate, no `NaN`, no number that overflows.

mod reader;

use serde_json::Value;

use self::reader::{Reader, Step, Stop};

/// Why a text is not a JSON document that may be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is no JSON at all: a 400.
    #[error("line {line}, column {column}: {what}")]
    Syntax {
        line: usize,
        column: usize,
        what: &'static str,
    },
    /// It is JSON (or nearly) with a value nobody can pass on exactly: a 422.
    #[error("{pointer}: {what}")]
    Value { pointer: String, what: &'static str },
}

/// Reads one document.
///
/// # Errors
/// The first fault, with its position or pointer.
pub fn read(bytes: &[u8]) -> Result<Value, Fault> {
    let bytes = without_mark(bytes);
    if let Err(error) = std::str::from_utf8(bytes) {
        return Err(syntax_at(bytes, error.valid_up_to(), "this is not UTF-8"));
    }
    Reader::new(bytes).document().map_err(|stop| match stop {
        Stop::Syntax(at, what) => syntax_at(bytes, at, what),
        Stop::Value(mut path, what) => {
            path.reverse();
            let pointer = path.iter().map(Step::token).collect();
            Fault::Value { pointer, what }
        }
    })
}

/// The text without a byte order mark, which some editors put before it.
#[must_use]
pub fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes)
}

/// One step of a JSON Pointer, escaped as RFC 6901 says.
#[must_use]
pub fn pointer_token(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn syntax_at(bytes: &[u8], at: usize, what: &'static str) -> Fault {
    let before = &bytes[..at.min(bytes.len())];
    let line_start = before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |newline| newline + 1);
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    let column = 1 + String::from_utf8_lossy(&before[line_start..])
        .chars()
        .count();
    Fault::Syntax { line, column, what }
}
#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits;

    fn fault(text: &str) -> Fault {
        read(text.as_bytes()).unwrap_err()
    }

    fn pointer_of(text: &str) -> String {
        match fault(text) {
            Fault::Value { pointer, .. } => pointer,
            syntax @ Fault::Syntax { .. } => panic!("{text}: {syntax}"),
        }
    }

    #[test]
    fn what_serde_reads_is_read_alike() {
        for text in [
            "null",
            " [1, -2, 3.5e2, true, false, null] ",
            r#"{"a": {"b": ["\u00e9\n\"\\\/", "é→", "\ud83d\ude00"]}, "": 18446744073709551615}"#,
            "-9223372036854775808",
            "[]",
            "{}",
            "5.0",
            "1e308",
        ] {
            let wanted: Value = serde_json::from_str(text).unwrap();
            assert_eq!(read(text.as_bytes()).unwrap(), wanted, "{text}");
        }
    }

    #[test]
    fn what_is_no_json_is_placed_by_line_and_column() {
        let text = "{\n  \"é\": 1,\n  x}";
        let Fault::Syntax { line, column, .. } = fault(text) else {
            panic!("{text}");
        };
        assert_eq!((line, column), (3, 3));
        for text in [
            "",
            " ",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "01",
            "1.",
            "-",
            "tru",
            "[1] 2",
            "\"a",
            "\"\n\"",
            "'a'",
            "\"\\x\"",
            "\"\\u12g4\"",
            "{a:1}",
            "nulll",
            "1e",
            "+1",
            "\u{a0}1",
        ] {
            assert!(matches!(fault(text), Fault::Syntax { .. }), "{text:?}");
        }
        assert!(matches!(
            read(b"\"\xff\""),
            Err(Fault::Syntax { column: 2, .. })
        ));
        assert!(matches!(read(b"{\0\"\0"), Err(Fault::Syntax { .. })));
    }

    #[test]
    fn a_value_nobody_can_pass_on_exactly_is_refused_at_its_pointer() {
        assert_eq!(pointer_of(r#"{"a": [0, NaN]}"#), "/a/1");
        assert_eq!(pointer_of(r#"{"a": -Infinity}"#), "/a");
        assert_eq!(pointer_of(r#"{"a/b": {"~": 1e400}}"#), "/a~1b/~0");
        assert_eq!(pointer_of(r#"["\ud800"]"#), "/0");
        assert_eq!(pointer_of(r#"["\ud800\u0041"]"#), "/0");
        assert_eq!(pointer_of(r#"["\udc00"]"#), "/0");
        assert_eq!(pointer_of(r#"{"a": 1, "a": 2}"#), "/a");
    }

    #[test]
    fn an_integer_stands_on_its_4300_digits() {
        let longest = "9".repeat(limits::INTEGER_DIGITS);
        assert!(read(longest.as_bytes()).unwrap().is_number());
        assert!(read(format!("-{longest}").as_bytes()).unwrap().is_number());
        assert_eq!(pointer_of(&format!("[{longest}9]")), "/0");
    }

    #[test]
    fn nesting_stands_on_its_limit_and_a_flood_of_brackets_costs_nothing() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(nested(limits::JSON_DEPTH).as_bytes()).is_ok());
        assert!(matches!(
            fault(&nested(limits::JSON_DEPTH + 1)),
            Fault::Value { .. }
        ));
        assert!(matches!(fault(&"[".repeat(100_000)), Fault::Value { .. }));
    }

    #[test]
    fn a_byte_order_mark_is_passed_over() {
        assert_eq!(read(b"\xEF\xBB\xBF 1").unwrap(), 1);
    }
}
