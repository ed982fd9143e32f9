//! A certified partition of one's own, whose generation PostgreSQL knows.

use std::time::Duration;

use super::{TestDatabase, redis_prefix, redis_url};
use crate::clock::{Clock as _, SystemClock};
use crate::db::partitions;
use crate::queue::recovery::{self, Begun, Certified, Loss};
use crate::queue::{Link, Links, Partition};

/// A partition under a prefix that no other test has.
#[derive(Debug)]
pub struct Queue {
    pub links: Links,
    pub partition: Partition,
    pub client: redis::Client,
}

/// In the shared Redis of the test run, certified as if nothing had been lost.
///
/// # Panics
/// Where Redis does not run.
pub async fn queue(database: &TestDatabase) -> Queue {
    Queue::at(&redis_url(), database).await
}

impl Queue {
    /// # Panics
    /// Where Redis does not run.
    pub async fn at(url: &str, database: &TestDatabase) -> Self {
        let client = redis::Client::open(url).unwrap();
        let partition = Partition::with_prefix(&redis_prefix());
        let queue = Self {
            links: Links::new(client.clone(), partition.clone()),
            partition,
            client,
        };
        queue.recover(database, Loss::Impossible).await;
        queue
    }

    /// A link; after a refusal, the next greeting may be some milliseconds away.
    ///
    /// # Panics
    /// Where the partition is not certified within ten seconds.
    pub async fn link(&self) -> Link {
        let bound = Duration::from_secs(10);
        super::wait_until("the partition is certified", bound, async || {
            self.links.link().await
        })
        .await
    }

    /// The whole of a recovery that finds nothing to settle; gives the generation.
    ///
    /// # Panics
    /// Where it cannot be done.
    pub async fn recover(&self, database: &TestDatabase, loss: Loss) -> u64 {
        let database = database.connect(super::Role::Scheduler);
        let client = database.client().await.unwrap();
        let generation = partitions::next_generation(&client).await.unwrap();
        let Begun::Yes(link) = recovery::begin(&self.links, generation, 1).await.unwrap() else {
            panic!("somebody else recovers the partition");
        };
        let now = SystemClock.now();
        partitions::change_generation(&client, partitions::FIRST, generation, now)
            .await
            .unwrap();
        recovery::groups(&link).await.unwrap();
        let certified = recovery::certify(&link, loss).await.unwrap();
        assert_eq!(certified, Certified::Yes);
        generation
    }
}
