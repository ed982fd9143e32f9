//! What a call finds in `os.environ`: the secrets of its namespace that its version
//! declares, and over them the values the call brings along.
//!
//! Secrets are kept, opened, for each version until one of the namespace is announced to
//! have changed, until announcements are heard again that may have been missed, or until
//! others were used more recently. While changes are not heard, PostgreSQL is asked each
//! time; while it is away, what is known still serves.

mod known;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use common::db::versions::DeclaredEnv;
use common::db::{Database, DbError, secrets};
use common::ids::{AccountId, ExecutionId, NamespaceId, VersionId};
use common::limits;
use common::vault::{Purpose, Vault, VaultError};
use jail::Environment;

use known::Known;

/// What looks for larger ones is made beside the runtime.
const LARGE: usize = 4 << 10;

// What the api says is masked is what the jail masks.
const _: () = assert!(jail::mask::SHORTEST == limits::MASKED_CHARACTERS);

#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    #[error("they cannot be read")]
    Rows(#[source] DbError),
    #[error("one cannot be opened")]
    Open(#[source] VaultError),
    #[error("one is no text")]
    Text,
    #[error("what looks for them was not made")]
    Mask,
    #[error("the call's own values cannot be read")]
    Own,
}

impl SecretsError {
    const fn is_unavailable(&self) -> bool {
        match self {
            Self::Rows(error) => error.is_unavailable(),
            Self::Open(error) => error.is_unavailable(),
            Self::Text | Self::Own | Self::Mask => false,
        }
    }
}

/// Whose secrets, for which version.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    pub account: AccountId,
    pub namespace: NamespaceId,
    pub version: VersionId,
    pub declared: &'a DeclaredEnv,
}

/// Those of a version that have a value.
#[derive(Debug, Default)]
pub struct Declared {
    environment: Environment,
}

impl Declared {
    fn new(values: BTreeMap<String, String>) -> Self {
        Self {
            environment: Environment::new(values),
        }
    }

    /// For a call that brings nothing along.
    #[must_use]
    pub fn environment(&self) -> Environment {
        self.environment.clone()
    }

    /// For a call that brings these along, of which it gets those that are declared.
    #[must_use]
    pub fn with(&self, own: BTreeMap<String, String>, declared: &DeclaredEnv) -> Environment {
        let mut values = self.values();
        let own = own.into_iter();
        values.extend(own.filter(|(name, _)| declared.names().any(|declared| declared == name)));
        Environment::new(values)
    }

    /// For an import at publishing: each required name has a value, if only one that
    /// stands in for it. Optional ones without a value are absent, as they may be in a call.
    #[must_use]
    pub fn stood_in(&self, declared: &DeclaredEnv) -> Environment {
        let values = self.values();
        let missing = declared.required.iter();
        let missing = missing.filter(|name| !values.contains_key(*name));
        let stand_ins = missing.map(|name| (name.clone(), STAND_IN.to_owned()));
        let stand_ins = stand_ins.collect();
        Environment::with_plain(values, stand_ins)
    }

    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.environment.values().any(|(given, _)| given == name)
    }

    fn values(&self) -> BTreeMap<String, String> {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        self.environment.values().map(owned).collect()
    }
}

/// The environment with what looks for its values already made.
///
/// # Errors
/// Where the process is ending.
pub async fn ready(environment: Environment) -> Result<Environment, SecretsError> {
    if environment.bytes() <= LARGE {
        return Ok(environment);
    }
    let making = tokio::task::spawn_blocking(move || {
        let _kept_in_it = environment.mask();
        environment
    });
    making.await.map_err(|_| SecretsError::Mask)
}

/// What an import finds at publishing under a required name that has no value yet.
pub const STAND_IN: &str = "no-value-while-publishing";

/// The values a call brings along, as its entry has them.
///
/// # Errors
/// Where they can't be opened, or are no object of texts.
pub async fn own_of(
    vault: &Vault,
    account: AccountId,
    id: ExecutionId,
    sealed: &[u8],
) -> Result<BTreeMap<String, String>, SecretsError> {
    let text = vault.open(account, Purpose::Env, id.uuid(), sealed).await;
    // Why not is left out: it would say what stands there.
    serde_json::from_slice(&text.map_err(SecretsError::Open)?).map_err(|_| SecretsError::Own)
}

/// The secrets this process knows. Handles share them.
#[derive(Clone, Debug)]
pub struct Secrets(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    database: Database,
    vault: Vault,
    known: Mutex<Known>,
}

