//! Ends that a recovery decided or found: they have no event.

use super::WriteError;
use super::batch::Batch;
use crate::db::Client;
use crate::execution::SealedOutcome;
use crate::ids::ExecutionId;
use crate::telemetry;

/// Ends rows as a writer of `generation`. Gives how many were open. One that
/// PostgreSQL will never take as it is stays open.
///
/// # Errors
/// Writing again is safe: a final row stays as it is.
pub async fn end_settled(
    client: &Client,
    generation: u64,
    ended: &[(ExecutionId, SealedOutcome)],
) -> Result<u64, WriteError> {
    match write(client, generation, ended).await {
        Err(error) if error.is_unfit() => {}
        written => return written,
    }
    let mut open = 0;
    for one in ended {
        match write(client, generation, std::slice::from_ref(one)).await {
            Ok(was_open) => open += was_open,
            // The recovery of all others goes on.
            Err(error) if error.is_unfit() => {
                let error = telemetry::chain(&error);
                tracing::error!(execution.id = %one.0, error, "an end cannot be recorded");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(open)
}

async fn write(
    client: &Client,
    generation: u64,
    ended: &[(ExecutionId, SealedOutcome)],
) -> Result<u64, WriteError> {
    if ended.is_empty() {
        return Ok(0);
    }
    let mut batch = Batch::default();
    for (id, outcome) in ended {
        batch.end(*id, outcome);
    }
    Ok(batch.write(client, generation).await?.ended)
}
