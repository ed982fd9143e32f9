//! Inferred schemas without references.
//!
//! Real clients drop `$ref`s or refuse them, and models read what stands in place
//! best. So in schemas that we inferred ourselves each reference to a definition is
//! replaced by the definition, unless that contains itself. A schema that would grow
//! too large stays as it is, and what a person wrote is never touched.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

/// What our own references begin with; the names after it are Python's, without
/// anything to escape.
const DEFINITIONS: &str = "#/$defs/";
/// A schema that would grow beyond this keeps its references.
const NODES: usize = 4_096;

/// The schema with its finite definitions in place.
pub(super) fn inlined(schema: &Value) -> Value {
    let mut inliner = Inliner {
        root: schema,
        endless: endless(schema),
        referred: false,
        nodes: 0,
    };
    let Some(Value::Object(mut whole)) = inliner.schema(schema) else {
        return schema.clone();
    };
    if !inliner.referred {
        whole.remove("$defs");
    }
    Value::Object(whole)
}

/// The names of definitions that contain themselves, be it through others.
fn endless(schema: &Value) -> HashSet<&str> {
    let Some(Value::Object(definitions)) = schema.get("$defs") else {
        return HashSet::new();
    };
    let mut direct: HashMap<&str, HashSet<&str>> = HashMap::new();
    for (name, definition) in definitions {
        let mut targets = HashSet::new();
        collect(definition, &mut targets);
        direct.insert(name, targets);
    }
    let contains_itself = |name: &&str| {
        let mut seen = HashSet::new();
        let mut next = vec![*name];
        while let Some(at) = next.pop() {
            for target in direct.get(at).into_iter().flatten() {
                if target == name {
                    return true;
                }
                if seen.insert(*target) {
                    next.push(target);
                }
            }
        }
        false
    };
    let names: Vec<&str> = direct.keys().copied().collect();
    names.into_iter().filter(contains_itself).collect()
}

/// Every name a schema refers to; a value that looks like a reference does no harm.
fn collect<'s>(schema: &'s Value, into: &mut HashSet<&'s str>) {
    match schema {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(target) if name == "$ref" => {
                        into.extend(target.strip_prefix(DEFINITIONS));
                    }
                    _ => collect(member, into),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
        _ => {}
    }
}

struct Inliner<'s> {
    root: &'s Value,
    endless: HashSet<&'s str>,
    /// Some reference was left where it stood.
    referred: bool,
    nodes: usize,
}

impl<'s> Inliner<'s> {
    /// `None` where it is too large or refers to something odd.
    fn schema(&mut self, schema: &'s Value) -> Option<Value> {
        self.nodes += 1;
        if self.nodes > NODES {
            return None;
        }
        match schema {
            Value::Object(members) => self.object(members),
            Value::Array(items) => {
                let items: Option<Vec<_>> = items.iter().map(|item| self.schema(item)).collect();
                items.map(Value::Array)
            }
            plain => Some(plain.clone()),
        }
    }

    fn object(&mut self, members: &'s Map<String, Value>) -> Option<Value> {
        let mut whole = match members.get("$ref") {
            Some(target) => self.target(target.as_str()?)?,
            None => Map::new(),
        };
        for (name, member) in members {
            let member = match name.as_str() {
                "$ref" => continue,
                // Dropped at the root; elsewhere we make none.
                "$defs" => member.clone(),
                // Values, not schemas.
                "const" | "enum" | "default" | "examples" => member.clone(),
                "properties" | "patternProperties" => self.named(member)?,
                _ => self.schema(member)?,
            };
            whole.insert(name.clone(), member);
        }
        Some(Value::Object(whole))
    }

    /// Names are keys here, whatever they say.
    fn named(&mut self, members: &'s Value) -> Option<Value> {
        let members = members.as_object()?;
        let named: Option<Map<_, _>> = members
            .iter()
            .map(|(name, member)| Some((name.clone(), self.schema(member)?)))
            .collect();
        named.map(Value::Object)
    }

    fn target(&mut self, target: &'s str) -> Option<Map<String, Value>> {
        let name = target.strip_prefix(DEFINITIONS)?;
        if self.endless.contains(name) {
            self.referred = true;
            return Some(Map::from_iter([("$ref".to_owned(), target.into())]));
        }
        let definition = self.root.get("$defs")?.get(name)?;
        match self.schema(definition)? {
            Value::Object(members) => Some(members),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_definition_stands_in_the_property_itself() {
        let schema = json!({
            "type": "object",
            "properties": {
                "color": {"$ref": "#/$defs/Color", "default": "red"},
                "$ref": {"type": "array", "items": {"$ref": "#/$defs/Pair"}},
            },
            "$defs": {
                "Color": {"enum": ["red", "blue"], "title": "Color"},
                "Pair": {"properties": {"a": {"$ref": "#/$defs/Color"}}},
            },
        });
        assert_eq!(
            inlined(&schema),
            json!({
                "type": "object",
                "properties": {
                    "color": {"enum": ["red", "blue"], "title": "Color", "default": "red"},
                    "$ref": {"type": "array", "items": {"properties": {
                        "a": {"enum": ["red", "blue"], "title": "Color"}}}},
                },
            })
        );
    }

    #[test]
    fn what_contains_itself_keeps_its_references_and_nothing_else_does() {
        let tree = json!({
            "properties": {"t": {"$ref": "#/$defs/T"}, "c": {"$ref": "#/$defs/C"}},
            "$defs": {
                "T": {"properties": {"more": {"items": {"$ref": "#/$defs/U"}}}},
                "U": {"anyOf": [{"$ref": "#/$defs/T"}, {"type": "null"}]},
                "C": {"enum": [1]},
            },
        });
        let mut listed = tree.clone();
        listed["properties"]["c"] = json!({"enum": [1]});
        assert_eq!(inlined(&tree), listed);
    }

    #[test]
    fn a_schema_that_would_grow_too_large_stays_as_it_is() {
        let mut defs = Map::new();
        for level in 0..20 {
            let next = json!({"$ref": format!("#/$defs/D{}", level + 1)});
            defs.insert(format!("D{level}"), json!({"anyOf": [next.clone(), next]}));
        }
        defs.insert("D20".to_owned(), json!({"type": "null"}));
        let wide = json!({"properties": {"x": {"$ref": "#/$defs/D0"}}, "$defs": defs});
        assert_eq!(inlined(&wide), wide);
        let odd = json!({"properties": {"x": {"$ref": "#anchor"}}});
        assert_eq!(inlined(&odd), odd);
    }
}
