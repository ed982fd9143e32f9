//! What would be said in another's name, or keep the worker busy.

use std::time::Duration;

use jail::FailureCode::{Exception, Exit, Killed, OutputTooLarge, Timeout};
use serde_json::json;

use super::case::Case;

const SOON: Duration = Duration::from_millis(400);

cases! { "protocol":
    a_second_frame_costs_the_sandbox, "double_frame", |case| case
        .ends(json!({"forge": true}), |result| result == Ok(b"\"forged\"".to_vec()) || result == Err(Killed))
        .costs_the_sandbox()
        .gives(json!({"forge": false}), json!("real"))
        .let_in_by("frames that aren't looked at", |p| p.strict_frames = false)
        .gives(json!({"forge": true}), json!("forged"));

    junk_is_no_answer, "junk", |case| case
        .says(json!({"junk": "junk"}), Killed, "it disturbed its own channel: format")
        .costs_the_sandbox()
        .gives(json!({"junk": ""}), json!("real"))
        .let_in_by("frames that aren't looked at", |p| p.strict_frames = false)
        .ends(json!({"junk": "\u{1}\u{30}\u{0}\u{0}\u{0}\u{0}\u{0}\u{2}"}), |result| result.is_ok());

    a_result_that_is_no_json_never_leaves, "broken_json", |case| case
        .says(json!({"body": "{\"a\":"}), Killed, "it disturbed its own channel").costs_the_sandbox()
        .says(json!({"body": "deep"}), Killed, "it disturbed its own channel").costs_the_sandbox()
        .says(json!({"body": "\"\\ud800\""}), Killed, "it disturbed its own channel").costs_the_sandbox()
        .says(json!({"body": "NaN"}), Killed, "it disturbed its own channel").costs_the_sandbox()
        .gives(json!({"body": null}), json!("real"))
        .let_in_by("frames that aren't looked at", |p| p.strict_frames = false)
        .ends(json!({"body": "NaN"}), |result| result == Ok(b"NaN".to_vec()));

    half_a_frame_is_no_answer, "truncated_frame", |case| case
        .says(json!({"length": 9, "body": ""}), Killed, "it disturbed its own channel: it ends too early").costs_the_sandbox()
        .says(json!({"length": 9, "body": "\"half"}), Killed, "it disturbed its own channel: it ends too early").costs_the_sandbox()
        .gives(json!({"length": 0, "body": ""}), json!("real"))
        .let_in_by("frames that aren't looked at", |p| p.strict_frames = false)
        .ends(json!({"length": 9, "body": "12345"}), |result| result == Ok(b"12345".to_vec()));

    the_worker_takes_in_no_more_than_an_answer, "huge_frame", |case| case
        .says(json!({"mib": 40}), OutputTooLarge, "the result is").costs_the_sandbox()
        .gives(json!({"mib": 0}), json!("real"))
        .let_in_by("no bound of answers", |p| p.bound_output = false)
        // It has taken in all of it before it says so.
        .says(json!({"mib": 8}), Killed, "it disturbed its own channel: it ends too early");

    a_failure_has_a_bound_of_its_own, "huge_failure", |case| case
        .says(json!({"length": 500_000}), Killed, "it disturbed its own channel: its failure is too long").costs_the_sandbox()
        .says(json!({"length": 5_000}), Exception, "xxxxx")
        .gives(json!({"length": 0}), json!("real"))
        .let_in_by("frames that aren't looked at", |p| p.strict_frames = false)
        .says(json!({"length": 500_000}), Exception, "xxxxx");

    nobody_waits_for_who_closed_its_channel, "closed_channel", |case| case
        .says(json!({"how": "close"}), Exit, "the process ended with status")
        .fails(json!({"how": "close", "seconds": 30}), Timeout).within(SOON)
        .fails(json!({"how": "shut down", "seconds": 30}), Timeout).within(SOON)
        .gives(json!({"how": ""}), json!("real"))
        .let_in_by("no clock of the worker's", |p| p.bound_time = false)
        .fails(json!({"how": "close", "seconds": 1}), Exit).within(SOON);

    code_that_answers_and_runs_on_is_killed_with_its_sandbox, "late_answer", |case| case
        .gives(json!({"burn": 60}), json!("forged")).costs_the_sandbox()
        .gives(json!({"stay": 600}), json!("forged")).costs_the_sandbox()
        .gives(json!({}), json!("real"))
        .let_in_by("no bound of what follows an answer", |p| p.bound_last_steps = false)
        .gives(json!({"burn": 0.5, "stay": 2}), json!("forged")).keeps_the_sandbox();

    the_worker_waits_for_no_socket_of_a_sandbox, "lingering_socket", |case| case
        .gives(json!({"hold": 0}), json!(["EPERM"]))
        .let_in_by("SO_LINGER, and descriptors sent to the worker", |p| {
            p.allow.push("setsockopt");
            p.refuse_descriptors = false;
        })
        // The answer is there at once; whoever reads it stands still until the sandbox lets go.
        .gives(json!({"hold": 1.5}), json!("answered")).holds_up_for(Duration::from_secs(1));

    no_descriptor_is_taken, "sent_descriptors", sent_descriptors;

    no_signal_reaches_the_template, "template_signals", |case| case
        // SIGCONT may be sent within a session; pid 1 is not stopped.
        .gives(json!({}), json!([18]))
        .gives(json!({}), json!([18]))
        .let_in_by("one uid for all", |p| p.second_uid = false)
        .ends(json!({}), |result| result.is_ok_and(|sent| sent.len() > 100));

    a_slow_template_slows_its_own_version, "slow_template", |case| case
        .fails(json!({}), Timeout).within(SOON)
        .gives(json!({}), json!("real"))
        .let_in_by("no clock of the worker's", |p| p.bound_time = false)
        .gives(json!({}), json!("real")).within(SOON);
}

/// A kernel before 6.16 lets them be sent, and whoever reads throws them away.
fn sent_descriptors(case: Case) -> Case {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release
        .split('.')
        .map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap(), numbers.next().unwrap());
    let met = if version >= (6, 16) { "EPERM" } else { "sent" };
    case.gives(json!({}), json!(met))
        .let_in_by("a channel that takes descriptors", |p| {
            p.refuse_descriptors = false;
        })
        .gives(json!({}), json!("sent"))
}
