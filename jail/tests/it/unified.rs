//! Version 2 of cgroups, where groups are one tree: which part of it a worker takes.
//!
//! `ops/test-v2` runs these in a machine that has that version; each has there a group of
//! its own, as a service of systemd has with `Delegate=yes`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use jail::{Host, HostError};

use crate::world::{config, host, output, run, sandbox};

const TREE: &str = "/sys/fs/cgroup";

/// The group of this process.
fn own() -> PathBuf {
    let text = fs::read_to_string("/proc/self/cgroup").unwrap();
    let group = text.lines().find_map(|line| line.strip_prefix("0::/"));
    Path::new(TREE).join(group.unwrap())
}

fn workers_below(group: &Path) -> Vec<String> {
    let entries = fs::read_dir(group).unwrap().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.starts_with("patchbay-")).collect()
}

fn read(group: &Path, file: &str) -> String {
    fs::read_to_string(group.join(file))
        .unwrap()
        .trim()
        .to_owned()
}

/// Another process in the same group.
struct Neighbour(Child);

impl Neighbour {
    fn new() -> Self {
        Self(Command::new("sleep").arg("600").spawn().unwrap())
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[tokio::test]
#[ignore = "run by ops/test-v2"]
async fn a_worker_steps_aside_in_a_group_that_is_its_own() {
    let given = own();
    let host = host();
    let mut sandbox = sandbox(&host, "def main(): return 1").await;
    assert_eq!(output(&run(&mut sandbox, "{}").await), "1");
    let leaf = own();
    assert_eq!(leaf.parent(), Some(given.as_path()));
    assert_eq!(read(&leaf, "cpu.weight"), "10000");
    assert_eq!(read(&given, "cgroup.subtree_control"), "cpu memory pids");
    // Its leaf, and the group of its sandboxes.
    assert_eq!(
        workers_below(&given).len(),
        2,
        "{:?}",
        workers_below(&given)
    );
}

#[tokio::test]
#[ignore = "run by ops/test-v2"]
async fn a_worker_with_neighbours_stays_with_them_and_makes_its_groups_at_the_top() {
    let neighbour = Neighbour::new();
    let given = own();
    let host = host();
    let mut sandbox = sandbox(&host, "def main(): return 1").await;
    assert_eq!(output(&run(&mut sandbox, "{}").await), "1");
    assert_eq!(own(), given);
    assert_eq!(workers_below(&given), Vec::<String>::new());
    drop(neighbour);
}

/// Runs the test of this name in a place where the top of the tree is `group`.
fn at_the_top(group: &Path, test: &str) {
    let inside = format!(
        "echo 0 >{group}/cgroup.procs; exec /usr/bin/unshare --cgroup --mount --propagation private sh -ec \
         'umount {TREE}; mount -t cgroup2 groups {TREE}; exec \"$0\" --exact {test} --ignored' \"$0\"",
        group = group.display()
    );
    let me = std::env::current_exe().unwrap();
    let done = Command::new("sh")
        .args(["-ec", &inside])
        .arg(me)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(
        done.status.success() && said.contains("1 passed"),
        "{said}\n{}",
        String::from_utf8_lossy(&done.stderr)
    );
}

#[test]
#[ignore = "run by ops/test-v2"]
fn neighbours_in_the_only_group_there_is_are_named() {
    let _neighbour = Neighbour::new();
    at_the_top(&own(), "unified::inside::beside_others");
}

#[test]
#[ignore = "run by ops/test-v2"]
fn a_controller_that_is_not_passed_on_is_named() {
    let outer = Path::new(TREE).join(format!("outer-{}", std::process::id()));
    let inner = outer.join("inner");
    fs::create_dir_all(&inner).unwrap();
    fs::write(outer.join("cgroup.subtree_control"), "+memory +cpu").unwrap();
    at_the_top(&inner, "unified::inside::without_pids");
    fs::remove_dir(inner).unwrap();
    fs::remove_dir(outer).unwrap();
}

/// Run by the tests above, where the top of the tree is another.
mod inside {
    use super::*;

    fn refused() -> String {
        match Host::prepare(&config()) {
            Err(HostError::Groups(error)) => error.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    #[ignore = "run by neighbours_in_the_only_group_there_is_are_named"]
    fn beside_others() {
        let said = refused();
        assert!(
            said.contains("other processes are in /sys/fs/cgroup"),
            "{said}"
        );
        assert_eq!(workers_below(Path::new(TREE)), Vec::<String>::new());
    }

    #[test]
    #[ignore = "run by a_controller_that_is_not_passed_on_is_named"]
    fn without_pids() {
        let said = refused();
        assert!(said.contains("controllers pids are"), "{said}");
    }
}
