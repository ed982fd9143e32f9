//! Typed ids: UUIDv7 inside, a prefixed hex word outside (`ex_0199…`).
//!
//! An id carries the millisecond it was made at (RFC 9562 section 5.7), so the
//! day an execution belongs to is computed from its id by every writer alike.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::{NoContext, Uuid};

use crate::clock::Clock;

/// Why a text is not an id of the kind that was asked for.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not an id of the form {prefix}_ and 32 lower-case hex digits")]
pub struct ParseIdError {
    prefix: &'static str,
}

fn new_uuid(clock: &dyn Clock) -> Uuid {
    let now = clock.now();
    let seconds = u64::try_from(now.as_second()).unwrap_or(0);
    let nanos = u32::try_from(now.subsec_nanosecond()).unwrap_or(0);
    Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, seconds, nanos))
}

fn parse_prefixed(text: &str, prefix: &'static str) -> Result<Uuid, ParseIdError> {
    let wrong = ParseIdError { prefix };
    let Some(hex) = text.strip_prefix(prefix).and_then(|t| t.strip_prefix('_')) else {
        return Err(wrong);
    };
    let canonical = hex.len() == 32
        && hex
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if !canonical {
        return Err(wrong);
    }
    Uuid::try_parse(hex).map_err(|_| wrong)
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Uuid);

        impl $name {
            /// The word before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// A fresh id that carries the clock's present millisecond.
            #[must_use]
            pub fn new(clock: &dyn Clock) -> Self {
                Self(new_uuid(clock))
            }

            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}_{}", $prefix, self.0.simple())
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                parse_prefixed(text, $prefix).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(/// Who pays and owns.
    AccountId, "acc");
id!(/// Who logs in; belongs to accounts.
    UserId, "usr");
id!(/// A key of an account; its hex is the public half of the key's text.
    ApiKeyId, "key");
id!(/// Where functions live; one MCP endpoint.
    NamespaceId, "ns");
id!(FunctionId, "fn");
id!(/// Immutable code, schemas and limits of a function.
    VersionId, "ver");
id!(/// One value of a namespace's secret: anew each time it is set.
    SecretId, "sec");
id!(/// One accepted request to run a version.
    ExecutionId, "ex");
id!(/// A process incarnation: one row of `processes`, one consumer name.
    ProcessId, "proc");
id!(/// One request to an api, as answered in `X-Request-Id`.
    RequestId, "req");

impl ExecutionId {
    /// Milliseconds since 1970 at which the execution was asked for.
    #[must_use]
    pub fn at_ms(self) -> i64 {
        let bytes = self.0.as_bytes();
        bytes[..6]
            .iter()
            .fold(0, |ms, byte| (ms << 8) | i64::from(*byte))
    }

    /// The same instant as a timestamp.
    #[must_use]
    pub fn at(self) -> Timestamp {
        Timestamp::from_millisecond(self.at_ms()).unwrap_or(Timestamp::MAX)
    }

    /// The UTC day whose partition of `executions` holds the row.
    #[must_use]
    pub fn day(self) -> Date {
        self.at().to_zoned(TimeZone::UTC).date()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn an_id_reads_back_what_it_prints() {
        let clock = ManualClock::at("2026-03-01T00:00:00Z");
        let id = ExecutionId::new(&clock);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(id.to_string().starts_with("ex_"));
    }

    #[test]
    fn an_id_of_another_kind_or_spelling_is_refused() {
        let clock = ManualClock::at("2026-03-01T00:00:00Z");
        let id = ExecutionId::new(&clock).to_string();
        for wrong in [
            id.replace("ex_", "fn_"),
            id.to_uppercase(),
            id[..id.len() - 1].to_owned(),
            format!("{id}0"),
            String::new(),
        ] {
            assert!(wrong.parse::<ExecutionId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_day_of_an_execution_is_that_of_its_own_time() {
        let clock = ManualClock::at("2026-02-28T23:59:59.999Z");
        let before = ExecutionId::new(&clock);
        clock.advance(std::time::Duration::from_millis(1));
        let after = ExecutionId::new(&clock);
        assert_eq!(before.day().to_string(), "2026-02-28");
        assert_eq!(after.day().to_string(), "2026-03-01");
        assert_eq!(after.at_ms() - before.at_ms(), 1);
    }
}
