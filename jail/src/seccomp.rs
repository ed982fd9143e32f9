//! The system calls that code in a sandbox may make: a list of what is allowed, in
//! nsjail's language (kafel). It holds from exec on, for the template and everything
//! it starts.
//!
//! What is not named answers ENOSYS, so that libraries fall back as on an older
//! kernel: `clone3` (its flags can't be looked at), `rseq` of later forms, `pkey_*`,
//! `landlock_*`, all of inotify (its instances are counted over all sandboxes
//! together, so one could take everybody's), System V IPC and POSIX queues (so that
//! nothing in the kernel is left to sweep), and every call newer than this list.

/// A group of calls and why they are there.
struct Group {
    #[expect(dead_code, reason = "read by people: the reason for the line")]
    why: &'static str,
    calls: &'static str,
}

const ALLOWED: &[Group] = &[
    Group {
        why: "read and write what is open",
        calls: "read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 open openat openat2 \
                creat close close_range lseek sendfile64 splice tee copy_file_range dup dup2 dup3 flock \
                ioctl pipe pipe2 fsync fdatasync sync_file_range readahead truncate ftruncate \
                fallocate memfd_create",
    },
    Group {
        why: "look at and change names below the mounts, which decide what may be written",
        calls: "newstat newfstat newlstat newfstatat statx statfs fstatfs access faccessat faccessat2 readlink \
                readlinkat getdents getdents64 getcwd chdir fchdir rename renameat renameat2 mkdir mkdirat \
                rmdir link linkat unlink unlinkat symlink symlinkat chmod fchmod fchmodat chown fchown lchown \
                fchownat umask utime utimes utimensat futimesat mknod mknodat getxattr lgetxattr fgetxattr \
                listxattr llistxattr flistxattr setxattr lsetxattr fsetxattr removexattr lremovexattr \
                fremovexattr",
    },
    Group {
        why: "wait for descriptors and for time",
        calls: "poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait \
                epoll_pwait2 eventfd eventfd2 signalfd signalfd4 timerfd_create timerfd_settime \
                timerfd_gettime",
    },
    Group {
        why: "memory; the group bounds it",
        calls: "brk mmap munmap mremap mprotect madvise msync mincore mlock mlock2 munlock mlockall munlockall \
                membarrier mbind get_mempolicy set_mempolicy",
    },
    Group {
        why: "processes of one's own; the group bounds their number, the pid namespace their reach",
        calls: "fork vfork execve execveat exit exit_group wait4 waitid kill tkill tgkill getpid gettid getppid \
                getpgid setpgid getpgrp setsid getsid getuid getgid geteuid getegid getresuid getresgid \
                getgroups setuid setgid setreuid setregid setresuid setresgid setgroups setfsuid setfsgid \
                capget capset arch_prctl set_tid_address set_robust_list get_robust_list futex futex_waitv \
                rseq pidfd_open pidfd_send_signal",
    },
    Group {
        why: "scheduling of one's own and what the machine is",
        calls: "sched_yield sched_getaffinity sched_setaffinity sched_getparam sched_getscheduler \
                sched_setscheduler sched_get_priority_max sched_get_priority_min sched_rr_get_interval \
                getpriority setpriority getcpu getrlimit setrlimit prlimit64 getrusage times sysinfo newuname",
    },
    Group {
        why: "signals and time; queued signals are bounded by the runner (RLIMIT_SIGPENDING)",
        calls: "rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait rt_sigqueueinfo \
                rt_tgsigqueueinfo rt_sigsuspend sigaltstack pause alarm setitimer getitimer restart_syscall \
                timer_create timer_settime timer_gettime timer_getoverrun timer_delete clock_gettime \
                clock_getres clock_nanosleep nanosleep gettimeofday time getrandom",
    },
    Group {
        why: "sockets; the net namespace has only its own lo",
        calls: "socketpair bind connect listen accept accept4 getsockname getpeername sendto recvfrom sendmsg \
                recvmsg sendmmsg recvmmsg shutdown getsockopt",
    },
];

