//! Which execution a client's key stands for.

use jiff::Timestamp;

use super::columns::{digest, id};
use super::statement::statements;
use super::{DbError, GenericClient};
use crate::ids::{AccountId, ExecutionId};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownKey {
    pub execution: ExecutionId,
    /// SHA-256 of namespace, function, version as asked and the input.
    pub digest: [u8; 32],
}

statements! {
    FIND = "select execution_id, body_digest from idempotency_keys
        where account_id = $1 and key_hash = $2 and expires_at > $3";
}

/// # Errors
/// Where PostgreSQL does not answer.
pub async fn find(
    client: &impl GenericClient,
    account: AccountId,
    key_hash: [u8; 32],
    now: Timestamp,
) -> Result<Option<KnownKey>, DbError> {
    let params: super::statement::Params<'_> = &[&account.uuid(), &key_hash.as_slice(), &now];
    let Some(row) = FIND.row(client, params).await? else {
        return Ok(None);
    };
    Ok(Some(KnownKey {
        execution: id(&row, "execution_id", ExecutionId::from_uuid)?,
        digest: digest(&row, "body_digest")?,
    }))
}
