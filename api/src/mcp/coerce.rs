//! Arguments that a model wrote as texts: `"5"` for a number, `"[1, 2]"` for a list.
//!
//! Tried only when the schema has refused the input. A text becomes what it says
//! where the schema wants no text there and the text is JSON of a type it wants;
//! anything else stays, so that the error names the field. `"false"` is `false` or
//! refused, never true. Works on raw text: no digit is lost on the way.
//!
//! Deliberately not done: guessing (`"yes"`, `"5 apples"`), and choosing between the
//! members of a union that admits text.

use std::borrow::Cow;
use std::cell::Cell;

use common::json;
use serde::Deserializer as _;
use serde::de::{MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::envelope::text_of;
use super::types::Types;

/// References followed one after another, and levels of input walked.
const STEPS: usize = 32;
/// Looks at parts of the schema, in all: alternatives that refer to themselves would
/// multiply.
const LOOKS: usize = 100_000;

/// The input with such texts read, or `None` where there is none.
pub(super) fn coerce(input: &str, schema: &Value) -> Option<String> {
    let walk = Walk {
        root: schema,
        looks: Cell::new(LOOKS),
    };
    match walk.value(input, schema, STEPS) {
        Cow::Owned(changed) => Some(changed),
        Cow::Borrowed(_) => None,
    }
}

struct Walk<'s> {
    root: &'s Value,
    /// Left; where none are, every type is taken to be wanted.
    looks: Cell<usize>,
}

