//! The vault: what people send, and what their code says, is stored sealed.
//!
//! **How it works.** Envelope encryption. Each account has a data key of 32 random
//! bytes, kept wrapped in a database of its own; what wraps it is a key-encryption
//! key from the environment ([`Ring`]), whose id stands beside the wrapped key. A
//! text is sealed with AES-256-GCM under a key derived from the data key for its
//! purpose and row (HMAC-SHA-256), with purpose and row id as associated data too.
//! The derivation is what allows random nonces for ever: NIST SP 800-38D bounds one
//! key at 2^32 of them, which an account's executions pass within days; a row is
//! sealed a handful of times. A sealed value is `1 | nonce (12) | ciphertext and tag`.
//!
//! **What always holds.** A value opens only as what it was sealed as: a row's output
//! put into another row, or another column, is refused, and so is a changed byte.
//! Unwrapped keys are in memory only, and in no log. A data key is stored before
//! anything sealed under it leaves the process.
//!
//! **What it doesn't do.** It does not hide lengths. It does not keep who holds both
//! databases and the key-encryption key from reading everything.

mod ring;
mod rotate;
mod sealing;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

pub use ring::{Ring, RingError};
pub use rotate::rotate;
pub use sealing::{DataKey, Purpose, SealError};

use crate::clock::SharedClock;
use crate::config::VaultConfig;
use crate::db::{Database, DbError, data_keys};
use crate::ids::AccountId;
use secrecy::ExposeSecret as _;

/// Data keys kept in memory. One is 32 bytes; past this the cache starts afresh.
const CACHED: usize = 50_000;
const CONNECTIONS: usize = 2;

#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error("the key-encryption keys are not usable")]
    Ring(#[source] RingError),
    #[error("the keys database failed")]
    Database(#[source] DbError),
    #[error("account {0} has no data key")]
    NoKey(AccountId),
    #[error("the data key of account {account} cannot be unwrapped")]
    Unwrap {
        account: AccountId,
        #[source]
        source: RingError,
    },
    #[error("the {purpose} of {id} cannot be sealed or opened")]
    Text {
        purpose: Purpose,
        id: Uuid,
        #[source]
        source: SealError,
    },
}

impl VaultError {
    /// The keys database is away: coming back later may help.
    #[must_use]
    pub const fn is_unavailable(&self) -> bool {
        matches!(self, Self::Database(error) if error.is_unavailable())
    }
}

/// Seals and opens. Shared by all tasks of a process.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    ring: Ring,
    keys: Database,
    clock: SharedClock,
    cached: Mutex<HashMap<AccountId, Arc<DataKey>>>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").finish_non_exhaustive()
    }
}

impl Vault {
    /// # Errors
    /// Where the ring or the URL cannot be read. Nothing is connected yet.
    pub fn new(config: &VaultConfig, clock: SharedClock) -> Result<Self, VaultError> {
        let ring =
            Ring::parse(config.key_encryption_keys.expose_secret()).map_err(VaultError::Ring)?;
        let keys = Database::with_connections(&config.keys_url, CONNECTIONS)
            .map_err(VaultError::Database)?;
        Ok(Self::over(ring, keys, clock))
    }

    /// Over a ring and a keys database that are there already.
    #[must_use]
    pub fn over(ring: Ring, keys: Database, clock: SharedClock) -> Self {
        Self(Arc::new(Inner {
            ring,
            keys,
            clock,
            cached: Mutex::default(),
        }))
    }

    /// Seals a text of an account; makes the account's data key if it has none.
    ///
    /// # Errors
    /// Where the data key cannot be had.
    pub async fn seal(
        &self,
        account: AccountId,
        purpose: Purpose,
        id: Uuid,
        text: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        let key = self.key_to_seal(account).await?;
        key.seal(purpose, id, text)
            .map_err(|source| VaultError::Text {
                purpose,
                id,
                source,
            })
    }

    /// Opens what [`Vault::seal`] made for the same account, purpose and id.
    ///
    /// # Errors
    /// Where the key cannot be had, or the value is not what was sealed.
    pub async fn open(
        &self,
        account: AccountId,
        purpose: Purpose,
        id: Uuid,
        sealed: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        let key = self.key_to_open(account).await?;
        key.open(purpose, id, sealed)
            .map_err(|source| VaultError::Text {
                purpose,
                id,
                source,
            })
    }

    /// The account's data key, to seal several texts without waiting again.
    ///
    /// # Errors
    /// Where it cannot be had.
    pub async fn key_to_seal(&self, account: AccountId) -> Result<Arc<DataKey>, VaultError> {
        if let Some(key) = self.cached(account) {
            return Ok(key);
        }
        match self.key_to_open(account).await {
            Err(VaultError::NoKey(_)) => self.make_key(account).await,
            other => other,
        }
    }

    /// The account's data key, where it has one.
    ///
    /// # Errors
    /// Where it cannot be had.
    pub async fn key_to_open(&self, account: AccountId) -> Result<Arc<DataKey>, VaultError> {
        if let Some(key) = self.cached(account) {
            return Ok(key);
        }
        let client = self.0.keys.client().await.map_err(VaultError::Database)?;
        let wrapped = data_keys::find(&client, account)
            .await
            .map_err(VaultError::Database)?
            .ok_or(VaultError::NoKey(account))?;
        let bytes = self
            .0
            .ring
            .unwrap(account, &wrapped)
            .map_err(|source| VaultError::Unwrap { account, source })?;
        let key = Arc::new(DataKey::new(bytes));
        self.keep(account, Arc::clone(&key));
        Ok(key)
    }

    /// Whether the keys database answers.
    ///
    /// # Errors
    /// Where it does not.
    pub async fn ping(&self) -> Result<(), VaultError> {
        self.0.keys.ping().await.map_err(VaultError::Database)
    }

    /// Forgets every unwrapped key.
    pub fn forget_keys(&self) {
        self.lock().clear();
    }

    async fn make_key(&self, account: AccountId) -> Result<Arc<DataKey>, VaultError> {
        let unwrap = |source| VaultError::Unwrap { account, source };
        let wrapped = self.0.ring.wrap_new(account).map_err(unwrap)?;
        let client = self.0.keys.client().await.map_err(VaultError::Database)?;
        data_keys::create(&client, account, &wrapped, self.0.clock.now())
            .await
            .map_err(VaultError::Database)?;
        drop(client);
        // Another process may have been first: the stored one counts.
        self.key_to_open(account).await
    }

    fn cached(&self, account: AccountId) -> Option<Arc<DataKey>> {
        self.lock().get(&account).cloned()
    }

    fn keep(&self, account: AccountId, key: Arc<DataKey>) {
        let mut cached = self.lock();
        if cached.len() >= CACHED {
            cached.clear();
        }
        cached.insert(account, key);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<AccountId, Arc<DataKey>>> {
        self.0.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
