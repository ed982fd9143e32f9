//! The text of an API key: `pb_<key id>_<secret>_<checksum>`.
//!
//! The secret has 256 bits, so the light argon2id (1 MiB, one pass) is enough: it is
//! there to make a stolen table useless, not to slow down guesses. The checksum
//! tells a mistyped key from a wrong one without looking anything up.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use common::ids::ApiKeyId;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// 43 of 62 letters are 256 bits.
const SECRET: usize = 43;
const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const MEMORY_KIB: u32 = 1024;

#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    #[error("there is no randomness for a key: {0}")]
    Random(getrandom::Error),
    #[error("a key cannot be hashed")]
    Hash(#[source] argon2::password_hash::Error),
    #[error("the parameters of the key's hash are not usable")]
    Params(#[source] argon2::Error),
}

/// A key as a client sends it, well-formed but not yet known to be right.
pub(crate) struct KeyText<'a> {
    pub(crate) id: ApiKeyId,
    secret: &'a str,
}

impl<'a> KeyText<'a> {
    /// `None` where the text is no key: nothing needs to be looked up.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (signed, sum) = text.rsplit_once('_')?;
        let rest = signed.strip_prefix("pb_")?;
        let (id, secret) = rest.split_once('_')?;
        let letters = secret.len() == SECRET && secret.bytes().all(|b| b.is_ascii_alphanumeric());
        let id = format!("{}_{id}", ApiKeyId::PREFIX).parse().ok()?;
        (letters && sum == checksum(signed)).then_some(Self { id, secret })
    }

    /// Whether the stored hash is this secret's. Slow: a millisecond.
    pub(crate) fn is_right(&self, hash: &str) -> bool {
        PasswordHash::new(hash).is_ok_and(|parsed| {
            Argon2::default()
                .verify_password(self.secret.as_bytes(), &parsed)
                .is_ok()
        })
    }
}

/// A fresh key: its whole text, shown once, and the hash that is kept.
pub(crate) struct Minted {
    pub(crate) text: String,
    pub(crate) hash: String,
}

pub(crate) fn mint(id: ApiKeyId) -> Result<Minted, KeyError> {
    let secret = secret()?;
    let signed = format!("pb_{}_{secret}", Uuid::simple(id.uuid()));
    let text = format!("{signed}_{}", checksum(&signed));
    let params = Params::new(MEMORY_KIB, 1, 1, None).map_err(KeyError::Params)?;
    let hash = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password(secret.as_bytes())
        .map_err(KeyError::Hash)?
        .to_string();
    Ok(Minted { text, hash })
}

fn secret() -> Result<String, KeyError> {
    let mut secret = String::with_capacity(SECRET);
    let mut bytes = [0_u8; 64];
    while secret.len() < SECRET {
        getrandom::fill(&mut bytes).map_err(KeyError::Random)?;
        // 248 is 4 × 62: what lies above would favour the first letters.
        let fair = bytes.iter().filter(|byte| **byte < 248);
        let wanted = SECRET - secret.len();
        secret.extend(
            fair.take(wanted)
                .map(|b| char::from(LETTERS[usize::from(b % 62)])),
        );
    }
    Ok(secret)
}

fn checksum(signed: &str) -> String {
    let digest = Sha256::digest(signed.as_bytes());
    digest[..4]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::clock::SystemClock;

    #[test]
    fn a_minted_key_reads_back_and_only_its_own_hash_fits() {
        let id = ApiKeyId::new(&SystemClock);
        let minted = mint(id).unwrap();
        let other = mint(id).unwrap();
        let key = KeyText::parse(&minted.text).unwrap();
        assert_eq!(key.id, id);
        assert!(key.is_right(&minted.hash));
        assert!(!key.is_right(&other.hash));
        assert!(!key.is_right("no hash"));
        assert!(minted.hash.starts_with("$argon2id$v=19$m=1024,t=1,p=1$"));
    }

    #[test]
    fn a_key_with_any_letter_changed_is_no_key() {
        let text = mint(ApiKeyId::new(&SystemClock)).unwrap().text;
        for at in 0..text.len() {
            let mut wrong = text.clone().into_bytes();
            wrong[at] = if wrong[at] == b'0' { b'1' } else { b'0' };
            let wrong = String::from_utf8(wrong).unwrap();
            assert!(KeyText::parse(&wrong).is_none(), "{wrong}");
        }
        for odd in [
            "",
            "pb_",
            "pb___",
            "bearer",
            &text[1..],
            &format!("{text} "),
        ] {
            assert!(KeyText::parse(odd).is_none(), "{odd}");
        }
    }
}
