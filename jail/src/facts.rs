//! What this host is, as far as walls depend on it or an operator should know it.
//!
//! Read from `/proc` and `/sys` and told as it is. Nothing is decided by it but one right
//! of nsjail ([`privileged_namespaces`]): whether a wall holds is for the self-test.

use std::fs;
use std::ops::Range;
use std::path::Path;

use crate::cgroup::Parents;

/// One line about the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    pub name: &'static str,
    pub is: String,
}

/// What a worker has taken of its host.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) uids: Range<u32>,
    pub(crate) groups: Parents,
}

pub(crate) fn of(ground: &Ground) -> Vec<Fact> {
    let facts = [
        ("kernel", kernel()),
        ("groups", groups(&ground.groups)),
        ("swap", swap(&ground.groups)),
        ("uids", uids(&ground.uids)),
        ("user namespaces", namespaces()),
        ("apparmor", apparmor()),
        ("yama", yama()),
        ("core pattern", core_pattern()),
        ("protected hard links", hard_links()),
        ("overlay", overlay()),
    ];
    facts.map(|(name, is)| Fact { name, is }).into()
}

/// What lets only privileged processes make user namespaces here, if anything does.
pub(crate) fn privileged_namespaces() -> Option<&'static str> {
    [
        (
            "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
            "1",
        ),
        ("/proc/sys/kernel/unprivileged_userns_clone", "0"),
    ]
    .into_iter()
    .find(|(path, restricts)| read(path).as_deref() == Some(restricts))
    .map(|(path, _)| path)
}

fn kernel() -> String {
    read("/proc/sys/kernel/osrelease").unwrap_or_else(unknown)
}

fn groups(groups: &Parents) -> String {
    let version = match groups {
        Parents::V1 { .. } => 1,
        Parents::V2(_) => 2,
    };
    let at: Vec<_> = groups
        .directories()
        .iter()
        .map(|directory| directory.display().to_string())
        .collect();
    format!("cgroup version {version} at {}", at.join(", "))
}

/// A worker bounds memory and swap together where the kernel counts swap.
fn swap(groups: &Parents) -> String {
    let spaces = read("/proc/swaps").map_or(0, |text| text.lines().skip(1).count());
    let counted = match groups {
        Parents::V1 { memory, .. } => memory.join("memory.memsw.limit_in_bytes").exists(),
        Parents::V2(path) => path.join("memory.swap.max").exists(),
    };
    match (spaces, counted) {
        (0, _) => "none".to_owned(),
        (_, true) => "used; a sandbox has none of it beyond its memory".to_owned(),
        (_, false) => "used and not counted by the kernel: boot with swapaccount=1".to_owned(),
    }
}

fn uids(uids: &Range<u32>) -> String {
    let last = uids.end.saturating_sub(1);
    format!("{} to {last}, two for each sandbox", uids.start)
}

fn namespaces() -> String {
    match privileged_namespaces() {
        None => "any process may make them".to_owned(),
        Some(path) => {
            format!("privileged processes only ({path}): nsjail keeps CAP_SYS_ADMIN")
        }
    }
}

fn apparmor() -> String {
    match read("/sys/module/apparmor/parameters/enabled").as_deref() {
        Some("Y") => "on".to_owned(),
        _ => "off".to_owned(),
    }
}

fn yama() -> String {
    read("/proc/sys/kernel/yama/ptrace_scope")
        .map_or_else(|| "off".to_owned(), |scope| format!("ptrace_scope {scope}"))
}

fn core_pattern() -> String {
    let pattern = read("/proc/sys/kernel/core_pattern").unwrap_or_else(unknown);
    if pattern.starts_with('|') {
        return format!("{pattern} (a program; a core limit of one byte keeps it from starting)");
    }
    pattern
}

/// Without it an execution may link to files that its import made; the sweep sees these.
fn hard_links() -> String {
    match read("/proc/sys/fs/protected_hardlinks").as_deref() {
        Some("1") => "on".to_owned(),
        _ => "off; fs.protected_hardlinks=1 is better".to_owned(),
    }
}

fn overlay() -> String {
    let known = read("/proc/filesystems").unwrap_or_default();
    let there = known.lines().any(|line| line.ends_with("\toverlay"));
    let word = if there {
        "known to the kernel"
    } else {
        "not there"
    };
    word.to_owned()
}

fn read(path: impl AsRef<Path>) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

fn unknown() -> String {
    "cannot be read".to_owned()
}
