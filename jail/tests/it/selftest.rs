//! A worker doesn't start where a limit can't be enforced, and says which.

use std::process::Command;

use jail::{Host, HostError, Profile, SelfTestError};

use crate::world::{config, host, weakened};

#[tokio::test]
async fn a_host_with_all_walls_passes() {
    host().self_test().await.unwrap();
}

async fn missing(name: &str, weaken: impl FnOnce(&mut Profile)) -> Vec<String> {
    match weakened(weaken).self_test().await {
        Err(SelfTestError::Unenforced(missing)) => missing,
        other => panic!("{name}: {other:?}"),
    }
}

#[tokio::test]
async fn each_limit_that_does_not_hold_is_named() {
    type Weaken = fn(&mut Profile);
    let cases: [(&str, Weaken); 15] = [
        ("memory", |p| p.bound_memory = false),
        ("processes", |p| p.bound_pids = false),
        ("scratch bytes", |p| p.bound_scratch = false),
        ("system call filter", |p| p.seccomp = false),
        ("system call filter (inotify)", |p| {
            p.allow.push("inotify_init");
        }),
        ("system call filter (lingering sockets)", |p| {
            p.allow.push("setsockopt");
        }),
        ("system call filter (watched folders)", |p| {
            p.allow.push("fcntl");
        }),
        ("forgotten connections", |p| p.forget_connections = false),
        ("standard input", |p| p.own_stdin = false),
        ("network namespace", |p| p.own_net = false),
        ("uid of executions", |p| p.second_uid = false),
        ("capabilities (CapEff)", |p| p.drop_capabilities = false),
        ("queued signals", |p| p.bound_signals = false),
        ("template out of sight", |p| p.proc_options = "subset=pid"),
        ("read-only mount /code", |p| p.code_read_only = false),
    ];
    for (name, weaken) in cases {
        let missing = missing(name, weaken).await;
        assert!(
            missing.iter().any(|found| found == name),
            "{name}: {missing:?}"
        );
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
