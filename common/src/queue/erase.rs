//! Erasing what Redis still holds of a finished execution.

use super::error::QueueError;
use super::keys::hex;
use super::link::Link;
use super::script;
use crate::ids::{AccountId, ExecutionId};

/// Removes the outcome of an execution whose row in PostgreSQL is final and erased.
/// Gives whether there was one.
///
/// # Errors
/// Asking again is safe.
pub async fn erase(link: &Link, account: AccountId, id: ExecutionId) -> Result<bool, QueueError> {
    let (_, mut reply) = link
        .call(&script::ERASE, |command| {
            command
                .arg(hex(id))
                .arg(account.uuid().simple().to_string());
        })
        .await?;
    reply.flag()
}