impl Secrets {
    #[must_use]
    pub fn new(database: Database, vault: Vault) -> Self {
        Self(Arc::new(Shared {
            database,
            vault,
            known: Mutex::default(),
        }))
    }

    /// Those that the version declares.
    ///
    /// # Errors
    /// Where they can't be read or opened: ours, not the user's.
    pub async fn of(&self, wanted: Wanted<'_>) -> Result<Arc<Declared>, SecretsError> {
        if wanted.declared.is_empty() {
            return Ok(Arc::default());
        }
        let (held, changes) = {
            let mut known = self.known();
            let held = known.used(&wanted);
            if let (Some(held), true) = (&held, known.is_heard) {
                return Ok(held.clone());
            }
            (held, known.changes)
        };
        match (self.read(&wanted, changes).await, held) {
            (Err(error), Some(held)) if error.is_unavailable() => Ok(held),
            (read, _) => read,
        }
    }

    /// Those that the version declares as PostgreSQL has them now: a change may be heard of
    /// later than of the call that relies on it.
    ///
    /// # Errors
    /// Where they can't be read or opened: ours, not the user's.
    pub async fn anew(&self, wanted: Wanted<'_>) -> Result<Arc<Declared>, SecretsError> {
        let changes = self.known().changes;
        self.read(&wanted, changes).await
    }

    async fn read(&self, wanted: &Wanted<'_>, changes: u64) -> Result<Arc<Declared>, SecretsError> {
        let secrets = Arc::new(self.load(wanted).await?);
        self.known().keep(wanted, changes, secrets.clone());
        Ok(secrets)
    }

    async fn load(&self, wanted: &Wanted<'_>) -> Result<Declared, SecretsError> {
        let client = self.0.database.client().await.map_err(SecretsError::Rows)?;
        let names: Vec<_> = wanted.declared.names().collect();
        let sealed = secrets::sealed(&client, wanted.account, wanted.namespace, &names).await;
        drop(client);
        let mut values = BTreeMap::new();
        for secret in sealed.map_err(SecretsError::Rows)? {
            let place = (Purpose::Secret, secret.id.uuid());
            let vault = &self.0.vault;
            let opened = vault.open(wanted.account, place.0, place.1, &secret.value);
            let opened = opened.await.map_err(SecretsError::Open)?;
            let value = String::from_utf8(opened).map_err(|_| SecretsError::Text)?;
            values.insert(secret.name, value);
        }
        let Declared { environment } = Declared::new(values);
        let environment = ready(environment).await?;
        Ok(Declared { environment })
    }

    /// A namespace has other secrets. Gives the versions whose own may be among them.
    pub fn forget(&self, namespace: NamespaceId) -> Vec<VersionId> {
        self.known().forget(namespace)
    }

    /// Changes are heard from here on, and some may have been missed.
    pub fn heard(&self) {
        self.known().forget_all();
        self.known().is_heard = true;
    }

    /// Changes may go unheard.
    pub fn unheard(&self) {
        self.known().is_heard = false;
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn map(values: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        values.iter().map(owned).collect()
    }

    pub(super) fn declared() -> DeclaredEnv {
        DeclaredEnv {
            required: vec!["TOKEN".to_owned(), "KEY".to_owned()],
            optional: vec!["MODE".to_owned()],
        }
    }

    #[test]
    fn a_call_s_own_value_goes_over_the_namespace_s_and_undeclared_ones_nowhere() {
        let secrets = Declared::new(map(&[("TOKEN", "namespace"), ("KEY", "kept")]));
        let own = map(&[("TOKEN", "call"), ("OTHER", "x"), ("MODE", "m")]);
        let environment = secrets.with(own, &declared());
        let mut values: Vec<_> = environment.values().collect();
        values.sort_unstable();
        assert_eq!(values, [("KEY", "kept"), ("MODE", "m"), ("TOKEN", "call")]);
    }

    #[test]
    fn only_a_required_name_without_a_value_is_stood_in_for_and_not_masked() {
        let secrets = Declared::new(map(&[("TOKEN", "namespace")]));
        let environment = secrets.stood_in(&declared());
        let values: Vec<_> = environment.values().collect();
        assert_eq!(values, [("KEY", STAND_IN), ("TOKEN", "namespace")]);
        let text = format!("namespace {STAND_IN}");
        let shown = environment.mask().text(text.as_bytes()).into_owned();
        assert_eq!(shown, format!("*** {STAND_IN}").into_bytes());
    }
}
