//! Cancelling, by the state the execution is in.

use bytes::Bytes;

use super::error::QueueError;
use super::finish::{EventId, Key};
use super::keys::hex;
use super::link::Link;
use super::script;
use crate::execution::SealedOutcome;
use crate::ids::{AccountId, ExecutionId};

/// What asking to cancel came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Cancelled {
    /// It had ended before, like this.
    Late(SealedOutcome),
    /// It runs; its worker was told. Note it in the row, inserting that if absent.
    Asked { body: Bytes },
    /// It had not started and never will: put the outcome into the outbox.
    Done {
        event: EventId,
        key: Option<Key>,
        body: Bytes,
    },
    /// Redis has no such execution of this account: ask PostgreSQL.
    Unknown,
}

/// Cancels an execution. `outcome` is what stands if it has not started.
///
/// # Errors
/// It may have been cancelled; asking again is safe.
pub async fn cancel(
    link: &Link,
    account: AccountId,
    id: ExecutionId,
    outcome: &SealedOutcome,
) -> Result<Cancelled, QueueError> {
    let (tag, mut reply) = link
        .call(&script::CANCEL, |command| {
            command
                .arg(hex(id))
                .arg(account.uuid().simple().to_string())
                .arg(outcome.encode());
        })
        .await?;
    Ok(match tag.as_str() {
        "late" => Cancelled::Late(
            SealedOutcome::decode(&reply.bytes()?)
                .map_err(|_| reply.wrong("an outcome is damaged"))?,
        ),
        "asked" => Cancelled::Asked {
            body: reply.body()?,
        },
        "done" => Cancelled::Done {
            event: EventId(reply.text()?),
            key: Key::read(&mut reply)?,
            body: reply.body()?,
        },
        "unknown" => Cancelled::Unknown,
        _ => return Err(reply.wrong("unknown tag")),
    })
}
