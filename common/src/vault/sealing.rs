//! Sealing one text under an account's data key.

use std::fmt;

use aes_gcm::aead::{Aead as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use uuid::Uuid;

/// What a sealed value begins with.
const FORMAT: u8 = 1;
pub(super) const NONCE: usize = 12;
const TAG: usize = 16;

/// What a text is; a value sealed as one does not open as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    Input,
    Output,
    Error,
    Logs,
    /// Text of a log, told while its execution runs.
    LiveLog,
    Code,
    Description,
    ImportLog,
    Reason,
    /// A namespace's value.
    Secret,
    /// The values of one call.
    Env,
}

impl Purpose {
    pub const ALL: &'static [Self] = &[
        Self::Input,
        Self::Output,
        Self::Error,
        Self::Logs,
        Self::LiveLog,
        Self::Code,
        Self::Description,
        Self::ImportLog,
        Self::Reason,
        Self::Secret,
        Self::Env,
    ];

    /// Part of what is authenticated: never to be changed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
            Self::Error => "error",
            Self::Logs => "logs",
            Self::LiveLog => "live_log",
            Self::Code => "code",
            Self::Description => "description",
            Self::ImportLog => "import_log",
            Self::Reason => "reason",
            Self::Secret => "secret",
            Self::Env => "env",
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SealError {
    #[error("no random bytes were to be had")]
    Random,
    #[error("format {0} is not one this release reads")]
    Format(u8),
    #[error("the value is too short to be sealed")]
    Short,
    /// Changed, moved from another row or column, or sealed under another key.
    #[error("the value is not what was sealed here")]
    Refused,
}

/// An account's data key, unwrapped.
pub struct DataKey([u8; 32]);

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey")
    }
}

impl DataKey {
    pub(super) const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// # Errors
    /// Where the system gives no random bytes.
    pub fn seal(&self, purpose: Purpose, id: Uuid, text: &[u8]) -> Result<Vec<u8>, SealError> {
        let bound = associated(purpose, id);
        encrypt(&self.key_of(&bound), &bound, text)
    }

    /// # Errors
    /// Where the value is not what was sealed for this purpose and id.
    pub fn open(&self, purpose: Purpose, id: Uuid, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let bound = associated(purpose, id);
        decrypt(&self.key_of(&bound), &bound, sealed)
    }

    fn key_of(&self, bound: &[u8]) -> [u8; 32] {
        derive(&self.0, bound)
    }
}

/// Purpose and row. A purpose holds no NUL, so that no two pairs read alike.
fn associated(purpose: Purpose, id: Uuid) -> Vec<u8> {
    let mut bound = purpose.as_str().as_bytes().to_vec();
    bound.push(0);
    bound.extend_from_slice(id.as_bytes());
    bound
}

fn derive(key: &[u8; 32], bound: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new(&(*key).into_block());
    mac.update(b"patchbay row key\0");
    mac.update(bound);
    mac.finalize().into_bytes().into()
}

/// `1 | nonce | ciphertext and tag`.
pub(super) fn encrypt(key: &[u8; 32], bound: &[u8], text: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut nonce = [0_u8; NONCE];
    getrandom::fill(&mut nonce).map_err(|_| SealError::Random)?;
    let payload = Payload {
        msg: text,
        aad: bound,
    };
    let sealed = cipher(key)
        .encrypt(&Nonce::from(nonce), payload)
        .map_err(|_| SealError::Refused)?;
    let mut out = Vec::with_capacity(1 + NONCE + sealed.len());
    out.push(FORMAT);
    out.extend_from_slice(&nonce);
    out.extend_from_slice(&sealed);
    Ok(out)
}

pub(super) fn decrypt(key: &[u8; 32], bound: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
    let (&format, rest) = sealed.split_first().ok_or(SealError::Short)?;
    if format != FORMAT {
        return Err(SealError::Format(format));
    }
    let (nonce, text) = rest
        .split_first_chunk::<NONCE>()
        .filter(|(_, text)| text.len() >= TAG)
        .ok_or(SealError::Short)?;
    cipher(key)
        .decrypt(
            &Nonce::from(*nonce),
            Payload {
                msg: text,
                aad: bound,
            },
        )
        .map_err(|_| SealError::Refused)
}

fn cipher(key: &[u8; 32]) -> Aes256Gcm {
    use aes_gcm::KeyInit as _;
    Aes256Gcm::new(&(*key).into())
}

/// A key as HMAC's block: its bytes, then zeros (RFC 2104).
trait IntoBlock {
    fn into_block(self) -> hmac::digest::Key<Hmac<Sha256>>;
}

impl IntoBlock for [u8; 32] {
    fn into_block(self) -> hmac::digest::Key<Hmac<Sha256>> {
        let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
        block[..32].copy_from_slice(&self);
        block
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: DataKey = DataKey::new([7; 32]);

    #[test]
    fn a_value_opens_only_as_what_it_was_sealed_as() {
        let (row, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let sealed = KEY.seal(Purpose::Output, row, b"text").unwrap();
        assert_eq!(KEY.open(Purpose::Output, row, &sealed).unwrap(), b"text");
        assert_eq!(
            KEY.open(Purpose::Output, other, &sealed),
            Err(SealError::Refused)
        );
        assert_eq!(
            KEY.open(Purpose::Error, row, &sealed),
            Err(SealError::Refused)
        );
        let foreign = DataKey::new([8; 32]);
        assert_eq!(
            foreign.open(Purpose::Output, row, &sealed),
            Err(SealError::Refused)
        );
    }

    #[test]
    fn every_changed_or_missing_byte_is_noticed() {
        let row = Uuid::from_u128(1);
        let sealed = KEY.seal(Purpose::Input, row, b"some text").unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(
                KEY.open(Purpose::Input, row, &changed).is_err(),
                "byte {at}"
            );
            assert!(
                KEY.open(Purpose::Input, row, &sealed[..at]).is_err(),
                "cut at {at}"
            );
        }
    }

    #[test]
    fn the_same_text_is_never_sealed_alike() {
        let row = Uuid::from_u128(1);
        let one = KEY.seal(Purpose::Input, row, b"").unwrap();
        assert_ne!(one, KEY.seal(Purpose::Input, row, b"").unwrap());
        assert_eq!(one.len(), 1 + NONCE + TAG);
    }

    #[test]
    fn keys_are_derived_as_rfc_2104_says() {
        // HMAC-SHA-256 with a key shorter than a block, computed apart from this code:
        // python3 -c "import hmac; print(hmac.new(bytes([7])*32,
        //   b'patchbay row key\0input\0' + bytes(16), 'sha256').hexdigest())"
        let derived = KEY.key_of(&associated(Purpose::Input, Uuid::nil()));
        let hex: String = derived.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            "ee16c72294d0e85c33eb7904f40c56cfc643725ce032ad1357f98314f16c402e"
        );
    }

    #[test]
    fn no_two_purposes_share_a_word() {
        let mut words: Vec<_> = Purpose::ALL
            .iter()
            .map(|purpose| purpose.as_str())
            .collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Purpose::ALL.len());
    }
}
