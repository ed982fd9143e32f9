//! Subscriptions: outcomes for a waiting api, orders to cancel for a worker.
//!
//! A message is a hint and is never repeated. After subscribing anew, `watch`
//! what is waited for again; a worker learns of a cancel by its next renewal.

use futures_util::StreamExt as _;
use redis::aio::{PubSubSink, PubSubStream};
use tokio::time::timeout;

use super::error::QueueError;
use super::keys::Partition;
use super::reply::parse_id;
use crate::execution::SealedOutcome;
use crate::ids::ExecutionId;
use crate::limits;

/// What an api is told of an execution it waits for.
#[derive(Clone, Debug, PartialEq)]
pub enum Wake {
    Ended {
        id: ExecutionId,
        outcome: SealedOutcome,
    },
    /// Its log has more text.
    Printed(ExecutionId),
}

/// What wakes one api.
#[derive(Debug)]
pub struct Wakes(Subscription);

impl Wakes {
    /// Subscribe before the first `accept` that names `api`.
    ///
    /// # Errors
    /// Where Redis does not answer.
    pub async fn subscribe(
        client: &redis::Client,
        partition: &Partition,
        api: &str,
    ) -> Result<Self, QueueError> {
        let channel = partition.channel(&format!("api:{api}"));
        Subscription::open(client, &channel).await.map(Self)
    }

    /// The next wake. May be dropped and called again.
    ///
    /// # Errors
    /// The subscription is lost: subscribe anew, then watch all that wait.
    pub async fn next(&mut self) -> Result<Wake, QueueError> {
        loop {
            let message = self.0.next().await?;
            if let Some((id, rest)) = message.split_at_checked(32)
                && let Some(id) = parse_id(id)
            {
                if rest.is_empty() {
                    return Ok(Wake::Printed(id));
                }
                if let Ok(outcome) = SealedOutcome::decode(rest) {
                    return Ok(Wake::Ended { id, outcome });
                }
            }
            tracing::warn!("a wake that can't be read was dropped");
        }
    }
}

/// Orders to cancel what one worker runs.
#[derive(Debug)]
pub struct CancelOrders(Subscription);

impl CancelOrders {
    /// # Errors
    /// Where Redis does not answer.
    pub async fn subscribe(
        client: &redis::Client,
        partition: &Partition,
        consumer: &str,
    ) -> Result<Self, QueueError> {
        let channel = partition.channel(&format!("worker:{consumer}"));
        Subscription::open(client, &channel).await.map(Self)
    }

    /// The next execution to kill and finish as cancelled.
    ///
    /// # Errors
    /// The subscription is lost: subscribe anew.
    pub async fn next(&mut self) -> Result<ExecutionId, QueueError> {
        loop {
            let message = self.0.next().await?;
            if let Some(id) = parse_id(&message) {
                return Ok(id);
            }
            tracing::warn!("an order to cancel that can't be read was dropped");
        }
    }
}

struct Subscription {
    sink: PubSubSink,
    stream: PubSubStream,
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Subscription")
    }
}

impl Subscription {
    async fn open(client: &redis::Client, channel: &str) -> Result<Self, QueueError> {
        let opening = async {
            let (mut sink, stream) = client.get_async_pubsub().await?.split();
            sink.subscribe(channel).await?;
            Ok(Self { sink, stream })
        };
        let failed = |source| QueueError::from_redis("subscribe", source);
        timeout(limits::REDIS_ANSWER, opening)
            .await
            .map_err(|_| lost())?
            .map_err(failed)
    }

    async fn next(&mut self) -> Result<Vec<u8>, QueueError> {
        loop {
            match timeout(limits::SUBSCRIPTION_PING, self.stream.next()).await {
                Ok(Some(message)) => return Ok(message.get_payload_bytes().to_vec()),
                Ok(None) => return Err(lost()),
                // Quiet: is the other end still there?
                Err(_) => self.ping().await?,
            }
        }
    }

    async fn ping(&mut self) -> Result<(), QueueError> {
        timeout(limits::REDIS_ANSWER, self.sink.ping::<redis::Value>())
            .await
            .map_err(|_| lost())?
            .map(|_| ())
            .map_err(|source| QueueError::from_redis("subscription", source))
    }
}

fn lost() -> QueueError {
    let ended = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
    QueueError::Redis {
        step: "subscription",
        source: ended.into(),
    }
}
