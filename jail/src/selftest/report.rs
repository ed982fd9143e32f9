//! What a self-test found: each wall, what stands there, and what going past it met.

use crate::cgroup::Parents;

/// Every wall of this host, in the order they were met.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub walls: Vec<Wall>,
}

/// One limit or separation.
#[derive(Clone, Debug)]
pub struct Wall {
    pub name: String,
    /// What enforces it here.
    pub how: String,
    /// What going past it met, or what happened instead.
    pub met: Result<String, String>,
}

impl Report {
    /// Names of walls that don't hold.
    #[must_use]
    pub fn missing(&self) -> Vec<&str> {
        let open = self.walls.iter().filter(|wall| wall.met.is_err());
        open.map(|wall| wall.name.as_str()).collect()
    }

    /// A wall that a program inside tried.
    pub(super) fn tried(&mut self, name: &str, holds: bool) {
        let (how, met) = stands_at(name);
        self.walls.push(Wall {
            name: name.to_owned(),
            how: how.to_owned(),
            met: if holds {
                Ok(met.to_owned())
            } else {
                Err("it does not hold".to_owned())
            },
        });
    }

    pub(super) fn add(&mut self, name: &str, how: String, met: Result<String, String>) {
        let name = name.to_owned();
        self.walls.push(Wall { name, how, met });
    }
}

/// What stands at a wall that is tried from inside, and what the program meets there.
/// A name stands for all that begin with it.
const INSIDE: &[(&str, &str, &str)] = &[
    (
        "read-only mount ",
        "a read-only mount, or one that only the template may write to",
        "statvfs says so, or EACCES",
    ),
    (
        "no new privileges",
        "prctl(PR_SET_NO_NEW_PRIVS) by nsjail",
        "/proc/self/status says so",
    ),
    (
        "system call filter (",
        "seccomp filter by nsjail, a list of allowed calls",
        "refused, or the process died of it",
    ),
    (
        "system call filter",
        "seccomp filter by nsjail, a list of allowed calls",
        "/proc/self/status says so",
    ),
    (
        "capabilities (",
        "dropped by the runner in each execution's process",
        "the set is empty",
    ),
    (
        "uid of executions",
        "the second of the two host uids of the sandbox, in a user namespace",
        "all ids are its own",
    ),
    (
        "pid namespace",
        "a pid namespace, the template as pid 1",
        "numbers begin anew",
    ),
    (
        "template out of reach (",
        "another uid than the executions'",
        "EPERM",
    ),
    (
        "template out of sight",
        "proc mounted with hidepid=invisible",
        "/proc/1 is not there",
    ),
    (
        "proc shows processes only",
        "proc mounted with subset=pid",
        "neither /proc/meminfo nor /proc/sys is there",
    ),
    (
        "network namespace",
        "a network namespace",
        "not the worker's, and no interface but lo",
    ),
    ("cgroup namespace", "a cgroup namespace", "not the worker's"),
    ("ipc namespace", "an IPC namespace", "not the worker's"),
    ("mnt namespace", "a mount namespace", "not the worker's"),
    ("user namespace", "a user namespace", "not the worker's"),
    ("uts namespace", "a UTS namespace", "not the worker's"),
    (
        "named hosts alone",
        "the worker's proxy, by name and port",
        "403 for a port that was not named",
    ),
    (
        "public addresses alone",
        "the worker's proxy, by the address looked up",
        "403 for a mapped loopback address that was named",
    ),
    (
        "forgotten connections",
        "a bound of the network namespace, set by the visitor",
        "no closed connection is remembered",
    ),
    (
        "standard input",
        "opened anew by each execution",
        "it is /dev/null",
    ),
    ("host name", "a UTS namespace", "it is \"sandbox\""),
    (
        "resource limit ",
        "setrlimit by nsjail or the runner",
        "as low as it should be",
    ),
    (
        "queued signals",
        "RLIMIT_SIGPENDING set by the runner",
        "it is 256",
    ),
    ("scratch bytes", "the size of the tmpfs at /tmp", "ENOSPC"),
    ("scratch files", "the inodes of the tmpfs at /tmp", "ENOSPC"),
    (
        "nothing left in scratch space",
        "the template removes what an execution left",
        "the next execution found nothing",
    ),
];

fn stands_at(name: &str) -> (&'static str, &'static str) {
    INSIDE
        .iter()
        .find(|(wall, ..)| name == *wall || (wall.ends_with([' ', '(']) && name.starts_with(wall)))
        .map_or(("inside the sandbox", "it holds"), |(_, how, met)| {
            (how, met)
        })
}

/// The file of a group that bounds something, with its version and directory.
pub(super) fn group_file(places: &Parents, controller: Controller) -> String {
    let (version, directory, file) = match (places, controller) {
        (Parents::V1 { memory, .. }, Controller::Memory) => (1, memory, "memory.limit_in_bytes"),
        (Parents::V1 { pids, .. }, Controller::Pids) => (1, pids, "pids.max"),
        (Parents::V1 { cpu, .. }, Controller::Cpu) => (1, cpu, "cpu.cfs_quota_us"),
        (Parents::V2(path), Controller::Memory) => (2, path, "memory.max"),
        (Parents::V2(path), Controller::Pids) => (2, path, "pids.max"),
        (Parents::V2(path), Controller::Cpu) => (2, path, "cpu.max"),
    };
    format!("cgroup v{version} {}", directory.join(file).display())
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Controller {
    Memory,
    Pids,
    Cpu,
}
