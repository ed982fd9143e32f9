//! Where this process may make groups: found from `/proc`, never guessed.

use std::fs;
use std::path::{Path, PathBuf};

use super::GroupError;

/// Version 1 has a hierarchy per controller; all four are needed.
const V1: [&str; 4] = ["memory", "pids", "cpu", "cpuacct"];
const V2: [&str; 3] = ["memory", "pids", "cpu"];

/// A worker's parent group, one directory per hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Parents {
    V1 {
        memory: PathBuf,
        pids: PathBuf,
        cpu: PathBuf,
        cpuacct: PathBuf,
    },
    V2(PathBuf),
}

impl Parents {
    /// The directories, each once.
    pub(crate) fn directories(&self) -> Vec<&Path> {
        let mut all: Vec<&Path> = match self {
            Self::V1 {
                memory,
                pids,
                cpu,
                cpuacct,
            } => vec![memory, pids, cpu, cpuacct],
            Self::V2(path) => vec![path],
        };
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The same hierarchies, one level down.
    pub(crate) fn join(&self, name: &str) -> Self {
        match self {
            Self::V1 {
                memory,
                pids,
                cpu,
                cpuacct,
            } => Self::V1 {
                memory: memory.join(name),
                pids: pids.join(name),
                cpu: cpu.join(name),
                cpuacct: cpuacct.join(name),
            },
            Self::V2(path) => Self::V2(path.join(name)),
        }
    }
}

/// The groups this process is in, as directories in which it may make its own.
pub(crate) fn find() -> Result<Parents, GroupError> {
    let read = |path: &str| {
        fs::read_to_string(path).map_err(|error| GroupError::Read(path.to_owned(), error))
    };
    let mounts = read("/proc/self/mountinfo")?;
    let own = read("/proc/self/cgroup")?;
    match v1(&mounts, &own) {
        Ok(parents) => Ok(parents),
        Err(missing) => v2(&mounts, &own).ok_or(GroupError::Missing(missing.join(", "))),
    }
}

fn v1(mounts: &str, own: &str) -> Result<Parents, Vec<&'static str>> {
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for controller in V1 {
        match v1_directory(mounts, own, controller) {
            Some(path) => found.push(path),
            None => missing.push(controller),
        }
    }
    let Ok([memory, pids, cpu, cpuacct]) = <[PathBuf; 4]>::try_from(found) else {
        return Err(missing);
    };
    Ok(Parents::V1 {
        memory,
        pids,
        cpu,
        cpuacct,
    })
}

fn v1_directory(mounts: &str, own: &str, controller: &str) -> Option<PathBuf> {
    let group = own.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let named = parts.next()?.split(',').any(|name| name == controller);
        named.then(|| parts.next()).flatten()
    })?;
    mounts.lines().find_map(|line| {
        let mount = Mount::parse(line)?;
        let here = mount.kind == "cgroup" && mount.options.split(',').any(|o| o == controller);
        here.then(|| mount.directory(group))
            .filter(|path| path.join("cgroup.procs").exists())
    })
}

fn v2(mounts: &str, own: &str) -> Option<Parents> {
    let group = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    let mount = mounts
        .lines()
        .filter_map(Mount::parse)
        .find(|mount| mount.kind == "cgroup2")?;
    // Its own group where that is delegated to it alone; else the top of what it sees.
    let own = mount.directory(group);
    [own, PathBuf::from(mount.point)]
        .into_iter()
        .find(|path| delegate(path))
        .map(Parents::V2)
}

/// Makes the controllers usable below `path`. No process may sit in a group whose
/// children have controllers, so this one moves aside first where it must.
fn delegate(path: &Path) -> bool {
    let text = fs::read_to_string(path.join("cgroup.controllers")).unwrap_or_default();
    let offered: Vec<&str> = text.split_whitespace().collect();
    if !V2.iter().all(|wanted| offered.contains(wanted)) {
        return false;
    }
    let on = || fs::write(path.join("cgroup.subtree_control"), "+memory +pids +cpu").is_ok();
    on() || step_aside(path).is_some_and(|leaf| on() && comes_first(&leaf))
}

fn step_aside(path: &Path) -> Option<PathBuf> {
    let leaf = path.join(format!("patchbay-worker-{}", std::process::id()));
    let moved = fs::create_dir(&leaf).is_ok() && fs::write(leaf.join("cgroup.procs"), "0").is_ok();
    moved.then_some(leaf)
}

/// The worker, beside the group of its sandboxes: it needs little, and soon.
fn comes_first(leaf: &Path) -> bool {
    fs::write(leaf.join("cpu.weight"), "10000").is_ok()
}

/// One line of mountinfo.
struct Mount<'a> {
    root: &'a str,
    point: &'a str,
    kind: &'a str,
    options: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ').skip(3);
        let mut right = right.split(' ');
        Some(Self {
            root: left.next()?,
            point: left.next()?,
            kind: right.next()?,
            options: right.nth(1)?,
        })
    }

    /// The directory of a group in this mount.
    fn directory(&self, group: &str) -> PathBuf {
        let below = group
            .strip_prefix(self.root.trim_end_matches('/'))
            .unwrap_or(group);
        Path::new(self.point).join(below.trim_start_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_controller_that_is_hidden_is_named() {
        let mounts = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n";
        let missing = v1(mounts, "1:cpu:/\n4:memory:/a\n").unwrap_err();
        assert!(missing.contains(&"memory") && missing.contains(&"pids"));
    }

    #[test]
    fn a_group_is_found_below_the_root_of_its_mount() {
        let line = "32 31 0:29 /docker/x /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct";
        let mount = Mount::parse(line).unwrap();
        assert_eq!(
            mount.directory("/docker/x/y"),
            Path::new("/sys/fs/cgroup/cpu/y")
        );
        assert_eq!(
            mount.directory("/docker/x"),
            Path::new("/sys/fs/cgroup/cpu/")
        );
    }
}
