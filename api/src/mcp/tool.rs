//! A function as a tool: its name, schemas and how its output is given.
//!
//! Up to 2025-11-25 `outputSchema` and `structuredContent` are objects, since
//! 2026-07-28 any JSON. So the same version is listed in two shapes, and an
//! answer is given in the very shape that was listed.

use common::names::FunctionName;
use serde_json::{Map, Value};

use super::schema::{self, RESULT, Root};

/// Which contract the client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Era {
    /// 2025-11-25 and older: begins with `initialize`.
    Initialize,
    /// 2026-07-28 and newer: every request stands alone.
    Stateless,
}

/// What a version says of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Described<'a> {
    pub(super) name: &'a FunctionName,
    pub(super) description: Option<&'a str>,
    pub(super) input_schema: Option<&'a Value>,
    pub(super) output_schema: Option<&'a Value>,
}

/// One line of `tools/list`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tool {
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) input_schema: Map<String, Value>,
    pub(super) output_schema: Option<Map<String, Value>>,
}

impl Tool {
    pub(super) fn of(version: &Described<'_>, era: Era) -> Self {
        let open = Value::Bool(true);
        let (input_schema, _) = schema::for_input(version.input_schema.unwrap_or(&open));
        Self {
            name: version.name.tool_name(),
            description: version.description.map(str::to_owned),
            input_schema,
            output_schema: version
                .output_schema
                .and_then(|output| listed_output(output, era)),
        }
    }
}

fn listed_output(output: &Value, era: Era) -> Option<Map<String, Value>> {
    match (shape(Some(output), era), output) {
        (Shape::UnderResult, _) => Some(schema::under(RESULT, output)),
        (_, Value::Object(object)) => Some(object.clone()),
        // `true` and `false` are schemas but no objects: nothing worth saying.
        _ => None,
    }
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

/// The shape that the version's output has in this era.
pub(super) fn shape(output_schema: Option<&Value>, era: Era) -> Shape {
    match (era, output_schema) {
        (Era::Stateless, _) => Shape::Plain,
        (Era::Initialize, Some(Value::Object(object))) => {
            match schema::root(&Value::Object(object.clone())) {
                Root::Object => Shape::Plain,
                Root::Open | Root::Other => Shape::UnderResult,
            }
        }
        (Era::Initialize, _) => Shape::ByValue,
    }
}

/// The arguments as the function's input: taken out from under
/// [`schema::INPUT`] where the tool was listed so.
pub(super) fn input_of(arguments: &str, input_schema: Option<&Value>) -> String {
    let wrapped = input_schema.is_some_and(|schema| schema::root(schema) == Root::Other);
    if wrapped
        && let Ok(members) = serde_json::from_str::<
            std::collections::BTreeMap<String, &serde_json::value::RawValue>,
        >(arguments)
        && members.len() == 1
        && let Some(input) = members.get(schema::INPUT)
    {
        return input.get().to_owned();
    }
    arguments.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tool(input: Option<&Value>, output: Option<&Value>, era: Era) -> Tool {
        let name = "mail.send".parse().unwrap();
        let version = Described {
            name: &name,
            description: Some("Sends."),
            input_schema: input,
            output_schema: output,
        };
        Tool::of(&version, era)
    }

    #[test]
    fn a_tool_has_a_name_without_a_dot_and_an_object_for_input() {
        let tool = tool(None, None, Era::Initialize);
        assert_eq!(tool.name, "mail-send");
        assert_eq!(Value::Object(tool.input_schema), json!({"type": "object"}));
        assert_eq!(tool.output_schema, None);
    }

    #[test]
    fn an_output_that_is_no_object_is_under_a_name_for_older_clients_only() {
        let list = json!({"type": "array"});
        let old = tool(None, Some(&list), Era::Initialize)
            .output_schema
            .unwrap();
        assert_eq!(
            Value::Object(old),
            json!({"type": "object", "properties": {"result": list}, "required": ["result"]})
        );
        let new = tool(None, Some(&list), Era::Stateless)
            .output_schema
            .unwrap();
        assert_eq!(Value::Object(new), list);
    }

    #[test]
    fn an_output_is_given_in_the_shape_that_was_listed() {
        let old = |schema: &Value| shape(Some(schema), Era::Initialize);
        assert_eq!(old(&json!({"type": "object"})), Shape::Plain);
        assert_eq!(
            old(&json!({"type": ["object", "null"]})),
            Shape::UnderResult
        );
        assert_eq!(old(&json!({"$ref": "#/$defs/A"})), Shape::UnderResult);
        assert_eq!(old(&json!({"type": "integer"})), Shape::UnderResult);
        assert_eq!(old(&json!(true)), Shape::ByValue);
        assert_eq!(shape(None, Era::Initialize), Shape::ByValue);
        assert_eq!(shape(Some(&json!({})), Era::Stateless), Shape::Plain);
    }

    #[test]
    fn an_input_that_is_no_object_is_taken_out_of_the_arguments() {
        let list = json!({"type": "array"});
        assert_eq!(input_of(r#"{"input": [1, 2]}"#, Some(&list)), "[1, 2]");
        // What doesn't fit is passed on as it is, for the check to name.
        assert_eq!(input_of(r#"{"x": [1]}"#, Some(&list)), r#"{"x": [1]}"#);
        let object = json!({"type": "object"});
        assert_eq!(
            input_of(r#"{"input": 1}"#, Some(&object)),
            r#"{"input": 1}"#
        );
    }
}
