//! Sandboxes die with their worker, however it dies, and nothing of them is left.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::traces::at_rest;
use crate::world::{config, host, output, request, run, sandbox};

/// Of a process, as `/proc/<pid>/status` says; none where it is gone or a zombie.
fn uid_of_living(pid: &str) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    if status.lines().any(|line| line.starts_with("State:\tZ")) {
        return None;
    }
    let line = status.lines().find(|line| line.starts_with("Uid:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn living_of(uids: &[u32]) -> Vec<String> {
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|pid| uid_of_living(pid).is_some_and(|uid| uids.contains(&uid)))
        .collect()
}

/// All groups below a worker's parent, in every hierarchy.
pub(crate) fn groups_of(process: u32) -> Vec<PathBuf> {
    let text = fs::read_to_string(format!("/proc/{process}/cgroup")).unwrap();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mut found = Vec::new();
    for line in text.lines() {
        let (_, rest) = line.split_once(':').unwrap();
        let (name, path) = rest.split_once(':').unwrap();
        let mount = mounts.lines().find(|mount| {
            let words: Vec<&str> = mount.split(' ').collect();
            let kind = if name.is_empty() { "cgroup2" } else { "cgroup" };
            mount.contains(&format!(" - {kind} "))
                && words
                    .last()
                    .unwrap()
                    .split(',')
                    .any(|option| name.is_empty() || option == name)
        });
        if path.contains("patchbay-u") {
            let point = mount.unwrap().split(' ').nth(4).unwrap();
            found.push(PathBuf::from(format!("{point}{path}")));
        }
    }
    found
}

/// Another worker: this test binary again, in a busy loop inside a sandbox.
struct Worker {
    process: Child,
    /// Host uids of its sandbox, and its groups.
    uids: [u32; 2],
    groups: Vec<PathBuf>,
}

fn worker() -> Worker {
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "lifetimes::a_worker_in_a_busy_loop",
            "--ignored",
            "--nocapture",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let bound = lines.find_map(|line| line.unwrap().strip_prefix("bound ").map(str::to_owned));
    let first = bound.unwrap();
    let uid = uid_of_living(&first).unwrap();
    let groups = groups_of(first.parse().unwrap());
    assert!(!groups.is_empty());
    // The child is there once the call runs.
    let until = Instant::now() + Duration::from_secs(20);
    while living_of(&[uid + 1]).is_empty() {
        assert!(Instant::now() < until, "the execution did not begin");
    }
    Worker {
        process,
        uids: [uid, uid + 1],
        groups,
    }
}

#[tokio::test]
#[ignore = "run as another process by the tests below"]
async fn a_worker_in_a_busy_loop() {
    let host = host();
    let mut sandbox = sandbox(&host, "def main():\n    while True: pass").await;
    println!("bound {}", first_process());
    let mut asked = request("{}");
    asked.timeout = Duration::from_secs(300);
    let _never = sandbox.run(asked).await;
}

/// The host's pid of this process's one sandbox's pid 1: child of its one nsjail.
pub(crate) fn first_process() -> String {
    let children = |pid: &str| {
        let mut all = Vec::new();
        for task in fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten() {
            let text = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            all.extend(text.split_whitespace().map(str::to_owned));
        }
        all
    };
    let nsjail = children("self").first().unwrap().clone();
    children(&nsjail).first().unwrap().clone()
}

#[test]
fn a_killed_worker_takes_its_sandboxes_along_and_the_next_one_sweeps() {
    let mut worker = worker();
    worker.process.kill().unwrap();
    let killed = Instant::now();
    while !living_of(&worker.uids).is_empty() {
        assert!(
            killed.elapsed() < Duration::from_secs(5),
            "its code still runs"
        );
    }
    worker.process.wait().unwrap();
    let next = host();
    for group in &worker.groups {
        assert!(!group.exists(), "{} is left", group.display());
    }
    drop(next);
}

