//! What the process may do, and what it shows.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::rig::Rig;

/// Sets of capabilities, as the kernel counts them.
const NONE: u64 = 0;
const DAC_OVERRIDE: u64 = 1 << 1;
const SETGID_AND_SETUID: u64 = 1 << 6 | 1 << 7;
const SYS_CHROOT_AND_SYS_ADMIN: u64 = 1 << 18 | 1 << 21;

/// A line of a thread's `status`.
fn line<'a>(status: &'a str, name: &str) -> &'a str {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap().trim_start_matches(':').trim()
}

fn assert_may(status: &str, capabilities: u64, is_filtered: bool) {
    for (set, expected) in [
        ("CapEff", capabilities),
        ("CapPrm", capabilities),
        ("CapBnd", capabilities),
        ("CapInh", NONE),
        ("CapAmb", NONE),
    ] {
        let found = u64::from_str_radix(line(status, set), 16).unwrap();
        assert_eq!(found, expected, "{set} of {status}");
    }
    assert_eq!(line(status, "NoNewPrivs"), "1", "{status}");
    let filter = if is_filtered { "2" } else { "0" };
    assert_eq!(line(status, "Seccomp"), filter, "{status}");
}

#[tokio::test]
async fn each_thread_has_the_rights_of_its_list_and_those_that_meet_strangers_have_none() {
    let rig = Rig::new().await;
    let function = rig.function("def main(): return 'well'\n").await;
    let worker = rig.worker(&[]).await;
    // Threads that are started when there is something to do must not have more.
    let outcome = rig.call(&function, "{}").await;
    assert_eq!(outcome.output.as_deref(), Some("\"well\""));
    let tasks = std::fs::read_dir(format!("/proc/{}/task", worker.pid())).unwrap();
    let mut seen = Vec::new();
    for task in tasks.flatten() {
        // A thread may have ended meanwhile.
        let Ok(status) = std::fs::read_to_string(task.path().join("status")) else {
            continue;
        };
        let name = line(&status, "Name").to_owned();
        match name.as_str() {
            "jail-keeper" => assert_may(&status, SETGID_AND_SETUID, false),
            "jail-visitor" => assert_may(&status, SYS_CHROOT_AND_SYS_ADMIN, false),
            "jail-undertaker" => assert_may(&status, DAC_OVERRIDE, true),
            _ => assert_may(&status, NONE, true),
        }
        let children = std::fs::read_to_string(task.path().join("children")).unwrap();
        for nsjail in children.split_whitespace() {
            let status = std::fs::read_to_string(format!("/proc/{nsjail}/status")).unwrap();
            assert_may(&status, SETGID_AND_SETUID, false);
            seen.push(line(&status, "Name").to_owned());
        }
        seen.push(name);
    }
    for expected in [
        "worker",
        "leases",
        "jail-keeper",
        "jail-visitor",
        "jail-undertaker",
        "nsjail",
    ] {
        assert!(seen.iter().any(|name| name == expected), "{seen:?}");
    }
}

#[tokio::test]
async fn a_crash_leaves_no_image_of_the_memory() {
    let rig = Rig::new().await;
    let worker = rig.worker(&[]).await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", worker.pid())).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    assert_eq!(
        core.unwrap().split_whitespace().nth(4),
        Some("1"),
        "{core:?}"
    );
}

#[tokio::test]
async fn a_worker_that_cannot_bound_processes_does_not_start_and_says_so() {
    let rig = Rig::new().await;
    // A mount namespace in which that controller, or all of version 2, is hidden.
    let hide = "at=/sys/fs/cgroup; [ ! -d $at/pids ] || at=$at/pids; \
                mount -t tmpfs none $at && exec \"$0\"";
    let way = [
        "unshare",
        "-m",
        "--propagation",
        "private",
        "sh",
        "-c",
        hide,
    ];
    let mut worker = rig.start_by(&way, &[]);
    let status = worker.ended().await;
    assert!(!status.success());
    let log = worker.log();
    assert!(log.contains("pids"), "{log}");
    assert_eq!(rig.processes().await, 0);
}

#[tokio::test]
async fn its_metrics_are_clean() {
    let rig = Rig::new().await;
    let function = rig.function("def main(): return 1\n").await;
    let worker = rig.worker(&[]).await;
    rig.call(&function, "{}").await;
    let answer = worker.metrics().await;
    let (_, text) = answer.split_once("\r\n\r\n").unwrap();
    assert!(
        text.contains("patchbay_outcomes_total{code=\"\",state=\"succeeded\"} 1"),
        "{text}"
    );
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is installed");
    promtool
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let checked = promtool.wait_with_output().unwrap();
    assert!(checked.status.success(), "{checked:?}");
}
