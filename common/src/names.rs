//! Names people choose. Parsed once, then trusted by type.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::limits;

/// Namespaces nobody may have: they would shadow our own paths or mislead.
const RESERVED: &[&str] = &[
    "admin",
    "api",
    "build",
    "console",
    "docs",
    "health",
    "healthz",
    "internal",
    "legal",
    "local",
    "login",
    "mcp",
    "metrics",
    "oauth",
    "openapi",
    "patchbay",
    "public",
    "readyz",
    "register",
    "root",
    "static",
    "status",
    "support",
    "system",
    "v1",
    "well-known",
    "www",
];

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NameError {
    #[error("a namespace is 1 to 63 of a-z, 0-9 and '-', with neither end a '-'")]
    Namespace,
    #[error("this namespace is reserved")]
    Reserved,
    #[error(
        "a function is a lower-case letter and up to 62 of a-z, 0-9 and '_', \
         optionally after a group and a dot, 64 characters in all"
    )]
    Function,
    #[error("an environment value is named by A-Z and up to 127 of A-Z, 0-9 and '_'")]
    Env,
    #[error("PATH, HOME, LD_*, PYTHON* and PATCHBAY_* are not to be set")]
    EnvReserved,
}

/// `^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`, not a reserved word.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NamespaceName(String);

/// `^[a-z][a-z0-9_]{0,62}(\.[a-z][a-z0-9_]{0,62})?$`, 64 characters at most.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionName(String);

/// `^[A-Z][A-Z0-9_]{0,127}$`, none that changes how a process starts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EnvName(String);

impl FromStr for EnvName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let fits = (1..=limits::ENV_NAME_BYTES).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_uppercase())
            && text
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        if !fits {
            return Err(NameError::Env);
        }
        let reserved = ["PATH", "HOME"].contains(&text)
            || ["LD_", "PYTHON", "PATCHBAY_"]
                .iter()
                .any(|start| text.starts_with(start));
        if reserved {
            return Err(NameError::EnvReserved);
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for NamespaceName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let fits = (1..=63).contains(&text.len())
            && text.bytes().all(|b| word(b) || b == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-');
        if !fits {
            return Err(NameError::Namespace);
        }
        if RESERVED.contains(&text) {
            return Err(NameError::Reserved);
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for FunctionName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let part = |part: &str| {
            (1..=63).contains(&part.len())
                && part.starts_with(|c: char| c.is_ascii_lowercase())
                && part
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        let parts = text.split('.').count();
        if text.len() > 64 || parts > 2 || !text.split('.').all(part) {
            return Err(NameError::Function);
        }
        Ok(Self(text.to_owned()))
    }
}

impl FunctionName {
    /// The name MCP lists: real clients refuse dots in a tool's name.
    #[must_use]
    pub fn tool_name(&self) -> String {
        self.0.replace('.', "-")
    }

    /// Reads either spelling, `billing.total` or `billing-total`.
    ///
    /// # Errors
    /// Where it is neither.
    pub fn from_tool_name(text: &str) -> Result<Self, NameError> {
        text.replacen('-', ".", 1).parse()
    }
}

macro_rules! text {
    ($name:ident) => {
        impl $name {
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
    };
}

text!(NamespaceName);
text!(FunctionName);
text!(EnvName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_stands_on_its_limits() {
        let longest = "a".repeat(63);
        for right in ["a", "0", "a-b", "a--b", longest.as_str()] {
            assert!(right.parse::<NamespaceName>().is_ok(), "{right}");
        }
        let longer = "a".repeat(64);
        for wrong in ["", "-a", "a-", "A", "a_b", "a.b", "é", longer.as_str()] {
            assert_eq!(
                wrong.parse::<NamespaceName>(),
                Err(NameError::Namespace),
                "{wrong}"
            );
        }
        assert_eq!("mcp".parse::<NamespaceName>(), Err(NameError::Reserved));
    }

    #[test]
    fn a_function_stands_on_its_limits() {
        let longest = "a".repeat(63);
        let grouped = format!("{}.{}", "a".repeat(31), "b".repeat(32));
        for right in ["a", "import", "a_1", "billing.total", &longest, &grouped] {
            assert!(right.parse::<FunctionName>().is_ok(), "{right}");
        }
        let longer = "a".repeat(64);
        let both = format!("{grouped}b");
        for wrong in [
            "", "1a", "_a", "A", "a-b", "a.", ".a", "a.b.c", "a\0", &longer, &both,
        ] {
            assert!(wrong.parse::<FunctionName>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_environment_name_stands_on_its_limits() {
        let longest = "A".repeat(128);
        for right in [
            "A", "API_KEY", "A_1", "PATHS", "HOME_", "LD", "PYTHO", &longest,
        ] {
            assert!(right.parse::<EnvName>().is_ok(), "{right}");
        }
        let longer = "A".repeat(129);
        for wrong in ["", "a", "1A", "_A", "A-B", "A B", "É", "A\0", &longer] {
            assert_eq!(wrong.parse::<EnvName>(), Err(NameError::Env), "{wrong}");
        }
        for wrong in ["PATH", "HOME", "LD_PRELOAD", "PYTHONPATH", "PATCHBAY_X"] {
            let refused = Err(NameError::EnvReserved);
            assert_eq!(wrong.parse::<EnvName>(), refused, "{wrong}");
        }
    }

    #[test]
    fn a_tool_may_be_called_by_either_spelling() {
        let name: FunctionName = "billing.total".parse().unwrap();
        assert_eq!(name.tool_name(), "billing-total");
        assert_eq!(
            FunctionName::from_tool_name("billing-total"),
            Ok(name.clone())
        );
        assert_eq!(FunctionName::from_tool_name("billing.total"), Ok(name));
    }
}
