//! System calls that are refused to threads which only use sandboxes: those that read what
//! strangers send, and speak with servers.
//!
//! Such a thread is root without a capability, which stops most of these calls already.
//! The filter is the second wall, against what needs none: a program started in its place,
//! a user namespace of its own with every capability in it, and the parts of the kernel
//! that are broken most often. What is refused isn't there (ENOSYS): then the C library
//! starts threads by `clone`, whose flags can be looked at, instead of `clone3`.
//!
//! A list of what is refused, not of what is allowed as for sandboxes: these threads run
//! libraries that change with each update, and a call missed there would stop the worker.
//! The kernel decides once which calls are always allowed and doesn't run the filter for
//! them: that costs 40 ns a call (`getppid` in a loop: 175 without, 215 with a filter).

use std::collections::BTreeMap;

use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

#[derive(Debug, thiserror::Error)]
pub enum CallsError {
    #[error("the filter of system calls cannot be made")]
    Make(#[source] seccompiler::BackendError),
    #[error("the kernel takes no filter of system calls")]
    Install(#[source] seccompiler::Error),
}

const REFUSED: &[&[i64]] = &[
    // Another program in its place: nothing but the keeper starts one.
    &[libc::SYS_execve, libc::SYS_execveat],
    // Namespaces and mounts. `clone3` hides its flags from a filter; `clone` is below.
    &[
        libc::SYS_clone3,
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_pivot_root,
        libc::SYS_chroot,
        libc::SYS_open_tree,
        libc::SYS_move_mount,
        libc::SYS_fsopen,
        libc::SYS_fsconfig,
        libc::SYS_fsmount,
        libc::SYS_fspick,
        libc::SYS_mount_setattr,
    ],
    // Other processes' memory and descriptors.
    &[
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_pidfd_getfd,
        libc::SYS_kcmp,
    ],
    // Much code of the kernel that nothing here uses.
    &[
        libc::SYS_bpf,
        libc::SYS_io_uring_setup,
        libc::SYS_io_uring_enter,
        libc::SYS_io_uring_register,
        libc::SYS_userfaultfd,
        libc::SYS_perf_event_open,
        libc::SYS_fanotify_init,
        libc::SYS_add_key,
        libc::SYS_request_key,
        libc::SYS_keyctl,
        libc::SYS_modify_ldt,
        libc::SYS_personality,
        libc::SYS_vmsplice,
    ],
    // The machine itself.
    &[
        libc::SYS_init_module,
        libc::SYS_finit_module,
        libc::SYS_delete_module,
        libc::SYS_kexec_load,
        libc::SYS_kexec_file_load,
        libc::SYS_reboot,
        libc::SYS_swapon,
        libc::SYS_swapoff,
        libc::SYS_acct,
        libc::SYS_quotactl,
        libc::SYS_quotactl_fd,
        libc::SYS_open_by_handle_at,
        libc::SYS_syslog,
        libc::SYS_iopl,
        libc::SYS_ioperm,
        libc::SYS_settimeofday,
        libc::SYS_clock_settime,
        libc::SYS_adjtimex,
        libc::SYS_clock_adjtime,
        libc::SYS_sethostname,
        libc::SYS_setdomainname,
    ],
];

/// Flags of `clone` that make a namespace.
const NAMESPACES: [libc::c_int; 7] = [
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
];

/// Set in the numbers of x32, a second door to the same calls; 512 to 547 are its own.
const X32: i64 = 0x4000_0000;
const X32_OWN: std::ops::Range<i64> = 512..548;

/// Refuses them to this thread and all it starts.
pub(super) fn refuse() -> Result<(), CallsError> {
    seccompiler::apply_filter(&filter().map_err(CallsError::Make)?).map_err(CallsError::Install)
}

fn filter() -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = REFUSED
        .concat()
        .into_iter()
        .flat_map(|call| [call, call | X32])
        .chain(X32_OWN.map(|call| call | X32))
        .map(|call| (call, Vec::new()))
        .collect();
    let mut clone = Vec::with_capacity(NAMESPACES.len());
    for flag in NAMESPACES {
        let flag = u64::from(flag.unsigned_abs());
        let set = SeccompCmpOp::MaskedEq(flag);
        let condition = SeccompCondition::new(0, SeccompCmpArgLen::Qword, set, flag)?;
        clone.push(SeccompRule::new(vec![condition])?);
    }
    for call in [libc::SYS_clone, libc::SYS_clone | X32] {
        rules.insert(call, clone.clone());
    }
    let absent = u32::try_from(libc::ENOSYS).unwrap_or(1);
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(absent),
        TargetArch::x86_64,
    )?;
    filter.try_into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::answer;
    use nix::errno::Errno;

    /// `clone` that makes a namespace, but for another flag that forbids it.
    fn clone_with(flag: libc::c_int) -> Errno {
        answer(libc::SYS_clone, i64::from(flag | libc::CLONE_SIGHAND))
    }

    #[test]
    fn each_call_of_the_list_is_there_before_and_not_after() {
        // A filter belongs to a thread and ends with it.
        let done = std::thread::spawn(|| {
            for call in [libc::SYS_execve, libc::SYS_clone3, libc::SYS_setns] {
                assert_ne!(answer(call, -1), Errno::ENOSYS, "{call}");
            }
            for flag in NAMESPACES {
                assert_eq!(clone_with(flag), Errno::EINVAL, "{flag:#x}");
            }
            super::super::give_up_rights().unwrap();
            for call in REFUSED.concat() {
                assert_eq!(answer(call, -1), Errno::ENOSYS, "{call}");
            }
            for flag in NAMESPACES {
                assert_eq!(clone_with(flag), Errno::ENOSYS, "{flag:#x}");
            }
            // Threads are still made, which takes `clone`.
            std::thread::spawn(|| assert_eq!(answer(libc::SYS_unshare, -1), Errno::ENOSYS))
                .join()
                .unwrap();
            let said = std::process::Command::new("/bin/true").spawn().unwrap_err();
            assert_eq!(said.raw_os_error(), Some(libc::ENOSYS));
        });
        done.join().unwrap();
    }
}