/// Allowed with some arguments only.
const MASKED: &[Group] = &[
    Group {
        why: "threads and processes, but no new namespace: nested ones would open the kernel's wide side",
        calls: "clone { (clone_flags & 0x7e020000) == 0 }",
    },
    Group {
        why: "names of mappings, death signal, dumpable, keepcaps, names of threads, seccomp state, timer \
              slack, capability bits (read and ambient), subreaper, no-new-privs; nothing else",
        calls: "prctl { option == 0x53564d41 || option == 1 || option == 2 || option == 3 || option == 4 \
                || option == 15 || option == 16 || option == 21 || option == 29 || option == 30 \
                || option == 36 || option == 37 || option == 38 || option == 47 }",
    },
    Group {
        why: "asking only",
        calls: "personality { personality == 0xffffffff }",
    },
    Group {
        why: "UNIX, IPv4, IPv6: netlink, packet, vsock and crypto sockets have had too many holes; and \
              of IP only TCP and UDP: multipath, SCTP and the like have as many",
        calls: "socket { family == 1 || ((family == 2 || family == 10) \
                && ((type & 0xf) == 1 || (type & 0xf) == 2) \
                && (protocol == 0 || protocol == 6 || protocol == 17)) }",
    },
    Group {
        why: "no watch of a folder (F_NOTIFY): those of the root and of a layer are the same for all \
              sandboxes, and it tells when another tenant reads there",
        calls: "fcntl { cmd != 1026 }",
    },
    Group {
        why: "no forgetting of what is in memory (POSIX_FADV_DONTNEED): of a file that all sandboxes \
              read, it would slow all of them down, and tell who read it; see IGNORED",
        calls: "fadvise64 { advice != 4 }",
    },
    Group {
        why: "no lingering (SO_LINGER): whoever closes such a socket last waits for its peer, and sent \
              to the worker that would be the worker; no programs in the kernel (SO_ATTACH_*, TCP_ULP)",
        calls: "setsockopt { (level != 1 || (optname != 13 && optname != 26 && optname != 50 \
                && optname != 51 && optname != 52)) && (level != 6 || optname != 31) }",
    },
];

/// Refused with EPERM rather than ENOSYS: programs know what to make of it.
const REFUSED: &str = "unshare setns mount umount pivot_root chroot ptrace process_vm_readv process_vm_writev \
     process_madvise kcmp pidfd_getfd bpf perf_event_open keyctl add_key request_key userfaultfd \
     io_uring_setup io_uring_enter io_uring_register open_by_handle_at name_to_handle_at init_module \
     finit_module delete_module kexec_load kexec_file_load reboot swapon swapoff acct quotactl \
     quotactl_fd fanotify_init fanotify_mark iopl ioperm modify_ldt syslog sethostname setdomainname \
     settimeofday clock_settime adjtimex clock_adjtime vhangup vmsplice migrate_pages move_pages \
     seccomp open_tree move_mount fsopen fsconfig fsmount fspick mount_setattr memfd_secret ioprio_set \
     clone prctl personality fcntl setsockopt";

/// Done without effect: it is only advice.
const IGNORED: &str = "fadvise64";

/// The policy as text. `more` are calls to allow besides: mutations of tests, nothing else.
pub(crate) fn policy(more: &[&str]) -> String {
    let words =
        |text: &str| -> Vec<String> { text.split_whitespace().map(ToOwned::to_owned).collect() };
    let masked = |call: &str| {
        let name = call.split_whitespace().next().unwrap_or_default();
        !more.contains(&name)
    };
    let mut allowed: Vec<String> = ALLOWED
        .iter()
        .flat_map(|group| words(group.calls))
        .collect();
    let kept = MASKED
        .iter()
        .map(|group| group.calls)
        .filter(|call| masked(call));
    allowed.extend(kept.map(|call| words(call).join(" ")));
    allowed.extend(more.iter().map(|&call| call.to_owned()));
    let refused: Vec<String> = words(REFUSED)
        .into_iter()
        .filter(|call| !more.contains(&call.as_str()))
        .collect();
    let families = if more.contains(&"socket") {
        ""
    } else {
        "ERRNO(93) { socket { family == 2 || family == 10 } }, ERRNO(97) { socket }, "
    };
    let ignored = if more.contains(&IGNORED) {
        String::new()
    } else {
        format!("ERRNO(0) {{ {IGNORED} }}, ")
    };
    format!(
        "POLICY patchbay {{ ALLOW {{ {} }}, {families}{ignored}ERRNO(1) {{ {} }} }} USE patchbay DEFAULT ERRNO(38)",
        allowed.join(", "),
        refused.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_call_is_both_allowed_and_refused() {
        let refused: Vec<&str> = REFUSED.split_whitespace().collect();
        for call in ALLOWED
            .iter()
            .flat_map(|group| group.calls.split_whitespace())
        {
            assert!(!refused.contains(&call), "{call}");
        }
    }

    #[test]
    fn what_counts_over_all_sandboxes_or_stays_in_the_kernel_is_not_allowed() {
        let text = policy(&[]);
        let words: Vec<&str> = text.split([' ', ',']).collect();
        for call in [
            "inotify_init",
            "inotify_init1",
            "shmget",
            "semget",
            "msgget",
            "mq_open",
            "clone3",
        ] {
            assert!(!words.contains(&call), "{call}");
        }
    }
}
