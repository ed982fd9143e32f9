//! Who follows which execution's log in this process: bounded, and woken by its text.
//!
//! A follower that leaves is forgotten, and what it held is free at once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::ids::{AccountId, ExecutionId};
use crate::limits::FOLLOWERS;

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
    executions: HashMap<ExecutionId, Followed>,
}

/// An execution that somebody follows: all of them hear from the same sender.
#[derive(Debug, Default)]
struct Followed {
    followers: usize,
    printed: watch::Sender<()>,
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
    /// Takes a place, where the account has not `most` of them. Read the log only after this.
    pub(super) fn join(
        &self,
        (account, most): (AccountId, usize),
        id: ExecutionId,
    ) -> Result<Place, Crowded> {
        let mut places = self.places();
        let of_account = places.accounts.get(&account).copied().unwrap_or_default();
        if of_account >= most {
            return Err(Crowded::Account);
        }
        if places.all >= FOLLOWERS {
            return Err(Crowded::Process);
        }
        places.all += 1;
        places.accounts.insert(account, of_account + 1);
        let followed = places.executions.entry(id).or_default();
        followed.followers += 1;
        let printed = followed.printed.subscribe();
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
        if let Some(followed) = self.places().executions.get(&id) {
            followed.printed.send_replace(());
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
        // Counted here: who leaves still listens until it is gone.
        if let Entry::Occupied(mut followed) = places.executions.entry(id) {
            followed.get_mut().followers -= 1;
            if followed.get().followers == 0 {
                followed.remove();
            }
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
    use std::mem::ManuallyDrop;

    use super::*;
    use crate::clock::SystemClock;

    const MOST: usize = 16;

    fn ids() -> (AccountId, ExecutionId) {
        (AccountId::new(&SystemClock), ExecutionId::new(&SystemClock))
    }

    #[tokio::test]
    async fn all_who_follow_an_execution_are_woken_and_nobody_else() {
        let followers = Followers::default();
        let (account, id) = ids();
        let account = (account, MOST);
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
        let account = (account, MOST);
        for _ in 0..MOST {
            places.push(followers.join(account, id).unwrap());
        }
        assert_eq!(followers.join(account, id).unwrap_err(), Crowded::Account);
        let mut other = ids();
        while places.len() < FOLLOWERS {
            if places.len() % MOST == 0 {
                other = ids();
            }
            places.push(followers.join((other.0, MOST), other.1).unwrap());
        }
        let (late, execution) = ids();
        let late = (late, MOST);
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

    #[test]
    fn nothing_is_left_of_followers_who_leave_at_the_same_time() {
        let followers = Followers::default();
        let (account, id) = ids();
        // Both have left before either is gone.
        let both = [(); 2].map(|()| {
            let place = followers.join((account, MOST), id).unwrap();
            ManuallyDrop::new(place)
        });
        for place in &both {
            place.all.leave(place.account, place.id);
        }
        assert!(followers.places().executions.is_empty());
    }
}
