//! How much checking an input may cost, counted when the schema is published.
//!
//! The schema is unfolded along its references until one comes back to a schema
//! that is being unfolded. Two numbers come of it. *Alternatives*: how many
//! schemas may look at one value of the input. *Branching*: how often one value
//! may be met again by way of recursion, per turn of it; a tree whose children are
//! visited once each has 1. A check then takes at most about
//! `values × alternatives × branching ^ depth` steps.

use serde_json::Value;

use super::SchemaFault;
use super::walk::{Found, Place, Sub, Targets, subschemas};

/// Steps of unfolding; a schema that needs more is refused.
const UNFOLDED: usize = 10_000;
/// Steps a check may take: about a second of one core.
const STEPS: f64 = 3e7;
/// Items of an `enum` compared in about the time of one step.
const ENUM_SHARE: usize = 16;

/// What [`of`] counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cost {
    alternatives: u64,
    branching: u64,
}

impl Cost {
    pub(super) fn alternatives(self) -> u64 {
        self.alternatives
    }

    /// Whether an input of so many bytes can be checked in time.
    #[expect(
        clippy::cast_precision_loss,
        reason = "an estimate: the order of magnitude counts"
    )]
    pub(super) fn allows(self, input: &Value, bytes: usize) -> bool {
        let alternatives = self.alternatives as f64;
        // No input has more values than bytes, so most are let through unlooked at.
        if self.branching <= 1 && bytes as f64 * alternatives <= STEPS {
            return true;
        }
        let (values, depth) = extent(input);
        let mut steps = values as f64 * alternatives;
        if self.branching > 1 {
            steps *= (self.branching as f64).powi(i32::try_from(depth).unwrap_or(i32::MAX));
        }
        steps <= STEPS
    }
}

fn extent(value: &Value) -> (usize, usize) {
    let below: &mut dyn Iterator<Item = &Value> = match value {
        Value::Array(items) => &mut items.iter(),
        Value::Object(members) => &mut members.values(),
        _ => return (1, 0),
    };
    below.map(extent).fold((1, 1), |(values, depth), (v, d)| {
        (values + v, depth.max(d + 1))
    })
}

/// Counts; refuses what can't be unfolded within bounds.
pub(super) fn of(schema: &Value) -> Result<Cost, SchemaFault> {
    let targets = Targets::of(schema);
    let mut cost = Cost {
        alternatives: 1,
        branching: 0,
    };
    let mut budget = UNFOLDED;
    let mut recursive = vec![(String::new(), schema)];
    let mut at = 0;
    // From the whole schema first, then from every schema that recursion comes back to.
    while let Some((pointer, root)) = recursive.get(at).cloned() {
        at += 1;
        let mut unfolding = Unfolding {
            targets: &targets,
            budget: &mut budget,
            path: Vec::new(),
            open: Vec::new(),
            visits: Vec::new(),
            returns: Vec::new(),
            found: Vec::new(),
        };
        unfolding.visit(&pointer, &pointer, root)?;
        let Unfolding {
            visits,
            returns,
            found,
            ..
        } = unfolding;
        cost.alternatives = cost.alternatives.max(busiest(&visits));
        cost.branching = cost.branching.max(busiest(&returns));
        for (pointer, schema) in found {
            if !recursive
                .iter()
                .any(|(_, known)| std::ptr::eq(*known, schema))
            {
                recursive.push((pointer, schema));
            }
        }
    }
    Ok(cost)
}

type Path = Vec<Place>;

struct Unfolding<'a, 'b> {
    targets: &'b Targets<'a>,
    budget: &'b mut usize,
    /// From the root of the unfolding to the value looked at.
    path: Path,
    /// Schemas being unfolded, each with the path's length at its place.
    open: Vec<(&'a Value, usize)>,
    visits: Vec<(Path, u64)>,
    returns: Vec<(Path, u64)>,
    found: Vec<Found<'a>>,
}

impl<'a> Unfolding<'a, '_> {
    /// The schema at `at`; where it can't be unfolded, `blamed` has led to it.
    fn visit(&mut self, at: &str, blamed: &str, schema: &'a Value) -> Result<(), SchemaFault> {
        if let Some((_, began)) = self
            .open
            .iter()
            .find(|(open, _)| std::ptr::eq(*open, schema))
        {
            if *began == self.path.len() {
                return Err(SchemaFault::new(
                    blamed,
                    "this refers back to itself at once",
                ));
            }
            self.returns.push((self.path.clone(), 1));
            self.found.push((at.to_owned(), schema));
            return Ok(());
        }
        *self.budget = self
            .budget
            .checked_sub(1)
            .ok_or_else(|| SchemaFault::new(blamed, "too many combinations to check in time"))?;
        self.visits.push((self.path.clone(), weight(schema)));
        self.open.push((schema, self.path.len()));
        for sub in subschemas(at, schema) {
            self.descend(sub)?;
        }
        for keyword in ["$ref", "$dynamicRef", "$recursiveRef"] {
            if let Some(reference) = schema.get(keyword).and_then(Value::as_str) {
                let blamed = format!("{at}/{keyword}");
                let (at, target) = self
                    .targets
                    .resolve(reference)
                    .ok_or_else(|| SchemaFault::new(&blamed, "this refers to nothing"))?;
                self.visit(&at, &blamed, target)?;
            }
        }
        self.open.pop();
        Ok(())
    }

