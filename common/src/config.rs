//! Reading settings from the environment: one struct per concern, every error
//! reported together, secrets from `VAR` or from the file named by `VAR_FILE`.
//!
//! ```ignore
//! let mut env = Env::process();
//! let database = DatabaseConfig::read(&mut env);
//! env.finish()?; // every error at once
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::str::FromStr;

use secrecy::SecretString;

/// All that is wrong with the settings, one line each.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the settings are not usable:{0}")]
pub struct ConfigError(String);

/// The environment, read once, and what was wrong with what was asked of it.
#[derive(Debug)]
pub struct Env {
    vars: BTreeMap<String, String>,
    shown: Vec<(String, String)>,
    wrong: Vec<String>,
}

impl Env {
    /// The variables of this process.
    #[must_use]
    pub fn process() -> Self {
        Self::of(std::env::vars())
    }

    /// Given variables, as tests use them.
    pub fn of(vars: impl IntoIterator<Item = (String, String)>) -> Self {
        Self {
            vars: vars.into_iter().collect(),
            shown: Vec::new(),
            wrong: Vec::new(),
        }
    }

    /// A variable that must be there; `T::default()` stands in until [`Env::finish`] refuses.
    pub fn required<T: FromStr + Default>(&mut self, name: &str) -> T {
        if let Some(text) = self.text(name) {
            self.parsed(name, &text).unwrap_or_default()
        } else {
            self.wrong.push(format!("{name} is missing"));
            T::default()
        }
    }

    pub fn optional<T: FromStr>(&mut self, name: &str) -> Option<T> {
        let text = self.text(name)?;
        self.parsed(name, &text)
    }

    pub fn with_default<T: FromStr + ToString>(&mut self, name: &str, default: T) -> T {
        match self.text(name) {
            Some(text) => self.parsed(name, &text).unwrap_or(default),
            None => {
                self.shown.push((name.to_owned(), default.to_string()));
                default
            }
        }
    }

    /// A number that must lie in a range.
    pub fn within(
        &mut self,
        name: &str,
        default: u32,
        range: std::ops::RangeInclusive<u32>,
    ) -> u32 {
        let value = self.with_default(name, default);
        if range.contains(&value) {
            return value;
        }
        let (least, most) = (range.start(), range.end());
        self.wrong
            .push(format!("{name} is {value}, not {least} to {most}"));
        default
    }

    /// A secret: the variable's value, or the content of the file `<name>_FILE` names.
    pub fn secret(&mut self, name: &str) -> SecretString {
        let file = format!("{name}_FILE");
        let value = match (self.text_hidden(name), self.text(&file)) {
            (Some(_), Some(_)) => {
                self.wrong.push(format!("{name} and {file} are both set"));
                None
            }
            (Some(value), None) => Some(value),
            (None, Some(path)) => match std::fs::read_to_string(PathBuf::from(&path)) {
                Ok(text) => Some(text.trim_end_matches('\n').to_owned()),
                Err(error) => {
                    self.wrong.push(format!("{file} names {path}: {error}"));
                    None
                }
            },
            (None, None) => {
                self.wrong.push(format!("{name} or {file} is missing"));
                None
            }
        };
        SecretString::from(value.unwrap_or_default())
    }

    /// Notes a contradiction between settings.
    pub fn wrong(&mut self, what: impl Into<String>) {
        self.wrong.push(what.into());
    }

    /// # Errors
    /// Everything that was missing or unusable, together.
    pub fn finish(&self) -> Result<(), ConfigError> {
        if self.wrong.is_empty() {
            return Ok(());
        }
        let mut lines = String::new();
        for line in &self.wrong {
            let _ = write!(lines, "\n  {line}");
        }
        Err(ConfigError(lines))
    }

    /// The effective values, for `--check-config`; secrets are named, not shown.
    #[must_use]
    pub fn effective(&self) -> String {
        let mut lines = String::new();
        for (name, value) in &self.shown {
            let _ = writeln!(lines, "{name}={value}");
        }
        lines
    }

    fn text(&mut self, name: &str) -> Option<String> {
        let value = self
            .vars
            .get(name)
            .filter(|value| !value.is_empty())?
            .clone();
        self.shown.push((name.to_owned(), value.clone()));
        Some(value)
    }

    fn text_hidden(&mut self, name: &str) -> Option<String> {
        let value = self
            .vars
            .get(name)
            .filter(|value| !value.is_empty())?
            .clone();
        self.shown.push((name.to_owned(), "(secret)".to_owned()));
        Some(value)
    }

    fn parsed<T: FromStr>(&mut self, name: &str, text: &str) -> Option<T> {
        let value = text.parse().ok();
        if value.is_none() {
            self.wrong.push(format!("{name} is not usable as it is"));
        }
        value
    }
}

/// Where PostgreSQL is. Each service has its own role, so its own URL.
#[derive(Debug)]
pub struct DatabaseConfig {
    /// `DATABASE_URL` (or `DATABASE_URL_FILE`): the main database.
    pub url: SecretString,
    /// `PATCHBAY_DATABASE_CONNECTIONS`, default 8, 1 to 100.
    pub connections: u32,
}

impl DatabaseConfig {
    pub fn read(env: &mut Env) -> Self {
        Self {
            url: env.secret("DATABASE_URL"),
            connections: env.within("PATCHBAY_DATABASE_CONNECTIONS", 8, 1..=100),
        }
    }
}

/// Where the queue is.
#[derive(Debug)]
pub struct RedisConfig {
    /// `REDIS_URL` (or `REDIS_URL_FILE`).
    pub url: SecretString,
}

impl RedisConfig {
    pub fn read(env: &mut Env) -> Self {
        Self {
            url: env.secret("REDIS_URL"),
        }
    }
}

/// What opens sealed data: for services that read it.
#[derive(Debug)]
pub struct VaultConfig {
    /// `KEYS_DATABASE_URL` (or `KEYS_DATABASE_URL_FILE`): wrapped data keys.
    pub keys_url: SecretString,
    /// `PATCHBAY_KEK` (or `PATCHBAY_KEK_FILE`): lines `<id>:<base64 of 32 bytes>`,
    /// the first of which wraps new data keys.
    pub key_encryption_keys: SecretString,
}

impl VaultConfig {
    pub fn read(env: &mut Env) -> Self {
        Self {
            keys_url: env.secret("KEYS_DATABASE_URL"),
            key_encryption_keys: env.secret("PATCHBAY_KEK"),
        }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn env(vars: &[(&str, &str)]) -> Env {
        Env::of(
            vars.iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        )
    }

    #[test]
    fn every_error_is_reported_at_once() {
        let mut env = env(&[("PORT", "many"), ("SLOTS", "0")]);
        let _: u16 = env.with_default("PORT", 1);
        env.within("SLOTS", 1, 1..=4);
        let _: String = env.required("NAME");
        let error = env.finish().unwrap_err().to_string();
        for name in ["PORT", "SLOTS", "NAME"] {
            assert!(error.contains(name), "{error}");
        }
    }

    #[test]
    fn a_secret_comes_from_one_place_and_is_never_shown() {
        let mut both = env(&[("KEY", "x"), ("KEY_FILE", "/nowhere")]);
        both.secret("KEY");
        assert!(both.finish().is_err());
        let mut one = env(&[("KEY", "hush")]);
        assert_eq!(one.secret("KEY").expose_secret(), "hush");
        assert!(one.finish().is_ok());
        assert!(!one.effective().contains("hush"));
    }
}
