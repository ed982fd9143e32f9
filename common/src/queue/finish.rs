//! The end of an attempt: the first valid one wins.

use std::fmt;
use std::time::Duration;

use super::error::QueueError;
use super::keys::{StreamKind, hex};
use super::link::Link;
use super::read::{Leased, Taken, taken};
use super::reply::Reply;
use super::script;
use crate::execution::SealedOutcome;

/// An event not yet recorded: its entry id in `{p}:ev`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EventId(pub(super) String);

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A client's idempotency key and what it was used for, both as SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub hash: [u8; 32],
    /// Of namespace, function, version as asked and the input's bytes.
    pub digest: [u8; 32],
}

impl Key {
    /// The hash as hex, for the name; and both, as the scripts keep them.
    pub(super) fn parts(&self) -> (String, Vec<u8>) {
        let name = self.hash.iter().fold(String::new(), |mut name, byte| {
            let _ = fmt::Write::write_fmt(&mut name, format_args!("{byte:02x}"));
            name
        });
        (name, [self.hash, self.digest].concat())
    }

    pub(super) fn read(reply: &mut Reply) -> Result<Option<Self>, QueueError> {
        let both = reply.bytes()?;
        let Some((hash, digest)) = both.split_first_chunk::<32>() else {
            return Ok(None);
        };
        let digest = digest
            .try_into()
            .map_err(|_| reply.wrong("a key is not 64 bytes"))?;
        Ok(Some(Self {
            hash: *hash,
            digest,
        }))
    }
}

/// The end of one attempt.
#[derive(Debug)]
pub struct Finish<'a> {
    pub leased: &'a Leased,
    pub outcome: &'a SealedOutcome,
    /// For a failure of the user's code: how long until its next try, if it has one left.
    pub retry: Option<Duration>,
    /// Take the next entry of this stream in the same round trip.
    pub next: Option<StreamKind>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finished {
    /// This outcome stands: put it into the outbox.
    Done { event: EventId, key: Option<Key> },
    /// It stood already, by this very token: an answer got lost. As `Done`.
    Already { event: EventId, key: Option<Key> },
    /// It will be tried again.
    Delayed { event: EventId },
    /// Somebody asked to cancel it and nothing was done: finish it as cancelled.
    Asked,
    /// The lease was no longer this process's; nothing was done.
    Fenced,
}

/// Ends an attempt. The next entry comes only with `Done` and `Delayed`.
///
/// # Errors
/// After one that [`QueueError::is_unsure`], finish again over a new link.
pub async fn finish(
    link: &Link,
    finish: &Finish<'_>,
) -> Result<(Finished, Option<Taken>), QueueError> {
    let token = &finish.leased.token;
    let (tag, mut reply) = link
        .call(&script::FINISH, |command| {
            token.put(command);
            command
                .arg(hex(finish.leased.id))
                .arg(finish.outcome.ending.state.as_str())
                .arg(finish.outcome.encode())
                .arg(finish.leased.body.as_ref())
                .arg(finish.retry.map_or(-1, |delay| {
                    i64::try_from(delay.as_millis()).unwrap_or(i64::MAX)
                }))
                .arg(finish.next.map_or("", StreamKind::as_str));
        })
        .await?;
    let finished = match tag.as_str() {
        "done" => Finished::Done {
            event: EventId(reply.text()?),
            key: Key::read(&mut reply)?,
        },
        "already" => Finished::Already {
            event: EventId(reply.text()?),
            key: Key::read(&mut reply)?,
        },
        "delayed" => Finished::Delayed {
            event: EventId(reply.text()?),
        },
        "asked" => return Ok((Finished::Asked, None)),
        "fenced" => return Ok((Finished::Fenced, None)),
        _ => return Err(reply.wrong("unknown tag")),
    };
    let Some(stream) = finish.next else {
        return Ok((finished, None));
    };
    if reply.is_empty() {
        return Ok((finished, None));
    }
    let mut next = taken(&mut reply.list()?, stream, &token.consumer)?;
    Ok((finished, next.pop()))
}
