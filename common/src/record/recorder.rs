//! Writing the outbox to PostgreSQL, batch after batch.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::batch::Batch;
use super::outbox::{Item, Outbox, Recorded, What};
use super::{WriteError, Written};
use crate::backoff::Backoff;
use crate::db::{Client, Database, DbError};
use crate::entry::Entry;
use crate::ids::ExecutionId;
use crate::limits;
use crate::queue::{self, EventId, Links};
use crate::telemetry;

const FIRST_RETRY: Duration = Duration::from_millis(50);
const LAST_RETRY: Duration = Duration::from_secs(1);

/// What one run wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Outcomes and notes that are in PostgreSQL now.
    pub recorded: u64,
    /// Rows that were not there before.
    pub inserted: u64,
    /// Rows that ended by this.
    pub ended: u64,
    /// Refused by the door.
    pub refused: u64,
    /// Refused by PostgreSQL as they are.
    pub unfit: u64,
}

/// The one writer of an outbox.
#[derive(Debug)]
pub struct Recorder {
    database: Database,
    links: Links,
    outbox: Outbox,
}

impl Recorder {
    #[must_use]
    pub const fn new(database: Database, links: Links, outbox: Outbox) -> Self {
        Self {
            database,
            links,
            outbox,
        }
    }

    /// Writes whatever comes, at most [`limits::RECORD_EVERY`] after it came, until
    /// `stop`; then what is left. Dropping it loses no event.
    pub async fn run(&self, stop: &CancellationToken, mut wrote: impl FnMut(&Report) + Send) {
        let mut backoff = Backoff::new(FIRST_RETRY, LAST_RETRY);
        let mut failing = false;
        loop {
            tokio::select! {
                biased;
                () = self.outbox.filled() => {}
                () = stop.cancelled() => return,
            }
            tokio::select! {
                () = self.outbox.ripe() => {}
                () = stop.cancelled() => {}
                () = tokio::time::sleep(limits::RECORD_EVERY) => {}
            }
            match self.run_once().await {
                Ok(report) => {
                    wrote(&report);
                    backoff.reset();
                    failing = false;
                }
                Err(error) => {
                    if !failing {
                        let error = telemetry::chain(&error);
                        tracing::warn!(error, waiting = self.outbox.len(), "nothing is recorded");
                    }
                    failing = true;
                    tokio::time::sleep(backoff.delay()).await;
                }
            }
        }
    }

    /// Writes one batch. Not to be dropped half way: what it took is only in it.
    ///
    /// # Errors
    /// Where PostgreSQL is away: everything is back in the outbox.
    pub async fn run_once(&self) -> Result<Report, DbError> {
        let mut report = Report::default();
        let mut batches: BTreeMap<u64, Vec<Item>> = BTreeMap::new();
        for item in self.outbox.take() {
            batches.entry(item.generation()).or_default().push(item);
        }
        let client = match self.database.client().await {
            Ok(client) => client,
            Err(error) => {
                self.outbox
                    .put_back(batches.into_values().flatten().collect());
                return Err(error);
            }
        };
        let mut away = None;
        for (generation, items) in batches {
            if away.is_some() {
                self.outbox.put_back(items);
                continue;
            }
            away = self.write(&client, generation, items, &mut report).await;
        }
        away.map_or(Ok(report), Err)
    }

    /// Writes one generation's items; gives the error where PostgreSQL is away.
    async fn write(
        &self,
        client: &Client,
        generation: u64,
        items: Vec<Item>,
        report: &mut Report,
    ) -> Option<DbError> {
        match write_items(client, generation, &items).await {
            Ok(written) => {
                report.inserted += written.inserted;
                report.ended += written.ended;
                report.recorded += count(&items);
                let events = events(&items);
                // Settled first: whoever waits for the commit need not wait for Redis.
                self.outbox.settle(items, Recorded::Committed);
                self.forget(&events).await;
                None
            }
            Err(WriteError::Refused(_)) => {
                tracing::warn!(generation, items = items.len(), "refused by the door");
                report.refused += count(&items);
                self.outbox.settle(items, Recorded::Refused);
                None
            }
            Err(WriteError::Database(error)) if error.is_unavailable() => {
                self.outbox.put_back(items);
                Some(error)
            }
            Err(error) if items.len() == 1 => {
                let error = telemetry::chain(&error);
                tracing::error!(error, "an outcome cannot be recorded; its event stays");
                report.unfit += 1;
                self.outbox.settle(items, Recorded::Unfit);
                None
            }
            Err(_) => self.write_apart(client, generation, items, report).await,
        }
    }

    /// One of them is unfit: the others must not suffer.
    async fn write_apart(
        &self,
        client: &Client,
        generation: u64,
        items: Vec<Item>,
        report: &mut Report,
    ) -> Option<DbError> {
        let mut items = items.into_iter();
        while let Some(item) = items.next() {
            let one = Box::pin(self.write(client, generation, vec![item], report));
            if let Some(error) = one.await {
                self.outbox.put_back(items.collect());
                return Some(error);
            }
        }
        None
    }

    async fn forget(&self, events: &[(EventId, ExecutionId)]) {
        if events.is_empty() {
            return;
        }
        let forgotten = match self.links.link().await {
            Ok(link) => queue::forget(&link, events).await.map(|_| ()),
            Err(error) => Err(error),
        };
        if let Err(error) = forgotten {
            // The sweep finds them, changes no row, and forgets them.
            tracing::debug!(
                error = telemetry::chain(&error),
                "events stay for the sweep"
            );
        }
    }
}

async fn write_items(
    client: &Client,
    generation: u64,
    items: &[Item],
) -> Result<Written, WriteError> {
    let mut batch = Batch::default();
    for item in items {
        let (id, body, key) = match &item.what {
            What::Ended(ended) => (ended.id, &ended.body, ended.key),
            What::Noted(noted) => (noted.id, &noted.body, None),
        };
        // A body that cannot be read makes no row; if there is one, it ends.
        if let Ok(entry) = Entry::decode(body) {
            batch.row(id, entry, key);
        }
        match &item.what {
            What::Ended(ended) => batch.end(id, &ended.outcome),
            What::Noted(noted) => batch.note(id, noted.note),
        }
    }
    batch.write(client, generation).await
}

fn events(items: &[Item]) -> Vec<(EventId, ExecutionId)> {
    items
        .iter()
        .filter_map(|item| match &item.what {
            What::Ended(ended) => Some((ended.event.clone(), ended.id)),
            What::Noted(noted) => Some((noted.event.clone()?, noted.id)),
        })
        .collect()
}

fn count(items: &[Item]) -> u64 {
    u64::try_from(items.len()).unwrap_or(u64::MAX)
}
