//! Packages of a version: the list they were resolved to.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// Part of what is digested: another interpreter or way to install is another layer.
const FORMAT: &[u8] = b"1 cp311 manylinux x86_64\0";

/// Identifies a lock, and the layer that is installed from it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LockDigest([u8; 32]);

impl LockDigest {
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for LockDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for LockDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Packages with versions and hashes, in pip's format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    pub digest: LockDigest,
    pub text: String,
}

impl Lock {
    #[must_use]
    pub fn of(text: String) -> Self {
        let digest = Sha256::new()
            .chain_update(FORMAT)
            .chain_update(text.as_bytes())
            .finalize();
        Self {
            digest: LockDigest(digest.into()),
            text,
        }
    }

    /// Nothing was asked for that this interpreter needs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packages().next().is_none()
    }

    /// Name and version of each package, in the lock's order.
    pub fn packages(&self) -> impl Iterator<Item = (&str, &str)> {
        self.text.lines().filter_map(|line| {
            // Hashes and what continues a line are indented; comments begin with `#`.
            let first = line.split([' ', ';', '\\']).next()?;
            first.split_once("==")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "numpy==2.3.5 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n\
                        six==1.17.0 ; python_version < '4' \\\n    --hash=sha256:cc\n";

    #[test]
    fn a_lock_tells_its_packages() {
        let lock = Lock::of(TEXT.to_owned());
        let packages: Vec<_> = lock.packages().collect();
        assert_eq!(packages, [("numpy", "2.3.5"), ("six", "1.17.0")]);
        assert!(!lock.is_empty());
        assert!(Lock::of(String::new()).is_empty());
        assert!(Lock::of("# nothing\n".to_owned()).is_empty());
    }

    #[test]
    fn another_text_is_another_digest() {
        let one = Lock::of(TEXT.to_owned()).digest;
        assert_eq!(one, Lock::of(TEXT.to_owned()).digest);
        assert_ne!(one, Lock::of(TEXT.replace("aa", "ab")).digest);
        assert_eq!(one.to_string().len(), 64);
        assert_eq!(LockDigest::from_bytes(*one.as_bytes()), one);
    }
}
