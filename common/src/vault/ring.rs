//! Key-encryption keys, and wrapping data keys with them.
//!
//! The first wraps new data keys; all of them unwrap. Rotating is putting a new
//! one first, `rotate`, and later taking the old one away.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::sealing::{SealError, decrypt, encrypt};
use crate::db::data_keys::Wrapped;
use crate::ids::AccountId;

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RingError {
    #[error("there is no key")]
    Empty,
    #[error("line {0} is not <id>:<base64 of 32 bytes>, the id of 1 to 32 letters, digits, - or _")]
    Line(usize),
    #[error("the id {0} is there twice")]
    Twice(String),
    #[error("key-encryption key {0} is not in the ring")]
    Unknown(String),
    #[error("key-encryption key {id} does not fit")]
    Refused {
        id: String,
        #[source]
        source: SealError,
    },
}

/// The key-encryption keys of a process.
pub struct Ring(Vec<(String, [u8; 32])>);

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(id, _)| id))
            .finish()
    }
}

impl Ring {
    /// Reads lines `<id>:<base64 of 32 bytes>`; empty lines don't count.
    ///
    /// # Errors
    /// Names the line, never what is in it.
    pub fn parse(text: &str) -> Result<Self, RingError> {
        let mut keys: Vec<(String, [u8; 32])> = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() {
                continue;
            }
            let (id, key) = parse_line(line).ok_or(RingError::Line(at + 1))?;
            if keys.iter().any(|(known, _)| *known == id) {
                return Err(RingError::Twice(id));
            }
            keys.push((id, key));
        }
        if keys.is_empty() {
            return Err(RingError::Empty);
        }
        Ok(Self(keys))
    }

    /// Id of the key that wraps new data keys.
    #[must_use]
    pub fn first(&self) -> &str {
        self.0.first().map_or("", |(id, _)| id)
    }

    /// A new data key, wrapped.
    pub(super) fn wrap_new(&self, account: AccountId) -> Result<Wrapped, RingError> {
        let mut bytes = [0_u8; 32];
        getrandom::fill(&mut bytes).map_err(|_| RingError::Refused {
            id: self.first().to_owned(),
            source: SealError::Random,
        })?;
        self.wrap(account, &bytes)
    }

    pub(super) fn wrap(&self, account: AccountId, key: &[u8; 32]) -> Result<Wrapped, RingError> {
        let (id, kek) = self.0.first().ok_or(RingError::Empty)?;
        let bytes = encrypt(kek, &bound(account, id), key).map_err(|source| refused(id, source))?;
        Ok(Wrapped {
            key_encryption_key: id.clone(),
            bytes,
        })
    }

    pub(super) fn unwrap(
        &self,
        account: AccountId,
        wrapped: &Wrapped,
    ) -> Result<[u8; 32], RingError> {
        let wanted = &wrapped.key_encryption_key;
        let (id, kek) = self
            .0
            .iter()
            .find(|(id, _)| id == wanted)
            .ok_or_else(|| RingError::Unknown(wanted.clone()))?;
        decrypt(kek, &bound(account, id), &wrapped.bytes)
            .map_err(|source| refused(id, source))?
            .try_into()
            .map_err(|_| refused(id, SealError::Short))
    }
}

fn refused(id: &str, source: SealError) -> RingError {
    RingError::Refused {
        id: id.to_owned(),
        source,
    }
}

fn parse_line(line: &str) -> Option<(String, [u8; 32])> {
    let (id, key) = line.split_once(':')?;
    let fits = (1..=32).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    let key = STANDARD.decode(key).ok()?.try_into().ok()?;
    fits.then(|| (id.to_owned(), key))
}

/// A wrapped key opens only as this account's, and only under this id.
fn bound(account: AccountId, id: &str) -> Vec<u8> {
    let mut bound = b"patchbay data key\0".to_vec();
    bound.extend_from_slice(account.uuid().as_bytes());
    bound.extend_from_slice(id.as_bytes());
    bound
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    fn line(id: &str, byte: u8) -> String {
        format!("{id}:{}", STANDARD.encode([byte; 32]))
    }

    #[test]
    fn a_ring_stands_on_its_format() {
        let both = format!("\n{}\n\n{}\n", line("b", 2), line("a-1", 1));
        assert_eq!(Ring::parse(&both).unwrap().first(), "b");
        assert_eq!(Ring::parse(" \n").unwrap_err(), RingError::Empty);
        let short = format!("a:{}", STANDARD.encode([1; 31]));
        for wrong in [
            "a",
            "a:",
            "a:!",
            ":AAAA",
            &short,
            &line("a b", 1),
            &line(&"a".repeat(33), 1),
        ] {
            assert_eq!(
                Ring::parse(wrong).unwrap_err(),
                RingError::Line(1),
                "{wrong}"
            );
        }
        let twice = format!("{}\n{}", line("a", 1), line("a", 2));
        assert_eq!(
            Ring::parse(&twice).unwrap_err(),
            RingError::Twice("a".to_owned())
        );
    }

    #[test]
    fn a_wrapped_key_is_this_accounts_alone_and_an_unknown_wrapper_is_named() {
        let clock = ManualClock::at("2026-03-01T00:00:00Z");
        let (mine, yours) = (AccountId::new(&clock), AccountId::new(&clock));
        let ring = Ring::parse(&line("a", 1)).unwrap();
        let wrapped = ring.wrap(mine, &[9; 32]).unwrap();
        assert_eq!(ring.unwrap(mine, &wrapped).unwrap(), [9; 32]);
        assert!(matches!(
            ring.unwrap(yours, &wrapped),
            Err(RingError::Refused { .. })
        ));
        let other = Ring::parse(&line("b", 1)).unwrap();
        let unknown = other.unwrap(mine, &wrapped).unwrap_err();
        assert_eq!(unknown, RingError::Unknown("a".to_owned()));
        let wrong = Ring::parse(&line("a", 2)).unwrap();
        assert!(matches!(
            wrong.unwrap(mine, &wrapped),
            Err(RingError::Refused { .. })
        ));
    }

    #[test]
    fn a_ring_shows_its_ids_and_no_key() {
        let ring = Ring::parse(&line("a", 1)).unwrap();
        assert_eq!(format!("{ring:?}"), r#"["a"]"#);
    }
}
