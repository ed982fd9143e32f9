//! Schemas that strangers publish: taken or refused soon, never fetched from anywhere, and
//! what they say of an input is what the library says.

use std::cell::Cell;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::accept::schema::Schema;
use fuzzing::proptest::collection::vec;
use fuzzing::proptest::prelude::*;
use fuzzing::proptest::sample::select;
use fuzzing::{nearly, target};
use jsonschema::{PatternOptions, Retrieve, Uri};
use serde_json::Value;

/// Of one schema and its inputs; a second each is what the costs allow.
const LONGEST: Duration = Duration::from_secs(20);

const REFERENCES: &[&str] = &[
    "#",
    "#/$defs/a",
    "#/properties/a",
    "#x",
    "#/items",
    "#/$defs/a/anyOf/0",
    "#/nowhere",
    "#nowhere",
    "#/$defs/a%2Fb",
    "http://127.0.0.1:9/",
    "file:///etc/passwd",
    "b#",
    "//127.0.0.1/",
    "urn:x",
    "./a",
    "",
    "https://json-schema.org/draft/2020-12/schema",
];
const WORDS: &[&str] = &[
    r#""type":"string""#,
    r#""type":"integer""#,
    r#""type":"object""#,
    r#""type":["null","array"]"#,
    r#""type":"else""#,
    r#""enum":["a",1,null,{"$ref":"http://127.0.0.1:9/"}]"#,
    r#""const":{"a":[1.0]}"#,
    r#""minimum":1"#,
    r#""exclusiveMaximum":1e3"#,
    r#""multipleOf":0.5"#,
    r#""multipleOf":0"#,
    r#""minLength":1"#,
    r#""maxLength":-1"#,
    r#""maxItems":2"#,
    r#""uniqueItems":true"#,
    r#""required":["a"]"#,
    r#""minProperties":1"#,
    r#""pattern":"^(a+)+$""#,
    r#""pattern":"(?=a)""#,
    r#""pattern":"\\d{2,}""#,
    r#""format":"date-time""#,
    r#""format":"uri""#,
    r#""format":"regex""#,
    r#""$id":"http://x.test/""#,
    r#""$id":"b""#,
    r##""$id":"#x""##,
    r#""$anchor":"x""#,
    r#""$dynamicAnchor":"x""#,
    r#""$schema":"http://json-schema.org/draft-07/schema#""#,
    r#""$schema":"https://json-schema.org/draft/2020-12/schema""#,
    r#""$schema":"http://127.0.0.1:9/""#,
    r#""dependentRequired":{"a":["b"]}"#,
    r#""dependencies":{"a":["b"]}"#,
];

fn schema() -> impl Strategy<Value = String> {
    let reference = (
        select(&["$ref", "$ref", "$ref", "$dynamicRef", "$recursiveRef"][..]),
        select(REFERENCES),
    )
        .prop_map(|(keyword, target)| format!("\"{keyword}\":\"{target}\""));
    let word = prop_oneof![
        6 => select(WORDS).prop_map(str::to_owned),
        1 => reference,
    ];
    let leaf = prop_oneof![
        8 => vec(word.clone(), 0..3).prop_map(|words| format!("{{{}}}", words.join(","))),
        1 => select(&["true", "false", "1", "[]"][..]).prop_map(str::to_owned),
    ];
    leaf.prop_recursive(3, 16, 3, move |inner| {
        let one = select(&[
            "items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames",
            "unevaluatedProperties", "unevaluatedItems", "additionalItems",
        ][..]);
        let list = select(&["anyOf", "allOf", "oneOf", "prefixItems", "items"][..]);
        let named = select(&["properties", "properties", "$defs", "$defs", "patternProperties", "dependentSchemas", "definitions"][..]);
        let name = select(&["a", "b", "a/b", "^a", "$ref"][..]);
        let member = prop_oneof![
            3 => word.clone(),
            3 => (one, inner.clone()).prop_map(|(keyword, schema)| format!("\"{keyword}\":{schema}")),
            3 => (list, vec(inner.clone(), 1..3)).prop_map(|(keyword, all)| format!("\"{keyword}\":[{}]", all.join(","))),
            3 => (named, vec((name, inner), 1..3)).prop_map(|(keyword, all)| {
                let all: Vec<String> = all.iter().map(|(name, schema)| format!("\"{name}\":{schema}")).collect();
                format!("\"{keyword}\":{{{}}}", all.join(","))
            }),
        ];
        vec(member, 1..4).prop_map(|members| format!("{{{}}}", members.join(",")))
    })
}

