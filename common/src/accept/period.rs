//! The period an execution is charged in.
//!
//! Periods begin at 00:00 UTC on the anchor's day of the month, or on the month's
//! last day where it has fewer; always counted from the anchor, so they never
//! drift. Accounts whose email is not verified have a bound per UTC day instead.
//! Each period has a name unique within its account: the queue counts under it, and
//! a recovery counts it anew from the record by the same days.

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

/// Days from `first` up to, not including, `next`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChargePeriod {
    pub first: Date,
    pub next: Date,
}

impl ChargePeriod {
    /// The month-long period around an instant, for an account anchored on a day.
    #[must_use]
    pub fn of_month(anchor: Date, at: Timestamp) -> Self {
        let today = day_of(at);
        let this_month = start_in(today, anchor);
        let (first, next) = if this_month <= today {
            (this_month, start_in(month_after(today), anchor))
        } else {
            (start_in(month_before(today), anchor), this_month)
        };
        Self { first, next }
    }

    /// The UTC day around an instant.
    #[must_use]
    pub fn of_day(at: Timestamp) -> Self {
        let first = day_of(at);
        let next = first.checked_add(1.day()).unwrap_or(Date::MAX);
        Self { first, next }
    }

    /// `2026-03-31` for a month's period, `2026-03-31 to 2026-04-01` for a day's.
    #[must_use]
    pub fn name(&self) -> String {
        let a_day = self.first.checked_add(1.day()).ok() == Some(self.next);
        if a_day {
            format!("{} to {}", self.first, self.next)
        } else {
            self.first.to_string()
        }
    }

    /// The first instant after it.
    #[must_use]
    pub fn ends(&self) -> Timestamp {
        self.next
            .to_zoned(TimeZone::UTC)
            .map_or(Timestamp::MAX, |start| start.timestamp())
    }
}

fn day_of(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

/// The day a period begins in a month.
fn start_in(month: Date, anchor: Date) -> Date {
    let day = anchor.day().min(month.days_in_month());
    date(month.year(), month.month(), day)
}

fn month_before(day: Date) -> Date {
    day.first_of_month().checked_sub(1.day()).unwrap_or(day)
}

fn month_after(day: Date) -> Date {
    day.last_of_month().checked_add(1.day()).unwrap_or(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(anchor: &str, at: &str) -> (String, String) {
        let period = ChargePeriod::of_month(anchor.parse().unwrap(), at.parse().unwrap());
        (period.first.to_string(), period.next.to_string())
    }

    #[test]
    fn an_anchor_on_the_31st_is_clamped_and_never_drifts() {
        for (at, first, next) in [
            ("2026-01-31T00:00:00Z", "2026-01-31", "2026-02-28"),
            ("2026-02-27T23:59:59.999Z", "2026-01-31", "2026-02-28"),
            ("2026-02-28T00:00:00Z", "2026-02-28", "2026-03-31"),
            ("2026-03-31T00:00:00Z", "2026-03-31", "2026-04-30"),
            ("2028-02-29T12:00:00Z", "2028-02-29", "2028-03-31"),
        ] {
            assert_eq!(
                around("2026-01-31", at),
                (first.to_owned(), next.to_owned()),
                "{at}"
            );
        }
    }

    #[test]
    fn periods_follow_each_other_without_a_gap() {
        let mut at: Timestamp = "2026-01-15T00:00:00Z".parse().unwrap();
        for _ in 0..40 {
            let period = ChargePeriod::of_month(date(2025, 12, 30), at);
            let after = ChargePeriod::of_month(date(2025, 12, 30), period.ends());
            assert_eq!(period.next, after.first);
            at = period.ends();
        }
    }

    #[test]
    fn a_day_and_a_month_never_share_a_name() {
        let at = "2026-03-31T10:00:00Z".parse().unwrap();
        let day = ChargePeriod::of_day(at);
        assert_eq!(day.ends(), "2026-04-01T00:00:00Z".parse().unwrap());
        assert_ne!(day.name(), ChargePeriod::of_month(day.first, at).name());
    }
}
