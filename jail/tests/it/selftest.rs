//! A worker doesn't start where a limit can't be enforced, and says which.

use std::process::Command;

use jail::{Host, HostError, Profile, SelfTestError};

use crate::world::{config, host, weakened};

#[tokio::test]
async fn a_host_with_all_walls_passes_and_tells_how_each_is_enforced() {
    let host = host();
    host.self_test().await.unwrap();
    let report = host.check().await.unwrap();
    assert_eq!(report.missing(), Vec::<&str>::new());
    assert_eq!(report.walls.len(), 47);
    for wall in &report.walls {
        let known = wall.how != "inside the sandbox" && wall.met.as_deref() != Ok("it holds");
        assert!(known, "no words for it: {wall:?}");
    }
    for (name, file, counter) in [
        ("memory", "memory.", "oom_kill rose by"),
        ("processes", "/pids.max", "pids.events rose by"),
        ("cpu", "/cpu.", "nr_throttled rose by"),
    ] {
        let wall = report.walls.iter().find(|wall| wall.name == name).unwrap();
        assert!(wall.how.contains(file), "{wall:?}");
        assert!(wall.met.as_ref().unwrap().contains(counter), "{wall:?}");
    }
}

#[test]
fn a_host_tells_what_it_is() {
    let facts = host().facts();
    let is = |name| {
        facts
            .iter()
            .find(|fact| fact.name == name)
            .unwrap()
            .is
            .clone()
    };
    let uname = Command::new("uname").arg("-r").output().unwrap();
    let kernel = String::from_utf8(uname.stdout).unwrap();
    assert_eq!(is("kernel"), kernel.trim());
    assert!(is("groups").contains("/patchbay-u"), "{}", is("groups"));
    let swaps = std::fs::read_to_string("/proc/swaps").unwrap();
    assert_eq!(is("swap") == "none", swaps.lines().count() == 1);
    assert!(is("uids").contains("two for each sandbox"));
    for name in [
        "user namespaces",
        "apparmor",
        "yama",
        "core pattern",
        "protected hard links",
        "overlay",
    ] {
        assert!(!is(name).is_empty(), "{name}");
    }
}

type Weaken = fn(&mut Profile);

/// What takes a wall away, and the walls that are then named.
const WEAKENED: &[(Weaken, &[&str])] = &[
    (|p| p.bound_memory = false, &["memory"]),
    (|p| p.bound_pids = false, &["processes"]),
    (
        |p| p.bound_scratch = false,
        &["scratch bytes", "scratch files"],
    ),
    (
        |p| p.seccomp = false,
        &[
            "system call filter",
            "system call filter (unshare)",
            "system call filter (clone3)",
            "system call filter (inotify)",
            "system call filter (netlink)",
            "system call filter (lingering sockets)",
            "system call filter (watched folders)",
            "system call filter (32-bit calls)",
        ],
    ),
    (
        |p| p.allow.push("inotify_init"),
        &["system call filter (inotify)"],
    ),
    (
        |p| p.allow.push("setsockopt"),
        &["system call filter (lingering sockets)"],
    ),
    (
        |p| p.allow.push("fcntl"),
        &["system call filter (watched folders)"],
    ),
    (|p| p.forget_connections = false, &["forgotten connections"]),
    (|p| p.own_stdin = false, &["standard input"]),
    (
        |p| p.own_net = false,
        &["network namespace", "forgotten connections"],
    ),
    (
        |p| p.second_uid = false,
        &[
            "read-only mount /code",
            "uid of executions",
            "template out of reach (kill)",
            "template out of reach (prlimit)",
        ],
    ),
    (
        |p| p.drop_capabilities = false,
        &[
            "capabilities (CapInh)",
            "capabilities (CapPrm)",
            "capabilities (CapEff)",
            "capabilities (CapAmb)",
            "template out of reach (kill)",
        ],
    ),
    (|p| p.bound_signals = false, &["queued signals"]),
    (|p| p.own_cgroup = false, &["cgroup namespace"]),
    (|p| p.egress.named = false, &["named hosts alone"]),
    (|p| p.egress.public = false, &["public addresses alone"]),
    (
        |p| p.proc_options = "subset=pid",
        &["template out of sight"],
    ),
    (
        |p| p.proc_options = "hidepid=invisible",
        &["proc shows processes only"],
    ),
    (|p| p.code_read_only = false, &["read-only mount /code"]),
    (|p| p.sweep = false, &["nothing left in scratch space"]),
];

#[tokio::test]
async fn each_limit_that_does_not_hold_is_named_and_no_other() {
    for (weaken, names) in WEAKENED {
        let report = weakened(weaken).check().await.unwrap();
        assert_eq!(report.missing(), *names);
    }
}

#[tokio::test]
async fn a_worker_on_such_a_host_is_told_the_names() {
    let host = weakened(|p| p.bound_scratch = false);
    match host.self_test().await {
        Err(SelfTestError::Unenforced(names)) => {
            assert_eq!(names, ["scratch bytes", "scratch files"]);
        }
        other => panic!("{other:?}"),
    }
}

/// Runs the test of this name again in a mount namespace in which `hide` was done.
fn again_with(hide: &str, test: &str) {
    let me = std::env::current_exe().unwrap();
    let done = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-ec"])
        .arg(format!(
            "{hide}; exec \"$0\" --exact {test} --ignored --nocapture"
        ))
        .arg(me)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(
        done.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&done.stderr)
    );
    assert!(said.contains("1 passed"), "{said}");
}

#[test]
fn a_host_without_a_controller_is_refused_by_name() {
    again_with(
        "at=$(awk '$9 == \"cgroup\" && $NF ~ /(^|,)pids(,|$)/ {print $5}' /proc/self/mountinfo); \
         if [ -n \"$at\" ]; then umount -l \"$at\"; else mount -t tmpfs none /sys/fs/cgroup; fi",
        "selftest::without_the_pids_controller",
    );
}

#[test]
#[ignore = "run by a_host_without_a_controller_is_refused_by_name where the controller is hidden"]
fn without_the_pids_controller() {
    match Host::prepare(&config()) {
        Err(HostError::Groups(error)) => {
            let said = error.to_string();
            assert!(said.contains("pids"), "{said}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_path_that_is_not_there_is_named() {
    let mut config = config();
    config.rootfs = "/nowhere/rootfs".into();
    let said = Host::prepare(&config).unwrap_err().to_string();
    assert!(said.contains("/nowhere/rootfs"), "{said}");
}
