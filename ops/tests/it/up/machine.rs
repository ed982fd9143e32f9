//! What this machine runs, mounts and holds.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Waits for a state, and says which one never came.
pub(super) fn wait_until(what: &str, bound: Duration, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + bound;
    while !holds() {
        assert!(Instant::now() < until, "it never came true that {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

pub(super) fn kill(pid: u32) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
}

/// Whether no process has this pid; a zombie nobody has reaped yet counts as gone.
pub(super) fn is_gone(pid: u32) -> bool {
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.is_empty())
        || !Path::new(&format!("/proc/{pid}")).exists()
}

/// Whether it can gain no privilege, and its capabilities: effective, permitted,
/// inheritable, ambient. One line for all its threads, or each one that differs.
pub(super) fn rights_of(pid: u32) -> String {
    let mut found: Vec<String> = fs::read_dir(format!("/proc/{pid}/task"))
        .unwrap()
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("status")).ok())
        .map(|status| {
            let values = ["NoNewPrivs:", "CapEff:", "CapPrm:", "CapInh:", "CapAmb:"].map(|name| {
                let line = status.lines().find_map(|line| line.strip_prefix(name));
                let value = u64::from_str_radix(line.unwrap().trim(), 16).unwrap();
                format!("{value:x}")
            });
            values.join(" ")
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found.join("; ")
}

/// A variable that the process was started with.
pub(super) fn variable_of(pid: u32, name: &str) -> Option<String> {
    let all = fs::read_to_string(format!("/proc/{pid}/environ")).unwrap();
    let mut all = all.split('\0').filter_map(|pair| pair.split_once('='));
    all.find_map(|(each, value)| (each == name).then(|| value.to_owned()))
}

/// Command lines that name a path.
pub(super) fn processes_naming(path: &Path) -> Vec<String> {
    let wanted = path.to_str().unwrap();
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(wanted))
        .collect()
}

/// The blocks of uids these workers hold; their control groups are named after them.
pub(super) fn groups_of(workers: &[u32]) -> Vec<String> {
    workers
        .iter()
        .filter_map(|pid| fs::read_dir(format!("/proc/{pid}/fd")).ok())
        .flat_map(Iterator::flatten)
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .filter(|target| target.starts_with("/run/patchbay-uids"))
        .filter_map(|target| Some(target.file_name()?.to_str()?.to_owned()))
        .collect()
}

/// Control groups of these blocks that still exist and that nobody has taken since.
pub(super) fn left(blocks: &[String]) -> Vec<String> {
    let listed = Command::new("find")
        .args([
            "/sys/fs/cgroup",
            "-maxdepth",
            "8",
            "-type",
            "d",
            "-name",
            "patchbay-u*",
        ])
        .output()
        .unwrap();
    String::from_utf8_lossy(&listed.stdout)
        .lines()
        .filter(|path| {
            blocks
                .iter()
                .any(|block| path.ends_with(&format!("/patchbay-u{block}")))
        })
        .filter(|path| !is_held(path.rsplit("patchbay-u").next().unwrap_or_default()))
        .map(str::to_owned)
        .collect()
}

fn is_held(block: &str) -> bool {
    let file = fs::File::open(format!("/run/patchbay-uids/{block}")).unwrap();
    matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock))
}

pub(super) fn mounts_below(path: &Path) -> Vec<String> {
    fs::read_to_string("/proc/self/mountinfo")
        .unwrap()
        .lines()
        .filter(|line| line.contains(path.to_str().unwrap()))
        .map(str::to_owned)
        .collect()
}

/// Files below a directory that hold a word.
pub(super) fn files_holding(directory: &Path, word: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting: Vec<PathBuf> = vec![directory.to_owned()];
    while let Some(path) = waiting.pop() {
        for entry in fs::read_dir(&path).unwrap().flatten() {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() && entry.file_name() != "tools" {
                waiting.push(entry.path());
            } else if kind.is_file() {
                let bytes = fs::read(entry.path()).unwrap_or_default();
                if bytes
                    .windows(word.len())
                    .any(|window| window == word.as_bytes())
                {
                    found.push(entry.path().display().to_string());
                }
            }
        }
    }
    found
}

/// A port nobody listens on now.
pub(super) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}
