//! Finding a schema's subschemas, and refusing what refers outside it.
//!
//! Only real schema positions are looked at: `"$ref"` in an `enum`, or as the name
//! of a property, is a value like any other.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::SchemaFault;
use crate::json::pointer_token;
use crate::limits;

/// Subschemas in one document.
const SUBSCHEMAS: usize = 5_000;
const PATTERNS: usize = 64;

const DIALECTS: &[&str] = &[
    "https://json-schema.org/draft/2020-12/schema",
    "https://json-schema.org/draft/2019-09/schema",
    "http://json-schema.org/draft-07/schema",
    "http://json-schema.org/draft-06/schema",
    "http://json-schema.org/draft-04/schema",
];

/// Where in the input a subschema applies, seen from its parent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The same value.
    Here,
    /// The member of this name.
    Member(String),
    /// Any member that its keyword chooses.
    Members,
    /// The items of an array.
    Items,
    /// Nowhere: it is only defined.
    Defined,
}

pub(super) struct Sub<'a> {
    pub(super) pointer: String,
    pub(super) schema: &'a Value,
    pub(super) place: Place,
}

/// The direct subschemas of one schema.
pub(super) fn subschemas<'a>(at: &str, schema: &'a Value) -> Vec<Sub<'a>> {
    let mut found = Vec::new();
    let Value::Object(members) = schema else {
        return found;
    };
    for (keyword, value) in members {
        let Some((shape, place)) = applicator(keyword) else {
            continue;
        };
        let here = format!("{at}{}", pointer_token(keyword));
        let mut one = |pointer: String, schema: &'a Value, place: Place| {
            found.push(Sub {
                pointer,
                schema,
                place,
            });
        };
        match (shape, value) {
            (Shape::One | Shape::OneOrList, Value::Object(_) | Value::Bool(_)) => {
                one(here, value, place);
            }
            (Shape::List | Shape::OneOrList, Value::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    one(format!("{here}/{index}"), item, place.clone());
                }
            }
            (Shape::Named, Value::Object(named)) => {
                for (name, schema) in named.iter().filter(|(_, s)| !s.is_array()) {
                    let place = match &place {
                        Place::Member(_) => Place::Member(name.clone()),
                        other => other.clone(),
                    };
                    one(format!("{here}{}", pointer_token(name)), schema, place);
                }
            }
            _ => {}
        }
    }
    found
}

enum Shape {
    One,
    List,
    OneOrList,
    Named,
}

fn applicator(keyword: &str) -> Option<(Shape, Place)> {
    Some(match keyword {
        "allOf" | "anyOf" | "oneOf" => (Shape::List, Place::Here),
        "not" | "if" | "then" | "else" => (Shape::One, Place::Here),
        "dependentSchemas" | "dependencies" => (Shape::Named, Place::Here),
        "properties" => (Shape::Named, Place::Member(String::new())),
        "patternProperties" => (Shape::Named, Place::Members),
        "additionalProperties" | "unevaluatedProperties" | "propertyNames" => {
            (Shape::One, Place::Members)
        }
        "items" => (Shape::OneOrList, Place::Items),
        "prefixItems" => (Shape::List, Place::Items),
        "additionalItems" | "unevaluatedItems" | "contains" => (Shape::One, Place::Items),
        "$defs" | "definitions" => (Shape::Named, Place::Defined),
        _ => return None,
    })
}

/// Refuses a schema that is too much or points outside itself.
pub(super) fn check(schema: &Value) -> Result<(), SchemaFault> {
    if !matches!(schema, Value::Object(_) | Value::Bool(_)) {
        return Err(SchemaFault::new("", "a schema is an object or a boolean"));
    }
    let mut waiting = vec![(String::new(), schema, 0_usize)];
    let (mut seen, mut patterns) = (0, 0);
    while let Some((at, schema, depth)) = waiting.pop() {
        seen += 1;
        if seen > SUBSCHEMAS || depth > limits::JSON_DEPTH {
            return Err(SchemaFault::new(at, "too many schemas in one another"));
        }
        if let Value::Object(members) = schema {
            check_members(&at, members)?;
            patterns += usize::from(members.contains_key("pattern"));
            patterns += members
                .get("patternProperties")
                .and_then(Value::as_object)
                .map_or(0, Map::len);
        }
        if patterns > PATTERNS {
            return Err(SchemaFault::new(at, "more than 64 patterns"));
        }
        let below = subschemas(&at, schema).into_iter();
        waiting.extend(below.map(|sub| (sub.pointer, sub.schema, depth + 1)));
    }
    Ok(())
}

