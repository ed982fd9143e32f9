//! Wrapping every data key anew, under the first key of the ring.

use super::{Ring, VaultError};
use crate::clock::Clock;
use crate::db::{Database, data_keys};

const PAGE: u32 = 200;

/// Wraps anew each data key that another than the first key-encryption key wraps;
/// gives how many they were. Needs the owner's rights on the keys database. It may
/// be stopped and run again: each key is changed only if it still is as it was read.
///
/// # Errors
/// Where a key's wrapper is not in the ring, or PostgreSQL does not answer.
pub async fn rotate(keys: &Database, ring: &Ring, clock: &dyn Clock) -> Result<u64, VaultError> {
    let client = keys.client().await.map_err(VaultError::Database)?;
    let mut after = None;
    let mut rewrapped = 0;
    loop {
        let page = data_keys::wrapped_by_others(&client, ring.first(), after, PAGE)
            .await
            .map_err(VaultError::Database)?;
        let Some((last, _)) = page.last() else {
            return Ok(rewrapped);
        };
        after = Some(*last);
        for (account, was) in page {
            let unwrap = |source| VaultError::Unwrap { account, source };
            let key = ring.unwrap(account, &was).map_err(unwrap)?;
            let wrapped = ring.wrap(account, &key).map_err(unwrap)?;
            let was = &was.key_encryption_key;
            let changed = data_keys::rewrap(&client, account, was, &wrapped, clock.now())
                .await
                .map_err(VaultError::Database)?;
            rewrapped += u64::from(changed);
        }
    }
}
