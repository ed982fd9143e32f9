//! `worker --check-host`, with neither PostgreSQL nor Redis.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::clock::SystemClock;
use common::ids::ExecutionId;

use crate::rig::from_environment;

/// A directory of one test, gone when it ends.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        let name = ExecutionId::new(&SystemClock).uuid().simple().to_string();
        let place = std::env::temp_dir().join(format!("pbh-{name}"));
        fs::create_dir(&place).unwrap();
        Self(place)
    }

    /// An nsjail that is told something else than the worker says: `edit` is for sed.
    fn nsjail_told(&self, edit: &str) -> PathBuf {
        let path = self.0.join("nsjail");
        let nsjail = from_environment("PATCHBAY_NSJAIL");
        let script = format!("#!/bin/sh\nsed -i -e '{edit}' \"$2\" && exec {nsjail} \"$@\"\n");
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn check_host(&self, nsjail: &Path) -> Output {
        Command::new(env!("CARGO_BIN_EXE_worker"))
            .arg("--check-host")
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("PATCHBAY_STATE_DIR", &self.0)
            .env("PATCHBAY_ROOTFS", from_environment("PATCHBAY_ROOTFS"))
            .env("PATCHBAY_NSJAIL", nsjail)
            .output()
            .unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The walls that are said to hold, and those that are not.
fn walls(said: &str) -> (Vec<&str>, Vec<&str>) {
    let named = |word| {
        said.lines()
            .filter_map(move |line| line.strip_prefix(word)?.split("  ").next())
            .map(str::trim)
            .collect()
    };
    (named("ok   "), named("OPEN "))
}

#[test]
fn a_fit_host_is_told_wall_by_wall_with_status_0() {
    let place = Place::new();
    let done = place.check_host(Path::new(&from_environment("PATCHBAY_NSJAIL")));
    let said = String::from_utf8(done.stdout).unwrap();
    assert_eq!(done.status.code(), Some(0), "{said}\n{:?}", done.stderr);
    let (hold, open) = walls(&said);
    assert!(open.is_empty(), "{said}");
    for name in ["memory", "processes", "cpu", "network namespace"] {
        assert!(hold.contains(&name), "{said}");
    }
    assert!(said.contains(&format!("every wall that was tried holds ({})", hold.len())));
    for fact in ["kernel: ", "groups: cgroup version ", "swap: ", "yama: "] {
        assert!(said.contains(fact), "{said}");
    }
}

#[test]
fn walls_that_are_not_there_are_named_with_status_1() {
    let place = Place::new();
    let told = "/^seccomp/d; s/^hostname.*/hostname: \"elsewhere\"/; s/nofile: 256/nofile: 512/; \
        s/clone_newipc: true/clone_newipc: false/; s/\\(fstype: \"proc\" rw: \\)false/\\1true/";
    let done = place.check_host(&place.nsjail_told(told));
    let said = String::from_utf8(done.stdout).unwrap();
    assert_eq!(done.status.code(), Some(1), "{said}\n{:?}", done.stderr);
    let (_, open) = walls(&said);
    for name in [
        "system call filter",
        "system call filter (unshare)",
        "read-only mount /proc",
        "ipc namespace",
        "host name",
        "resource limit NOFILE",
    ] {
        assert!(open.contains(&name), "{said}");
    }
    assert!(
        said.contains("\nnot enforced: read-only mount /proc, system call filter, "),
        "{said}"
    );
}

#[test]
fn a_host_on_which_nothing_can_be_tried_and_missing_settings_have_status_1_too() {
    let place = Place::new();
    let done = place.check_host(Path::new("/bin/false"));
    assert_eq!(done.status.code(), Some(1));
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(said.contains("it ended before it was ready"), "{said}");
    let bare = Command::new(env!("CARGO_BIN_EXE_worker"))
        .arg("--check-host")
        .env_clear()
        .output()
        .unwrap();
    assert_eq!(bare.status.code(), Some(1));
    let said = String::from_utf8(bare.stderr).unwrap();
    for name in ["PATCHBAY_STATE_DIR", "PATCHBAY_ROOTFS", "PATCHBAY_NSJAIL"] {
        assert!(said.contains(name), "{said}");
    }
    assert!(!said.contains("DATABASE_URL"), "{said}");
}
