//! Taking entries from a stream: each entry taken is a lease.

use std::time::Duration;

use bytes::Bytes;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Value};

use super::error::QueueError;
use super::keys::{GROUP, Partition, StreamKind};
use super::reply::{Reply, parse_id};
use crate::ids::ExecutionId;
use crate::limits;

/// What proves that this process holds the lease: compared whole by every script.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    pub stream: StreamKind,
    pub entry: String,
    pub consumer: String,
    /// How often the entry was delivered; raised by each reclaim.
    pub count: u64,
}

impl Token {
    pub(super) fn put(&self, command: &mut redis::Cmd) {
        command
            .arg(self.stream.as_str())
            .arg(&self.entry)
            .arg(&self.consumer)
            .arg(self.count);
    }
}

/// An execution this process may start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leased {
    pub token: Token,
    pub id: ExecutionId,
    /// [`crate::entry::Entry::encode`]; not looked at by the queue.
    pub body: Bytes,
}

/// One entry that was delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    Leased(Leased),
    /// Not to be understood: [`super::set_aside`] it.
    Damaged(Token),
}

/// Reads one stream over a connection of its own.
///
/// It opens its connection again by itself: a read is a plain command, and a
/// wrong one is fenced later.
#[derive(Debug)]
pub struct Reader {
    client: redis::Client,
    key: String,
    stream: StreamKind,
    consumer: String,
    block: Duration,
    connection: Option<MultiplexedConnection>,
}

impl Reader {
    #[must_use]
    pub fn new(
        client: redis::Client,
        partition: &Partition,
        stream: StreamKind,
        consumer: &str,
    ) -> Self {
        Self {
            client,
            key: partition.stream(stream),
            stream,
            consumer: consumer.to_owned(),
            block: limits::READ_BLOCK,
            connection: None,
        }
    }

    /// Waits at most this long for the first entry, for who has more to look at.
    #[must_use]
    pub const fn waiting(mut self, block: Duration) -> Self {
        self.block = block;
        self
    }

    /// Takes at most `count` new entries, waiting up to [`limits::READ_BLOCK`] (or
    /// what [`Self::waiting`] said) for the first. Take `count` permits before.
    ///
    /// Await it to its end: what is delivered to a dropped future stays leased
    /// until it is reclaimed, and counts as a lost start.
    ///
    /// # Errors
    /// `Recovering` where the stream is gone. The next call connects again.
    pub async fn read(&mut self, count: usize) -> Result<Vec<Taken>, QueueError> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let value: Value = redis::cmd("XREADGROUP")
            .arg("GROUP")
            .arg(GROUP)
            .arg(&self.consumer)
            .arg("COUNT")
            .arg(count)
            .arg("BLOCK")
            .arg(u64::try_from(self.block.as_millis().max(1)).unwrap_or(u64::MAX))
            .arg("STREAMS")
            .arg(&self.key)
            .arg(">")
            .query_async(&mut connection)
            .await
            .map_err(|source| QueueError::from_redis("read", source))?;
        self.connection = Some(connection);
        let Value::Array(_) = value else {
            return Ok(Vec::new());
        };
        let mut entries = first_stream(Reply::new("read", value)?)?;
        taken(&mut entries, self.stream, &self.consumer)
    }

    async fn connect(&self) -> Result<MultiplexedConnection, QueueError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(limits::REDIS_CONNECT))
            .set_response_timeout(Some(self.block + limits::REDIS_ANSWER));
        self.client
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .map_err(|source| QueueError::from_redis("connect", source))
    }
}

/// The entries of the only stream in the answer of an `XREADGROUP`.
pub(super) fn first_stream(mut streams: Reply) -> Result<Reply, QueueError> {
    let mut stream = streams.list()?;
    stream.bytes()?;
    stream.list()
}

/// Entries as `XREADGROUP` gives them: each new, so delivered once.
pub(super) fn taken(
    entries: &mut Reply,
    stream: StreamKind,
    consumer: &str,
) -> Result<Vec<Taken>, QueueError> {
    let mut all = Vec::new();
    while !entries.is_empty() {
        let mut entry = entries.list()?;
        let token = Token {
            stream,
            entry: entry.text()?,
            consumer: consumer.to_owned(),
            count: 1,
        };
        all.push(understand(token, entry.list()?));
    }
    Ok(all)
}

/// An entry's fields are `x`, the execution's id, and `d`, its body.
pub(super) fn understand(token: Token, mut fields: Reply) -> Taken {
    let mut id = None;
    let mut body = None;
    while let Ok(name) = fields.bytes() {
        let Ok(value) = fields.body() else { break };
        match name.as_slice() {
            b"x" => id = parse_id(&value),
            b"d" => body = Some(value),
            _ => {}
        }
    }
    match (id, body) {
        (Some(id), Some(body)) => Taken::Leased(Leased { token, id, body }),
        _ => Taken::Damaged(token),
    }
}
