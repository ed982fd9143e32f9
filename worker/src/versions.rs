//! Versions this process has loaded: their code, opened, and their names.
//!
//! A version never changes once it is built, so it is kept until it is announced as
//! changed (it was deleted), until announcements are heard again that may have been
//! missed meanwhile, or until others were used more recently. While PostgreSQL is
//! away, what is known still runs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use common::db::versions::{BrokenKind, DeclaredEnv, Status};
use common::db::{Database, DbError, versions};
use common::execution::{ErrorCode, Failure};
use common::ids::{AccountId, VersionId};
use common::network::AllowedHost;
use common::packages::{Lock, LockDigest};
use common::source::{self, DamagedSource, Source};
use common::vault::{Purpose, Vault, VaultError};
use jail::Code;
use tokio::sync::Notify;

/// Versions kept at once.
const KEPT: usize = 512;
/// Between two looks at a version that is being built.
const LOOK: Duration = Duration::from_secs(1);

/// A stored source as a sandbox takes it.
pub(crate) fn code_of(bytes: Vec<u8>) -> Result<Code, DamagedSource> {
    Ok(Code {
        entry: source::ENTRY.to_owned(),
        files: Source::decode(bytes)?.into_files(),
    })
}

/// A version that can run.
#[derive(Debug)]
pub struct Loaded {
    pub number: u32,
    pub namespace: String,
    pub function: String,
    pub code: Code,
    /// Which packages it has.
    pub lock: Option<LockDigest>,
    account: AccountId,
    id: VersionId,
    /// Environment values it gets.
    pub env: DeclaredEnv,
    /// Hosts its executions may reach.
    pub network: Vec<AllowedHost>,
    /// Its import reads some of them: a sandbox serves calls with the same values only.
    pub reads_env: bool,
}

/// How a version stands.
#[derive(Clone, Debug)]
pub enum Version {
    Ready(Arc<Loaded>),
    /// Every call of it answers this.
    Broken(Box<Failure>),
    Building,
    /// It was deleted.
    Gone,
}

