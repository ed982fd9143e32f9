//! What a key may do.

use std::fmt;

/// One right of an API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    FunctionsRead,
    FunctionsWrite,
    FunctionsInvoke,
    ExecutionsRead,
    ConnectionsRead,
    ConnectionsWrite,
    AccountRead,
    AccountWrite,
    BillingWrite,
}

impl Scope {
    pub const ALL: &'static [Self] = &[
        Self::FunctionsRead,
        Self::FunctionsWrite,
        Self::FunctionsInvoke,
        Self::ExecutionsRead,
        Self::ConnectionsRead,
        Self::ConnectionsWrite,
        Self::AccountRead,
        Self::AccountWrite,
        Self::BillingWrite,
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FunctionsRead => "functions:read",
            Self::FunctionsWrite => "functions:write",
            Self::FunctionsInvoke => "functions:invoke",
            Self::ExecutionsRead => "executions:read",
            Self::ConnectionsRead => "connections:read",
            Self::ConnectionsWrite => "connections:write",
            Self::AccountRead => "account:read",
            Self::AccountWrite => "account:write",
            Self::BillingWrite => "billing:write",
        }
    }

    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|scope| scope.as_str() == word)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scopes(u16);

impl Scopes {
    /// All there are: what a person who logged in has.
    #[must_use]
    pub(crate) fn all() -> Self {
        Scope::ALL.iter().copied().collect()
    }

    /// The words a database row lists. A word this release doesn't know gives nothing.
    pub(crate) fn of_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        words.into_iter().filter_map(Scope::parse).collect()
    }

    #[must_use]
    pub(crate) const fn has(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u16) != 0
    }

    #[must_use]
    pub(crate) fn words(self) -> Vec<&'static str> {
        Scope::ALL
            .iter()
            .filter(|scope| self.has(**scope))
            .map(|scope| scope.as_str())
            .collect()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(
            scopes
                .into_iter()
                .fold(0, |set, scope| set | (1 << scope as u16)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in_and_nothing_else() {
        let set = Scopes::of_words(["functions:read", "billing:write", "everything"]);
        assert_eq!(set.words(), ["functions:read", "billing:write"]);
        assert!(!set.has(Scope::FunctionsWrite));
        assert!(Scopes::all().has(Scope::FunctionsWrite));
    }
}
