//! Bodies of `PUT …/functions/{fn}`: a draft within the plan's bounds, or a problem whose
//! pointers lead to what is wrong.

use std::cell::Cell;

use common::limits;
use common::plan::{Plan, Plans};
use fuzzing::proptest::collection::vec;
use fuzzing::proptest::prelude::*;
use fuzzing::proptest::sample::select;
use fuzzing::{nearly, target};
use serde_json::Value;

use super::take_draft;
use crate::problem::Problem;

/// Members that are right, one of each field.
const RIGHT: &[&str] = &[
    r#""code":"x = 1""#,
    r#""files":{"main.py":"","pkg/a.py":"x"}"#,
    r#""description":"d""#,
    r#""input_schema":{"type":"object"}"#,
    r#""output_schema":true"#,
    r#""tags":["a","b"]"#,
    r#""requirements":["six","Requests>=2"]"#,
    r#""annotations":{"readOnlyHint":true}"#,
    r#""limits":{"timeout_ms":1000,"memory_mib":64.0}"#,
    r#""env":{"required":["A"],"optional":["B"]}"#,
    r#""network":{"allow":["api.example.com","*.example.com:8443"]}"#,
    r#""description":null"#,
];
const FIELDS: &[&str] = &[
    "code",
    "files",
    "description",
    "input_schema",
    "output_schema",
    "tags",
    "requirements",
    "annotations",
    "limits",
    "env",
    "network",
    "retry",
    "secrets",
    "a/b",
    "x~",
    "",
];
const VALUES: &[&str] = &[
    "null",
    "true",
    "0",
    "1",
    "1.5",
    "5.0",
    "-1",
    "1e300",
    "4294967296",
    "\"\"",
    "\"a\"",
    "\"\\u0000\"",
    "\"PATH\"",
    "\"a.example\"",
    "\"é\"",
    "\"main.py\"",
    "[]",
    "{}",
    r#"{"$ref":"http://127.0.0.1:9/"}"#,
    r##"{"$ref":"#x","$defs":{"a":{"$anchor":"x","$ref":"#y"}}}"##,
];
const NAMES: &[&str] = &[
    "main.py",
    "../a.py",
    "pkg/a.py",
    "a",
    "timeout_ms",
    "memory_mib",
    "concurrency",
    "required",
    "optional",
    "allow",
    "type",
    "$ref",
    "x~/",
];

fn value() -> impl Strategy<Value = String> {
    select(VALUES)
        .prop_map(str::to_owned)
        .prop_recursive(2, 8, 4, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
                vec((select(NAMES), inner), 0..4).prop_map(|members| {
                    let members: Vec<String> = members
                        .iter()
                        .map(|(name, value)| format!("\"{name}\":{value}"))
                        .collect();
                    format!("{{{}}}", members.join(","))
                }),
            ]
        })
}

fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let code = prop_oneof![4 => Just(RIGHT[0]), 1 => select(RIGHT)];
    let member = prop_oneof![
        3 => select(&RIGHT[2..]).prop_map(str::to_owned),
        1 => (select(FIELDS), value()).prop_map(|(name, value)| format!("\"{name}\":{value}")),
    ];
    let limits = select(&["timeout_ms", "memory_mib", "concurrency"][..]);
    let member = prop_oneof![
        4 => member,
        1 => (limits, select(&VALUES[..10]))
            .prop_map(|(name, value)| format!("\"limits\":{{\"{name}\":{value}}}")),
    ];
    nearly((code, vec(member, 0..4)).prop_map(|(code, members)| {
        let members: Vec<&str> = std::iter::once(code)
            .chain(members.iter().map(String::as_str))
            .collect();
        format!("{{{}}}", members.join(",")).into_bytes()
    }))
}

/// There, or missing from an object that is there.
fn is_in(pointer: &str, body: &Value) -> bool {
    let parent = pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
    body.pointer(pointer).is_some() || body.pointer(parent).is_some_and(Value::is_object)
}

#[test]
fn a_body_is_a_draft_within_the_plan_or_a_problem_that_points_into_it() {
    let plans = Plans::shipped().unwrap();
    let plan = plans.of(Plan::Pro);
    let (drafts, problems) = (Cell::new(0), Cell::new(0));
    target!("drafts", 8).try_all(bodies(), |bytes| {
        let Ok(body) = crate::body::value(bytes) else {
            return Ok(());
        };
        match take_draft(body.clone(), plan) {
            Ok(draft) => {
                prop_assert!((1..=plan.timeout_ms).contains(&draft.timeout_ms));
                prop_assert!((1..=plan.memory_mib).contains(&draft.memory_mib));
                prop_assert!(
                    draft
                        .concurrency
                        .is_none_or(|count| (1..=plan.concurrency).contains(&count))
                );
                prop_assert!(draft.network.len() <= plan.hosts());
                prop_assert!(
                    draft.env.required.len() + draft.env.optional.len() <= limits::ENV_NAMES
                );
                prop_assert!(
                    !draft
                        .requirements
                        .iter()
                        .any(|line| line.contains(char::is_control))
                );
                let is_there = |name| body.get(name).is_some_and(|value| !value.is_null());
                prop_assert!(is_there("code") != is_there("files"));
                drafts.set(drafts.get() + 1);
            }
            Err(problem) => {
                prop_assert!(
                    matches!(problem.code(), "invalid" | "not_available_yet"),
                    "{:?}",
                    problem
                );
                prop_assert!(!problem.errors().is_empty());
                for error in problem.errors() {
                    prop_assert!(
                        is_in(&error.pointer, &body),
                        "{:?} is not in {}",
                        error,
                        body
                    );
                }
                check_document(&problem)?;
                problems.set(problems.get() + 1);
            }
        }
        Ok(())
    });
    let counts = (drafts.get(), problems.get());
    assert!(counts.0 > 200 && counts.1 > 200, "{counts:?} are too few");
}

fn check_document(problem: &Problem) -> Result<(), TestCaseError> {
    let response = problem.write("id", "/path");
    prop_assert_eq!(response.status().as_u16(), 422);
    prop_assert_eq!(
        &response.headers()["content-type"],
        "application/problem+json"
    );
    Ok(())
}
