//! What an execution prints, told while it runs. See the page of [`super`].

use std::time::Duration;

use bytes::Bytes;

use super::error::QueueError;
use super::keys::hex;
use super::link::Link;
use super::read::Leased;
use super::script;
use crate::ids::{AccountId, ExecutionId};
use crate::limits::LIVE_LOG_BYTES;

/// The name of a run, and what every log begins with: 16 hex digits.
const RUN: usize = 16;
/// Bytes of a frame's length.
const LENGTH: usize = 4;

/// Sealed text to add.
#[derive(Clone, Copy, Debug)]
pub struct LogText<'a> {
    pub leased: &'a Leased,
    /// Another one than that of the log that is there begins a new log.
    pub run: u64,
    pub sealed: &'a [u8],
    /// How long it is kept, if the execution does not end first.
    pub kept: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    Done,
    /// The log is as large as it may be; nothing was done.
    Full,
    /// The lease was no longer this process's; nothing was done.
    Fenced,
}

/// Adds to what is told of an execution, and wakes who follows it.
///
/// # Errors
/// After one that is unsure, the text may be there twice: who reads must know its place.
pub async fn append_log(link: &Link, text: &LogText<'_>) -> Result<Appended, QueueError> {
    let mut frame = Vec::with_capacity(LENGTH + text.sealed.len());
    let Ok(length) = u32::try_from(text.sealed.len()) else {
        return Ok(Appended::Full);
    };
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(text.sealed);
    let (tag, reply) = link
        .call(&script::APPEND_LOG, |command| {
            text.leased.token.put(command);
            command
                .arg(hex(text.leased.id))
                .arg(format!("{:0RUN$x}", text.run))
                .arg(frame)
                .arg(LIVE_LOG_BYTES)
                .arg(u64::try_from(text.kept.as_millis()).unwrap_or(u64::MAX));
        })
        .await?;
    match tag.as_str() {
        "ok" => Ok(Appended::Done),
        "full" => Ok(Appended::Full),
        "fenced" => Ok(Appended::Fenced),
        _ => Err(reply.wrong("unknown tag")),
    }
}

/// How far a log was read. Where a partition lost its memory it is another log, which may
/// be of the same run: what was read is of one generation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogRead {
    generation: u64,
    run: Option<u64>,
    bytes: usize,
}

/// What came after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum More {
    /// Sealed texts, in order; none where there are no more.
    Texts(Vec<Bytes>),
    /// The execution has ended, or this account has none such.
    Closed,
}

impl LogRead {
    /// The sealed texts after what was read, about `most` bytes of them at once and one
    /// at least; `api` is woken when there are more. `link` may be one of a recovery.
    ///
    /// # Errors
    /// Reading again is safe.
    pub async fn more(
        &mut self,
        link: &Link,
        (account, id): (AccountId, ExecutionId),
        api: &str,
        most: usize,
    ) -> Result<More, QueueError> {
        if self.generation != link.generation() {
            *self = Self {
                generation: link.generation(),
                ..Self::default()
            };
        }
        let (tag, mut reply) = link
            .call(&script::READ_LOG, |command| {
                command
                    .arg(hex(id))
                    .arg(account.uuid().simple().to_string())
                    .arg(api)
                    .arg(
                        self.run
                            .map_or_else(String::new, |run| format!("{run:0RUN$x}")),
                    )
                    .arg(self.bytes)
                    .arg(most);
            })
            .await?;
        match tag.as_str() {
            "closed" => Ok(More::Closed),
            "open" => {
                let run = reply.text()?;
                let bytes = reply.body()?;
                if run.is_empty() {
                    return Ok(More::Texts(Vec::new()));
                }
                let run = u64::from_str_radix(&run, 16).map_err(|_| reply.wrong("not a run"))?;
                if self.run != Some(run) {
                    *self = Self {
                        run: Some(run),
                        bytes: 0,
                        ..*self
                    };
                }
                Ok(More::Texts(self.frames(bytes)))
            }
            _ => Err(reply.wrong("unknown tag")),
        }
    }

    /// Takes the frames that are whole.
    fn frames(&mut self, mut bytes: Bytes) -> Vec<Bytes> {
        let mut texts = Vec::new();
        while let Some(length) = bytes.first_chunk::<LENGTH>() {
            let length = u32::from_be_bytes(*length) as usize;
            if bytes.len() < LENGTH + length {
                break;
            }
            self.bytes += LENGTH + length;
            let mut frame = bytes.split_to(LENGTH + length);
            texts.push(frame.split_off(LENGTH));
        }
        texts
    }
}
