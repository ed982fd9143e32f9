//! What nsjail is told: one typed profile, rendered to its text format.
//!
//! Nothing is inherited: each namespace, mount, limit and variable is written here,
//! with its reason, because nsjail's defaults (1 MiB files, nice 19, 600 s, no
//! `/proc`) are not what we mean. Each line has an attack in `tests/hostile`, and the
//! [`Profile`]'s fields are what those tests change to see the attack succeed.

use std::fmt::Write as _;
use std::time::Duration;

use crate::egress::EgressWalls;
use crate::limits::{OPEN_FILES, SHM_BYTES, SHM_INODES, STACK_MIB};
use crate::seccomp;

/// Environment of the interpreter and everything it starts. `/proc/self/environ` shows
/// it for ever: nothing secret may be here.
const ENVIRONMENT: &[(&str, &str)] = &[
    // Resolve symbols before the first fork, not in each child.
    ("LD_BIND_NOW", "1"),
    // One thread each: else numpy starts threads at import, which no fork survives.
    ("OPENBLAS_NUM_THREADS", "1"),
    ("OMP_NUM_THREADS", "1"),
    ("MKL_NUM_THREADS", "1"),
    ("HOME", "/tmp"),
    ("PATH", "/usr/bin"),
    ("LANG", "C.UTF-8"),
    ("TZ", "UTC"),
];

/// Cores that code in a sandbox sees, on however large a host: thread pools sized by
/// it must fit the plan's processes.
const CORES: usize = 4;

/// What a sandbox is made of. [`Profile::default`] is the only one that ever runs
/// tenants' code; tests weaken one line at a time.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "walls that exist once each; tests take one away at a time"
)]
#[cfg_attr(
    not(feature = "testing"),
    expect(unreachable_pub, reason = "public to tests")
)]
pub struct Profile {
    /// Calls allowed besides the list; no filter at all where `seccomp` is off.
    pub allow: Vec<&'static str>,
    pub seccomp: bool,
    /// Mount options of `/proc`.
    pub proc_options: &'static str,
    /// Executions can't write to `/code`.
    pub code_read_only: bool,
    /// A net namespace of its own.
    pub own_net: bool,
    /// Executions run under a uid that isn't the template's.
    pub second_uid: bool,
    /// Executions have none of the template's three capabilities.
    pub drop_capabilities: bool,
    /// The template can't be looked into.
    pub hide_template: bool,
    /// Queued signals are bounded per sandbox.
    pub bound_signals: bool,
    /// What an execution leaves is killed and removed.
    pub sweep: bool,
    /// The loop is machine code; the one in Python is what it is compared with.
    pub native: bool,
    /// Bounds of the groups are set.
    pub bound_memory: bool,
    pub bound_pids: bool,
    pub bound_scratch: bool,
    /// Trailing bytes and strange frames are refused.
    pub strict_frames: bool,
    /// Output and answers past the bound end the execution.
    pub bound_output: bool,
    /// An execution's time ends it.
    pub bound_time: bool,
    /// So does what it does after its answer.
    pub bound_last_steps: bool,
    /// Bounds of a process: its files, its stack, its core.
    pub bound_files: bool,
    pub bound_stack: bool,
    pub bound_core: bool,
    /// `/dev/null` is opened for each execution: nothing open is shared with the next, or the host.
    pub own_stdin: bool,
    /// Children are found however they were made, threads' kind too (`__WALL`).
    pub all_children: bool,
    /// Sockets that were closed are gone at once.
    pub forget_connections: bool,
    /// No descriptor can be sent to the worker, where the kernel can refuse that.
    pub refuse_descriptors: bool,
    /// Randomness that a library keeps is made anew for each execution.
    pub reseed: bool,
    /// Nothing of the worker's environment is inherited.
    pub own_environment: bool,
    /// Names of groups are seen from the sandbox's own.
    pub own_cgroup: bool,
    /// No program gives rights: by its mount, and by the process.
    pub nosuid: bool,
    pub no_new_privs: bool,
    pub egress: EgressWalls,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            seccomp: true,
            proc_options: "subset=pid,hidepid=invisible",
            code_read_only: true,
            own_net: true,
            second_uid: true,
            drop_capabilities: true,
            hide_template: true,
            bound_signals: true,
            sweep: true,
            native: true,
            bound_memory: true,
            bound_pids: true,
            bound_scratch: true,
            strict_frames: true,
            bound_output: true,
            bound_time: true,
            bound_last_steps: true,
            bound_files: true,
            bound_stack: true,
            bound_core: true,
            own_stdin: true,
            all_children: true,
            forget_connections: true,
            refuse_descriptors: true,
            reseed: true,
            own_environment: true,
            own_cgroup: true,
            nosuid: true,
            no_new_privs: true,
            egress: EgressWalls::default(),
        }
    }
}