#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("the version's row cannot be read")]
    Row(#[source] DbError),
    #[error("the version's code cannot be opened")]
    Open(#[source] VaultError),
    #[error("the version's code cannot be read")]
    Source(#[source] DamagedSource),
}

impl LoadError {
    /// Coming back later may help.
    #[must_use]
    pub const fn is_unavailable(&self) -> bool {
        match self {
            Self::Row(error) => error.is_unavailable(),
            Self::Open(error) => error.is_unavailable(),
            Self::Source(_) => false,
        }
    }
}

/// The versions this process knows. Handles share them.
#[derive(Clone, Debug)]
pub struct Versions(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    database: Database,
    vault: Vault,
    known: Mutex<Known>,
    /// After each change that was announced.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Known {
    versions: HashMap<VersionId, Kept>,
    /// Counts uses, to tell which was used longest ago.
    uses: u64,
    /// Counts changes: what was read before one must not be kept after it.
    changes: u64,
}

#[derive(Debug)]
struct Kept {
    account: AccountId,
    version: Version,
    used: u64,
}

impl Versions {
    #[must_use]
    pub fn new(database: Database, vault: Vault) -> Self {
        Self(Arc::new(Shared {
            database,
            vault,
            known: Mutex::default(),
            changed: Notify::new(),
        }))
    }

    /// How a version stands; waits at most `patience` for one that is being built.
    ///
    /// # Errors
    /// Where it can't be read or opened: ours, not the user's.
    pub async fn built(
        &self,
        account: AccountId,
        id: VersionId,
        patience: Duration,
    ) -> Result<Version, LoadError> {
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            let changed = self.0.changed.notified();
            let version = self.get(account, id).await?;
            if !matches!(version, Version::Building) {
                return Ok(version);
            }
            let look = tokio::time::Instant::now() + LOOK;
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep_until(look.min(deadline)) => {}
            }
            if tokio::time::Instant::now() >= deadline {
                return Ok(Version::Building);
            }
        }
    }

    async fn get(&self, account: AccountId, id: VersionId) -> Result<Version, LoadError> {
        let changes = {
            let mut known = self.known();
            if let Some(version) = known.used(account, id) {
                return Ok(version);
            }
            known.changes
        };
        let version = self.load(account, id).await?;
        let settled = matches!(version, Version::Ready(_) | Version::Broken(_));
        let mut known = self.known();
        if settled && known.changes == changes {
            known.keep(account, id, version.clone());
        }
        Ok(version)
    }

    async fn load(&self, account: AccountId, id: VersionId) -> Result<Version, LoadError> {
        let client = self.0.database.client().await.map_err(LoadError::Row)?;
        let found = versions::runnable(&client, account, id)
            .await
            .map_err(LoadError::Row)?;
        drop(client);
        let Some(found) = found else {
            return Ok(Version::Gone);
        };
        if found.version.status == Status::Building {
            return Ok(Version::Building);
        }
        let key = self.0.vault.key_to_open(account).await;
        let key = key.map_err(LoadError::Open)?;
        let open = |purpose, sealed: &[u8]| {
            let opened = key.open(purpose, id.uuid(), sealed);
            opened.map_err(|source| {
                LoadError::Open(VaultError::Text {
                    purpose,
                    id: id.uuid(),
                    source,
                })
            })
        };
        if let Some(kind) = found.version.broken_kind {
            let reason = found.version.reason.as_deref();
            let reason = reason.map(|sealed| open(Purpose::Reason, sealed));
            return Ok(Version::Broken(Box::new(failure_of(
                kind,
                reason.transpose()?.as_deref(),
            ))));
        }
        let code = open(Purpose::Code, &found.code)?;
        let code = code_of(code).map_err(LoadError::Source)?;
        Ok(Version::Ready(Arc::new(Loaded {
            number: found.version.number,
            namespace: found.namespace,
            function: found.function,
            code,
            lock: found.version.lock,
            account,
            id,
            env: found.version.env,
            network: found.version.network,
            reads_env: !found.version.import_env.is_empty(),
        })))
    }

    /// The list of a version's packages, which is long and seldom needed.
    ///
    /// # Errors
    /// Where it can't be read.
    pub async fn lock(&self, version: &Loaded) -> Result<Lock, DbError> {
        let client = self.0.database.client().await?;
        let text = versions::lock(&client, version.account, version.id).await?;
        Ok(Lock::of(text.unwrap_or_default()))
    }

    /// A version changed, or is gone.
    pub fn forget(&self, id: VersionId) {
        let mut known = self.known();
        known.versions.remove(&id);
        known.changes += 1;
        drop(known);
        self.0.changed.notify_waiters();
    }

    /// Changes may have been missed.
    pub fn forget_all(&self) {
        let mut known = self.known();
        known.versions.clear();
        known.changes += 1;
        drop(known);
        self.0.changed.notify_waiters();
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn used(&mut self, account: AccountId, id: VersionId) -> Option<Version> {
        self.uses += 1;
        let kept = self.versions.get_mut(&id)?;
        if kept.account != account {
            return None;
        }
        kept.used = self.uses;
        Some(kept.version.clone())
    }

    fn keep(&mut self, account: AccountId, id: VersionId, version: Version) {
        if self.versions.len() >= KEPT {
            let oldest = self.versions.iter().min_by_key(|(_, kept)| kept.used);
            if let Some(oldest) = oldest.map(|(id, _)| *id) {
                self.versions.remove(&oldest);
            }
        }
        let used = self.uses;
        let kept = Kept {
            account,
            version,
            used,
        };
        self.versions.insert(id, kept);
    }
}

/// What every call of a version answers that can't run.
fn failure_of(kind: BrokenKind, reason: Option<&[u8]>) -> Failure {
    let told = reason.and_then(|text| serde_json::from_slice(text).ok());
    told.unwrap_or_else(|| {
        let message = match kind {
            BrokenKind::Syntax => "the code is not Python",
            BrokenKind::Packages => "the packages could not be installed",
            BrokenKind::Import => "the code could not be imported",
            BrokenKind::Build => "the version could not be built",
        };
        Failure::new(ErrorCode::ImportError, message)
    })
}

#[cfg(test)]
mod tests {
    use common::clock::ManualClock;

    use super::*;

    fn broken() -> Version {
        Version::Broken(Box::new(failure_of(BrokenKind::Import, None)))
    }

    #[test]
    fn the_longest_unused_goes_first_and_no_more_are_kept_than_may_be() {
        let clock = ManualClock::at("2026-03-01T00:00:00Z");
        let ids: Vec<VersionId> = (0..=KEPT).map(|_| VersionId::new(&clock)).collect();
        let mine = AccountId::new(&clock);
        let mut known = Known::default();
        for id in &ids[..KEPT] {
            known.used(mine, *id);
            known.keep(mine, *id, broken());
        }
        assert!(known.used(mine, ids[0]).is_some());
        known.keep(mine, ids[KEPT], broken());
        assert_eq!(known.versions.len(), KEPT);
        assert!(known.used(mine, ids[0]).is_some());
        assert!(known.used(mine, ids[1]).is_none());
        // Never another account's, whatever an entry says.
        assert!(known.used(AccountId::new(&clock), ids[0]).is_none());
    }

    #[test]
    fn what_a_build_found_is_what_calls_answer() {
        let found = Failure::new(ErrorCode::ImportError, "No module named 'x'");
        let text = serde_json::to_vec(&found).unwrap();
        assert_eq!(failure_of(BrokenKind::Import, Some(&text)), found);
        let lost = failure_of(BrokenKind::Syntax, Some(b"{"));
        assert_eq!(lost.code, ErrorCode::ImportError);
    }
}
