//! What the code of one version finds in `os.environ`.
//!
//! Values are secrets unless they are said to be plain: nothing here shows one, and all
//! that comes out of a sandbox that was given one is masked.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::mask::Mask;

/// Names and values. Cheap to clone; the mask is made once.
#[derive(Clone, Default)]
pub struct Environment(Option<Arc<Given>>);

#[derive(Default)]
struct Given {
    secret: BTreeMap<String, String>,
    /// Shown as they are.
    plain: BTreeMap<String, String>,
    mask: OnceLock<Mask>,
}

impl Environment {
    pub fn new(secret: BTreeMap<String, String>) -> Self {
        Self::with_plain(secret, BTreeMap::new())
    }

    /// With values that are not secret, such as what stands in for one.
    pub fn with_plain(secret: BTreeMap<String, String>, plain: BTreeMap<String, String>) -> Self {
        let is_empty = secret.is_empty() && plain.is_empty();
        let given = Given {
            secret,
            plain,
            mask: OnceLock::new(),
        };
        Self((!is_empty).then(|| Arc::new(given)))
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Names and values, to be used and never shown.
    pub fn values(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self
            .0
            .iter()
            .flat_map(|given| given.plain.iter().chain(&given.secret));
        all.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Of all values.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.values().map(|(_, value)| value.len()).sum()
    }

    /// Covers its secrets. Made once; a large one takes some milliseconds.
    #[must_use]
    pub fn mask(&self) -> Mask {
        self.0.as_ref().map_or_else(Mask::default, |given| {
            let make = || Mask::new(given.secret.values());
            given.mask.get_or_init(make).clone()
        })
    }

    /// A JSON object as the runner takes it; no bytes at all where there is nothing.
    pub(crate) fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        if self.is_empty() {
            return Ok(Vec::new());
        }
        serde_json::to_vec(&self.values().collect::<BTreeMap<_, _>>())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.values().map(|(name, _)| name))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debugging_shows_names_and_no_value() {
        let one = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
        let environment = Environment::with_plain(one("TOKEN", "sesame-open"), one("MODE", "test"));
        assert_eq!(format!("{environment:?}"), r#"{"MODE", "TOKEN"}"#);
        let text = b"sesame-open test-mode";
        let plain = Environment::with_plain(BTreeMap::new(), one("MODE", "test-mode"));
        assert_eq!(&*environment.mask().text(text), b"*** test-mode");
        assert!(plain.mask().is_empty());
        assert!(Environment::new(BTreeMap::new()).is_empty());
    }
}
