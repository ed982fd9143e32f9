//! Settles a partition whose memory may be lost, and certifies it. Nobody else does.
//!
//! Seven steps, in this order. A death at any of them begins again at the first,
//! under a higher generation; each step may be repeated.
//!
//! 1. **Begin.** A new generation G; the partition is closed to everybody.
//! 2. **[`barrier`].** Every live process says that nothing older is left with it.
//! 3. **[`events`].** What Redis still knows to be final is recorded, then removed.
//! 4. **The door.** From here nothing of an older generation reaches a row.
//! 5. **[`rows`].** Open rows that Redis lost are enqueued again; what is open in
//!    Redis and final in its row is ended there; entries nobody holds are freed.
//! 6. **[`counts`].** Quotas from the record, slots from what is open; the log is
//!    written anew, so that no half of a script waits in it.
//! 7. **Certify.**
//!
//! **What always holds.** A row is enqueued again exactly where it is open after
//! the door was closed to its generation and the partition, closed to everybody,
//! has no hash of it. At the very first start there is nothing to settle: the same
//! steps certify the empty partition.

mod barrier;
mod counts;
mod events;
mod rows;

use std::sync::Arc;
use std::time::Duration;

use common::backoff::jittered;
use common::clock::SharedClock;
use common::db::{Client, Database, partitions, processes};
use common::limits::{HELLO_EVERY, LOG_REWRITE};
use common::metrics::SchedulerMetrics;
use common::plan::Plans;
use common::queue::recovery::{self, Begun, Certified, Loss};
use common::queue::{Link, Links, QueueError, Standing};
use common::telemetry;
use jiff::Timestamp;
use tokio::sync::Notify;

use self::barrier::Barrier;
use super::{Duty, DutyError, Report};
use crate::points::{Point, Points};

/// The time between two looks at who has settled.
const LOOK: Duration = Duration::from_millis(100);

/// What a recovery works with.
#[derive(Clone, Debug)]
pub struct Tools {
    pub database: Database,
    pub links: Links,
    pub clock: SharedClock,
    pub plans: Arc<Plans>,
    pub metrics: Arc<SchedulerMetrics>,
    pub points: Points,
}

/// The duty.
#[derive(Debug)]
pub struct Recover {
    tools: Tools,
    term: u64,
    closed: Arc<Notify>,
}

impl Recover {
    /// `closed` is woken by whoever finds the partition closed.
    #[must_use]
    pub const fn new(tools: Tools, term: u64, closed: Arc<Notify>) -> Self {
        Self {
            tools,
            term,
            closed,
        }
    }
}

impl Duty for Recover {
    const NAME: &'static str = "recover";
    const EVERY: Duration = HELLO_EVERY;
    const RETRY_AT_MOST: Duration = Duration::from_secs(1);

    async fn woken(&self) {
        self.closed.notified().await;
    }

    async fn run_once(&self, now: Timestamp) -> Result<Report, DutyError> {
        let tools = &self.tools;
        let hello = tools.links.hello().await;
        let standing = hello.map_err(DutyError::queue("hello"))?.standing;
        let failed = DutyError::database("read the generation");
        let client = tools.database.client().await.map_err(&failed)?;
        let known = partitions::generation(&client, partitions::FIRST).await;
        let before = known.map_err(&failed)?;
        // A certificate that the record does not know is none: every writer that
        // trusts it would be refused at the door.
        if standing == Standing::Certified(before) {
            tools.metrics.certified.set(1);
            return Ok(Report::default());
        }
        tools.metrics.certified.set(0);
        let loss = match (before, standing) {
            (0, Standing::Recovering(_)) => Loss::Impossible,
            _ => Loss::Possible,
        };
        let recovery = Recovery::begin(tools, client, self.term, before).await?;
        recovery.go_on(now, loss).await
    }
}

/// One recovery under way.
#[derive(Debug)]
struct Recovery<'a> {
    tools: &'a Tools,
    client: Client,
    link: Link,
    generation: u64,
    /// The generation the door still lets through.
    before: u64,
}

impl<'a> Recovery<'a> {
    async fn begin(
        tools: &'a Tools,
        client: Client,
        term: u64,
        before: u64,
    ) -> Result<Self, DutyError> {
        loop {
            let next = partitions::next_generation(&client).await;
            let generation = next.map_err(DutyError::database("take a generation"))?;
            let begun = recovery::begin(&tools.links, generation, term).await;
            match begun.map_err(DutyError::queue("begin"))? {
                Begun::Outranked => return Err(DutyError::Deposed),
                // Redis knows a later one than PostgreSQL, which was set back.
                Begun::Stale => tokio::task::yield_now().await,
                Begun::Yes(link) => {
                    tracing::warn!(generation, before, "a recovery begins");
                    return Ok(Self {
                        tools,
                        client,
                        link,
                        generation,
                        before,
                    });
                }
            }
        }
    }

