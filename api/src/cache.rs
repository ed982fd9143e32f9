//! What was looked up in PostgreSQL and may be used again until it is announced to
//! have changed.
//!
//! An entry is put in only if nothing was dropped since its lookup began: else a
//! lookup that overtakes an announcement would keep a revoked key alive.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A bounded map of shared values.
#[derive(Debug)]
pub(crate) struct Cache<K, V> {
    most: usize,
    held: Mutex<Held<K, V>>,
}

#[derive(Debug)]
struct Held<K, V> {
    /// Raised whenever something is dropped.
    epoch: u64,
    entries: HashMap<K, V>,
}

/// When a lookup began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Epoch(u64);

impl<K: Eq + Hash, V: Clone> Cache<K, V> {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            held: Mutex::new(Held {
                epoch: 0,
                entries: HashMap::new(),
            }),
        }
    }

    pub(crate) fn get(&self, key: &K) -> Option<V> {
        self.held().entries.get(key).cloned()
    }

    /// To be taken before the lookup whose answer is to be put in.
    pub(crate) fn epoch(&self) -> Epoch {
        Epoch(self.held().epoch)
    }

    /// Keeps a value, unless something was dropped since `epoch`.
    pub(crate) fn put(&self, epoch: Epoch, key: K, value: V) {
        let mut held = self.held();
        if held.epoch != epoch.0 {
            return;
        }
        if held.entries.len() >= self.most {
            // Rare and cheap to refill; keeping the order of use would cost every hit.
            held.entries.clear();
        }
        held.entries.insert(key, value);
    }

    /// Drops what is no longer true.
    pub(crate) fn drop_where(&self, stale: impl Fn(&V) -> bool) {
        let mut held = self.held();
        held.epoch += 1;
        held.entries.retain(|_, value| !stale(value));
    }

    pub(crate) fn clear(&self) {
        self.drop_where(|_| true);
    }

    fn held(&self) -> MutexGuard<'_, Held<K, V>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_overtaken_by_an_announcement_is_not_kept() {
        let cache = Cache::new(10);
        let before = cache.epoch();
        cache.drop_where(|value| *value == 1);
        cache.put(before, "key", 1);
        assert_eq!(cache.get(&"key"), None);
        cache.put(cache.epoch(), "key", 2);
        assert_eq!(cache.get(&"key"), Some(2));
    }

    #[test]
    fn a_cache_stands_on_its_bound() {
        let cache = Cache::new(2);
        for key in 0..3 {
            cache.put(cache.epoch(), key, key);
        }
        assert_eq!(cache.get(&2), Some(2));
        assert_eq!(cache.get(&0), None);
    }
}
