//! What sandboxes leave on the host: processes, groups, mounts, files, uids, descriptors.
//!
//! Compared before and after. All of it is looked for from outside: by uid, by the number of
//! this worker's block, in the mount namespaces of this process's threads. So other tests,
//! which have blocks of their own, are not counted. A place's profile is not looked for: it
//! stays in the keeper's namespace, to be written over.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jail::Host;

use crate::world::{World, config, host};

/// Buried within this, or somebody has to look.
const BOUND: Duration = Duration::from_secs(20);

/// What is there, each thing by a name that a failing test can show, and how often.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traces(BTreeMap<String, usize>);

impl Traces {
    /// What is on the host of this worker and its sandboxes.
    pub(crate) fn of(host: &Host) -> Self {
        let (uids, block, free_places) = host.uids();
        let mut traces = Self::default();
        traces.add("process", processes(&uids));
        traces.add("group", groups(block));
        traces.add("mount", mounts());
        traces.add("file", files(&uids));
        traces.add("descriptor", descriptors());
        traces.0.insert("free places".to_owned(), free_places);
        traces
    }

    fn add(&mut self, kind: &str, names: Vec<String>) {
        for name in names {
            *self.0.entry(format!("{kind} {name}")).or_insert(0) += 1;
        }
    }

    /// What there is of a kind.
    fn count(&self, kind: &str) -> usize {
        let of = self.0.iter().filter(|(name, _)| name.starts_with(kind));
        of.map(|(_, count)| count).sum()
    }

    /// Waits until the host is as it was.
    pub(crate) async fn come_back(&self, host: &Host) {
        let look = async {
            while Self::of(host) != *self {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if tokio::time::timeout(BOUND, look).await.is_ok() {
            return;
        }
        let now = Self::of(host);
        let left: Vec<_> = now
            .0
            .iter()
            .filter(|(name, count)| self.0.get(*name) != Some(*count))
            .collect();
        let gone: Vec<_> = self
            .0
            .iter()
            .filter(|(name, _)| !now.0.contains_key(*name))
            .collect();
        panic!("left on the host: {left:#?}\nno longer there: {gone:#?}");
    }
}

/// A host whose first sandbox has come and gone, since what is made with that one stays.
pub(crate) async fn at_rest() -> (World, Traces) {
    let host = host();
    let most = usize::try_from(config().max_sandboxes).unwrap();
    drop(host.boot().await.unwrap());
    while host.uids().2 < most {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let traces = Traces::of(&host);
    (host, traces)
}

/// Of these uids, and all that this process has started, dead ones that wait among them.
fn processes(uids: &Range<u32>) -> Vec<String> {
    let me = std::process::id().to_string();
    let all: BTreeMap<String, (String, u32, String)> = entries(Path::new("/proc"))
        .into_iter()
        .filter_map(|path| {
            let pid = path.file_name()?.to_str()?.to_owned();
            pid.parse::<u32>().ok()?;
            let status = fs::read_to_string(path.join("status")).ok()?;
            let of = |word: &str| {
                let line = status.lines().find_map(|line| line.strip_prefix(word))?;
                line.split_whitespace().next().map(str::to_owned)
            };
            let uid = of("Uid:")?.parse().ok()?;
            Some((pid, (of("PPid:")?, uid, of("Name:")?)))
        })
        .collect();
    let is_ours = |pid: &String| {
        let mut above = pid;
        while let Some((parent, _, _)) = all.get(above) {
            if *parent == me {
                return true;
            }
            above = parent;
        }
        false
    };
    all.iter()
        .filter(|(pid, (_, uid, _))| uids.contains(uid) || is_ours(pid))
        .map(|(pid, (_, uid, name))| format!("{pid} {name} of {uid}"))
        .collect()
}

/// Directories of this block in every hierarchy, and below them.
fn groups(block: u32) -> Vec<String> {
    let name = format!("patchbay-u{block}");
    let mut found = Vec::new();
    let mut left = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(directory) = left.pop() {
        let inside = entries(&directory).into_iter();
        for path in inside.filter(|path| path.is_dir() && !path.is_symlink()) {
            if path
                .components()
                .any(|part| part.as_os_str() == name.as_str())
            {
                found.push(path.display().to_string());
            }
            left.push(path);
        }
    }
    found
}

/// The groups of all sandboxes of a host.
pub(crate) fn groups_of_all(host: &Host) -> Vec<PathBuf> {
    let (_, block, _) = host.uids();
    groups(block).into_iter().map(PathBuf::from).collect()
}

/// Processes in a group.
pub(crate) fn living_in(group: &Path) -> usize {
    let inside = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    inside.lines().count()
}

/// Mount points that this process's threads see, in namespaces of their own too.
fn mounts() -> Vec<String> {
    let points = |(namespace, task): (String, PathBuf)| {
        let text = fs::read_to_string(task.join("mountinfo")).unwrap_or_default();
        let points = text.lines().filter_map(|line| line.split(' ').nth(4));
        let points: Vec<_> = points.map(|point| format!("{namespace} {point}")).collect();
        points
    };
    namespaces().into_iter().flat_map(points).collect()
}

/// A thread for each mount namespace.
fn namespaces() -> BTreeMap<String, PathBuf> {
    entries(Path::new("/proc/self/task"))
        .into_iter()
        .filter_map(|task| {
            let namespace = fs::read_link(task.join("ns/mnt")).ok()?;
            Some((namespace.display().to_string(), task))
        })
        .collect()
}

/// Files of these uids where anybody may make some.
fn files(uids: &Range<u32>) -> Vec<String> {
    let places = ["/tmp", "/var/tmp", "/dev/shm", "/run", "/mnt"].map(Path::new);
    let is_theirs = |path: &PathBuf| {
        let data = path.symlink_metadata();
        data.is_ok_and(|data| uids.contains(&data.uid()))
    };
    let found = places.into_iter().flat_map(entries).filter(is_theirs);
    found.map(|path| path.display().to_string()).collect()
}

/// Of this process, by kind: a socket's number is of no interest.
fn descriptors() -> Vec<String> {
    let targets = entries(Path::new("/proc/self/fd"));
    let targets = targets.iter().filter_map(|path| fs::read_link(path).ok());
    let kind = |target: PathBuf| {
        let target = target.display().to_string();
        target.split(':').next().unwrap_or_default().to_owned()
    };
    targets
        .map(kind)
        .filter(|kind| !kind.starts_with("/proc"))
        .collect()
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    entries.flatten().map(|entry| entry.path()).collect()
}

/// Each kind of trace is seen while a sandbox lives.
#[tokio::test]
async fn a_living_sandbox_is_seen_and_a_buried_one_is_not() {
    let (host, before) = at_rest().await;
    let living = host.boot().await.unwrap();
    let seen = Traces::of(&host);
    assert!(seen.count("process") >= 2, "{seen:#?}");
    for kind in ["group", "descriptor"] {
        assert!(seen.count(kind) > before.count(kind), "{kind}: {seen:#?}");
    }
    assert_eq!(seen.count("free places"), before.count("free places") - 1);
    // The keeper's own, which nobody else sees.
    assert!(
        seen.0
            .keys()
            .any(|name| name.starts_with("mount") && name.ends_with("/mnt/root"))
    );
    drop(living);
    before.come_back(&host).await;
}
