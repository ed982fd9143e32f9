//! Looking through a partition: what is open, what is stranded, which backlogs
//! could move.

use crate::execution::Lane;
use crate::ids::ExecutionId;
use crate::queue::accept::{Owner, read_owner};
use crate::queue::error::QueueError;
use crate::queue::keys::StreamKind;
use crate::queue::link::Link;
use crate::queue::script;

/// An execution that is open in Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenInRedis {
    pub id: ExecutionId,
    pub owner: Owner,
    pub lane: Lane,
    /// It is in a stream, waiting or leased.
    pub slot: bool,
    /// Of its body, where that could be found.
    pub bytes: u64,
}

/// One page of what is open in Redis. Start with 0; ends where it gives 0 again.
/// An execution may come twice.
///
/// # Errors
/// Repeat from the same cursor.
pub async fn survey(link: &Link, cursor: u64) -> Result<(u64, Vec<OpenInRedis>), QueueError> {
    let (cursor, keys) = scan(link, cursor, "x:*").await?;
    let (_, mut reply) = link
        .call(&script::SURVEY, |command| {
            command.arg(keys);
        })
        .await?;
    let mut open = Vec::new();
    while !reply.is_empty() {
        let mut one = reply.list()?;
        open.push(OpenInRedis {
            id: one.id()?,
            owner: read_owner(&mut one)?,
            lane: Lane::parse(&one.text()?).ok_or_else(|| one.wrong("no lane"))?,
            slot: one.flag()?,
            bytes: one.number()?,
        });
    }
    Ok((cursor, open))
}

/// One page of a partition's keys whose names match.
pub(super) async fn scan(
    link: &Link,
    cursor: u64,
    names: &str,
) -> Result<(u64, Vec<Vec<u8>>), QueueError> {
    let mut command = redis::cmd("SCAN");
    command
        .arg(cursor)
        .arg("MATCH")
        .arg(escaped(&link.partition().key(""), names))
        .arg("COUNT")
        .arg(SCAN_AT_ONCE);
    let value = link.command("scan", &command).await?;
    redis::from_redis_value(value).map_err(|source| QueueError::Redis {
        step: "scan",
        source: source.into(),
    })
}

pub(super) const SCAN_AT_ONCE: usize = 512;

/// A pattern for names below a literal beginning.
fn escaped(beginning: &str, names: &str) -> String {
    let mut pattern = String::new();
    for letter in beginning.chars() {
        if matches!(letter, '*' | '?' | '[' | ']' | '\\' | '^' | '-') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern + names
}

/// Makes entries reclaimable that were delivered but are in nobody's pending
/// list. Gives how many there were.
///
/// # Errors
/// Repeat.
pub async fn stranded(link: &Link) -> Result<u64, QueueError> {
    let mut found = 0;
    for stream in StreamKind::ALL {
        let mut after = "-".to_owned();
        loop {
            let (_, mut reply) = link
                .call(&script::STRANDED, |command| {
                    command.arg(stream.as_str()).arg(&after).arg(SCAN_AT_ONCE);
                })
                .await?;
            found += reply.number()?;
            after = reply.text()?;
            if after.is_empty() {
                break;
            }
        }
    }
    Ok(found)
}

/// Gives slots that are free to the backlogs.
///
/// # Errors
/// Repeat.
pub async fn promote_backlogs(link: &Link) -> Result<u64, QueueError> {
    let mut moved = 0;
    let mut cursor = 0;
    loop {
        let (next, keys) = scan(link, cursor, "back:*").await?;
        for key in keys {
            loop {
                let (_, mut reply) = link
                    .call(&script::PROMOTE_BACKLOG, |command| {
                        command.arg(&key);
                    })
                    .await?;
                match reply.number()? {
                    0 => break,
                    some => moved += some,
                }
            }
        }
        cursor = next;
        if cursor == 0 {
            return Ok(moved);
        }
    }
}