/// What differs from sandbox to sandbox.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// Directory in which the worker has `root` and `dev`.
    pub(crate) mounts: &'a str,
    /// Host uid of the template; the executions' is the next one.
    pub(crate) uid: u32,
    /// Descriptor of the control socket in nsjail.
    pub(crate) control: i32,
    /// Where nsjail writes its own messages.
    pub(crate) log: i32,
    pub(crate) cores: usize,
}

impl Profile {
    pub(crate) fn render(&self, place: Place<'_>) -> String {
        let mut out = String::with_capacity(8_192);
        self.identity(&mut out, place);
        self.limits(&mut out);
        self.namespaces(&mut out, place);
        self.mounts(&mut out, place);
        for (name, value) in ENVIRONMENT {
            put(&mut out, &format!("envar: \"{name}={value}\""));
        }
        if self.seccomp {
            let policy = seccomp::policy(&self.allow);
            put(&mut out, &format!("seccomp_string: \"{policy}\""));
        }
        out
    }

    /// Until an execution is ended for its time.
    pub(crate) const fn patience(&self, timeout: Duration) -> Duration {
        const NO_END: Duration = Duration::from_secs(600);
        if self.bound_time { timeout } else { NO_END }
    }

    fn identity(&self, out: &mut String, place: Place<'_>) {
        for line in [
            "mode: ONCE",
            "hostname: \"sandbox\"",
            "cwd: \"/tmp\"",
            // Time is kept by the worker, by pidfd.
            "time_limit: 0",
            // nsjail's default of 19 costs a third of the rate.
            "nice_level: 0",
            "log_level: WARNING",
            // Used to become the second uid and to kill what that one leaves; dropped in each child.
            "cap: \"CAP_SETUID\"",
            "cap: \"CAP_SETGID\"",
            "cap: \"CAP_KILL\"",
        ] {
            put(out, line);
        }
        put(out, &format!("keep_env: {}", !self.own_environment));
        put(
            out,
            &format!("disable_no_new_privs: {}", !self.no_new_privs),
        );
        put(out, &format!("log_fd: {}", place.log));
        put(out, &format!("pass_fd: {}", place.control));
        let uid = place.uid;
        for map in ["uidmap", "gidmap"] {
            put(
                out,
                &format!("{map} {{ inside_id: \"1000\" outside_id: \"{uid}\" count: 2 }}"),
            );
        }
        if place.cores > CORES {
            put(out, &format!("max_cpus: {CORES}"));
        }
    }

    fn namespaces(&self, out: &mut String, _place: Place<'_>) {
        for (name, on) in [
            ("newnet", self.own_net),
            ("newuser", true),
            ("newns", true),
            ("newpid", true),
            ("newipc", true),
            ("newuts", true),
            ("newcgroup", self.own_cgroup),
        ] {
            put(out, &format!("clone_{name}: {on}"));
        }
        // Code may serve and call itself on 127.0.0.1.
        put(out, "iface_no_lo: false");
    }

