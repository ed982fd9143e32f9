//! Where this process may make groups: found from `/proc`, never guessed.

use std::path::{Path, PathBuf};
use std::{fs, io};

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

/// Where this process may make groups.
#[derive(Debug)]
pub(crate) struct Found {
    /// Directories for its own.
    pub(crate) top: Parents,
    /// Where workers of this host made theirs that had no group to themselves.
    pub(crate) shared: Option<Parents>,
}

/// The groups this process is in, as directories in which it may make its own.
pub(crate) fn find() -> Result<Found, GroupError> {
    let read = |path: &str| {
        fs::read_to_string(path).map_err(|error| GroupError::Read(path.to_owned(), error))
    };
    let mounts = read("/proc/self/mountinfo")?;
    let own = read("/proc/self/cgroup")?;
    match v1(&mounts, &own) {
        Ok(top) => Ok(Found { top, shared: None }),
        // Where version 1 has some of them it has to have them all.
        Err(missing) if missing.len() < V1.len() => Err(GroupError::Missing(missing.join(", "))),
        Err(_) => v2(&mounts, &own),
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

fn v2(mounts: &str, own: &str) -> Result<Found, GroupError> {
    let none = || GroupError::Missing(V2.join(", "));
    let group = own.lines().find_map(|line| line.strip_prefix("0::"));
    let mount = mounts
        .lines()
        .filter_map(Mount::parse)
        .find(|mount| mount.kind == "cgroup2")
        .ok_or_else(none)?;
    // Its own group where that is delegated to it alone; else the top of what it sees.
    let own = mount.directory(group.ok_or_else(none)?);
    let top = PathBuf::from(mount.point);
    if own != top && delegate(&own).is_ok() {
        return Ok(Found {
            top: Parents::V2(own),
            shared: Some(Parents::V2(top)),
        });
    }
    delegate(&top)?;
    Ok(Found {
        top: Parents::V2(top),
        shared: None,
    })
}

/// Makes the controllers usable below `path`. No process may sit in a group whose
/// children have controllers, so this one moves aside first where it must.
fn delegate(path: &Path) -> Result<(), GroupError> {
    let text = fs::read_to_string(path.join("cgroup.controllers")).unwrap_or_default();
    let offered: Vec<&str> = text.split_whitespace().collect();
    let missing: Vec<&str> = V2.into_iter().filter(|c| !offered.contains(c)).collect();
    if !missing.is_empty() {
        return Err(GroupError::Missing(missing.join(", ")));
    }
    let control = path.join("cgroup.subtree_control");
    let on = || fs::write(&control, "+memory +pids +cpu");
    if on().is_ok() {
        return Ok(());
    }
    let leaf = path.join(format!("patchbay-worker-{}", std::process::id()));
    fs::create_dir(&leaf).map_err(|error| GroupError::Make(leaf.display().to_string(), error))?;
    enter(&leaf)?;
    match on() {
        Ok(()) => comes_first(&leaf),
        Err(error) => {
            // Others sit here as well: it is not this one's to arrange.
            enter(path)?;
            fs::remove_dir(&leaf)
                .map_err(|error| GroupError::Remove(leaf.display().to_string(), error))?;
            Err(match error.kind() {
                io::ErrorKind::ResourceBusy => GroupError::Shared(path.display().to_string()),
                _ => GroupError::Set(control.display().to_string(), error),
            })
        }
    }
}

fn enter(group: &Path) -> Result<(), GroupError> {
    let members = group.join("cgroup.procs");
    fs::write(&members, "0").map_err(|error| GroupError::Set(members.display().to_string(), error))
}

/// The worker, beside the group of its sandboxes: it needs little, and soon.
fn comes_first(leaf: &Path) -> Result<(), GroupError> {
    let weight = leaf.join("cpu.weight");
    fs::write(&weight, "10000")
        .map_err(|error| GroupError::Set(weight.display().to_string(), error))
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
