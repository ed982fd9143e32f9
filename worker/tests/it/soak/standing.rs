//! What a worker holds of its host and of Redis at one moment, and whether that grew.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::fs;
use std::path::{Path, PathBuf};

use crate::rig::{Rig, WorkerProcess};

/// One figure: its name, what it is, and by how much it may differ without having grown.
type Figure = (&'static str, u64, u64);

/// Figures of one moment, always the same ones in the same order.
#[derive(Clone, Debug)]
pub(super) struct Standing(Vec<Figure>);

impl Standing {
    pub(super) async fn of(rig: &Rig, worker: &WorkerProcess) -> Self {
        let pid = worker.pid().as_raw();
        let own = PathBuf::from(format!("/proc/{pid}"));
        let count = |name: &str| length(entries(&own.join(name)));
        let processes = below(pid);
        let uids: BTreeSet<u64> = processes.iter().map(|(_, uid)| *uid).collect();
        let (keys, bytes) = rig.lasting_keys().await;
        let resident = field(&own, "VmRSS:");
        Self(vec![
            // Connections that come and go with load.
            ("descriptors", count("fd"), 8),
            // Threads that wait a while for more work that blocks.
            ("threads", count("task"), 4),
            // What an allocator keeps for the next flood of output: some MiB, however many there are.
            ("resident KiB", resident, 16 << 10),
            ("processes of sandboxes", length(&processes), 0),
            ("uids of sandboxes", length(&uids), 0),
            ("cgroups", length(groups(&processes)), 0),
            ("mounts", mounts(&own), 0),
            ("files of its state", length(files(worker.state())), 0),
            ("keys in Redis that stay", keys, 0),
            // Nodes of streams are freed together.
            ("bytes of theirs", bytes, 64 << 10),
        ])
    }

    /// Those that are more than they were.
    pub(super) fn grown_since(&self, before: &Self) -> Vec<&'static str> {
        let pairs = self.0.iter().zip(&before.0);
        let grown = pairs.filter(|(now, before)| now.1 > before.1 + before.2);
        grown.map(|(now, _)| now.0).collect()
    }
}

/// A table of both moments, with verdicts.
pub(super) struct Compared<'a>(pub(super) &'a Standing, pub(super) &'a Standing);

impl fmt::Display for Compared<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(before, now) = self;
        let grown = now.grown_since(before);
        writeln!(f, "{:<28} {:>10} {:>10}", "", "before", "after")?;
        for (before, now) in before.0.iter().zip(&now.0) {
            let verdict = if grown.contains(&now.0) {
                "GREW"
            } else {
                "well"
            };
            writeln!(f, "{:<28} {:>10} {:>10}  {verdict}", now.0, before.1, now.1)?;
        }
        f.write_char('\n')
    }
}

fn length<T>(things: impl IntoIterator<Item = T>) -> u64 {
    u64::try_from(things.into_iter().count()).unwrap()
}

/// Of a process' status: the first number after the word.
fn field(process: &Path, word: &str) -> u64 {
    let status = fs::read_to_string(process.join("status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(word));
    let first = line.and_then(|line| line.split_whitespace().next());
    first.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Processes that it or one of its started, dead ones too, with their uids.
fn below(pid: i32) -> Vec<(PathBuf, u64)> {
    let all: Vec<PathBuf> = entries(Path::new("/proc"));
    let mut found: Vec<(PathBuf, u64)> = Vec::new();
    let mut parents = vec![u64::try_from(pid).unwrap()];
    while let Some(parent) = parents.pop() {
        for path in all.iter().filter(|path| field(path, "PPid:") == parent) {
            found.push((path.clone(), field(path, "Uid:")));
            parents.push(field(path, "Pid:"));
        }
    }
    found
}

/// What each of them is, for who asks why there are more.
pub(super) fn shown(worker: &WorkerProcess) -> Vec<String> {
    let told = |(path, uid): (PathBuf, u64)| {
        let status = fs::read_to_string(path.join("status")).unwrap_or_default();
        let lines = status.lines().take(8).filter(|line| {
            ["Name:", "State:", "Pid:", "PPid:"]
                .iter()
                .any(|word| line.starts_with(word))
        });
        let lines: Vec<_> = lines.map(|line| line.replace('\t', " ")).collect();
        format!("{} of {uid}", lines.join(", "))
    };
    below(worker.pid().as_raw()).into_iter().map(told).collect()
}

/// Groups of the worker's block, wherever its sandboxes are.
fn groups(processes: &[(PathBuf, u64)]) -> BTreeSet<PathBuf> {
    let blocks = processes.iter().filter_map(|(path, _)| {
        let text = fs::read_to_string(path.join("cgroup")).ok()?;
        let part = |line: &str| {
            let mut parts = line.split('/');
            parts
                .find(|part| part.starts_with("patchbay-u"))
                .map(str::to_owned)
        };
        text.lines().find_map(part)
    });
    let blocks: BTreeSet<String> = blocks.collect();
    let mut found = BTreeSet::new();
    let mut left = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(directory) = left.pop() {
        let inside = entries(&directory).into_iter();
        for path in inside.filter(|path| path.is_dir() && !path.is_symlink()) {
            let mut parts = path
                .components()
                .filter_map(|part| part.as_os_str().to_str());
            if parts.any(|part| blocks.contains(part)) {
                found.insert(path.clone());
            }
            left.push(path);
        }
    }
    found
}

/// In all mount namespaces of its threads.
fn mounts(process: &Path) -> u64 {
    let mut seen = BTreeSet::new();
    let mut count = 0;
    for task in entries(&process.join("task")) {
        let Ok(namespace) = fs::read_link(task.join("ns/mnt")) else {
            continue;
        };
        if seen.insert(namespace) {
            let text = fs::read_to_string(task.join("mountinfo")).unwrap_or_default();
            count += length(text.lines());
        }
    }
    count
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(directory) = left.pop() {
        for path in entries(&directory) {
            if path.is_dir() && !path.is_symlink() {
                left.push(path.clone());
            }
            found.push(path);
        }
    }
    found
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    entries.flatten().map(|entry| entry.path()).collect()
}
