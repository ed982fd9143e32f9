//! Taking the fields of a JSON body one by one, with a pointer for each that is
//! wrong, so that a client sees all its mistakes at once.
//!
//! What nobody asked for is wrong too: a misspelt field never passes in silence.

use std::collections::BTreeSet;

use common::json::pointer_token;
use common::limits;
use common::names::{EnvName, NameError};
use serde_json::{Map, Value};

use crate::problem::{FieldError, Problem};

/// The members of one object that have not been taken yet.
#[derive(Debug)]
pub(crate) struct Fields {
    at: String,
    members: Map<String, Value>,
    errors: Vec<FieldError>,
    later: Vec<FieldError>,
}

impl Fields {
    pub(crate) fn of(body: Value) -> Result<Self, Problem> {
        match body {
            Value::Object(members) => Ok(Self {
                at: String::new(),
                members,
                errors: Vec::new(),
                later: Vec::new(),
            }),
            _ => Err(Problem::field("", "an object is wanted")),
        }
    }

    /// A field as it came; `null` counts as absent.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.members
            .shift_remove(name)
            .filter(|value| !value.is_null())
    }

    /// A text of at most `most` bytes without NUL.
    pub(crate) fn text(&mut self, name: &str, most: usize) -> Option<String> {
        let value = self.take(name)?;
        let Value::String(text) = value else {
            self.wrong(name, "a text is wanted");
            return None;
        };
        if text.len() > most {
            self.wrong(name, format!("at most {most} bytes of UTF-8"));
            return None;
        }
        if text.contains('\0') {
            self.wrong(name, "NUL is not allowed here");
            return None;
        }
        Some(text)
    }

    /// A text that must be there and not be blank.
    pub(crate) fn required_text(&mut self, name: &str, most: usize) -> String {
        if !self.has(name) {
            self.wrong(name, "this field is missing");
            return String::new();
        }
        let text = self.text(name, most);
        if text.as_deref().is_some_and(|text| text.trim().is_empty()) {
            self.wrong(name, "this must not be blank");
        }
        text.unwrap_or_default()
    }

    /// A field parsed by its type's own rule.
    pub(crate) fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
        &mut self,
        name: &str,
    ) -> Option<T> {
        let text = self.text(name, usize::MAX)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.wrong(name, error.to_string());
                None
            }
        }
    }

    /// A whole number from 1 to `most`, which `bound` explains.
    pub(crate) fn count(&mut self, name: &str, most: u32, bound: &str) -> Option<u32> {
        let value = self.take(name)?;
        // JSON Schema's integers: 5.0 is one.
        let number = value.as_u64().or_else(|| {
            value
                .as_f64()
                .filter(|float| float.fract() == 0.0 && (0.0..=9e15).contains(float))
                .and_then(|float| format!("{float:.0}").parse().ok())
        });
        let fits = number
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| (1..=most).contains(number));
        if fits.is_none() {
            self.wrong(name, format!("a whole number from 1 to {most} ({bound})"));
        }
        fits
    }

    /// A list of texts.
    pub(crate) fn texts(&mut self, name: &str, most: usize, bytes: usize) -> Option<Vec<String>> {
        self.has(name)
            .then(|| self.each(name, (most, bytes), |text| Ok(text.to_owned())))
    }

    /// A list of texts, each read by its own rule and refused at its own place.
    pub(crate) fn each<T>(
        &mut self,
        name: &str,
        (most, bytes): (usize, usize),
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let items = match self.take(name) {
            Some(Value::Array(items)) if items.len() <= most => items,
            None => return Vec::new(),
            Some(Value::Array(_)) => {
                self.wrong(name, format!("at most {most} of them"));
                return Vec::new();
            }
            Some(_) => {
                self.wrong(name, "a list of texts is wanted");
                return Vec::new();
            }
        };
        let mut all = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let fits = |text: &&str| (1..=bytes).contains(&text.len()) && !text.contains('\0');
            let text = item.as_str().filter(fits);
            let wanted = || format!("a text of 1 to {bytes} bytes without NUL is wanted");
            match text.ok_or_else(wanted).and_then(&read) {
                Ok(one) => all.push(one),
                Err(what) => self.wrong(&format!("{name}/{index}"), what),
            }
        }
        all
    }

    /// A list of names of environment values.
    pub(crate) fn env_names(&mut self, name: &str) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        let items = match self.take(name) {
            Some(Value::Array(items)) if items.len() <= limits::ENV_NAMES => items,
            None => return names,
            Some(_) => {
                let most = limits::ENV_NAMES;
                self.wrong(name, format!("a list of at most {most} names is wanted"));
                return names;
            }
        };
        for (index, item) in items.into_iter().enumerate() {
            let text = item.as_str().ok_or(NameError::Env);
            match text.and_then(str::parse::<EnvName>) {
                Ok(parsed) => {
                    names.insert(parsed.as_str().to_owned());
                }
                Err(error) => self.wrong(&format!("{name}/{index}"), error.to_string()),
            }
        }
        names
    }

    /// An object of its own, whose pointers begin with its name.
    pub(crate) fn object(&mut self, name: &str) -> Option<Self> {
        match self.take(name)? {
            Value::Object(members) => Some(Self {
                at: format!("{}{}", self.at, pointer_token(name)),
                members,
                errors: Vec::new(),
                later: Vec::new(),
            }),
            _ => {
                self.wrong(name, "an object is wanted");
                None
            }
        }
    }

    /// Closes an inner object: its mistakes become this one's.
    pub(crate) fn close(&mut self, mut inner: Self) {
        inner.refuse_unknown();
        self.errors.append(&mut inner.errors);
        self.later.append(&mut inner.later);
    }

    /// Refuses fields whose work comes later, where they ask for anything.
    pub(crate) fn not_yet(&mut self, names: &[&str]) {
        for name in names {
            if self.take(name).is_some() {
                let pointer = format!("{}{}", self.at, pointer_token(name));
                self.later.push(FieldError::new(
                    pointer,
                    "this release does not do this yet",
                ));
            }
        }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.members.get(name).is_some_and(|value| !value.is_null())
    }

    /// Notes a mistake at a path below this object, written without its first slash.
    pub(crate) fn wrong(&mut self, path: &str, detail: impl Into<String>) {
        self.errors
            .push(FieldError::new(format!("{}/{path}", self.at), detail));
    }

    pub(crate) fn refuse(&mut self, error: FieldError) {
        self.errors.push(error);
    }

    /// Every mistake together, fields nobody took included.
    pub(crate) fn finish(mut self) -> Result<(), Problem> {
        self.refuse_unknown();
        if !self.errors.is_empty() {
            return Err(Problem::Invalid(self.errors));
        }
        if !self.later.is_empty() {
            return Err(Problem::NotAvailableYet(self.later));
        }
        Ok(())
    }

    fn refuse_unknown(&mut self) {
        for (name, _) in std::mem::take(&mut self.members) {
            let pointer = format!("{}{}", self.at, pointer_token(&name));
            self.errors
                .push(FieldError::new(pointer, "there is no such field"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pointers(problem: &Problem) -> Vec<&str> {
        problem
            .errors()
            .iter()
            .map(|error| error.pointer.as_str())
            .collect()
    }

    #[test]
    fn every_mistake_is_reported_at_once() {
        let body =
            json!({"name": 7, "tags": ["a", ""], "limits": {"timeout_ms": 0, "x~": 1}, "a/b": 1});
        let mut fields = Fields::of(body).unwrap();
        fields.required_text("name", 10);
        fields.texts("tags", 2, 5);
        let mut limits = fields.object("limits").unwrap();
        limits.count("timeout_ms", 10, "the plan");
        fields.close(limits);
        let problem = fields.finish().unwrap_err();
        assert_eq!(
            pointers(&problem),
            [
                "/name",
                "/tags/1",
                "/limits/timeout_ms",
                "/limits/x~0",
                "/a~1b"
            ]
        );
    }

    #[test]
    fn a_whole_number_stands_on_its_bounds() {
        let count = |value: Value| {
            let mut fields = Fields::of(json!({ "n": value })).unwrap();
            fields.count("n", 10, "the plan")
        };
        assert_eq!(count(json!(1)), Some(1));
        assert_eq!(count(json!(10)), Some(10));
        assert_eq!(count(json!(5.0)), Some(5));
        for wrong in [
            json!(0),
            json!(11),
            json!(-1),
            json!(1.5),
            json!(true),
            json!("1"),
        ] {
            assert_eq!(count(wrong.clone()), None, "{wrong}");
        }
    }

    #[test]
    fn work_of_later_is_named_only_where_it_is_asked_for() {
        let mut fields = Fields::of(json!({"secrets": null, "retry": {}})).unwrap();
        fields.not_yet(&["retry", "secrets"]);
        let problem = fields.finish().unwrap_err();
        assert_eq!(problem.code(), "not_available_yet");
        assert_eq!(pointers(&problem), ["/retry"]);
    }
}