    fn descend(&mut self, sub: Sub<'a>) -> Result<(), SchemaFault> {
        match sub.place {
            Place::Defined => Ok(()),
            Place::Here => self.visit(&sub.pointer, &sub.pointer, sub.schema),
            place => {
                self.path.push(place);
                let outcome = self.visit(&sub.pointer, &sub.pointer, sub.schema);
                self.path.pop();
                outcome
            }
        }
    }
}

fn weight(schema: &Value) -> u64 {
    let choices = schema.get("enum").and_then(Value::as_array);
    let pattern = schema.get("pattern").and_then(Value::as_str);
    let compared = choices.map_or(0, |items| items.len() / ENUM_SHARE);
    let matched = pattern.map_or(0, str::len);
    1 + compared as u64 + matched as u64
}

/// The most weight on any one value: paths that may lead to the same one add up.
fn busiest(found: &[(Path, u64)]) -> u64 {
    let mut grouped: Vec<(&Path, u64)> = Vec::new();
    for (path, weight) in found {
        match grouped.iter_mut().find(|(known, _)| *known == path) {
            Some((_, sum)) => *sum += weight,
            None => grouped.push((path, *weight)),
        }
    }
    let sum_at = |path: &Path| -> u64 {
        let same = grouped.iter().filter(|(other, _)| may_meet(path, other));
        same.map(|(_, weight)| weight).sum()
    };
    grouped
        .iter()
        .map(|(path, _)| sum_at(path))
        .max()
        .unwrap_or(0)
}

fn may_meet(one: &Path, other: &Path) -> bool {
    let step = |(one, other): (&Place, &Place)| match (one, other) {
        (Place::Items, Place::Items) => true,
        (Place::Member(one), Place::Member(other)) => one == other,
        (Place::Items, _) | (_, Place::Items) => false,
        _ => true,
    };
    one.len() == other.len() && one.iter().zip(other).all(step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn cost(schema: &Value) -> (u64, u64) {
        let cost = of(schema).unwrap();
        (cost.alternatives, cost.branching)
    }

    #[test]
    fn a_plain_schema_looks_at_each_value_once() {
        let schema = json!({"properties": {"a": {"type": "string"}, "b": {"items": {}}}});
        assert_eq!(cost(&schema), (1, 0));
    }

    #[test]
    fn a_tree_visits_each_child_once_and_an_expression_more_often() {
        let tree = json!({"properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}});
        assert_eq!(cost(&tree).1, 1);
        let node = json!({"properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}});
        let expression = json!({"anyOf": [node, node, {"type": "number"}]});
        assert_eq!(cost(&expression).1, 2);
        let any_json = json!({"anyOf": [
            {"type": "string"},
            {"type": "array", "items": {"$ref": "#"}},
            {"type": "object", "additionalProperties": {"$ref": "#"}},
        ]});
        assert_eq!(cost(&any_json).1, 1);
    }

    #[test]
    fn what_doubles_with_depth_is_checked_only_while_shallow() {
        let twice =
            json!({"anyOf": [{"items": {"$ref": "#"}}, {"items": {"$ref": "#"}}], "minItems": 1});
        let cost = of(&twice).unwrap();
        let nested = |depth| (0..depth).fold(json!(1), |inner, _| json!([inner]));
        assert!(cost.allows(&nested(10), 100));
        assert!(!cost.allows(&nested(60), 200));
    }

    #[test]
    fn combinations_that_explode_are_refused_when_published() {
        let mut defs = serde_json::Map::new();
        for level in 0..30 {
            let next = format!("#/$defs/l{}", level + 1);
            defs.insert(
                format!("l{level}"),
                json!({"anyOf": [{"$ref": next}, {"$ref": next}]}),
            );
        }
        defs.insert("l30".to_owned(), json!({"type": "string"}));
        let bomb = json!({"$ref": "#/$defs/l0", "$defs": defs});
        assert!(of(&bomb).unwrap_err().what.contains("combinations"));
        for schema in [json!({"$ref": "#"}), json!({"allOf": [{"$ref": "#"}]})] {
            assert!(of(&schema).unwrap_err().what.contains("itself"), "{schema}");
        }
        assert!(of(&json!({"$ref": "#/nowhere"})).is_err());
        let at_the_end =
            json!({"items": {"$ref": "#x"}, "$defs": {"a": {"$anchor": "x", "$ref": "#y"}}});
        assert_eq!(of(&at_the_end).unwrap_err().pointer, "/$defs/a/$ref");
    }

    #[test]
    fn many_alternatives_bound_the_size_of_an_input() {
        let choices: Vec<_> = (0..1_000).map(|n| json!({"const": n})).collect();
        let cost = of(&json!({"items": {"anyOf": choices}})).unwrap();
        assert!(cost.allows(&json!(vec![1; 1_000]), 3_000));
        assert!(!cost.allows(&json!(vec![1; 100_000]), 300_000));
    }
}
