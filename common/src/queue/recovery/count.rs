//! Counting slots, bytes and quotas anew.

use std::collections::{HashMap, HashSet};

use super::survey::{OpenInRedis, SCAN_AT_ONCE, scan, survey};
use crate::execution::Lane;
use crate::ids::{AccountId, FunctionId};
use crate::queue::accept::{Period, QUOTA_KEPT_SECONDS};
use crate::queue::error::QueueError;
use crate::queue::link::Link;
use crate::queue::script;

/// How many executions an account was charged for in a period: its
/// `usage_daily`, and what is open in Redis without a row.
#[derive(Clone, Copy, Debug)]
pub struct Charged<'a> {
    pub account: AccountId,
    pub period: Period<'a>,
    pub count: u64,
}

/// Counts slots and bytes anew from what is open, and sets every quota.
///
/// # Errors
/// Repeat.
pub async fn recount(link: &Link, charged: &[Charged<'_>]) -> Result<(), QueueError> {
    let counts = count(link).await?;
    for names in ["conc:*", "quota:*"] {
        let mut cursor = 0;
        loop {
            let (next, keys) = scan(link, cursor, names).await?;
            link.call(&script::CLEAR_COUNTS, |command| {
                command.arg(keys);
            })
            .await?;
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
    }
    let quotas: Vec<_> = charged.iter().map(Set::quota).collect();
    let slots = counts.slots.iter().map(|(field, count)| Set {
        kind: "slots",
        name: field.0.clone(),
        field: field.1.clone(),
        value: *count,
        until: 0,
    });
    let bytes = Set {
        kind: "bytes",
        name: String::new(),
        field: String::new(),
        value: counts.bytes,
        until: 0,
    };
    let sets: Vec<_> = quotas.into_iter().chain(slots).chain([bytes]).collect();
    for some in sets.chunks(SCAN_AT_ONCE) {
        link.call(&script::SET_COUNTS, |command| {
            for set in some {
                set.put(command);
            }
        })
        .await?;
    }
    Ok(())
}

/// One counter to set.
#[derive(Debug)]
struct Set {
    kind: &'static str,
    name: String,
    field: String,
    value: u64,
    until: i64,
}

impl Set {
    fn quota(charged: &Charged<'_>) -> Self {
        let account = charged.account.uuid().simple();
        Self {
            kind: "quota",
            name: format!("{account}:{}", charged.period.name),
            field: String::new(),
            value: charged.count,
            until: charged.period.ends.as_second() + QUOTA_KEPT_SECONDS,
        }
    }

    fn put(&self, command: &mut redis::Cmd) {
        command
            .arg(self.kind)
            .arg(&self.name)
            .arg(&self.field)
            .arg(self.value)
            .arg(self.until);
    }
}

/// What the counters must say: by (account, field) for slots.
#[derive(Debug, Default)]
struct Counts {
    slots: HashMap<(String, String), u64>,
    bytes: u64,
}

async fn count(link: &Link) -> Result<Counts, QueueError> {
    let mut counts = Counts::default();
    let mut seen = HashSet::new();
    let mut cursor = 0;
    loop {
        let (next, page) = survey(link, cursor).await?;
        for open in page {
            if seen.insert(open.id) {
                counts.add(&open);
            }
        }
        cursor = next;
        if cursor == 0 {
            return Ok(counts);
        }
    }
}

impl Counts {
    fn add(&mut self, open: &OpenInRedis) {
        self.bytes += open.bytes;
        if !open.slot {
            return;
        }
        let function = |id: FunctionId| id.uuid().simple().to_string();
        let account = open.owner.account.uuid().simple().to_string();
        let mut one_more = |field: String| {
            *self.slots.entry((account.clone(), field)).or_default() += 1;
        };
        one_more("n".to_owned());
        one_more(function(open.owner.function));
        if open.lane == Lane::Background {
            one_more("b".to_owned());
        }
    }
}
