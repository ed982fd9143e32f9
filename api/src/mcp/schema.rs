//! Schemas as MCP wants them: an object at the root.
//!
//! A schema that a person wrote is passed on unchanged where it fits. Where it
//! doesn't (the input is a list, the output a number), it is put into an object under
//! one name, and its own references are moved along, so that each still resolves
//! inside the document.

use serde_json::{Map, Value, json};

/// The member under which an input that is no object is given.
pub(super) const INPUT: &str = "input";
/// The member under which an output that is no object is found.
pub(super) const RESULT: &str = "result";

/// What the root of a schema says about objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Root {
    /// Nothing but objects.
    Object,
    /// Objects and perhaps more.
    Open,
    /// No objects at all.
    Other,
}

/// Reads the root; references are not followed, what they say is `Open`.
pub(super) fn root(schema: &Value) -> Root {
    match schema.get("type") {
        Some(Value::String(word)) if word == "object" => Root::Object,
        Some(Value::String(_)) => Root::Other,
        Some(Value::Array(words)) if words.iter().any(|word| word == "object") => {
            if words.len() == 1 {
                Root::Object
            } else {
                Root::Open
            }
        }
        Some(Value::Array(_)) => Root::Other,
        _ => Root::Open,
    }
}

/// A tool's `inputSchema`, and whether the input stands under [`INPUT`] in it.
pub(super) fn for_input(schema: &Value) -> (Map<String, Value>, bool) {
    let object = match schema {
        Value::Object(object) => object.clone(),
        Value::Bool(false) => Map::from_iter([("not".to_owned(), json!({}))]),
        _ => Map::new(),
    };
    match root(schema) {
        Root::Object => (object, false),
        Root::Open => {
            // First, as people write it.
            let mut listed = Map::new();
            listed.insert("type".to_owned(), "object".into());
            listed.extend(object.into_iter().filter(|(name, _)| name != "type"));
            (listed, false)
        }
        Root::Other => (under(INPUT, schema), true),
    }
}

/// An object with the schema under one required name.
pub(super) fn under(name: &str, schema: &Value) -> Map<String, Value> {
    let mut inner = schema.clone();
    let dialect = inner
        .as_object_mut()
        .and_then(|object| object.remove("$schema"));
    // With an `$id` its references start at itself, wherever it stands.
    if inner.get("$id").is_none() {
        move_references(&mut inner, &format!("#/properties/{name}"));
    }
    let mut object = Map::new();
    if let Some(dialect) = dialect {
        object.insert("$schema".to_owned(), dialect);
    }
    object.insert("type".to_owned(), "object".into());
    object.insert("properties".to_owned(), json!({ name: inner }));
    object.insert("required".to_owned(), json!([name]));
    object
}

fn move_references(schema: &mut Value, to: &str) {
    match schema {
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                match (name.as_str(), &mut *member) {
                    ("$ref" | "$dynamicRef", Value::String(target)) => {
                        // A pointer moves, an anchor is found wherever it stands.
                        if let Some(pointer) = target.strip_prefix('#')
                            && (pointer.is_empty() || pointer.starts_with('/'))
                        {
                            *target = format!("{to}{pointer}");
                        }
                    }
                    // These hold values, not schemas.
                    ("const" | "enum" | "default" | "examples", _) => {}
                    // Here names are keys, whatever they say.
                    (
                        "properties" | "patternProperties" | "$defs" | "definitions"
                        | "dependentSchemas",
                        Value::Object(named),
                    ) => {
                        named
                            .values_mut()
                            .for_each(|each| move_references(each, to));
                    }
                    _ => move_references(member, to),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| move_references(item, to)),
        _ => {}
    }
}

/// The arguments that must be compared with `Mcp-Param-*` headers, as a JSON object:
/// those whose schema says `x-mcp-header`.
pub(super) fn compared(schema: &Map<String, Value>, arguments: &Value) -> Option<Value> {
    let properties = schema.get("properties")?.as_object()?;
    let mut picked = Map::new();
    for (name, property) in properties {
        if property.get("x-mcp-header").is_some() {
            if let Some(value) = arguments.get(name) {
                picked.insert(name.clone(), value.clone());
            }
            continue;
        }
        let inner = property.as_object().zip(arguments.get(name));
        if let Some(below) = inner.and_then(|(property, value)| compared(property, value)) {
            picked.insert(name.clone(), below);
        }
    }
    (!picked.is_empty()).then_some(Value::Object(picked))
}

