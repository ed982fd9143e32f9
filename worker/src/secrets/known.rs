//! Opened secrets that are kept, by version: so many and so many bytes, the longest unused
//! going first.

use std::collections::HashMap;
use std::sync::Arc;

use common::ids::{AccountId, NamespaceId, VersionId};
use common::limits;

use super::{Declared, Wanted};

/// Versions whose secrets are kept at once.
const KEPT: usize = 512;

#[derive(Debug, Default)]
pub(super) struct Known {
    kept: HashMap<VersionId, Kept>,
    /// Of all values that are kept.
    bytes: usize,
    /// Changes are heard: what is kept is true.
    pub(super) is_heard: bool,
    /// Counts uses, to tell which was used longest ago.
    uses: u64,
    /// Counts changes: what was read before one must not be kept after it.
    pub(super) changes: u64,
}

#[derive(Debug)]
struct Kept {
    account: AccountId,
    namespace: NamespaceId,
    secrets: Arc<Declared>,
    used: u64,
}

impl Known {
    pub(super) fn used(&mut self, wanted: &Wanted<'_>) -> Option<Arc<Declared>> {
        self.uses += 1;
        let kept = self.kept.get_mut(&wanted.version)?;
        // Never another account's, whatever an entry says.
        if (kept.account, kept.namespace) != (wanted.account, wanted.namespace) {
            return None;
        }
        kept.used = self.uses;
        Some(kept.secrets.clone())
    }

    /// Keeps what was read, unless something changed since `changes`.
    pub(super) fn keep(&mut self, wanted: &Wanted<'_>, changes: u64, secrets: Arc<Declared>) {
        if self.changes != changes {
            return;
        }
        self.remove(wanted.version);
        let bytes = secrets.environment.bytes();
        while self.kept.len() >= KEPT || self.bytes + bytes > limits::SECRETS_KEPT_BYTES {
            let oldest = self.kept.iter().min_by_key(|(_, kept)| kept.used);
            let Some(oldest) = oldest.map(|(version, _)| *version) else {
                return;
            };
            self.remove(oldest);
        }
        self.bytes += bytes;
        let kept = Kept {
            account: wanted.account,
            namespace: wanted.namespace,
            secrets,
            used: self.uses,
        };
        self.kept.insert(wanted.version, kept);
    }

    /// A namespace has other secrets. Gives the versions whose own were among them.
    pub(super) fn forget(&mut self, namespace: NamespaceId) -> Vec<VersionId> {
        self.changes += 1;
        let of_it = self.kept.iter();
        let of_it = of_it.filter(|(_, kept)| kept.namespace == namespace);
        let gone: Vec<VersionId> = of_it.map(|(version, _)| *version).collect();
        for version in &gone {
            self.remove(*version);
        }
        gone
    }

    pub(super) fn forget_all(&mut self) {
        self.kept.clear();
        self.bytes = 0;
        self.changes += 1;
    }

    fn remove(&mut self, version: VersionId) {
        if let Some(kept) = self.kept.remove(&version) {
            self.bytes -= kept.secrets.environment.bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use common::clock::ManualClock;

    use super::*;
    use crate::secrets::tests::{declared, map};

    #[test]
    fn what_was_read_before_a_change_is_not_kept_after_it_and_no_more_than_may_be() {
        let clock = ManualClock::at("2026-03-01T00:00:00Z");
        let declared = declared();
        let wanted = |version| Wanted {
            account: AccountId::new(&clock),
            namespace: NamespaceId::new(&clock),
            version,
            declared: &declared,
        };
        let mut known = Known::default();
        let first = wanted(VersionId::new(&clock));
        known.changes += 1;
        known.keep(&first, 0, Arc::default());
        assert!(known.used(&first).is_none());
        for _ in 0..=KEPT {
            known.keep(&wanted(VersionId::new(&clock)), 1, Arc::default());
        }
        assert_eq!(known.kept.len(), KEPT);
        known.keep(&first, 1, Arc::default());
        assert!(known.used(&first).is_some());
        let other = Wanted {
            account: AccountId::new(&clock),
            ..first
        };
        assert!(known.used(&other).is_none());
    }

    #[test]
    fn no_more_bytes_are_kept_than_may_be() {
        let clock = ManualClock::at("2026-03-01T00:00:00Z");
        let declared = declared();
        let mut known = Known::default();
        let wanted = || Wanted {
            account: AccountId::new(&clock),
            namespace: NamespaceId::new(&clock),
            version: VersionId::new(&clock),
            declared: &declared,
        };
        let quarter = "x".repeat(limits::SECRETS_KEPT_BYTES / 4);
        let secrets = Arc::new(Declared::new(map(&[("TOKEN", &quarter)])));
        let all: Vec<_> = (0..5).map(|_| wanted()).collect();
        for wanted in &all {
            known.used(wanted);
            known.keep(wanted, 0, secrets.clone());
            known.keep(wanted, 0, secrets.clone());
        }
        assert_eq!(
            (known.kept.len(), known.bytes),
            (4, limits::SECRETS_KEPT_BYTES)
        );
        assert!(known.used(&all[0]).is_none());
        let larger = Arc::new(Declared::new(map(&[(
            "TOKEN",
            &"x".repeat(limits::SECRETS_KEPT_BYTES + 1),
        )])));
        known.keep(&all[0], 0, larger);
        assert_eq!((known.kept.len(), known.bytes), (0, 0));
    }
}