impl Walk<'_> {
    fn value<'i>(&self, raw: &'i str, schema: &Value, steps: usize) -> Cow<'i, str> {
        if steps == 0 {
            return Cow::Borrowed(raw);
        }
        let raw = raw.trim_ascii();
        match raw.as_bytes().first() {
            Some(b'"') => self.text(raw, schema, steps),
            Some(b'{') => self.object(raw, schema, steps),
            Some(b'[') => self.array(raw, schema, steps),
            _ => Cow::Borrowed(raw),
        }
    }

    fn text<'i>(&self, raw: &'i str, schema: &Value, steps: usize) -> Cow<'i, str> {
        let wanted = self.types(schema, STEPS);
        if wanted.has(Types::STRING) {
            return Cow::Borrowed(raw);
        }
        let Some(said) = text_of(raw) else {
            return Cow::Borrowed(raw);
        };
        let Ok(value) = json::read(said.as_bytes()) else {
            return Cow::Borrowed(raw);
        };
        // A text within a text is no number: one step, no digging.
        if value.is_string() || !wanted.admit(&value) {
            return Cow::Borrowed(raw);
        }
        let said = json_text(&said).to_owned();
        Cow::Owned(self.value(&said, schema, steps - 1).into_owned())
    }

    fn object<'i>(&self, raw: &'i str, schema: &Value, steps: usize) -> Cow<'i, str> {
        let Some(schema) = self.resolved(schema) else {
            return Cow::Borrowed(raw);
        };
        let properties = schema.get("properties");
        let others = schema.get("additionalProperties");
        let Some(members) = members(raw) else {
            return Cow::Borrowed(raw);
        };
        let mut changed = false;
        let mut out = String::from("{");
        for (name, value) in &members {
            let schema = properties.and_then(|all| all.get(name)).or(others);
            let read = match schema {
                Some(schema) => self.value(value.get(), schema, steps - 1),
                None => Cow::Borrowed(value.get()),
            };
            changed |= matches!(read, Cow::Owned(_));
            if out.len() > 1 {
                out.push(',');
            }
            out.push_str(&super::envelope::quoted(name));
            out.push(':');
            out.push_str(&read);
        }
        out.push('}');
        if changed {
            Cow::Owned(out)
        } else {
            Cow::Borrowed(raw)
        }
    }

    fn array<'i>(&self, raw: &'i str, schema: &Value, steps: usize) -> Cow<'i, str> {
        let items = self.resolved(schema).and_then(|schema| schema.get("items"));
        let (Some(items), Ok(values)) = (items, serde_json::from_str::<Vec<&RawValue>>(raw)) else {
            return Cow::Borrowed(raw);
        };
        let read: Vec<_> = values
            .iter()
            .map(|value| self.value(value.get(), items, steps - 1))
            .collect();
        if read.iter().any(|item| matches!(item, Cow::Owned(_))) {
            Cow::Owned(format!("[{}]", read.join(",")))
        } else {
            Cow::Borrowed(raw)
        }
    }

    /// The schema behind its references, and behind `anyOf` where one of two is null.
    fn resolved<'t>(&'t self, schema: &'t Value) -> Option<&'t Value> {
        let mut schema = schema;
        for _ in 0..STEPS {
            if let Some(target) = self.target(schema) {
                schema = target;
            } else if let Some(only) = not_null(schema) {
                schema = only;
            } else {
                return Some(schema);
            }
        }
        None
    }

    fn target(&self, schema: &Value) -> Option<&Value> {
        let pointer = schema.get("$ref")?.as_str()?.strip_prefix('#')?;
        self.root.pointer(pointer)
    }

    /// The types a schema admits, as far as it says so.
    fn types(&self, schema: &Value, steps: usize) -> Types {
        let looks = self.looks.get();
        if steps == 0 || looks == 0 {
            return Types::ANY;
        }
        self.looks.set(looks - 1);
        let mut types = Types::ANY;
        if let Some(target) = self.target(schema) {
            types = types.and(self.types(target, steps - 1));
        }
        match schema.get("type") {
            Some(Value::String(word)) => types = types.and(Types::named(word)),
            Some(Value::Array(words)) => {
                let words = words.iter().filter_map(Value::as_str);
                types = types.and(words.map(Types::named).fold(Types::NONE, Types::or));
            }
            _ => {}
        }
        for word in ["anyOf", "oneOf"] {
            if let Some(Value::Array(some)) = schema.get(word) {
                let each = some.iter().map(|one| self.types(one, steps - 1));
                types = types.and(each.fold(Types::NONE, Types::or));
            }
        }
        if let Some(Value::Array(all)) = schema.get("allOf") {
            for one in all {
                types = types.and(self.types(one, steps - 1));
            }
        }
        if let Some(Value::Array(values)) = schema.get("enum") {
            let each = values.iter().map(Types::of);
            types = types.and(each.fold(Types::NONE, Types::or));
        }
        if let Some(value) = schema.get("const") {
            types = types.and(Types::of(value));
        }
        types
    }
}

/// Of `anyOf: [X, null]` the X.
fn not_null(schema: &Value) -> Option<&Value> {
    let choices = schema.get("anyOf").or_else(|| schema.get("oneOf"))?;
    let is_null = |choice: &&Value| choice.get("type").and_then(Value::as_str) == Some("null");
    match choices.as_array()?.as_slice() {
        [one, null] if is_null(&null) => Some(one),
        [null, one] if is_null(&null) => Some(one),
        _ => None,
    }
}

/// The members of an object in their order, or `None` where a name stands twice.
fn members(raw: &str) -> Option<Vec<(String, &RawValue)>> {
    struct Members;
    impl<'de> Visitor<'de> for Members {
        type Value = Vec<(String, &'de RawValue)>;

        fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            out.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut all = Vec::new();
            while let Some(member) = map.next_entry()? {
                all.push(member);
            }
            Ok(all)
        }
    }
    serde_json::Deserializer::from_str(raw)
        .deserialize_map(Members)
        .ok()
}

