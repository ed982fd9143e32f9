//! The scripts: one file each, put together with the parts they share.
//!
//! A script's file begins with its `#!lua` line. After that line come how names
//! begin and the numbers of `limits.rs`, then the shared parts it names here, then
//! the rest of the file. The text, hence its digest, is the same in every
//! process of a release.

use std::sync::OnceLock;

use crate::limits;

const GUARD: &str = include_str!("scripts/part_guard.lua");
const EITHER: &str = include_str!("scripts/part_guard_either.lua");
const RECOVERING: &str = include_str!("scripts/part_guard_recovering.lua");
const SLOTS: &str = include_str!("scripts/part_slots.lua");
const STREAM: &str = include_str!("scripts/part_stream.lua");
const PROMOTE: &str = include_str!("scripts/part_promote.lua");
const LEASE: &str = include_str!("scripts/part_lease.lua");
const END: &str = include_str!("scripts/part_end.lua");

/// One script and where to find it on the server.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) name: &'static str,
    file: &'static str,
    parts: &'static [&'static str],
    loaded: OnceLock<redis::Script>,
}

impl Script {
    const fn new(name: &'static str, file: &'static str, parts: &'static [&'static str]) -> Self {
        Self {
            name,
            file,
            parts,
            loaded: OnceLock::new(),
        }
    }

    /// The digest by which the server knows the script.
    pub(super) fn sha(&self) -> &str {
        self.script().get_hash()
    }

    /// The command that gives the server the script's text.
    pub(super) fn load(&self) -> redis::Cmd {
        let mut load = redis::cmd("SCRIPT");
        load.arg("LOAD").arg(self.text());
        load
    }

    fn script(&self) -> &redis::Script {
        self.loaded.get_or_init(|| redis::Script::new(&self.text()))
    }

    fn text(&self) -> String {
        let (shebang, body) = self.file.split_once('\n').unwrap_or((self.file, ""));
        let mut text = format!("{shebang}\n{}", prelude());
        for part in self.parts {
            text.push_str(part);
        }
        text.push_str(body);
        text
    }
}

/// What every script begins with, on one line: how all names begin (the only
/// declared key is the certificate, `…gen`), and the bounds scripts keep.
fn prelude() -> String {
    format!(
        "local p = string.sub(KEYS[1], 1, -4) \
         local STARTS, AT_ONCE, EVENTS, WAITERS, KEPT, KEY_KEPT, LEASE, DAMAGED, DAMAGED_KEPT = \
         {}, {}, {}, {}, {}, {}, {}, {}, {}\n",
        limits::STARTS,
        limits::PROMOTE_AT_ONCE,
        limits::EVENTS,
        limits::WAITERS_PER_EXECUTION,
        limits::RESULT_KEPT.as_secs(),
        limits::IDEMPOTENCY_KEPT.as_secs(),
        limits::LEASE.as_millis(),
        limits::DAMAGED,
        limits::DAMAGED_KEPT.as_secs(),
    )
}

macro_rules! scripts {
    ($($name:ident = $file:literal [$($part:ident),*];)+) => {
        $(pub(super) static $name: Script =
            Script::new($file, include_str!(concat!("scripts/", $file, ".lua")), &[$($part),*]);)+

        /// All of them, for the greeting.
        pub(super) static ALL: &[&Script] = &[$(&$name),+];
    };
}

scripts! {
    HELLO = "hello" [];
    ACCEPT = "accept" [SLOTS];
    RENEW = "renew" [EITHER, LEASE];
    RECLAIM = "reclaim" [GUARD];
    FINISH = "finish" [GUARD, LEASE, SLOTS, STREAM, PROMOTE, END];
    HAND_BACK = "hand_back" [GUARD, LEASE, STREAM];
    SET_ASIDE = "set_aside" [EITHER, LEASE];
    CANCEL = "cancel" [GUARD, SLOTS, STREAM, PROMOTE, END];
    WATCH = "watch" [EITHER, STREAM];
    APPEND_LOG = "append_log" [GUARD, LEASE];
    READ_LOG = "read_log" [EITHER];
    SWEEP = "sweep" [EITHER];
    FORGET = "forget" [EITHER];
    ERASE = "erase" [EITHER];
    PROMOTE_DUE = "promote_due" [GUARD, SLOTS, STREAM, PROMOTE];
    DROP_CONSUMER = "drop_consumer" [GUARD];
    BEGIN = "begin" [];
    GROUPS = "groups" [RECOVERING];
    SETTLE = "settle" [RECOVERING, SLOTS, STREAM, PROMOTE];
    CONCLUDE = "conclude" [RECOVERING, SLOTS, STREAM, PROMOTE, END];
    STRANDED = "stranded" [RECOVERING];
    SURVEY = "survey" [RECOVERING, STREAM];
    CLEAR_COUNTS = "clear_counts" [RECOVERING];
    SET_COUNTS = "set_counts" [RECOVERING];
    PROMOTE_BACKLOG = "promote_backlog" [RECOVERING, SLOTS, STREAM, PROMOTE];
    CERTIFY = "certify" [RECOVERING];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_be_refused_is_refused_by_a_full_memory() {
        for script in ALL {
            let text = script.text();
            let shebang = text.lines().next().unwrap();
            let expected = match script.name {
                "accept" | "append_log" => "#!lua",
                _ => "#!lua flags=allow-oom",
            };
            assert_eq!(shebang, expected, "{}", script.name);
        }
    }
}
