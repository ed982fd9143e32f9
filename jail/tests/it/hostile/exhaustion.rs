//! What would use up what is there: processes, memory, files, output, time, the kernel's shared counts.

use std::time::Duration;

use jail::FailureCode::{
    DiskFull, Exception, Killed, OutOfMemory, OutputTooLarge, Timeout, TooManyProcesses,
};
use serde_json::json;

use super::case::Case;

cases! { "exhaustion":
    a_fork_bomb_meets_the_plan_s_processes, "fork_bomb", |case| case
        .fails(json!({"most": 300}), TooManyProcesses)
        .gives(json!({"most": 3}), json!(3))
        .let_in_by("no bound of processes", |p| p.bound_pids = false)
        .gives(json!({"most": 60}), json!(60));

    threads_are_counted_as_processes, "threads", |case| case
        .fails(json!({"most": 300}), TooManyProcesses)
        .gives(json!({"most": 3}), json!(3))
        .let_in_by("no bound of processes", |p| p.bound_pids = false)
        .gives(json!({"most": 60}), json!(60));

    a_memory_bomb_kills_in_its_own_group_alone, "memory_bomb", |case| case
        .with(|limits| limits.memory_bytes = 32 << 20)
        .fails(json!({"mib": 100, "how": "pages"}), OutOfMemory)
        .fails(json!({"mib": 100, "how": "children"}), OutOfMemory)
        .fails(json!({"mib": 63, "how": "files"}), OutOfMemory)
        .gives(json!({"mib": 1, "how": "files"}), json!(1))
        .let_in_by("no bound of memory", |p| p.bound_memory = false)
        .gives(json!({"mib": 200, "how": "pages"}), json!(200));

    what_waits_in_pipes_and_sockets_is_memory, "pipes", |case| case
        .with(|limits| limits.memory_bytes = 16 << 20)
        .fails(json!({"mib": 40, "how": "pipes"}), OutOfMemory)
        .fails(json!({"mib": 40, "how": "sockets"}), OutOfMemory)
        .gives(json!({"mib": 1, "how": "pipes"}), json!(1))
        .let_in_by("no bound of memory", |p| p.bound_memory = false)
        .gives(json!({"mib": 40, "how": "pipes"}), json!(40))
        .gives(json!({"mib": 20, "how": "sockets"}), json!(20));

    filling_the_scratch_space_fills_one_s_own, "tmpfs_fill", |case| case
        .with(|limits| (limits.scratch_bytes, limits.scratch_inodes) = (2 << 20, 100))
        .fails(json!({"how": "bytes"}), DiskFull)
        .fails(json!({"how": "files"}), DiskFull)
        .gives(json!({"how": "list"}), json!([]))
        .let_in_by("/tmp without the plan's size", |p| p.bound_scratch = false)
        .gives(json!({"how": "bytes"}), json!(null))
        .gives(json!({"how": "files"}), json!(null));

    descriptors_end_at_a_bound, "descriptors", |case| case
        .shows(json!({"most": 1_500}), |met| met[0].as_u64() < Some(256) && met[1] == "EMFILE" && met[2] == true)
        .let_in_by("no bound of open files", |p| p.bound_files = false)
        .shows(json!({"most": 1_500}), |met| met[0].as_u64() > Some(1_000));

    a_recursion_ends_with_its_stack, "recursion", |case| case
        .says(json!({"deep": 150_000}), Killed, "the process was killed by SIGSEGV")
        .gives(json!({"deep": 0}), json!(0))
        .let_in_by("a stack as large as one likes", |p| p.bound_stack = false)
        .gives(json!({"deep": 150_000}), json!(150_000));

    a_huge_exception_is_cut, "huge_exception", |case| case
        .says(json!({}), Exception, "xxxxxxxx")
        .gives(json!({"told": "well"}), json!("well"))
        .works_outside("an interpreter alone", 65_534)
        .shows(json!({"told": "plainly"}), |mib| mib.as_u64() >= Some(10));

    what_all_read_stays_in_memory, "page_cache", |case| case
        .gives(json!({}), json!([0, 0, 0, 0]))
        .let_in_by("fadvise64 in the list of calls, whatever it advises", |p| p.allow.push("fadvise64"))
        .shows(json!({}), |met| met[1].as_u64() > Some(0));

    an_output_flood_is_dropped_and_then_ended, "output_flood", |case| case
        .fails(json!({"mib": 200}), OutputTooLarge)
        .gives(json!({"mib": 8}), json!(8))
        .let_in_by("no bound of output", |p| p.bound_output = false)
        .gives(json!({"mib": 70}), json!(70));

    what_stops_itself_runs_out_of_time, "stopped", |case| case
        .fails(json!({"seconds": 30}), Timeout).within(Duration::from_millis(500))
        .gives(json!({"seconds": 0}), json!(0))
        .let_in_by("no clock of the worker's", |p| p.bound_time = false)
        .gives(json!({"seconds": 1}), json!(1)).within(Duration::from_millis(500));

    inotify_instances_of_all_tenants_can_not_be_taken_by_one, "inotify", inotify;

    queued_signals_of_all_tenants_can_not_be_used_up_by_one, "queued_signals", |case| case
        .shows(json!({"most": 5_000}), |queued| queued.as_u64() <= Some(256))
        .gives(json!({"most": 200}), json!(200))
        .let_in_by("no bound of queued signals", |p| p.bound_signals = false)
        .gives(json!({"most": 5_000}), json!(5_000));
}

/// More than half of what the host has: two tenants can't both have them.
fn inotify(case: Case) -> Case {
    let all = std::fs::read_to_string("/proc/sys/fs/inotify/max_user_instances").unwrap();
    let most = all.trim().parse::<u64>().unwrap() * 5 / 8;
    let (takes, holds) = (json!({"most": most}), json!({"most": most, "hold": 300}));
    case.with(|limits| limits.pids = 128)
        .gives(takes.clone(), json!([0, "ENOSYS"]))
        .while_another_is_asked(holds.clone())
        .let_in_by("inotify_init1 in the list of calls", |p| {
            p.allow.push("inotify_init1");
        })
        .shows(takes, |got| got[1] == "EMFILE")
        .while_another_is_asked(holds)
}