/// Whether any property asks for a header.
pub(super) fn asks_for_headers(schema: &Map<String, Value>) -> bool {
    let Some(Value::Object(properties)) = schema.get("properties") else {
        return false;
    };
    properties.values().any(|property| {
        property.get("x-mcp-header").is_some() || property.as_object().is_some_and(asks_for_headers)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_of_an_object_is_passed_on_unchanged() {
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "$defs": {"address": {"$anchor": "addressDef", "type": "object"}},
            "properties": {"a": {"$ref": "#/$defs/address"}},
            "allOf": [{"if": {}, "then": {}, "else": {}}],
            "additionalProperties": false,
        });
        let (listed, wrapped) = for_input(&schema);
        assert_eq!(Value::Object(listed), schema);
        assert!(!wrapped);
    }

    #[test]
    fn an_open_schema_says_that_it_is_an_object() {
        for (open, listed) in [
            (json!({}), json!({"type": "object"})),
            (json!(true), json!({"type": "object"})),
            (json!(false), json!({"type": "object", "not": {}})),
            (
                json!({"type": ["object", "null"], "minProperties": 1}),
                json!({"type": "object", "minProperties": 1}),
            ),
            (
                json!({"$ref": "#/$defs/A", "$defs": {"A": {}}}),
                json!({"type": "object", "$ref": "#/$defs/A", "$defs": {"A": {}}}),
            ),
        ] {
            assert_eq!(
                for_input(&open),
                (listed.as_object().unwrap().clone(), false)
            );
        }
    }

    #[test]
    fn what_is_no_object_moves_under_a_name_with_its_references() {
        let tree = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "array",
            "items": {"anyOf": [{"$ref": "#"}, {"$ref": "#/$defs/leaf"}, {"$ref": "#leaf"}]},
            "$defs": {"leaf": {"$anchor": "leaf", "const": {"$ref": "#/kept"}}},
        });
        let (listed, wrapped) = for_input(&tree);
        assert!(wrapped);
        assert_eq!(
            Value::Object(listed),
            json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "type": "object",
                "properties": {"input": {
                    "type": "array",
                    "items": {"anyOf": [
                        {"$ref": "#/properties/input"},
                        {"$ref": "#/properties/input/$defs/leaf"},
                        {"$ref": "#leaf"},
                    ]},
                    "$defs": {"leaf": {"$anchor": "leaf", "const": {"$ref": "#/kept"}}},
                }},
                "required": ["input"],
            })
        );
    }

    #[test]
    fn a_property_named_like_a_keyword_is_a_property() {
        let schema = json!({"type": "array", "items": {
            "properties": {"default": {"$ref": "#/$defs/A"}, "$ref": {"type": "string"}}}});
        let listed = under(RESULT, &schema);
        let property = Value::Object(listed)
            .pointer("/properties/result/items/properties/default/$ref")
            .cloned();
        assert_eq!(property, Some(json!("#/properties/result/$defs/A")));
    }

    #[test]
    fn only_arguments_with_a_header_are_compared() {
        let schema = json!({"type": "object", "properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "deep": {"type": "object", "properties": {"id": {"x-mcp-header": "Id"}}},
            "other": {"type": "string"},
        }});
        let schema = schema.as_object().unwrap();
        assert!(asks_for_headers(schema));
        let arguments = json!({"region": "eu", "deep": {"id": 1, "x": 2}, "other": "o"});
        assert_eq!(
            compared(schema, &arguments),
            Some(json!({"region": "eu", "deep": {"id": 1}}))
        );
        assert_eq!(compared(schema, &json!({"other": "o"})), None);
        assert!(!asks_for_headers(
            json!({"type": "object"}).as_object().unwrap()
        ));
    }
}
