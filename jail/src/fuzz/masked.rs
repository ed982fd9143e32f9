//! A masked JSON text is one still, says nothing of a value, and changes nothing else.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use fuzzing::proptest::prelude::*;
use fuzzing::{json, target};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::mask::{COVER, Mask};

const VALUES: [&str; 7] = [
    "keykey",
    "aé→key",
    "\u{1f600}\n\"\\/key",
    "372036854",
    "900719",
    "true-or",
    "key\u{1f600}~1",
];
/// What texts are made of here, besides what others are: values, halves of them, escaped.
const PIECES: &[&str] = &[
    "keykey",
    "keyk",
    "ey",
    "k\\u0065ykey",
    "aé→key",
    "a\\u00e9\\u2192",
    "\u{1f600}\\n\\\"\\\\\\/key",
    "\\ud83d\\ude00\\u000a\\u0022\\u005c/key",
    "372036",
    "854",
    "900719",
    "true-",
    "or",
    "key\\ud83d\\ude00~1",
    "***",
    "\\\\n",
    "k\\\\u0065ykey",
];

/// A JSON value with every member of its objects, in their order, also those that stand twice.
enum Node {
    Plain(Value),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Node {
    /// Equal, but for texts that have a cover in them.
    fn is_alike(&self, shown: &Self) -> bool {
        match (self, shown) {
            (Self::List(one), Self::List(other)) => {
                let mut pairs = one.iter().zip(other);
                one.len() == other.len() && pairs.all(|(one, other)| one.is_alike(other))
            }
            (Self::Object(one), Self::Object(other)) => {
                let mut pairs = one.iter().zip(other);
                let is_alike = |((name, one), (shown, other)): (&(_, Self), &(String, _))| {
                    (name == shown || shown.contains(COVER)) && one.is_alike(other)
                };
                one.len() == other.len() && pairs.all(is_alike)
            }
            (Self::Plain(one), Self::Plain(other)) => {
                let is_covered = other.as_str().is_some_and(|text| text.contains(COVER));
                one == other || is_covered
            }
            _ => false,
        }
    }

    fn has_value(&self) -> bool {
        let is_in = |text: &str| VALUES.iter().any(|value| text.contains(value));
        match self {
            Self::Plain(Value::String(text)) => is_in(text),
            // Those that are shown as they were written.
            Self::Plain(one) => (one.is_i64() || one.is_u64()) && is_in(&one.to_string()),
            Self::List(items) => items.iter().any(Self::has_value),
            Self::Object(members) => members
                .iter()
                .any(|(name, value)| is_in(name) || value.has_value()),
        }
    }

    /// Whether two covered keys of one object have become one.
    fn has_lost_a_member(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::List(items) => items.iter().any(Self::has_lost_a_member),
            Self::Object(members) => {
                let mut names = HashSet::new();
                let mut covered = members.iter().filter(|(name, _)| name.contains(COVER));
                !covered.all(|(name, _)| names.insert(name))
                    || members.iter().any(|(_, value)| value.has_lost_a_member())
            }
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Nodes)
    }
}

struct Nodes;

impl<'de> Visitor<'de> for Nodes {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Plain(Value::Null))
    }

    fn visit_bool<E>(self, one: bool) -> Result<Node, E> {
        Ok(Node::Plain(one.into()))
    }

    fn visit_i64<E>(self, one: i64) -> Result<Node, E> {
        Ok(Node::Plain(one.into()))
    }

    fn visit_u64<E>(self, one: u64) -> Result<Node, E> {
        Ok(Node::Plain(one.into()))
    }

    fn visit_f64<E>(self, one: f64) -> Result<Node, E> {
        Ok(Node::Plain(one.into()))
    }

    fn visit_str<E>(self, one: &str) -> Result<Node, E> {
        Ok(Node::Plain(one.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(member) = members.next_entry()? {
            list.push(member);
        }
        Ok(Node::Object(list))
    }
}

#[test]
fn a_masked_json_text_has_no_value_in_it_and_is_the_same_otherwise() {
    let mask = Mask::new(VALUES);
    let covered = Cell::new(0);
    target!("masked", 8).try_all(json::texts_with(PIECES), |text| {
        let shown = mask.json(text.to_vec());
        prop_assert!(shown.len() <= 3 * text.len() + 5);
        let Ok(meant) = serde_json::from_slice::<Node>(text) else {
            return Ok(());
        };
        let read = serde_json::from_slice::<Node>(&shown);
        let told = String::from_utf8_lossy(&shown);
        prop_assert!(read.is_ok(), "no JSON any more: {}", told);
        let read = read.unwrap();
        let is_all = matches!(&read, Node::Plain(all) if *all == COVER);
        prop_assert!(!read.has_value(), "{}", told);
        prop_assert!(is_all || meant.is_alike(&read), "{}", told);
        prop_assert!(!read.has_lost_a_member(), "{}", told);
        covered.set(covered.get() + usize::from(meant.has_value()));
        Ok(())
    });
    assert!(covered.get() > 300, "only {} had a value", covered.get());
}
