//! `docs/functions.md` tells the truth: every Python sample on it is run.
//!
//! A sample is one or more Python blocks, each a file (`# name.py` on its first line, else
//! `main.py`), and a plain block of calls, one a line: the input, an arrow, what comes of it.

use std::collections::BTreeMap;
use std::time::Duration;

use jail::{Code, Described, Done, Sandbox, Verdict};
use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind;
use serde_json::Value;

use crate::world::{IMPORT, LIMITS, World, host, request};

const PAGE: &str = include_str!("../../../docs/functions.md");
/// Of a sample that never ends by itself.
const TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Default)]
struct Sample {
    /// Where its calls stand.
    line: usize,
    files: BTreeMap<String, String>,
    calls: Vec<String>,
}

/// The page's samples, or what is wrong with it.
fn samples(page: &str) -> Result<Vec<Sample>, String> {
    let (mut samples, mut sample) = (Vec::new(), Sample::default());
    let mut lines = page.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let Some(kind) = line.strip_prefix("```") else {
            continue;
        };
        let inside: Vec<&str> = lines
            .by_ref()
            .map(|(_, line)| line)
            .take_while(|line| *line != "```")
            .collect();
        match kind {
            "python" => {
                let text = inside.join("\n");
                if sample.files.insert(file_of(&text), text).is_some() {
                    return Err(format!("line {at}: the sample before has no calls"));
                }
            }
            "" if sample.files.contains_key("main.py") => {
                sample.line = at + 1;
                sample.calls = inside.into_iter().map(str::to_owned).collect();
                samples.push(std::mem::take(&mut sample));
            }
            _ => return Err(format!("line {at}: a block that is no sample")),
        }
    }
    if sample.files.is_empty() {
        Ok(samples)
    } else {
        Err("the last sample has no calls".to_owned())
    }
}

fn file_of(text: &str) -> String {
    let first = text.lines().next().and_then(|line| line.strip_prefix("# "));
    let named = first.filter(|name| name.ends_with(".py"));
    named.unwrap_or("main.py").to_owned()
}

async fn described(host: &World, code: &Code) -> Described {
    let generic = host.boot().await.expect("a sandbox");
    let description = generic.describe(code, &LIMITS, IMPORT).await;
    match description.expect("an answer").verdict {
        Verdict::Described(described) => described,
        other => panic!("{other:?}"),
    }
}

async fn bound(host: &World, code: &Code) -> Sandbox {
    let generic = host.boot().await.expect("a sandbox");
    let bound = generic.bind(code, &LIMITS, IMPORT).await;
    bound.expect("a binding").sandbox.expect("an import")
}

async fn called(sandbox: &mut Sandbox, input: &str) -> Done {
    let mut request = request(input);
    request.context.function = "forecast";
    request.context.deadline_ms = i64::MAX;
    request.timeout = TIMEOUT;
    sandbox.run(request).await.expect("it runs")
}

/// Where an input is at odds with the schema, as the api would say it.
fn pointers(error: &ValidationError<'_>) -> Vec<String> {
    let at = error.instance_path().as_str();
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => unexpected
            .iter()
            .map(|name| format!("{at}/{name}"))
            .collect(),
        ValidationErrorKind::Required { property } => {
            vec![format!("{at}/{}", property.as_str().unwrap_or_default())]
        }
        _ => vec![at.to_owned()],
    }
}

/// The same words as on the page.
fn told(done: &Done) -> String {
    match &done.result {
        Ok(result) => String::from_utf8_lossy(result).into_owned(),
        Err(failure) => format!("{}: {}", failure.code.as_str(), failure.message),
    }
}

/// A result is what the page says; of a failure, the page has the code and some of the words.
fn fits(told: &str, expected: &str) -> bool {
    match expected.split_once(": ") {
        Some((code, words)) if code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') => {
            told.starts_with(&format!("{code}: ")) && told.contains(words)
        }
        _ => told == expected,
    }
}

async fn check(host: &World, sample: Sample) {
    let code = Code {
        entry: "main.py".to_owned(),
        files: sample.files,
    };
    let schema = described(host, &code).await.input_schema;
    let schema: Value = serde_json::from_str(schema.as_deref().unwrap_or("{}")).expect("JSON");
    let options = jsonschema::options().should_validate_formats(true);
    let validator = options.build(&schema).expect("a good schema");
    let mut sandbox = bound(host, &code).await;
    assert!(!sample.calls.is_empty(), "line {}: no calls", sample.line);
    for (at, call) in sample.calls.iter().enumerate() {
        let place = format!("docs/functions.md:{}", sample.line + at + 1);
        let (input, expected) = call.split_once(" → ").expect(&place);
        let value: Value = serde_json::from_str(input).expect(&place);
        let wrong: Vec<_> = validator
            .iter_errors(&value)
            .flat_map(|error| pointers(&error))
            .collect();
        if let Some(pointer) = expected.strip_prefix("422 at ") {
            assert_eq!(wrong, [pointer], "{place}");
            continue;
        }
        assert!(wrong.is_empty(), "{place}: refused at {wrong:?}");
        let (expected, stdout) = expected.split_once(" · stdout ").unwrap_or((expected, ""));
        if !sandbox.is_reusable() {
            sandbox = bound(host, &code).await;
        }
        let done = called(&mut sandbox, input).await;
        let told = told(&done);
        assert!(fits(&told, expected), "{place}: {told}\n{}", done.stderr);
        if !stdout.is_empty() {
            let stdout: String = serde_json::from_str(stdout).expect(&place);
            assert_eq!(done.stdout, stdout, "{place}");
        }
    }
}

#[tokio::test]
async fn every_sample_does_what_the_page_says() {
    let host = host();
    let samples = samples(PAGE).expect("a page of samples");
    assert!(samples.len() >= 12, "{}", samples.len());
    for sample in samples {
        check(&host, sample).await;
    }
}

#[test]
fn a_sample_without_calls_is_no_page() {
    let sample = "```python\nresult = 1\n```\n";
    let calls = "```\nnull → 1\n```\n";
    for bad in [
        sample.to_owned(),
        format!("{sample}{sample}{calls}"),
        calls.to_owned(),
        format!("{sample}{calls}{calls}"),
        format!("{sample}```sh\n```\n{calls}"),
        format!("```python\n# other.py\n```\n{calls}"),
    ] {
        assert!(samples(&bad).is_err(), "{bad}");
    }
    assert_eq!(
        samples(&format!("{sample}\n\n{calls}")).map(|s| s.len()),
        Ok(1)
    );
}
