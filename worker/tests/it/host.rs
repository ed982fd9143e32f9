//! What the process may do, and what it shows.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::rig::Rig;

/// `CAP_KILL`, as the kernel counts it.
const KILL: u64 = 1 << 5;

#[tokio::test]
async fn the_thread_that_handles_what_strangers_send_may_kill_and_nothing_else() {
    let rig = Rig::new().await;
    let function = rig.function("def main(): return 'well'\n").await;
    let worker = rig.worker(&[]).await;
    let pid = worker.pid();
    let keeps_leases = std::fs::read_dir(format!("/proc/{pid}/task"))
        .unwrap()
        .flatten()
        .map(|thread| thread.path())
        .find(|thread| std::fs::read_to_string(thread.join("comm")).unwrap() == "leases\n")
        .unwrap();
    for path in [format!("/proc/{pid}"), keeps_leases.display().to_string()] {
        let status = std::fs::read_to_string(format!("{path}/status")).unwrap();
        for (set, expected) in [
            ("CapEff", KILL),
            ("CapPrm", KILL),
            ("CapInh", 0),
            ("CapAmb", 0),
            ("CapBnd", KILL),
        ] {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix(set))
                .unwrap();
            let found = u64::from_str_radix(line.trim_start_matches(':').trim(), 16).unwrap();
            assert_eq!(found, expected, "{set} of {path}");
        }
    }
    // And with no more than that it still serves.
    let outcome = rig.call(&function, "{}").await;
    assert_eq!(outcome.output.as_deref(), Some("\"well\""));
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