fn check_members(at: &str, members: &Map<String, Value>) -> Result<(), SchemaFault> {
    // The library would look for an unknown one, wherever it stands.
    if let Some(dialect) = members.get("$schema") {
        let known = dialect
            .as_str()
            .is_some_and(|uri| DIALECTS.contains(&uri.trim_end_matches('#')));
        if !known {
            let pointer = format!("{at}/$schema");
            return Err(SchemaFault::new(pointer, "no dialect we know"));
        }
    }
    for keyword in ["$ref", "$dynamicRef", "$recursiveRef"] {
        let Some(target) = members.get(keyword) else {
            continue;
        };
        if !target.as_str().is_some_and(|uri| uri.starts_with('#')) {
            return Err(SchemaFault::new(
                format!("{at}/{keyword}"),
                "a reference stays inside the schema: it begins with #",
            ));
        }
    }
    for keyword in ["$id", "id"] {
        let named = members.get(keyword).and_then(Value::as_str);
        if !at.is_empty() && named.is_some_and(|uri| !uri.starts_with('#')) {
            return Err(SchemaFault::new(
                format!("{at}/{keyword}"),
                "only the whole schema may have an id",
            ));
        }
    }
    Ok(())
}

/// A schema, and the JSON Pointer of its place.
pub(super) type Found<'a> = (String, &'a Value);

/// The schemas references may name: `#`, `#/a/b`, `#anchor`.
pub(super) struct Targets<'a> {
    root: &'a Value,
    anchors: HashMap<&'a str, Found<'a>>,
}

impl<'a> Targets<'a> {
    pub(super) fn of(root: &'a Value) -> Self {
        let mut anchors = HashMap::new();
        let mut waiting = vec![(String::new(), root)];
        while let Some((at, schema)) = waiting.pop() {
            for keyword in ["$anchor", "$dynamicAnchor"] {
                if let Some(name) = schema.get(keyword).and_then(Value::as_str) {
                    anchors.insert(name, (at.clone(), schema));
                }
            }
            for keyword in ["$id", "id"] {
                let fragment = schema.get(keyword).and_then(Value::as_str);
                if let Some(name) = fragment.and_then(|uri| uri.strip_prefix('#')) {
                    anchors.insert(name, (at.clone(), schema));
                }
            }
            let below = subschemas(&at, schema).into_iter();
            waiting.extend(below.map(|sub| (sub.pointer, sub.schema)));
        }
        Self { root, anchors }
    }

    pub(super) fn resolve(&self, reference: &str) -> Option<Found<'a>> {
        let fragment = reference.strip_prefix('#')?;
        if fragment.is_empty() || fragment.starts_with('/') {
            let pointer = percent_decoded(fragment)?;
            let schema = self.root.pointer(&pointer)?;
            return Some((pointer, schema));
        }
        self.anchors.get(fragment).cloned()
    }
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fault(schema: &Value) -> String {
        check(schema).unwrap_err().pointer
    }

    #[test]
    fn a_reference_outside_the_schema_is_refused_where_it_stands() {
        assert_eq!(fault(&json!({"$ref": "http://127.0.0.1:9/x"})), "/$ref");
        assert_eq!(
            fault(&json!({"properties": {"a": {"items": {"$ref": "file:///etc/passwd"}}}})),
            "/properties/a/items/$ref"
        );
        assert_eq!(
            fault(&json!({"$defs": {"a": {"$ref": "b#"}}})),
            "/$defs/a/$ref"
        );
        assert_eq!(fault(&json!({"not": {"$id": "http://x/"}})), "/not/$id");
        assert_eq!(fault(&json!({"$schema": "http://x/"})), "/$schema");
        assert_eq!(
            fault(&json!({"anyOf": [{"$schema": "http://x/"}]})),
            "/anyOf/0/$schema"
        );
        assert_eq!(fault(&json!([])), "");
    }

    #[test]
    fn what_only_looks_like_a_reference_is_none() {
        for schema in [
            json!({"enum": [{"$ref": "http://x/"}]}),
            json!({"const": {"$ref": "http://x/"}}),
            json!({"properties": {"$ref": {"type": "string"}}}),
            json!({"default": {"$ref": "x"}, "$schema": DIALECTS[2]}),
        ] {
            assert_eq!(check(&schema), Ok(()), "{schema}");
        }
    }

    #[test]
    fn a_reference_is_resolved_by_pointer_and_by_anchor() {
        let schema = json!({"$defs": {"a b": {"$anchor": "here"}}});
        let targets = Targets::of(&schema);
        let wanted = Some(("/$defs/a b".to_owned(), &schema["$defs"]["a b"]));
        assert_eq!(targets.resolve("#/$defs/a%20b"), wanted);
        assert_eq!(targets.resolve("#here"), wanted);
        assert_eq!(targets.resolve("#"), Some((String::new(), &schema)));
        assert_eq!(targets.resolve("#/nowhere"), None);
    }
}
