//! A schema that was inferred, so that it can be used.
//!
//! A model may ask for a pattern that takes more than linear time to match. Left in, the
//! whole schema could not be used and no input would be checked; the code checks it itself.

use common::accept::schema::Schema;
use common::limits;
use serde_json::Value;

/// Patterns that are left out before it is given up.
const PATTERNS: usize = 256;

/// The text as it is where it can be used or nothing helps; without one too large.
pub(super) fn usable(text: Option<String>) -> Option<String> {
    let text = text.filter(|text| text.len() <= limits::SCHEMA_BYTES)?;
    let Ok(mut schema) = serde_json::from_str::<Value>(&text) else {
        return Some(text);
    };
    for left_out in 0..PATTERNS {
        match Schema::compile(&schema) {
            Ok(_) if left_out == 0 => return Some(text),
            Ok(_) => return Some(schema.to_string()),
            Err(fault) if remove_pattern(&mut schema, &fault.pointer) => {}
            Err(_) => return Some(text),
        }
    }
    Some(text)
}

/// The pattern that a fault points at, or whose schema it points at.
fn remove_pattern(schema: &mut Value, pointer: &str) -> bool {
    let holder = pointer.strip_suffix("/pattern").unwrap_or(pointer);
    let members = schema.pointer_mut(holder).and_then(Value::as_object_mut);
    members.is_some_and(|members| members.shift_remove("pattern").is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn used(schema: &Value) -> Value {
        let text = usable(Some(schema.to_string())).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_pattern_that_cannot_be_matched_in_linear_time_is_left_out() {
        let schema = json!({"properties": {
            "a": {"type": "string", "pattern": "^(?!x)"},
            "b": {"type": "string", "pattern": "^x"},
            "pattern": {"anyOf": [{"pattern": "(?<=y)z"}, {"type": "null"}]},
        }});
        let expected = json!({"properties": {
            "a": {"type": "string"},
            "b": {"type": "string", "pattern": "^x"},
            "pattern": {"anyOf": [{}, {"type": "null"}]},
        }});
        assert_eq!(used(&schema), expected);
    }

    #[test]
    fn patterns_past_the_bound_are_left_out() {
        let each = (0..100).map(|n| (format!("p{n}"), json!({"pattern": "^x"})));
        let schema = json!({"properties": Value::Object(each.collect())});
        let left = used(&schema);
        assert_eq!(left.to_string().matches("pattern").count(), 64);
        assert!(Schema::compile(&left).is_ok());
    }

    #[test]
    fn a_good_schema_stays_as_it_is_written_and_one_too_large_is_none() {
        let good = r#"{"type":"integer","default":18446744073709551617}"#.to_owned();
        assert_eq!(usable(Some(good.clone())), Some(good));
        let bound = |bytes: usize| format!("{{\"description\":\"{}\"}}", "d".repeat(bytes - 18));
        assert!(usable(Some(bound(limits::SCHEMA_BYTES))).is_some());
        assert_eq!(usable(Some(bound(limits::SCHEMA_BYTES + 1))), None);
        assert_eq!(usable(None), None);
    }
}
