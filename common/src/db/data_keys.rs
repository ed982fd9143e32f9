//! The keys database: wrapped data keys. Only the vault reads it.

use jiff::Timestamp;

use super::columns::{get, id};
use super::statement::statements;
use super::{DbError, GenericClient};
use crate::ids::AccountId;

/// A data key as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrapped {
    /// Id of the key-encryption key that wraps it.
    pub key_encryption_key: String,
    pub bytes: Vec<u8>,
}

statements! {
    FIND = "select key_encryption_key, wrapped from data_keys where account_id = $1";
    CREATE = "insert into data_keys (account_id, key_encryption_key, wrapped, created_at)
        values ($1, $2, $3, $4) on conflict (account_id) do nothing";
    WRAPPED_BY_OTHERS = "select account_id, key_encryption_key, wrapped from data_keys
        where key_encryption_key <> $1 and account_id > $2 order by account_id limit $3";
    REWRAP = "update data_keys set key_encryption_key = $3, wrapped = $4, rewrapped_at = $5
        where account_id = $1 and key_encryption_key = $2";
}

/// # Errors
/// Where PostgreSQL does not answer.
pub async fn find(
    client: &impl GenericClient,
    account: AccountId,
) -> Result<Option<Wrapped>, DbError> {
    let Some(row) = FIND.row(client, &[&account.uuid()]).await? else {
        return Ok(None);
    };
    Ok(Some(Wrapped {
        key_encryption_key: get(&row, "key_encryption_key")?,
        bytes: get(&row, "wrapped")?,
    }))
}

/// Stores an account's data key unless it has one; gives whether it had none.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn create(
    client: &impl GenericClient,
    account: AccountId,
    wrapped: &Wrapped,
    now: Timestamp,
) -> Result<bool, DbError> {
    let params: super::statement::Params<'_> = &[
        &account.uuid(),
        &wrapped.key_encryption_key,
        &wrapped.bytes,
        &now,
    ];
    Ok(CREATE.change(client, params).await? == 1)
}

/// A page of keys that another than the given key-encryption key wraps, by account.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn wrapped_by_others(
    client: &impl GenericClient,
    key_encryption_key: &str,
    after: Option<AccountId>,
    most: u32,
) -> Result<Vec<(AccountId, Wrapped)>, DbError> {
    let after = after.map_or(uuid::Uuid::nil(), AccountId::uuid);
    let rows = WRAPPED_BY_OTHERS
        .rows(client, &[&key_encryption_key, &after, &i64::from(most)])
        .await?;
    rows.iter()
        .map(|row| {
            let wrapped = Wrapped {
                key_encryption_key: get(row, "key_encryption_key")?,
                bytes: get(row, "wrapped")?,
            };
            Ok((id(row, "account_id", AccountId::from_uuid)?, wrapped))
        })
        .collect()
}

/// Puts a newly wrapped key in place of one wrapped by `was`; gives whether it
/// still was. Needs the owner's rights.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn rewrap(
    client: &impl GenericClient,
    account: AccountId,
    was: &str,
    wrapped: &Wrapped,
    now: Timestamp,
) -> Result<bool, DbError> {
    let params: super::statement::Params<'_> = &[
        &account.uuid(),
        &was,
        &wrapped.key_encryption_key,
        &wrapped.bytes,
        &now,
    ];
    Ok(REWRAP.change(client, params).await? == 1)
}
