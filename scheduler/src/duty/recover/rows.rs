//! Open rows and the queue, made to agree. The door is closed behind both.

use common::db::partitions;
use common::db::recovering::{self, Open};
use common::execution::{Ending, ErrorCode, Lane, SealedOutcome, Trigger};
use common::ids::ExecutionId;
use common::limits::SETTLE_ROWS;
use common::queue::recovery::{self, OpenRow, Settled};
use common::queue::{self, Bounds, Owner, Watched};
use common::record;

use super::Recovery;
use crate::duty::DutyError;
use crate::points::Point;

/// What was found and done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Lost by Redis, and enqueued again.
    enqueued: u64,
    /// Known to both.
    present: u64,
    /// Asked to be cancelled and not running: ended so.
    cancelled: u64,
    /// Open in the record although Redis has its end.
    unrecorded: u64,
    /// Open in Redis although the record has its end.
    concluded: u64,
    /// Delivered to nobody.
    stranded: u64,
}

impl Tally {
    pub(super) const fn looked_at(&self) -> u64 {
        self.enqueued + self.present + self.cancelled + self.unrecorded
    }
}

impl Recovery<'_> {
    pub(super) async fn settle(&self) -> Result<Tally, DutyError> {
        let failed = DutyError::queue("settle");
        recovery::groups(&self.link).await.map_err(&failed)?;
        let mut tally = Tally::default();
        let mut after = None;
        for batch in 1.. {
            let page = self.open_rows(after).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            self.settle_page(&page, &mut tally).await?;
            self.tools.points.reach(Point::Settled(batch)).await;
        }
        self.conclude_ended(&mut tally).await?;
        tally.stranded = recovery::stranded(&self.link).await.map_err(&failed)?;
        Ok(tally)
    }

    async fn open_rows(&self, after: Option<ExecutionId>) -> Result<Vec<Open>, DutyError> {
        let most = u32::try_from(SETTLE_ROWS).unwrap_or(u32::MAX);
        recovering::open(&self.client, partitions::FIRST, after, most)
            .await
            .map_err(DutyError::database("read open rows"))
    }

    async fn settle_page(&self, page: &[Open], tally: &mut Tally) -> Result<(), DutyError> {
        let bodies: Vec<_> = page.iter().map(|open| open.entry.encode()).collect();
        let rows: Vec<_> = page
            .iter()
            .zip(&bodies)
            .map(|(open, body)| self.row(open, body))
            .collect();
        let settled = recovery::settle(&self.link, &rows)
            .await
            .map_err(DutyError::queue("settle rows"))?;
        let mut ends = Vec::new();
        for (open, settled) in page.iter().zip(settled) {
            match settled {
                Settled::Enqueued => tally.enqueued += 1,
                Settled::Present => tally.present += 1,
                // Where Redis still has it, it is concluded with all that is final.
                Settled::Cancel => {
                    tally.cancelled += 1;
                    ends.push((open.id, self.cancelled(open)));
                }
                Settled::Ended => {
                    tally.unrecorded += 1;
                    ends.extend(self.outcome_in_redis(open).await?);
                }
            }
        }
        record::end_settled(&self.client, self.generation, &ends)
            .await
            .map_err(|source| DutyError::Record {
                step: "end rows",
                source,
            })?;
        Ok(())
    }

    /// The end of an execution whose event is gone though its row is open: an event
    /// nobody could read was set aside, or half a script was lost.
    async fn outcome_in_redis(
        &self,
        open: &Open,
    ) -> Result<Option<(ExecutionId, SealedOutcome)>, DutyError> {
        tracing::warn!(execution.id = %open.id, "ended in redis without an event");
        let watched = queue::watch(&self.link, open.entry.account, open.id, None).await;
        Ok(
            match watched.map_err(DutyError::queue("read an outcome"))? {
                Watched::Final { outcome, .. } => Some((open.id, outcome)),
                Watched::Open { .. } | Watched::Unknown => None,
            },
        )
    }

    fn row<'b>(&self, open: &'b Open, body: &'b [u8]) -> OpenRow<'b> {
        let limits = self.tools.plans.of(open.entry.plan);
        OpenRow {
            id: open.id,
            owner: Owner {
                account: open.entry.account,
                namespace: open.entry.namespace,
                function: open.entry.function,
                version: open.entry.version,
            },
            lane: match open.entry.trigger {
                Trigger::Mcp => Lane::Interactive,
                _ => Lane::Background,
            },
            bounds: Bounds {
                quota: limits.executions_per_period,
                concurrency: limits.concurrency,
                background: limits.background(),
                queued: limits.queued,
                function_concurrency: open.concurrency,
            },
            tried: open.tried,
            attempts: open.attempts,
            losses: open.losses,
            due: open.due,
            cancel_requested: open.cancel_requested,
            key: open.key,
            body,
        }
    }

    fn cancelled(&self, open: &Open) -> SealedOutcome {
        SealedOutcome {
            ending: Ending::unrun(ErrorCode::Cancelled, open.tried, self.tools.clock.now()),
            // The scheduler can't seal; the code says it all.
            output: None,
            error: None,
            logs: None,
        }
    }

    /// Takes out of the queue what the record knows to be final.
    async fn conclude_ended(&self, tally: &mut Tally) -> Result<(), DutyError> {
        let failed = DutyError::queue("conclude");
        let mut cursor = 0;
        loop {
            let (next, open) = recovery::survey(&self.link, cursor)
                .await
                .map_err(&failed)?;
            let ids: Vec<_> = open.iter().map(|one| one.id).collect();
            let ended = recovering::ended(&self.client, &ids)
                .await
                .map_err(DutyError::database("read ended rows"))?;
            for (id, outcome) in ended {
                let was_open = recovery::conclude(&self.link, id, &outcome).await;
                tally.concluded += u64::from(was_open.map_err(&failed)?);
            }
            cursor = next;
            if cursor == 0 {
                return Ok(());
            }
        }
    }
}
