//! Who leads: one scheduler at a time, the others stand by.
//!
//! An advisory lock in PostgreSQL decides, on a connection of its own. Each reign
//! has a higher term; the queue and the door refuse what an older leader still
//! sends. A standby asks for the lock several times a second, so it leads soon
//! after the other's connection ended, however that came.
//!
//! **What always holds.** Duties run only inside [`Leader::reign`], which drops
//! them the moment the connection is seen closed, the lock's session stops
//! answering, or another term is found.

use std::time::Duration;

use common::backoff::jittered;
use common::clock::SharedClock;
use common::db::DbError;
use common::db::leader::Leadership;
use common::ids::ProcessId;
use common::telemetry;
use secrecy::SecretString;

/// How often a standby asks.
const ASK: Duration = Duration::from_millis(300);
/// How often the leader looks whether its connection is closed, without asking.
const LOOK: Duration = Duration::from_millis(50);
/// How often it asks PostgreSQL, and how long it waits for the answer.
const CHECK: Duration = Duration::from_secs(1);

/// Why a reign ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The duties were done with it: a later leader was met.
    Deposed,
    /// The connection that holds the lock is gone, or does not answer.
    ConnectionLost,
    /// The record says that another term began.
    OtherTerm,
}

/// The lead, and what ends it.
#[derive(Debug)]
pub struct Leader(Leadership);

/// Waits until this process leads.
pub async fn win(url: &SecretString, process: ProcessId, clock: &SharedClock) -> Leader {
    let mut failing = false;
    loop {
        match Leadership::take(url, process, clock.now()).await {
            Ok(Some(leadership)) => return Leader(leadership),
            Ok(None) => failing = false,
            Err(error) => {
                if !failing {
                    let error = telemetry::chain(&error);
                    tracing::warn!(error, "the lead cannot be asked for");
                }
                failing = true;
            }
        }
        tokio::time::sleep(jittered(ASK)).await;
    }
}

impl Leader {
    #[must_use]
    pub fn term(&self) -> u64 {
        self.0.term()
    }

    /// Goes on with `duties` as long as this leads.
    pub async fn reign(&self, duties: impl Future<Output = ()>) -> End {
        tokio::select! {
            () = duties => End::Deposed,
            end = self.lost() => end,
        }
    }

    async fn lost(&self) -> End {
        loop {
            tokio::select! {
                () = self.closed() => return End::ConnectionLost,
                held = self.checked() => match held {
                    Ok(true) => {}
                    Ok(false) => return End::OtherTerm,
                    Err(error) => {
                        let error = telemetry::chain(&error);
                        tracing::warn!(error, "the lead cannot be confirmed");
                        return End::ConnectionLost;
                    }
                },
            }
        }
    }

    async fn checked(&self) -> Result<bool, DbError> {
        tokio::time::sleep(CHECK).await;
        match tokio::time::timeout(CHECK, self.0.check()).await {
            Ok(held) => held,
            Err(late) => Err(DbError::Unavailable(Box::new(late))),
        }
    }

    async fn closed(&self) {
        while !self.0.is_closed() {
            tokio::time::sleep(LOOK).await;
        }
    }
}
