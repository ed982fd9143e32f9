//! Nothing is deleted for its age on the word of one clock.
//!
//! A machine that comes back with its clock years ahead would drop every day there
//! is. PostgreSQL's clock is the second opinion; where the two differ, the duty fails,
//! which is logged and counted, until somebody has set them right.

use common::db::{Client, days};
use common::limits::CLOCK_SKEW;
use jiff::Timestamp;

use super::DutyError;

/// Fails unless PostgreSQL's clock says about the same as `here`.
pub(super) async fn agree(
    client: &Client,
    step: &'static str,
    here: Timestamp,
) -> Result<(), DutyError> {
    let there = days::server_time(client)
        .await
        .map_err(DutyError::database(step))?;
    compare(here, there)
}

fn compare(here: Timestamp, there: Timestamp) -> Result<(), DutyError> {
    if here.duration_since(there).unsigned_abs() > CLOCK_SKEW {
        return Err(DutyError::Clocks { here, there });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_may_differ_by_the_skew_and_no_millisecond_more() {
        let there: Timestamp = "2030-03-01T00:00:00Z".parse().unwrap();
        let one = std::time::Duration::from_millis(1);
        for here in [there, there + CLOCK_SKEW, there - CLOCK_SKEW] {
            assert!(compare(here, there).is_ok(), "{here}");
        }
        for here in [there + CLOCK_SKEW + one, there - CLOCK_SKEW - one] {
            let refused = compare(here, there);
            assert!(matches!(refused, Err(DutyError::Clocks { .. })), "{here}");
        }
    }
}
