//! What Redis still knows to be final: recorded under the older generation, which
//! is still the present one in PostgreSQL, and only then removed.

use std::time::Duration;

use common::record;

use super::Recovery;
use crate::duty::DutyError;

impl Recovery<'_> {
    /// Gives how many events were recorded.
    pub(super) async fn record_events(&self) -> Result<u64, DutyError> {
        let mut recorded = 0;
        loop {
            let swept = record::sweep(
                &self.tools.database,
                &self.link,
                self.before,
                Duration::ZERO,
            )
            .await;
            let swept = swept.map_err(DutyError::Events)?;
            recorded += swept.recorded;
            if !swept.more {
                return Ok(recorded);
            }
        }
    }
}