/// Without the white space JSON allows around a document.
fn json_text(text: &str) -> &str {
    text.trim_start_matches('\u{feff}')
        .trim_matches([' ', '\t', '\n', '\r'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn field(kind: &Value, input: &str) -> Option<String> {
        let schema = json!({"type": "object", "properties": {"x": kind}});
        coerce(input, &schema)
    }

    #[test]
    fn a_text_becomes_what_it_says_where_no_text_is_wanted() {
        for (kind, said, read) in [
            (
                json!({"type": "array", "items": {"type": "integer"}}),
                "[1, 2]",
                "[1, 2]",
            ),
            (json!({"type": "integer"}), "5", "5"),
            (
                json!({"type": "integer"}),
                "12345678901234567890123",
                "12345678901234567890123",
            ),
            (json!({"type": "integer"}), " 5.0\\n", "5.0"),
            (json!({"type": "number"}), "5", "5"),
            (json!({"type": "boolean"}), "false", "false"),
            (json!({"type": ["boolean", "null"]}), "null", "null"),
            (
                json!({"type": "object"}),
                "{\\\"a\\\": \\\"1\\\"}",
                "{\"a\": \"1\"}",
            ),
            (
                json!({"anyOf": [{"type": "integer"}, {"type": "null"}]}),
                "7",
                "7",
            ),
            (json!({"enum": [1, 2]}), "2", "2"),
            (json!({"const": true}), "true", "true"),
            (
                json!({"allOf": [{"type": ["integer", "string"]}, {"type": "integer"}]}),
                "7",
                "7",
            ),
        ] {
            let input = format!("{{\"x\": \"{said}\"}}");
            let wanted = format!("{{\"x\":{read}}}");
            assert_eq!(field(&kind, &input), Some(wanted), "{kind} {said}");
        }
    }

    #[test]
    fn a_text_stays_where_it_says_nothing_of_the_kind() {
        for (kind, said) in [
            (json!({"type": "string"}), "5"),
            (json!({"type": ["string", "integer"]}), "5"),
            (json!({}), "5"),
            (json!(true), "5"),
            (json!({"enum": ["5", 5]}), "5"),
            (json!({"type": "boolean"}), "False"),
            (json!({"type": "boolean"}), "0"),
            (json!({"type": "boolean"}), "\\\"true\\\""),
            (json!({"type": "integer"}), "5.5"),
            (json!({"type": "integer"}), "5 apples"),
            (json!({"type": "integer"}), ""),
            (json!({"type": "integer"}), "NaN"),
            (json!({"type": "array"}), "{}"),
        ] {
            let input = format!("{{\"x\": \"{said}\"}}");
            assert_eq!(field(&kind, &input), None, "{kind} {said}");
        }
    }

    #[test]
    fn what_is_nested_or_referred_to_is_read_too() {
        let schema = json!({
            "$defs": {"P": {"type": "object", "properties": {"n": {"type": "integer"}}}},
            "properties": {
                "ps": {"type": "array", "items": {"$ref": "#/$defs/P"}},
                "p": {"anyOf": [{"$ref": "#/$defs/P"}, {"type": "null"}]},
            },
            "additionalProperties": {"type": "boolean"},
        });
        assert_eq!(
            coerce(
                r#"{"ps": [{"n": "1"}, "{\"n\": \"2\"}"], "p": {"n": "3"}, "more": "true"}"#,
                &schema
            ),
            Some(r#"{"ps":[{"n":1},{"n":2}],"p":{"n":3},"more":true}"#.to_owned())
        );
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let schema = json!({"$defs": {"A": {"$ref": "#/$defs/A"}},
                            "properties": {"x": {"$ref": "#/$defs/A"}}});
        assert_eq!(coerce(r#"{"x": "5"}"#, &schema), None);
        assert_eq!(coerce(r#"{"x": {"y": "5"}}"#, &schema), None);
        let again = json!({"$ref": "#/$defs/A"});
        let doubling = json!({"$defs": {"A": {"anyOf": [again.clone(), again.clone()]}},
                              "properties": {"x": again}});
        assert_eq!(coerce(r#"{"x": "5"}"#, &doubling), None);
    }
}
