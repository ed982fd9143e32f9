//! What would be left for the next call.

use serde_json::{Value, json};

cases! { "persistence":
    a_daemon_does_not_meet_the_next_call, "daemon", |case| case
        .gives(json!({"leave": true}), json!(null))
        .gives(json!({"leave": false}), json!([0, false]))
        .let_in_by("no sweeping between executions", |p| p.sweep = false)
        .gives(json!({"leave": true}), json!(null))
        .gives(json!({"leave": false}), json!([2, true]));

    a_process_without_a_signal_is_seen, "hidden_process", |case| case
        .gives(json!({"leave": "planted-word"}), json!("")).costs_the_sandbox()
        .gives(json!({}), json!("")).costs_the_sandbox()
        .let_in_by("children as waitpid alone sees them", |p| p.all_children = false)
        .gives(json!({"leave": "planted-word"}), json!(""))
        .gives(json!({}), json!("planted-word"));

    nothing_can_be_left_in_the_kernel, "kernel_objects", |case| case
        .gives(json!({"leave": true}), json!({"shm": "ENOSYS", "sem": "ENOSYS", "msg": "ENOSYS"}))
        .let_in_by("shmget, semget, msgget in the list of calls", |p| p.allow.extend(["shmget", "semget", "msgget"]))
        .gives(json!({"leave": true}), json!({"shm": "done", "sem": "done", "msg": "done"}))
        .gives(json!({"leave": false}), json!({"shm": "done", "sem": "done", "msg": "done"}));

    a_closed_connection_is_forgotten, "closed_connection", |case| case
        .gives(json!({"leave": true}), json!(null))
        .gives(json!({"leave": false}), json!([false, "free"]))
        .let_in_by("connections that the kernel remembers", |p| p.forget_connections = false)
        .gives(json!({"leave": true}), json!(null))
        .gives(json!({"leave": false}), json!([true, "EADDRINUSE"]));

    standard_input_is_each_execution_s_own, "standard_input", |case| case
        .gives(json!({"leave": true}), json!(null))
        .gives(json!({"leave": false}), json!([false, "free"]))
        .let_in_by("standard input as the worker has it", |p| p.own_stdin = false)
        .gives(json!({"leave": true}), json!(null))
        .shows(json!({"leave": false}), |found| found[0] == true);

    what_the_import_made_can_not_be_changed, "import_files", |case| case
        .gives(json!({}), json!([]))
        .let_in_by("one uid for all", |p| p.second_uid = false)
        .shows(json!({}), |changed| ["replace", "mode", "times", "shm"].iter().all(|name| has(changed, name)));

    what_the_template_passes_on_can_not_be_changed, "template_limits", |case| case
        .gives(json!({}), json!([]))
        .let_in_by("one uid for all", |p| p.second_uid = false)
        .gives(json!({}), json!(["prlimit"]))
        .let_in_by("one uid for all, and its capabilities", |p| {
            p.second_uid = false;
            p.drop_capabilities = false;
        })
        .gives(json!({}), json!(["prlimit", "nice", "affinity", "policy"]));

    files_that_resist_are_removed_too, "stubborn_files", |case| case
        .gives(json!({"leave": true}), json!(null))
        .gives(json!({"leave": false}), json!([]))
        .let_in_by("no sweeping between executions", |p| p.sweep = false)
        .gives(json!({"leave": true}), json!(null))
        .shows(json!({"leave": false}), |left| left.as_array().is_some_and(|left| left.len() > 10));

    nothing_runs_when_main_is_over, "late_threads", |case| case
        .gives(json!({"leave": true}), json!(null))
        .gives(json!({"then": 0.4}), json!([]))
        .works_outside("an interpreter that ends by itself", 65_534)
        .gives(json!({"leave": true}), json!(null))
        .gives(json!({}), json!(["thread", "handler"]));

    a_bent_interpreter_is_not_the_next_call_s, "poisoned_modules", |case| case
        .gives(json!({"leave": true}), json!(null))
        .gives(json!({"look": true}), json!(0))
        .works_outside("one process for both calls", 65_534)
        .gives(json!({"leave": true, "look": true}), json!(7));
}

fn has(list: &Value, name: &str) -> bool {
    list.as_array()
        .is_some_and(|list| list.contains(&json!(name)))
}
