//! How an execution stands, and asking to be woken when it ends.

use super::accept::{Owner, read_owner, read_state};
use super::error::QueueError;
use super::keys::hex;
use super::link::Link;
use super::script;
use crate::execution::{SealedOutcome, State};
use crate::ids::{AccountId, ExecutionId};

#[derive(Clone, Debug, PartialEq)]
pub enum Watched {
    Final {
        owner: Owner,
        outcome: SealedOutcome,
    },
    Open {
        owner: Owner,
        state: State,
        /// The api will be woken. `false`: as many as may wait do; look again.
        joined: bool,
    },
    /// Redis has no such execution of this account: ask PostgreSQL.
    Unknown,
}

/// Tells how an execution stands; `waiter` is the api to wake when it ends.
/// `link` may be one of a recovery.
///
/// # Errors
/// Looking again is safe.
pub async fn watch(
    link: &Link,
    account: AccountId,
    id: ExecutionId,
    waiter: Option<&str>,
) -> Result<Watched, QueueError> {
    let (tag, mut reply) = link
        .call(&script::WATCH, |command| {
            command
                .arg(hex(id))
                .arg(account.uuid().simple().to_string())
                .arg(waiter.unwrap_or_default());
        })
        .await?;
    Ok(match tag.as_str() {
        "final" => Watched::Final {
            owner: read_owner(&mut reply)?,
            outcome: SealedOutcome::decode(&reply.bytes()?)
                .map_err(|_| reply.wrong("an outcome is damaged"))?,
        },
        "open" => Watched::Open {
            owner: read_owner(&mut reply)?,
            state: read_state(&mut reply)?.ok_or_else(|| reply.wrong("no state"))?,
            joined: reply.flag()?,
        },
        "unknown" => Watched::Unknown,
        _ => return Err(reply.wrong("unknown tag")),
    })
}
