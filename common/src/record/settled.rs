//! Ends that a recovery decided or found: they have no event.

use super::WriteError;
use super::batch::Batch;
use crate::db::Client;
use crate::execution::SealedOutcome;
use crate::ids::ExecutionId;

/// Ends rows as a writer of `generation`. Gives how many were open.
///
/// # Errors
/// Writing again is safe: a final row stays as it is.
pub async fn end_settled(
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
