//! What Redis still knows to be final: recorded under the older generation, which
//! is still the present one in PostgreSQL, and only then removed.

use std::time::Duration;

use common::queue;

use super::Recovery;
use crate::duty::DutyError;

impl Recovery<'_> {
    /// Gives how many events were recorded.
    pub(super) async fn record_events(&self) -> Result<u64, DutyError> {
        let failed = DutyError::queue("sweep");
        let swept = queue::sweep(&self.link, Duration::ZERO, 500)
            .await
            .map_err(&failed)?;
        if swept.events.is_empty() {
            return Ok(0);
        }
        Err(DutyError::Overtaken(self.before))
    }
}
