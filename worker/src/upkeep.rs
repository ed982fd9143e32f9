//! What is looked after beside the executions: records, events, sandboxes, news.

use std::sync::Arc;
use std::time::Duration;

use common::admin::Readiness;
use common::announce::{self, News, Noun};
use common::backoff::jittered;
use common::ids::{NamespaceId, VersionId};
use common::limits;
use common::queue::{self, QueueError};
use common::record::{self, Recorder, SweepError};
use common::telemetry;
use secrecy::SecretString;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::sandboxes::Memory;
use crate::worker::Worker;

/// Between two looks at sandboxes, gauges and what this worker depends on.
const LOOK: Duration = Duration::from_secs(1);

/// Writes the outbox to PostgreSQL until `stop`, then what is left.
pub async fn record_outcomes(worker: Arc<Worker>, stop: CancellationToken) {
    let record = &worker.record;
    let recorder = Recorder::new(
        record.database.clone(),
        record.links.clone(),
        record.outbox.clone(),
    );
    let wrote = |report: &record::Report| {
        worker.metrics.recorded.inc_by(report.recorded);
        worker.record.gauge();
    };
    recorder.run(&stop, wrote).await;
}

/// Records events that nobody did, wherever they came from.
pub async fn sweep(worker: Arc<Worker>) {
    let mut failing = false;
    loop {
        let more = match sweep_once(&worker).await {
            Ok(report) => {
                failing = false;
                worker.metrics.recorded.inc_by(report.recorded);
                worker.metrics.damaged.inc_by(report.damaged);
                report.more
            }
            Err(error) => {
                if !failing {
                    let error = telemetry::chain(&error);
                    tracing::warn!(error, "events cannot be swept");
                }
                failing = true;
                false
            }
        };
        let pause = if more {
            Duration::ZERO
        } else {
            jittered(limits::SWEEP_AFTER)
        };
        tokio::select! {
            () = worker.draining.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn sweep_once(worker: &Worker) -> Result<record::SweepReport, SweepError> {
    let link = worker.links.link().await.map_err(SweepError::Queue)?;
    let generation = link.generation();
    record::sweep(&worker.database, &link, generation, limits::SWEEP_AFTER).await
}

/// Where changes are heard, and who wants to know.
#[derive(Debug)]
pub struct Hearing {
    pub url: SecretString,
    /// Woken when a version waits to be built.
    pub build: Arc<Notify>,
    pub readiness: Readiness,
}

/// Hears what changed, for the versions kept and the builds that wait.
pub async fn hear(worker: Arc<Worker>, from: Hearing) {
    let Hearing {
        url,
        build,
        readiness,
    } = from;
    announce::listen(&url, &worker.draining, |news| match news {
        News::Changed(change) if change.noun == Noun::Version => {
            let id = VersionId::from_uuid(change.id);
            worker.versions.forget(id);
            worker.sandboxes.retire(id);
        }
        News::Changed(change) if change.noun == Noun::Build => build.notify_one(),
        News::Changed(change) if change.noun == Noun::Secrets => {
            let versions = worker.secrets.forget(NamespaceId::from_uuid(change.id));
            worker.sandboxes.retire_imports(&versions);
        }
        // What was missed is not known. Until it is heard again, what is kept still
        // serves: versions don't change, and PostgreSQL may be away for long.
        News::Listening => {
            worker.versions.forget_all();
            worker.secrets.heard();
            build.notify_one();
            readiness.there("announcements");
        }
        News::Lost => {
            worker.secrets.unheard();
            readiness.missing("announcements", "the connection is lost");
        }
        News::Changed(_) => {}
    })
    .await;
}

/// Keeps sandboxes within bounds, shows gauges, and says whether the worker is ready.
pub async fn watch(worker: Arc<Worker>, readiness: Readiness) {
    loop {
        worker.sandboxes.evict(worker.clock.steady(), Memory::now());
        worker.count_running();
        worker.record.gauge();
        let ready = i64::try_from(worker.sandboxes.ready()).unwrap_or(i64::MAX);
        worker.metrics.generic_sandboxes.set(ready);
        match count_events(&worker).await {
            Ok(()) => readiness.there("queue"),
            Err(error) => readiness.missing("queue", telemetry::chain(&error)),
        }
        match worker.database.ping().await {
            Ok(()) => readiness.there("postgresql"),
            Err(error) => readiness.missing("postgresql", telemetry::chain(&error)),
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Shows how many events wait; fails where the queue can't be used.
async fn count_events(worker: &Worker) -> Result<(), QueueError> {
    let link = worker.links.link().await?;
    let events = i64::try_from(queue::unrecorded(&link).await?).unwrap_or(i64::MAX);
    worker.metrics.unrecorded_events.set(events);
    Ok(())
}
