//! Tokens with which a login is prolonged; only their hashes are kept.

use jiff::Timestamp;
use uuid::Uuid;

use super::columns::{get, id};
use super::statement::statements;
use super::{DbError, GenericClient};
use crate::ids::{AccountId, UserId};

#[derive(Clone, Debug)]
pub struct RefreshToken {
    /// SHA-256 of the token.
    pub hash: [u8; 32],
    /// The login it descends from.
    pub family: Uuid,
    pub account: AccountId,
    pub user: UserId,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

statements! {
    CREATE = "insert into refresh_tokens
            (token_hash, family, account_id, user_id, created_at, expires_at)
        values ($1, $2, $3, $4, $5, $6)";
    FIND = "select family, account_id, user_id, created_at, expires_at from refresh_tokens
        where token_hash = $1 and revoked_at is null and expires_at > $2";
    REVOKE_FAMILY = "update refresh_tokens set revoked_at = $2
        where family = $1 and revoked_at is null";
    REVOKE_ALL = "update refresh_tokens set revoked_at = $2
        where user_id = $1 and revoked_at is null";
}

/// # Errors
/// Where PostgreSQL does not take it.
pub async fn create(client: &impl GenericClient, token: &RefreshToken) -> Result<(), DbError> {
    CREATE
        .change(
            client,
            &[
                &token.hash.as_slice(),
                &token.family,
                &token.account.uuid(),
                &token.user.uuid(),
                &token.created_at,
                &token.expires_at,
            ],
        )
        .await
        .map(|_| ())
}

/// A token that is still good. No tenant: the token finds it.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn find(
    client: &impl GenericClient,
    hash: [u8; 32],
    now: Timestamp,
) -> Result<Option<RefreshToken>, DbError> {
    let Some(row) = FIND.row(client, &[&hash.as_slice(), &now]).await? else {
        return Ok(None);
    };
    Ok(Some(RefreshToken {
        hash,
        family: get(&row, "family")?,
        account: id(&row, "account_id", AccountId::from_uuid)?,
        user: id(&row, "user_id", UserId::from_uuid)?,
        created_at: get(&row, "created_at")?,
        expires_at: get(&row, "expires_at")?,
    }))
}

/// Ends one login; gives how many tokens it ended.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn revoke_family(
    client: &impl GenericClient,
    family: Uuid,
    now: Timestamp,
) -> Result<u64, DbError> {
    REVOKE_FAMILY.change(client, &[&family, &now]).await
}

/// Ends every login of a user; gives how many tokens it ended.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn revoke_all(
    client: &impl GenericClient,
    user: UserId,
    now: Timestamp,
) -> Result<u64, DbError> {
    REVOKE_ALL.change(client, &[&user.uuid(), &now]).await
}