fn input() -> impl Strategy<Value = String> {
    let leaf = select(
        &[
            "null",
            "true",
            "0",
            "1.0",
            "2",
            "-1.5",
            "1e3",
            "\"\"",
            "\"a\"",
            "\"aaab\"",
            "\"42\"",
            "\"2026-03-01T00:00:00Z\"",
        ][..],
    );
    leaf.prop_map(str::to_owned)
        .prop_recursive(3, 12, 3, |inner| {
            let name = select(&["a", "b", "a/b", "c"][..]);
            prop_oneof![
                vec(inner.clone(), 0..3).prop_map(|items| format!("[{}]", items.join(","))),
                vec((name, inner), 0..3).prop_map(|members| {
                    let members: Vec<String> = members
                        .iter()
                        .map(|(name, value)| format!("\"{name}\":{value}"))
                        .collect();
                    format!("{{{}}}", members.join(","))
                }),
            ]
        })
}

/// A list: a schema, and inputs.
fn cases() -> impl Strategy<Value = Vec<u8>> {
    nearly(
        (schema(), vec(input(), 1..4))
            .prop_map(|(schema, inputs)| format!("[{schema},{}]", inputs.join(",")).into_bytes()),
    )
}

/// Counts what a schema would have fetched.
struct Fetches(Arc<AtomicUsize>);

impl Retrieve for Fetches {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn Error + Send + Sync>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Err(format!("{uri} is elsewhere").into())
    }
}

/// There, or missing from what is there.
fn is_in(pointer: &str, value: &Value) -> bool {
    let parent = pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
    value.pointer(pointer).is_some() || value.pointer(parent).is_some_and(Value::is_object)
}

#[test]
fn a_schema_is_taken_or_refused_fetches_nothing_and_says_what_the_library_says() {
    let (taken, refused, fits) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let add = |count: &Cell<usize>| count.set(count.get() + 1);
    target!("schemas", 8).try_all(cases(), |bytes| {
        let Ok(Value::Array(case)) = serde_json::from_slice(bytes) else {
            return Ok(());
        };
        let Some((schema, inputs)) = case.split_first() else {
            return Ok(());
        };
        let began = Instant::now();
        let ours = match Schema::compile(schema) {
            Ok(ours) => ours,
            Err(fault) => {
                prop_assert!(
                    is_in(&fault.pointer, schema),
                    "{} is not in {}",
                    fault,
                    schema
                );
                add(&refused);
                return Ok(());
            }
        };
        add(&taken);
        let fetched = Arc::new(AtomicUsize::new(0));
        let direct = jsonschema::options()
            .with_pattern_options(PatternOptions::regex())
            .should_validate_formats(true)
            .with_retriever(Fetches(fetched.clone()))
            .build(schema);
        prop_assert!(fetched.load(Ordering::Relaxed) == 0, "{} fetches", schema);
        let direct = direct.map_err(|error| TestCaseError::fail(error.to_string()))?;
        for input in inputs {
            let checked = ours.check(input, input.to_string().len());
            prop_assert_eq!(
                checked.is_ok(),
                direct.is_valid(input),
                "{} by {}",
                input,
                schema
            );
            for mismatch in checked.err().iter().flatten() {
                prop_assert!(
                    is_in(&mismatch.pointer, input),
                    "{} is not in {}",
                    mismatch.pointer,
                    input
                );
            }
            fits.set(fits.get() + usize::from(direct.is_valid(input)));
        }
        prop_assert!(began.elapsed() < LONGEST);
        Ok(())
    });
    let counts = [taken.get(), refused.get(), fits.get()];
    assert!(
        counts.iter().all(|count| *count > 200),
        "{counts:?} are too few"
    );
}
