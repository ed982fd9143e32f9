//! What a version promises over MCP: how it is listed, how its input is taken out of
//! a call's arguments, how its output is given.
//!
//! Up to 2025-11-25 `outputSchema` and `structuredContent` are objects, since
//! 2026-07-28 any JSON. So the same version is listed in two shapes, and an
//! answer is given in the very shape that was listed.

use std::borrow::Cow;
use std::collections::HashMap;

use common::accept::schema::{Mismatch, Schema};
use common::json;
use common::names::FunctionName;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::schema::{self, INPUT, RESULT, Root};

/// Which contract the client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Era {
    /// 2025-11-25 and older: begins with `initialize`.
    Initialize,
    /// 2026-07-28 and newer: every request stands alone.
    Stateless,
}

/// One line of `tools/list`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tool {
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) input_schema: Map<String, Value>,
    pub(super) output_schema: Option<Map<String, Value>>,
    /// JSON text: hints a client may show, in MCP's own words.
    pub(super) annotations: Option<String>,
}

/// How an output is given as `structuredContent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// As it is.
    Plain,
    /// As `{"result": …}`.
    UnderResult,
    /// As it is where it is an object, else as `{"result": …}`.
    ByValue,
}

/// A version's schemas, read once.
#[derive(Debug)]
pub(super) struct Contract {
    input: Value,
    output: Option<(Value, Schema)>,
}

impl Contract {
    /// From the stored texts. A schema that can't be used is as good as none: it is
    /// what clients are told, not what guards the function.
    pub(super) fn new(input: Option<&str>, output: Option<&str>) -> Self {
        let read = |text: &str| json::read(text.as_bytes()).ok();
        let output = output.and_then(read).filter(Value::is_object);
        Self {
            input: input.and_then(read).unwrap_or(Value::Bool(true)),
            output: output.and_then(|schema| {
                let check = Schema::compile(&schema).ok()?;
                Some((schema, check))
            }),
        }
    }

    /// The version's line in the list.
    pub(super) fn tool(&self, name: &FunctionName, description: Option<String>, era: Era) -> Tool {
        let (input_schema, _) = schema::for_input(&self.input);
        let output_schema = self
            .output
            .as_ref()
            .and_then(|(output, _)| match self.shape(era) {
                Shape::UnderResult => Some(schema::under(RESULT, output)),
                Shape::Plain | Shape::ByValue => output.as_object().cloned(),
            });
        Tool {
            name: name.tool_name(),
            description,
            input_schema,
            output_schema,
            annotations: None,
        }
    }

    /// The shape that its output has in this era.
    pub(super) fn shape(&self, era: Era) -> Shape {
        match (era, &self.output) {
            (Era::Stateless, _) => Shape::Plain,
            (Era::Initialize, None) => Shape::ByValue,
            (Era::Initialize, Some((output, _))) => match schema::root(output) {
                Root::Object => Shape::Plain,
                Root::Open | Root::Other => Shape::UnderResult,
            },
        }
    }

    /// The function's input: taken out from under [`INPUT`] where it is listed so.
    pub(super) fn input_of<'a>(&self, arguments: &'a str) -> Cow<'a, str> {
        if schema::root(&self.input) == Root::Other
            && let Ok(members) = serde_json::from_str::<HashMap<String, &'a RawValue>>(arguments)
            && members.len() == 1
            && let Some(input) = members.get(INPUT)
        {
            return Cow::Borrowed(input.get());
        }
        Cow::Borrowed(arguments)
    }

    /// The schema of the input itself, for reading texts as what they say.
    pub(super) fn input(&self) -> &Value {
        &self.input
    }

    /// The listed input schema, where some argument is to be repeated in a header.
    pub(super) fn with_headers(&self) -> Option<&Map<String, Value>> {
        self.input
            .as_object()
            .filter(|schema| schema::asks_for_headers(schema))
    }

    /// Whether an output is what the listed schema promises.
    ///
    /// # Errors
    /// Where it isn't, pointing into the output.
    pub(super) fn check(&self, output: &str) -> Result<(), Vec<Mismatch>> {
        let Some((_, check)) = &self.output else {
            return Ok(());
        };
        match json::read(output.as_bytes()) {
            Ok(value) => check.check(&value, output.len()),
            // Ours to answer for, and exact all the same: nothing to compare.
            Err(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn contract(input: Option<Value>, output: Option<Value>) -> Contract {
        let text = |schema: Option<Value>| schema.map(|schema| schema.to_string());
        Contract::new(text(input).as_deref(), text(output).as_deref())
    }

    fn listed(contract: &Contract, era: Era) -> Tool {
        contract.tool(&"mail.send".parse().unwrap(), None, era)
    }

    #[test]
    fn a_tool_has_a_name_without_a_dot_and_an_object_for_input() {
        let tool = listed(&contract(None, None), Era::Initialize);
        assert_eq!(tool.name, "mail-send");
        assert_eq!(Value::Object(tool.input_schema), json!({"type": "object"}));
        assert_eq!(tool.output_schema, None);
    }

    #[test]
    fn an_output_that_is_no_object_is_under_a_name_for_older_clients_only() {
        let list = json!({"type": "array"});
        let contract = contract(None, Some(list.clone()));
        let old = listed(&contract, Era::Initialize).output_schema.unwrap();
        assert_eq!(
            Value::Object(old),
            json!({"type": "object", "properties": {"result": list}, "required": ["result"]})
        );
        let new = listed(&contract, Era::Stateless).output_schema.unwrap();
        assert_eq!(Value::Object(new), list);
    }

    #[test]
    fn an_output_is_given_in_the_shape_that_was_listed() {
        let old = |schema: Value| contract(None, Some(schema)).shape(Era::Initialize);
        assert_eq!(old(json!({"type": "object"})), Shape::Plain);
        assert_eq!(old(json!({"type": ["object", "null"]})), Shape::UnderResult);
        let referring = json!({"$ref": "#/$defs/A", "$defs": {"A": {}}});
        assert_eq!(old(referring), Shape::UnderResult);
        assert_eq!(old(json!({"type": "integer"})), Shape::UnderResult);
        assert_eq!(old(json!(true)), Shape::ByValue);
        assert_eq!(contract(None, None).shape(Era::Initialize), Shape::ByValue);
        let open = contract(None, Some(json!({})));
        assert_eq!(open.shape(Era::Stateless), Shape::Plain);
    }

    #[test]
    fn an_input_that_is_no_object_is_taken_out_of_the_arguments() {
        let list = contract(Some(json!({"type": "array"})), None);
        assert_eq!(list.input_of(r#"{"input": [1, 2]}"#), "[1, 2]");
        // What doesn't fit is passed on as it is, for the check to name.
        assert_eq!(list.input_of(r#"{"x": [1]}"#), r#"{"x": [1]}"#);
        let object = contract(Some(json!({"type": "object"})), None);
        assert_eq!(object.input_of(r#"{"input": 1}"#), r#"{"input": 1}"#);
    }

    #[test]
    fn an_output_is_held_against_the_listed_schema() {
        let list = contract(None, Some(json!({"items": {"type": "integer"}})));
        assert!(list.check("[1, 2]").is_ok());
        assert_eq!(list.check("[1, \"2\"]").unwrap_err()[0].pointer, "/1");
        assert!(contract(None, None).check("[1]").is_ok());
    }
}
