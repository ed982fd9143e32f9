//! What a `tools/call` answers: structured content, a copy of it as text for the
//! model, and where to look the execution up.
//!
//! What the model can mend (its input, a failing function, a full queue) is a tool
//! error with the code in its first words; JSON-RPC errors are for the rest, since
//! clients show those to nobody.

use std::fmt::Write as _;

use common::execution::Failure;
use common::ids::ExecutionId;
use serde_json::{Map, Value, json};

use super::envelope::text_of;
use super::tool::Shape;

/// `_meta` of every answer that an execution stands behind.
const EXECUTION_ID: &str = "patchbay/execution_id";
/// `_meta` of every tool error: `{code, …}`, as REST gives it.
const ERROR: &str = "patchbay/error";

/// The result of a call.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) text: String,
    /// JSON text, passed on to the last digit.
    pub(super) structured: Option<String>,
    pub(super) is_error: bool,
    pub(super) meta: Map<String, Value>,
}

impl Answer {
    /// The output of an execution that succeeded. A text is given to the model as
    /// it is, anything else as its JSON.
    pub(super) fn succeeded(output: &str, shape: Shape, id: ExecutionId) -> Self {
        let text = text_of(output).map_or_else(|| output.to_owned(), std::borrow::Cow::into_owned);
        let plain = match shape {
            Shape::Plain => true,
            Shape::UnderResult => false,
            Shape::ByValue => output.starts_with('{'),
        };
        let structured = if plain {
            output.to_owned()
        } else {
            format!("{{\"{}\":{output}}}", super::schema::RESULT)
        };
        Self {
            text,
            structured: Some(structured),
            is_error: false,
            meta: meta(Some(id), None),
        }
    }

    /// An execution whose code failed.
    pub(super) fn failed(failure: &Failure, id: ExecutionId) -> Self {
        let mut text = format!("{}: ", failure.code);
        if let Some(kind) = &failure.kind {
            let _ = write!(text, "{kind}: ");
        }
        text.push_str(&failure.message);
        if let Some(pointer) = &failure.pointer {
            let _ = write!(text, " (at {pointer:?})");
        }
        if let Some(status) = failure.exit_code {
            let _ = write!(text, " (exit status {status})");
        }
        if let Some(traceback) = &failure.traceback {
            text.push('\n');
            text.push_str(traceback.trim_end());
        }
        let _ = write!(text, "\nexecution: {id}");
        Self::error(text, Some(id), serde_json::to_value(failure).ok())
    }

    /// A call that was refused before anything ran, or whose outcome is unknown.
    pub(super) fn refused(refusal: &Refused<'_>) -> Self {
        let mut text = format!("{}: {}", refusal.code, refusal.detail);
        for (pointer, detail) in &refusal.fields {
            let field = if pointer.is_empty() {
                "the arguments"
            } else {
                pointer
            };
            let _ = write!(text, "\n{field}: {detail}");
        }
        if let Some(id) = refusal.execution {
            let _ = write!(text, "\nexecution: {id}");
        }
        let mut error = json!({"code": refusal.code, "message": refusal.detail});
        if let (false, Some(members)) = (refusal.fields.is_empty(), error.as_object_mut()) {
            let fields = refusal
                .fields
                .iter()
                .map(|(pointer, detail)| json!({"pointer": pointer, "detail": detail}))
                .collect();
            members.insert("errors".to_owned(), Value::Array(fields));
        }
        Self::error(text, refusal.execution, Some(error))
    }

    fn error(text: String, id: Option<ExecutionId>, error: Option<Value>) -> Self {
        // No structured content: some clients hold it against `outputSchema` even here.
        Self {
            text,
            structured: None,
            is_error: true,
            meta: meta(id, error),
        }
    }
}

/// A refusal as a tool error.
#[derive(Clone, Debug)]
pub(super) struct Refused<'a> {
    pub(super) code: &'a str,
    pub(super) detail: String,
    /// JSON Pointers into the input, each with what is wrong there.
    pub(super) fields: Vec<(String, String)>,
    pub(super) execution: Option<ExecutionId>,
}

fn meta(id: Option<ExecutionId>, error: Option<Value>) -> Map<String, Value> {
    let mut meta = Map::new();
    if let Some(id) = id {
        meta.insert(EXECUTION_ID.to_owned(), id.to_string().into());
    }
    if let Some(error) = error {
        meta.insert(ERROR.to_owned(), error);
    }
    meta
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::execution::ErrorCode;

    fn id() -> ExecutionId {
        "ex_019ca6b1dc007bb5bf79f528e561723d".parse().unwrap()
    }

    #[test]
    fn an_output_is_given_twice_and_exactly() {
        for (output, shape, text, structured) in [
            ("[1]", Shape::Plain, "[1]", "[1]"),
            ("[1]", Shape::ByValue, "[1]", r#"{"result":[1]}"#),
            (r#"{"a":1}"#, Shape::ByValue, r#"{"a":1}"#, r#"{"a":1}"#),
            (
                r#"{"a":1}"#,
                Shape::UnderResult,
                r#"{"a":1}"#,
                r#"{"result":{"a":1}}"#,
            ),
            ("null", Shape::Plain, "null", "null"),
            (
                "9223372036854775809123",
                Shape::Plain,
                "9223372036854775809123",
                "9223372036854775809123",
            ),
            (r#""a\n\u00e9""#, Shape::Plain, "a\né", r#""a\n\u00e9""#),
        ] {
            let answer = Answer::succeeded(output, shape, id());
            assert_eq!(answer.text, text);
            assert_eq!(answer.structured.as_deref(), Some(structured));
            assert!(!answer.is_error);
            assert_eq!(answer.meta[EXECUTION_ID], id().to_string());
        }
    }

    #[test]
    fn a_failure_says_its_code_and_its_execution() {
        let failure = Failure {
            kind: Some("ValueError".to_owned()),
            traceback: Some("  File \"main.py\", line 3\n".to_owned()),
            ..Failure::new(ErrorCode::Exception, "no such city")
        };
        let answer = Answer::failed(&failure, id());
        assert!(answer.is_error);
        assert_eq!(answer.structured, None);
        assert_eq!(
            answer.text,
            format!(
                "exception: ValueError: no such city\n  File \"main.py\", line 3\nexecution: {}",
                id()
            )
        );
        assert_eq!(answer.meta[ERROR]["code"], "exception");
        assert_eq!(answer.meta[EXECUTION_ID], id().to_string());
    }

    #[test]
    fn a_refusal_names_each_field() {
        let answer = Answer::refused(&Refused {
            code: "invalid",
            detail: "the input does not fit".to_owned(),
            fields: vec![
                ("/xs".to_owned(), "this is no list".to_owned()),
                (String::new(), "too large".to_owned()),
            ],
            execution: None,
        });
        assert!(answer.is_error);
        assert_eq!(
            answer.text,
            "invalid: the input does not fit\n/xs: this is no list\nthe arguments: too large"
        );
        assert_eq!(answer.meta[ERROR]["errors"][0]["pointer"], "/xs");
        assert!(!answer.meta.contains_key(EXECUTION_ID));
    }
}
