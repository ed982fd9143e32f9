//! Tells those who follow an execution what it prints, while it runs.
//!
//! Nothing depends on it: the outcome has all of the log. While Redis doesn't answer, a
//! batch is kept and nothing more is taken out of the tap; what isn't told by the end
//! is in the outcome alone. A Redis without memory is told nothing more of it.

use std::time::{Duration, Instant};

use common::backoff::Backoff;
use common::limits;
use common::live_log::{Piece, Stream, Teller};
use common::queue::{self, Appended, LogText, QueueError};
use common::telemetry;
use common::vault::Purpose;
use jail::Tap;
use jiff::Timestamp;

use super::Attempted;
use crate::worker::Worker;

/// Never returns: the end of the run ends it.
pub(super) async fn tell(
    worker: &Worker,
    attempted: Attempted<'_>,
    (started_at, tap): (Timestamp, &Tap),
) {
    let began = Instant::now();
    let mut teller = Teller::new(started_at, attempted.work.attempt());
    loop {
        let pieces = tap.next().await;
        let pieces = pieces.into_iter().map(|piece| Piece {
            stream: match piece.stream {
                jail::Stream::Stdout => Stream::Stdout,
                jail::Stream::Stderr => Stream::Stderr,
            },
            text: piece.text,
            at: started_at + piece.at.saturating_duration_since(began),
        });
        for batch in teller.tell(pieces.collect()) {
            if let Err(why) = send(worker, attempted, teller.run(), &batch).await {
                tracing::debug!(why, "a log is told no further");
                tap.close();
                return std::future::pending().await;
            }
        }
    }
}

/// Sends until there is an answer. Gives why nothing more is to be sent.
async fn send(
    worker: &Worker,
    Attempted { work, entry }: Attempted<'_>,
    run: u64,
    batch: &[u8],
) -> Result<(), &'static str> {
    let id = work.leased.id.uuid();
    let sealed = worker
        .vault
        .seal(entry.account, Purpose::LiveLog, id, batch)
        .await
        .map_err(|_| "it cannot be sealed")?;
    let timeout = Duration::from_millis(entry.timeout_ms.into());
    let text = LogText {
        leased: &work.leased,
        run,
        sealed: &sealed,
        kept: timeout + limits::LIVE_LOG_KEPT,
    };
    let mut backoff = Backoff::new(limits::GREET_EVERY, limits::READ_BLOCK);
    loop {
        match append(worker, &text).await {
            Ok(Appended::Done) => return Ok(()),
            Ok(Appended::Full) => return Err("it is as large as it may be"),
            Ok(Appended::Fenced) => return Err("the lease is another's"),
            // Asking again would only have everybody's link greeted again.
            Err(QueueError::OutOfMemory) => return Err("redis has no memory left"),
            Err(error) => {
                let error = telemetry::chain(&error);
                tracing::debug!(error, "text of a log waits");
            }
        }
        tokio::time::sleep(backoff.delay()).await;
    }
}

async fn append(worker: &Worker, text: &LogText<'_>) -> Result<Appended, QueueError> {
    let link = worker.links.link().await?;
    queue::append_log(&link, text).await
}