#[tokio::test]
async fn two_workers_share_no_uid_and_no_group_and_neither_sweeps_the_other() {
    let mut other = worker();
    let host = host();
    let mut mine = sandbox(&host, "import os\ndef main(): return 1").await;
    let uid = uid_of_living(&first_process_of(&other)).unwrap();
    assert!(!other.uids.contains(&uid), "{uid} is used twice");
    assert_eq!(output(&run(&mut mine, "{}").await), "1");
    assert!(
        !living_of(&other.uids).is_empty(),
        "the other worker's sandbox was swept"
    );
    other.process.kill().unwrap();
    other.process.wait().unwrap();
}

/// The first process of *this* process's sandbox; the other worker is a child as well.
fn first_process_of(other: &Worker) -> String {
    let me = std::process::id().to_string();
    let mut nsjails = Vec::new();
    for task in fs::read_dir(format!("/proc/{me}/task")).unwrap().flatten() {
        let text = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        nsjails.extend(text.split_whitespace().map(str::to_owned));
    }
    let nsjail = nsjails
        .into_iter()
        .find(|pid| *pid != other.process.id().to_string())
        .unwrap();
    let text = fs::read_to_string(format!("/proc/{nsjail}/task/{nsjail}/children")).unwrap();
    text.split_whitespace().next().unwrap().to_owned()
}

#[tokio::test]
async fn a_closed_host_leaves_no_process_and_no_group() {
    let (uids, groups);
    {
        let host = host();
        let mut sandbox = sandbox(
            &host,
            "import subprocess\ndef main():\n    subprocess.Popen(['sleep', '60'])\n    return 1",
        )
        .await;
        run(&mut sandbox, "{}").await;
        let first = first_process();
        let uid = uid_of_living(&first).unwrap();
        uids = [uid, uid + 1];
        groups = groups_of(first.parse().unwrap());
        assert!(!groups.is_empty());
    }
    assert_eq!(living_of(&uids), Vec::<String>::new());
    for group in groups {
        assert!(!group.exists() && !group.parent().unwrap().exists());
    }
}

/// As the kernel does it for want of memory: what nsjail left is this process's to reap.
#[tokio::test]
async fn a_sandbox_whose_nsjail_was_killed_leaves_nothing() {
    let (host, before) = at_rest().await;
    let sandbox = sandbox(&host, "def main(): return 1").await;
    let first = first_process();
    let status = fs::read_to_string(format!("/proc/{first}/status")).unwrap();
    let nsjail = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    let nsjail = Pid::from_raw(nsjail.unwrap().trim().parse().unwrap());
    kill(nsjail, Signal::SIGKILL).unwrap();
    drop(sandbox);
    before.come_back(&host).await;
}

/// Whether it was just ordered, is being started, or its reply is on its way.
#[tokio::test]
async fn a_sandbox_that_nobody_waits_for_any_more_leaves_nothing() {
    let (host, before) = at_rest().await;
    for step in 0..60 {
        let patience = Duration::from_micros(500 * step);
        drop(tokio::time::timeout(patience, host.boot()).await);
    }
    // What was started is sent before anybody looks: its receiver goes without it.
    for _ in 0..20 {
        let mut booting = Box::pin(host.boot());
        let polled = std::future::poll_fn(|context| {
            std::task::Poll::Ready(booting.as_mut().poll(context).is_pending())
        });
        assert!(polled.await);
        std::thread::sleep(Duration::from_millis(20));
        drop(booting);
    }
    before.come_back(&host).await;
}

#[tokio::test]
async fn many_sandboxes_one_after_the_other_use_few_places() {
    let host = host();
    for _ in 0..20 {
        let mut sandbox = sandbox(&host, "def main(): return 1").await;
        assert_eq!(output(&run(&mut sandbox, "{}").await), "1");
    }
    assert_eq!(config().max_sandboxes, 8);
}

#[tokio::test]
async fn a_pool_keeps_sandboxes_ready_and_fills_up_again() {
    let host = host();
    let pool = jail::Pool::start((*host).clone(), 2);
    for _ in 0..3 {
        let until = Instant::now() + Duration::from_secs(30);
        while pool.ready() < 2 {
            assert!(Instant::now() < until, "the pool is not filled");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(pool.take().await.unwrap().is_alive());
    }
    assert!(pool.ready() <= 2);
    pool.stop().await;
}
