//! What would be learnt: of the host, of other tenants, of earlier executions.

use serde_json::{Value, json};

use super::case::Case;
use crate::world::place;

cases! { "leakage":
    the_previous_input_is_nowhere_to_be_found, "read_previous", |case| case
        .gives(json!({"leave": "planted-word"}), json!(null))
        .gives(json!({}), json!([]))
        .let_in_by("no sweeping between executions", |p| p.sweep = false)
        .gives(json!({"leave": "planted-word"}), json!(null))
        .gives(json!({}), json!(["/tmp/left", "/dev/shm/left", "process"]));

    the_template_can_not_be_looked_into, "template_proc", |case| case
        .gives(json!({}), json!([]))
        .let_in_by("one uid, a template that shows itself, capabilities, ptrace", |p| {
            p.second_uid = false;
            p.hide_template = false;
            p.drop_capabilities = false;
            p.allow.push("ptrace");
        })
        .shows(json!({}), |reached| ["environ", "maps", "mem", "ptrace"].iter().all(|name| has(reached, name)))
        .let_in_by("/proc with entries of others", |p| p.proc_options = "subset=pid")
        .gives(json!({}), json!(["cmdline", "status"]));

    nothing_can_be_written_into_the_template, "template_memory", |case| case
        .gives(json!({"leave": "planted-word"}), json!("refused"))
        .gives(json!({}), json!(""))
        .let_in_by("one uid, a template that shows itself, process_vm_writev", |p| {
            p.second_uid = false;
            p.hide_template = false;
            p.drop_capabilities = false;
            p.allow.push("process_vm_writev");
        })
        .gives(json!({"leave": "planted-word"}), json!("left"))
        .gives(json!({}), json!("planted-word"));

    the_worker_s_environment_stays_there, "environment", |case| case
        .gives(json!({}), json!([]))
        .let_in_by("the worker's environment", |p| p.own_environment = false)
        .shows(json!({}), |names| has(names, "PATCHBAY_ROOTFS"));

    nobody_else_is_met, "other_sockets", |case| case
        .gives(json!({}), json!(["ECONNREFUSED", "ECONNREFUSED"])).while_another_is_asked(json!({"offer": 300}))
        .let_in_by("one net namespace for all", |p| p.own_net = false)
        .gives(json!({}), json!(["done", "done"])).while_another_is_asked(json!({"offer": 300}));

    what_others_read_can_not_be_watched, "folder_watch", |case| case
        .gives(json!({"watch": 0.3}), json!([["EPERM"], false])).while_another_is_asked(json!({"read": 300}))
        .let_in_by("fcntl in the list of calls, whatever it asks", |p| p.allow.push("fcntl"))
        .gives(json!({"watch": 0.3}), json!([["done"], true])).while_another_is_asked(json!({"read": 300}));

    the_machine_s_tables_are_not_there, "kernel_tables", |case| case
        .gives(json!({}), json!([]))
        .let_in_by("all of /proc", |p| p.proc_options = "hidepid=invisible")
        .shows(json!({}), |found| ["/proc/cpuinfo", "/proc/meminfo", "/proc/cmdline"].iter().all(|name| has(found, name)));

    names_of_the_host_are_not_told, "host_names", host_names;

    no_two_executions_draw_the_same, "random_twins", |case| case
        .differs(json!({"which": "random"}))
        .differs(json!({"which": "numpy"}))
        .differs(json!({"which": "uuid"}))
        .differs(json!({"which": "hex"}))
        .let_in_by("no new seed in the fork", |p| p.reseed = false)
        .repeats(json!({"which": "numpy"}));
}

fn has(list: &Value, name: &str) -> bool {
    list.as_array()
        .is_some_and(|list| list.contains(&json!(name)))
}

/// The host's name, where its root and nsjail are, and what its groups are called.
fn host_names(case: Case) -> Case {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let words = json!({"words": [name.trim(), place("PATCHBAY_ROOTFS"), place("PATCHBAY_NSJAIL"), "patchbay-", "/mnt"]});
    case.gives(words.clone(), json!([]))
        .let_in_by("the host's view of groups", |p| p.own_cgroup = false)
        .gives(words, json!(["patchbay-"]))
}