    fn mounts(&self, out: &mut String, place: Place<'_>) {
        let at = place.mounts;
        let code_mode = if self.code_read_only { "755" } else { "1777" };
        // One mount with nothing below it: a read-only remount that isn't recursive misses nothing.
        put(
            out,
            &format!(
                "mount {{ src: \"{at}/root\" dst: \"/\" is_bind: true rw: false nosuid: true nodev: true }}"
            ),
        );
        // Devices need `dev`; their modes say who may write (read-only mounts don't).
        put(
            out,
            &format!(
                "mount {{ src: \"{at}/dev\" dst: \"/dev\" is_bind: true rw: false nosuid: true noexec: true }}"
            ),
        );
        // Only pid directories, and only one's own: nothing of the host, nothing of the template.
        put(
            out,
            &format!(
                "mount {{ dst: \"/proc\" fstype: \"proc\" rw: false options: \"{}\" nosuid: true nodev: true \
                 noexec: true }}",
                self.proc_options
            ),
        );
        // Resized by plan when a version is bound. Sticky and the template's, so that executions
        // can change neither the mode nor the files of the import.
        put(out, &self.tmpfs("/tmp", (16 << 20, 1_024), "1777", false));
        // Without it no multiprocessing.Lock; never executable.
        put(
            out,
            &self.tmpfs("/dev/shm", (SHM_BYTES, SHM_INODES), "1777", true),
        );
        // The version's source, written once by the template, which is not the executions' uid.
        put(
            out,
            &self.tmpfs("/code", (4 << 20, 1_024), code_mode, false),
        );
    }

    fn tmpfs(&self, at: &str, (bytes, inodes): (u64, u64), mode: &str, noexec: bool) -> String {
        let nosuid = self.nosuid;
        format!(
            "mount {{ dst: \"{at}\" fstype: \"tmpfs\" rw: true \
             options: \"size={bytes},nr_inodes={inodes},mode={mode}\" \
             nosuid: {nosuid} nodev: true noexec: {noexec} }}"
        )
    }

    fn limits(&self, out: &mut String) {
        for (bounded, name, most) in [
            (self.bound_files, "nofile", OPEN_FILES),
            (self.bound_stack, "stack", STACK_MIB),
        ] {
            let most = if bounded { most } else { 4_096 };
            put(out, &format!("rlimit_{name}: {most}"));
            put(out, &format!("rlimit_{name}_type: VALUE"));
        }
        limits(out);
    }
}

fn limits(out: &mut String) {
    for line in [
        // Memory, cpu and processes are bounded by the groups, files by the size of /tmp.
        "rlimit_as_type: INF",
        "rlimit_cpu_type: INF",
        "rlimit_fsize_type: INF",
        // The runner lowers it to one byte, which nsjail can't say: that stops core files and,
        // unlike zero, programs of the host that a core pattern names.
        "rlimit_core: 1",
        "rlimit_core_type: VALUE",
        // Second wall behind the pids group.
        "rlimit_nproc: 4096",
        "rlimit_nproc_type: VALUE",
        "rlimit_memlock: 64",
        "rlimit_memlock_type: VALUE",
        "rlimit_rtprio: 0",
        "rlimit_rtprio_type: VALUE",
        "rlimit_msgqueue: 0",
        "rlimit_msgqueue_type: VALUE",
    ] {
        put(out, line);
    }
}

fn put(out: &mut String, line: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> String {
        let place = Place {
            mounts: "/mnt",
            uid: 200_000,
            control: 9,
            log: 10,
            cores: 64,
        };
        Profile::default().render(place)
    }

    #[test]
    fn nothing_of_the_host_but_the_worker_s_two_mounts_is_in_the_profile() {
        let sources: Vec<&str> = text_sources();
        assert_eq!(sources, ["/mnt/root", "/mnt/dev"]);
    }

    fn text_sources() -> Vec<&'static str> {
        let text: &'static str = Box::leak(text().into_boxed_str());
        text.lines()
            .filter_map(|line| line.split("src: \"").nth(1)?.split('"').next())
            .collect()
    }

    #[test]
    fn every_namespace_is_its_own() {
        for name in ["net", "user", "ns", "pid", "ipc", "uts", "cgroup"] {
            assert!(text().contains(&format!("clone_new{name}: true")), "{name}");
        }
    }
}
