//! Spellings of hints: what the inferred schema lets through is what the code is given.
//!
//! Every value of a pool is held against every spelling's schema. What the schema takes
//! must reach `main` as a value of the hinted kind.

use jail::{Code, Described, Sandbox, Verdict};
use serde_json::Value;

use crate::world::{IMPORT, LIMITS, World, host, output, run, sandbox};

const SPELLINGS: &str = include_str!("spellings.py");

/// As text, so that numbers stay as they are written.
const POOL: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "1",
    "-3",
    "5.0",
    "1.5",
    "1e30",
    "1E2",
    "-0.0",
    "1e-400",
    "9007199254740993",
    "9007199254740993.0",
    r#""""#,
    r#""a""#,
    r#""b""#,
    r#""red""#,
    r#""1""#,
    r#""2026-01-02""#,
    r#""2026-02-30""#,
    r#""20260102""#,
    r#""2026-01-02T03:04:05Z""#,
    r#""2026-01-02t03:04:05.123456789z""#,
    r#""2026-01-02T03:04:05""#,
    r#""10:30""#,
    r#""10:30:00.5+02:00""#,
    r#""24:00""#,
    r#""00000000-0000-0000-0000-000000000001""#,
    r#""1.10""#,
    r#""1e5""#,
    r#""NaN""#,
    r#""YWI=""#,
    r#""YWI""#,
    r#""YW=I""#,
    r#""/a/b""#,
    "[]",
    "[1]",
    "[1, 2.0, 3]",
    "[1, 1]",
    r#"[1, "a"]"#,
    "[1, 2]",
    "[[1], []]",
    r#"["2026-01-02"]"#,
    "[1, null]",
    r#"{"x": 1, "day": null}"#,
    r#"[1, "2026-01-02"]"#,
    r#"[5.0, null]"#,
    "{}",
    r#"{"x": 1}"#,
    r#"{"x": 5.0, "y": "a"}"#,
    r#"{"x": 1, "y": null}"#,
    r#"{"x": "a"}"#,
    r#"{"x": 1, "made": 1}"#,
    r#"{"x": 1, "scale": 3, "many": [1]}"#,
    r#"{"x": 1, "kind": "a"}"#,
    r#"{"x": 1, "label": null}"#,
    r#"{"x": 1, "inner": {"day": "2026-01-02"}}"#,
    r#"{"x": 1, "day": "2026-01-02"}"#,
    r#"{"a": {"x": 1}}"#,
    r#"{"1": "a", "-2": "b"}"#,
    r#"{"01": "a"}"#,
    r#"{"2026-01-02": 1}"#,
    r#"{"red": 1}"#,
    r#"{"a": "2026-01-02"}"#,
    r#"{"value": 1}"#,
    r#"{"value": 1, "next": {"value": 2.0}}"#,
    r#"{"value": 1, "next": {"value": "a"}}"#,
    r#"{"value": 1, "next": null}"#,
];

/// A schema as the api would check it.
struct Checked(Value, jsonschema::Validator);

impl Checked {
    fn new(text: Option<&str>) -> Self {
        let schema: Value = serde_json::from_str(text.expect("a schema")).expect("JSON");
        let options = jsonschema::options().should_validate_formats(true);
        let validator = options.build(&schema).expect("a good schema");
        Self(schema, validator)
    }

    fn names(&self) -> Vec<String> {
        let properties = self.0["properties"].as_object().expect("properties");
        properties.keys().cloned().collect()
    }

    /// Whether a value may stand under this name.
    fn takes(&self, name: &str, value: &str) -> bool {
        let member = format!("{{\"{name}\": {value}}}");
        let member: Value = serde_json::from_str(&member).expect("JSON");
        self.1.is_valid(&member)
    }
}

async fn described(host: &World, source: &str) -> Described {
    let generic = host.boot().await.expect("a sandbox");
    let code = Code::single(source);
    let description = generic.describe(&code, &LIMITS, IMPORT).await;
    match description.expect("an answer").verdict {
        Verdict::Described(described) => described,
        other => panic!("{other:?}"),
    }
}

/// What `main` made of this value for this parameter, or what it said.
async fn given(sandbox: &mut Sandbox, name: &str, value: &str) -> Result<(String, bool), String> {
    let done = run(sandbox, &format!("{{\"{name}\": {value}}}")).await;
    match &done.result {
        Ok(_) => Ok(serde_json::from_str(&output(&done)).unwrap()),
        Err(failure) => Err(format!("{}\n{:?}", failure.message, failure.traceback)),
    }
}

/// Without the hint that names nothing, which makes Python's own reading of all hints fail.
fn resolved() -> String {
    let unknown = "    unknown: \"NoSuchName\" = NOT_GIVEN,\n";
    assert!(SPELLINGS.contains(unknown));
    SPELLINGS.replace(unknown, "")
}

#[tokio::test]
async fn what_a_schema_takes_is_of_the_hinted_kind_in_every_spelling() {
    let host = host();
    for source in [
        SPELLINGS.to_owned(),
        resolved(),
        format!("from __future__ import annotations\n{SPELLINGS}"),
    ] {
        let schema = Checked::new(described(&host, &source).await.input_schema.as_deref());
        let mut sandbox = sandbox(&host, &source).await;
        let names = schema.names();
        assert!(names.len() > 50, "{names:?}");
        let mut wrong = Vec::new();
        for name in names {
            let (mut taken, mut refused) = (0, 0);
            for value in POOL {
                if !schema.takes(&name, value) {
                    refused += 1;
                    continue;
                }
                taken += 1;
                match given(&mut sandbox, &name, value).await {
                    Ok((_, true)) => {}
                    Ok((made, false)) => wrong.push(format!("{name}: {value} became {made}")),
                    // Rounded to an integer by the double that the schema is checked with.
                    Err(said) if said.contains("1e-400 is no integer") => {}
                    Err(said) => wrong.push(format!("{name}: {value}: {said}")),
                }
            }
            let is_open =
                ["anything", "an_object", "type_variable", "unknown"].contains(&name.as_str());
            if taken == 0 || refused == 0 && !is_open {
                wrong.push(format!(
                    "{name} takes {taken}: {}",
                    schema.0["properties"][&name]
                ));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

/// Over MCP a result that doesn't fit its schema is refused.
#[tokio::test]
async fn what_was_taken_leaves_as_the_schema_of_the_result_says() {
    let host = host();
    let source = resolved().replace("BACK = False", "BACK = True");
    let described = described(&host, &source).await;
    let input = Checked::new(described.input_schema.as_deref());
    let result = Checked::new(described.output_schema.as_deref());
    assert_eq!(input.names(), result.names());
    let mut sandbox = sandbox(&host, &source).await;
    let mut wrong = Vec::new();
    for name in input.names() {
        for value in POOL.iter().filter(|value| input.takes(&name, value)) {
            let done = run(&mut sandbox, &format!("{{\"{name}\": {value}}}")).await;
            let Ok(told) = &done.result else {
                continue;
            };
            let told: Value = serde_json::from_slice(told).expect("JSON");
            if !result.takes(&name, &told[&name].to_string()) {
                wrong.push(format!("{name}: {value} left as {told}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
