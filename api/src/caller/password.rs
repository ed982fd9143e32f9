//! Passwords: argon2id with the crate's defaults (19 MiB, two passes), on a thread of
//! its own, few at once.
//!
//! Every byte counts; the length is bounded before anything is hashed.

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use tokio::sync::Semaphore;

/// Hashes at once: each takes 19 MiB and a core.
const AT_ONCE: usize = 2;

#[derive(Debug, thiserror::Error)]
pub(crate) enum PasswordError {
    #[error("a password cannot be hashed")]
    Hash(#[source] argon2::password_hash::Error),
    #[error("the hashing thread died")]
    Thread(#[source] tokio::task::JoinError),
    #[error("hashing has been stopped")]
    Stopped(#[from] tokio::sync::AcquireError),
}

/// Runs slow hashes without holding up the requests beside them.
#[derive(Clone, Debug)]
pub(crate) struct Hashing {
    permits: Arc<Semaphore>,
    /// Compared with where there is no account, so that it takes as long.
    nobody: Arc<str>,
}

impl Hashing {
    pub(crate) fn new() -> Result<Self, PasswordError> {
        Ok(Self {
            permits: Arc::new(Semaphore::new(AT_ONCE)),
            nobody: hash_now("nobody has this password")?.into(),
        })
    }

    pub(crate) async fn hash(&self, password: String) -> Result<String, PasswordError> {
        self.slowly(move || hash_now(&password)).await?
    }

    /// Whether the password is the one of the hash; without a hash, a "no" that
    /// takes as long.
    pub(crate) async fn is_right(
        &self,
        password: String,
        hash: Option<String>,
    ) -> Result<bool, PasswordError> {
        let nobody = self.nobody.clone();
        self.slowly(move || {
            let known = hash.is_some();
            let hash = hash.as_deref().unwrap_or(&nobody);
            let fits = PasswordHash::new(hash).is_ok_and(|parsed| {
                Argon2::default()
                    .verify_password(password.as_bytes(), &parsed)
                    .is_ok()
            });
            known && fits
        })
        .await
    }

    /// Runs slow work on the blocking pool, within the permits.
    pub(crate) async fn slowly<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let _permit = self.permits.acquire().await?;
        tokio::task::spawn_blocking(work)
            .await
            .map_err(PasswordError::Thread)
    }
}

fn hash_now(password: &str) -> Result<String, PasswordError> {
    Ok(Argon2::default()
        .hash_password(password.as_bytes())
        .map_err(PasswordError::Hash)?
        .to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_byte_of_a_password_counts() {
        let hashing = Hashing::new().unwrap();
        let long = "p".repeat(80);
        let hash = hashing.hash(long.clone()).await.unwrap();
        let is_right = async |password: &str| {
            hashing
                .is_right(password.to_owned(), Some(hash.clone()))
                .await
                .unwrap()
        };
        assert!(is_right(&long).await);
        assert!(!is_right(&long[..72]).await);
        assert!(!is_right(&format!("{long}\0")).await);
        let nobody = hashing.is_right("nobody has this password".to_owned(), None);
        assert!(!nobody.await.unwrap());
    }
}
