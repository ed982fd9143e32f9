//! JSON Schemas that strangers wrote: checked when published, compiled once, and
//! bounded in what a check of an input may cost.
//!
//! A schema refers only inside itself, so nothing is ever fetched. Patterns run on
//! an engine that takes linear time. What is left is composition: alternatives
//! multiply, and recursion through two of them doubles with each level of the
//! input. [`cost`] counts that when the schema is published; an input whose check
//! could take too long is refused instead of checked.

mod cost;
mod walk;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;

use self::cost::Cost;
use crate::json::pointer_token;

/// Mistakes reported of one input.
const MISMATCHES: usize = 16;
/// A compiled pattern's size.
const PATTERN_BYTES: usize = 256 << 10;
/// Above this many bytes times alternatives only the fact is reported: each
/// mistake would carry a copy of the part of the input it is about.
const EXPLAINED: u64 = 8 << 20;

/// Why a text can't be a function's schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{pointer}: {what}")]
pub struct SchemaFault {
    /// JSON Pointer into the schema.
    pub pointer: String,
    pub what: String,
}

impl SchemaFault {
    fn new(pointer: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            what: what.into(),
        }
    }
}

/// One way in which an input does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// JSON Pointer into the input.
    pub pointer: String,
    pub detail: String,
}

/// A schema ready to check inputs.
#[derive(Debug)]
pub struct Schema {
    validator: Validator,
    cost: Cost,
}

impl Schema {
    /// # Errors
    /// Where it is no schema, refers outside itself, or could cost too much.
    pub fn compile(schema: &Value) -> Result<Self, SchemaFault> {
        walk::check(schema)?;
        let cost = cost::of(schema)?;
        let validator = jsonschema::options()
            .with_pattern_options(
                PatternOptions::regex()
                    .size_limit(PATTERN_BYTES)
                    .dfa_size_limit(PATTERN_BYTES),
            )
            .should_validate_formats(true)
            .build(schema)
            .map_err(|error| {
                SchemaFault::new(error.instance_path().as_str(), error.masked().to_string())
            })?;
        Ok(Self { validator, cost })
    }

    /// Compares an input of `bytes` bytes with the schema.
    ///
    /// # Errors
    /// What doesn't fit, at most a handful.
    pub fn check(&self, input: &Value, bytes: usize) -> Result<(), Vec<Mismatch>> {
        if !self.cost.allows(input, bytes) {
            return Err(vec![Mismatch {
                pointer: String::new(),
                detail: "too large or too deep to be checked against this schema in time"
                    .to_owned(),
            }]);
        }
        if self.validator.is_valid(input) {
            return Ok(());
        }
        if self.cost.alternatives().saturating_mul(bytes as u64) > EXPLAINED {
            return Err(vec![Mismatch {
                pointer: String::new(),
                detail: "this does not fit the function's input schema".to_owned(),
            }]);
        }
        let mismatches = self.validator.iter_errors(input).take(MISMATCHES);
        let mut mismatches: Vec<_> = mismatches.flat_map(|error| explain(&error)).collect();
        mismatches.truncate(MISMATCHES);
        Err(mismatches)
    }
}

/// Points at the member itself where one is missing or was not expected.
fn explain(error: &ValidationError<'_>) -> Vec<Mismatch> {
    let at = error.instance_path().as_str();
    let mismatch = |pointer: String, detail: String| Mismatch { pointer, detail };
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => unexpected
            .iter()
            .map(|name| {
                mismatch(
                    format!("{at}{}", pointer_token(name)),
                    "the function takes no such value".to_owned(),
                )
            })
            .collect(),
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            vec![mismatch(
                format!("{at}{}", pointer_token(name)),
                "this value is missing".to_owned(),
            )]
        }
        _ => vec![mismatch(at.to_owned(), error.masked().to_string())],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(schema: &Value, input: &Value) -> Vec<String> {
        let bytes = input.to_string().len();
        match Schema::compile(schema).unwrap().check(input, bytes) {
            Ok(()) => Vec::new(),
            Err(mismatches) => mismatches.into_iter().map(|m| m.pointer).collect(),
        }
    }

    #[test]
    fn a_mismatch_is_pointed_at() {
        let schema = json!({
            "type": "object",
            "properties": {"n": {"type": "integer"}, "xs": {"items": {"type": "string"}}},
            "required": ["n"],
            "additionalProperties": false,
        });
        assert!(check(&schema, &json!({"n": 5.0, "xs": ["a"]})).is_empty());
        assert_eq!(check(&schema, &json!({"n": true})), ["/n"]);
        assert_eq!(check(&schema, &json!({"n": 1, "xs": ["a", 1]})), ["/xs/1"]);
        assert_eq!(check(&schema, &json!({"n": 1, "y": 2})), ["/y"]);
        assert_eq!(check(&schema, &json!({})), ["/n"]);
    }

    #[test]
    fn a_detail_never_shows_the_input() {
        let schema = Schema::compile(&json!({"type": "integer"})).unwrap();
        let told = schema.check(&json!("secret words"), 14).unwrap_err();
        assert!(!told[0].detail.contains("secret"), "{}", told[0].detail);
    }

    #[test]
    fn a_pattern_that_others_choke_on_takes_no_time() {
        let schema = json!({"type": "string", "pattern": "^(a+)+$"});
        let input = json!(format!("{}b", "a".repeat(5_000)));
        assert_eq!(check(&schema, &input), [""]);
    }

    #[test]
    fn a_pattern_no_linear_engine_can_run_is_refused_when_published() {
        for pattern in ["(?=a)b", "(a)\\1", "(", "a{1000}{1000}"] {
            let fault = Schema::compile(&json!({"pattern": pattern})).unwrap_err();
            assert!(fault.pointer.contains("pattern"), "{fault}");
        }
    }

    #[test]
    fn formats_are_checked() {
        let schema = json!({"type": "string", "format": "date"});
        assert!(check(&schema, &json!("2026-02-28")).is_empty());
        assert_eq!(check(&schema, &json!("2026-02-30")), [""]);
    }

    #[test]
    fn a_large_input_that_fits_nothing_is_told_so_without_copies() {
        let schema = json!({"anyOf": [{"type": "string"}, {"type": "integer"}]});
        let input = json!(vec![0; 2_000_000]);
        assert_eq!(check(&schema, &input), [""]);
    }
}
