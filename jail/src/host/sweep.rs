//! Ends what a dead worker left: groups with processes in them, and empty groups.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cgroup::Parents;
use crate::uids;

const PREFIX: &str = "patchbay-u";
/// Killed processes are gone within this, or somebody has to look.
const PATIENCE: Duration = Duration::from_secs(5);

/// A worker's parent group.
pub(crate) fn name(block: u32) -> String {
    format!("{PREFIX}{block}")
}

/// Sweeps every block whose owner is dead.
pub(crate) fn dead_workers(top: &Parents) {
    // Without a lock it is a worker's of another container.
    for block in blocks(top).into_iter().filter(|&b| uids::was_taken(b)) {
        match uids::lock(block) {
            Ok(Some(_held_while_sweeping)) => {
                let gone = groups(&top.join(&name(block)));
                tracing::info!(block, gone, "swept what a dead worker left");
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(block, error = %error, "cannot ask whether a worker lives");
            }
        }
    }
    leaves(top);
}

/// Whether a block that is locked by the caller is clean, after sweeping it.
pub(crate) fn block(top: &Parents, number: u32, uids: &Range<u32>) -> bool {
    if !groups(&top.join(&name(number))) {
        return false;
    }
    // Another copy's worker may have had its groups elsewhere in the tree.
    let ours = format!("/{}/", name(number));
    until_empty(|| {
        let strays = processes_of(uids);
        for (pid, groups) in &strays {
            if groups.contains(&ours) {
                let _gone_already = kill(Pid::from_raw(*pid), Signal::SIGKILL);
            }
        }
        strays.is_empty()
    })
}

fn blocks(top: &Parents) -> Vec<u32> {
    let mut found: Vec<u32> = top
        .directories()
        .iter()
        .flat_map(|directory| children(directory))
        .filter_map(|path| {
            path.file_name()?
                .to_str()?
                .strip_prefix(PREFIX)?
                .parse()
                .ok()
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Kills what is in the groups of a worker and removes them; whether that worked.
pub(crate) fn groups(parent: &Parents) -> bool {
    let removed = until_empty(|| {
        let mut all_gone = true;
        for directory in parent.directories() {
            for group in children(directory) {
                end(&group);
                all_gone &= fs::remove_dir(&group).is_ok();
            }
        }
        all_gone
    });
    removed
        && parent
            .directories()
            .iter()
            .all(|directory| !directory.exists() || fs::remove_dir(directory).is_ok())
}

fn end(group: &Path) {
    let inside = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    for pid in inside.lines().filter_map(|line| line.parse().ok()) {
        let _gone_already = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
}

/// Empty groups of workers that stepped aside (version 2) and are gone.
fn leaves(top: &Parents) {
    for path in top
        .directories()
        .iter()
        .flat_map(|directory| children(directory))
    {
        let own = path
            .file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.starts_with("patchbay-worker-"));
        if own {
            // Fails where a process is in it: then it is in use.
            let _in_use = fs::remove_dir(path);
        }
    }
}

fn children(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

/// Processes that run under one of these uids, with the groups they are in.
fn processes_of(uids: &Range<u32>) -> Vec<(i32, String)> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| {
            let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
            let status = fs::read_to_string(entry.path().join("status")).ok()?;
            let line = status.lines().find(|line| line.starts_with("Uid:"))?;
            let uid: u32 = line.split_whitespace().nth(1)?.parse().ok()?;
            if !uids.contains(&uid) {
                return None;
            }
            let groups = fs::read_to_string(entry.path().join("cgroup")).unwrap_or_default();
            Some((pid, groups))
        })
        .collect()
}

fn until_empty(mut attempt: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + PATIENCE;
    loop {
        if attempt() {
            return true;
        }
        if Instant::now() >= until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
