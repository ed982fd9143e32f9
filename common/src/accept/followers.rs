//! Who follows which execution's log in this process: bounded, and woken by its text.
//!
//! A follower that leaves is forgotten, and what it held is free at once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::ids::{AccountId, ExecutionId};
use crate::limits::{FOLLOWERS, FOLLOWERS_PER_ACCOUNT};

/// Why there is no place for one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Crowded {
    #[error("the account follows as many logs as it may")]
    Account,
    #[error("this process follows as many logs as it can")]
    Process,
}

/// The registry.
#[derive(Clone, Debug, Default)]
pub(super) struct Followers(Arc<Mutex<Places>>);

#[derive(Debug, Default)]
struct Places {
    all: usize,
    accounts: HashMap<AccountId, usize>,
    /// Followers of each execution hear from the same sender.
    executions: HashMap<ExecutionId, watch::Sender<()>>,
}

/// One follower's place; leaving it is dropping it.
#[derive(Debug)]
pub(super) struct Place {
    account: AccountId,
    id: ExecutionId,
    printed: watch::Receiver<()>,
    all: Followers,
}

impl Followers {
    /// Takes a place. Read the log only after this.
    pub(super) fn join(&self, account: AccountId, id: ExecutionId) -> Result<Place, Crowded> {
        let mut places = self.places();
        let of_account = places.accounts.get(&account).copied().unwrap_or_default();
        if of_account >= FOLLOWERS_PER_ACCOUNT {
            return Err(Crowded::Account);
        }
        if places.all >= FOLLOWERS {
            return Err(Crowded::Process);
        }
        places.all += 1;
        places.accounts.insert(account, of_account + 1);
        let printed = places.executions.entry(id).or_default().subscribe();
        drop(places);
        Ok(Place {
            account,
            id,
            printed,
            all: self.clone(),
        })
    }

    /// Wakes who follows this execution.
    pub(super) fn printed(&self, id: ExecutionId) {
        if let Some(printed) = self.places().executions.get(&id) {
            printed.send_replace(());
        }
    }

    fn leave(&self, account: AccountId, id: ExecutionId) {
        let mut places = self.places();
        places.all -= 1;
        if let Entry::Occupied(mut count) = places.accounts.entry(account) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        // The one who leaves still listens.
        if let Entry::Occupied(printed) = places.executions.entry(id)
            && printed.get().receiver_count() <= 1
        {
            printed.remove();
        }
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// From here on only what is printed later wakes.
    pub(super) fn reads(&mut self) {
        self.printed.mark_unchanged();
    }

    /// Waits for text. May be dropped and called again.
    pub(super) async fn printed(&mut self) {
        if self.printed.changed().await.is_err() {
            // The sender stays as long as this place: this does not come.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.all.leave(self.account, self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    fn ids() -> (AccountId, ExecutionId) {
        (AccountId::new(&SystemClock), ExecutionId::new(&SystemClock))
    }

    #[tokio::test]
    async fn all_who_follow_an_execution_are_woken_and_nobody_else() {
        let followers = Followers::default();
        let (account, id) = ids();
        let mut first = followers.join(account, id).unwrap();
        let leaving = followers.join(account, id).unwrap();
        let mut second = followers.join(account, id).unwrap();
        let mut other = followers.join(account, ids().1).unwrap();
        drop(leaving);
        followers.printed(id);
        first.printed().await;
        second.printed().await;
        let woken = tokio::time::timeout(std::time::Duration::ZERO, other.printed()).await;
        assert!(woken.is_err());
        followers.printed(id);
        first.reads();
        let woken = tokio::time::timeout(std::time::Duration::ZERO, first.printed()).await;
        assert!(woken.is_err());
    }

    #[test]
    fn an_account_and_a_process_have_their_bounds_and_places_come_back() {
        let followers = Followers::default();
        let (account, id) = ids();
        let mut places = Vec::new();
        for _ in 0..FOLLOWERS_PER_ACCOUNT {
            places.push(followers.join(account, id).unwrap());
        }
        assert_eq!(followers.join(account, id).unwrap_err(), Crowded::Account);
        let mut other = ids();
        while places.len() < FOLLOWERS {
            if places.len() % FOLLOWERS_PER_ACCOUNT == 0 {
                other = ids();
            }
            places.push(followers.join(other.0, other.1).unwrap());
        }
        let (late, execution) = ids();
        assert_eq!(
            followers.join(late, execution).unwrap_err(),
            Crowded::Process
        );
        places.pop();
        places.push(followers.join(late, execution).unwrap());
        places.clear();
        let left = followers.places();
        assert!(left.all == 0 && left.accounts.is_empty() && left.executions.is_empty());
    }
}