    async fn go_on(&self, now: Timestamp, loss: Loss) -> Result<Report, DutyError> {
        let points = &self.tools.points;
        let began = self.tools.clock.steady();
        points.reach(Point::Begun).await;
        self.pass_barrier().await?;
        points.reach(Point::Barrier).await;
        let recorded = self.record_events().await?;
        points.reach(Point::Events).await;
        self.close_door(now).await?;
        points.reach(Point::Door).await;
        let settled = self.settle().await?;
        self.tools.metrics.settled.inc_by(settled.looked_at());
        self.count(now).await?;
        points.reach(Point::Counted).await;
        self.rewrite_log().await?;
        points.reach(Point::Rewritten).await;
        self.certify(loss).await?;
        points.reach(Point::Certified).await;
        let took = self.tools.clock.steady().saturating_sub(began);
        self.tools.metrics.recoveries.inc();
        self.tools.metrics.certified.set(1);
        tracing::warn!(
            generation = self.generation,
            took_ms = took.as_secs_f64() * 1e3,
            recorded,
            ?settled,
            "the recovery is done"
        );
        Ok(Report::of(1))
    }

    /// Waits until everybody alive has settled for this generation.
    async fn pass_barrier(&self) -> Result<(), DutyError> {
        let mut barrier = Barrier::new(self.generation);
        let mut last = barrier::Verdict::default();
        loop {
            self.still_under_construction().await?;
            let asked = self.tools.clock.steady();
            match processes::list(&self.client).await {
                Ok(rows) => {
                    let answered = self.tools.clock.steady();
                    let verdict = barrier.look((asked, answered), &rows);
                    if verdict != last {
                        tracing::info!(waiting = ?verdict.waiting, dead = ?verdict.dead, "the barrier");
                    }
                    if verdict.is_open() {
                        return Ok(());
                    }
                    last = verdict;
                }
                Err(error) if self.client.is_closed() => {
                    return Err(DutyError::database("look at the barrier")(error));
                }
                Err(error) => {
                    let error = telemetry::chain(&error);
                    tracing::warn!(error, "nobody can be counted dead");
                    barrier.contact_lost();
                }
            }
            tokio::time::sleep(jittered(LOOK)).await;
        }
    }

    /// Members learn of the generation from Redis: one that was emptied meanwhile
    /// tells nobody, and the barrier would wait for ever.
    async fn still_under_construction(&self) -> Result<(), DutyError> {
        let failed = DutyError::queue("look at the partition");
        let hello = self.tools.links.hello().await.map_err(&failed)?;
        if hello.standing == Standing::Recovering(Some(self.generation)) {
            Ok(())
        } else {
            Err(failed(QueueError::Recovering))
        }
    }

    async fn close_door(&self, now: Timestamp) -> Result<(), DutyError> {
        let failed = DutyError::database("close the door");
        let (first, generation) = (partitions::FIRST, self.generation);
        let closed = partitions::change_generation(&self.client, first, generation, now).await;
        // Another leader's recovery was quicker: this one may not go on.
        if closed.map_err(failed)? {
            Ok(())
        } else {
            Err(DutyError::Overtaken(generation))
        }
    }

    async fn rewrite_log(&self) -> Result<(), DutyError> {
        match recovery::rewrite_log(&self.link, LOG_REWRITE).await {
            Err(QueueError::Redis { source, .. }) if is_forbidden(&source) => {
                tracing::warn!("redis forbids to rewrite its log: it has to vouch for it");
                Ok(())
            }
            result => result.map_err(DutyError::queue("rewrite the log")),
        }
    }

    async fn certify(&self, loss: Loss) -> Result<(), DutyError> {
        let failed = DutyError::queue("certify");
        match recovery::certify(&self.link, loss).await.map_err(&failed)? {
            Certified::Yes => Ok(()),
            Certified::OtherServer => Err(failed(QueueError::Recovering)),
        }
    }
}

/// A managed server that keeps the command from us answers for its own log.
fn is_forbidden(error: &redis::RedisError) -> bool {
    error.code() == Some("NOPERM")
        || error
            .detail()
            .is_some_and(|text| text.starts_with("unknown command"))
}
