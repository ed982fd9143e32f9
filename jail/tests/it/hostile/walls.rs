//! What would get out, or at the template.

use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use jail::FailureCode;
use serde_json::json;

use super::Two;
use crate::world::output;

#[tokio::test]
async fn nothing_but_the_scratch_places_can_be_written() {
    let nothing =
        json!({"written": ["/dev/shm", "/tmp"], "remounted": [], "unmounted": [], "devices": []});
    let mut two = Two::behind_all_walls(hostile!("escape/write_everywhere")).await;
    assert_eq!(two.gets(json!({})).await, nothing);
    two.other_is_well().await;

    let mut open = Two::without(hostile!("escape/write_everywhere"), |p| {
        p.code_read_only = false
    })
    .await;
    assert_eq!(
        open.gets(json!({})).await["written"],
        json!(["/code", "/dev/shm", "/tmp"])
    );
}

#[tokio::test]
async fn the_template_can_not_be_looked_into() {
    let mut two = Two::behind_all_walls(hostile!("leakage/template_proc")).await;
    assert_eq!(two.gets(json!({})).await, json!([]));
    two.other_is_well().await;

    let mut open = Two::without(hostile!("leakage/template_proc"), |p| {
        p.second_uid = false;
        p.hide_template = false;
        p.drop_capabilities = false;
        p.allow.push("ptrace");
    })
    .await;
    let reached = open.tries(&json!({})).await;
    let reached = output(&reached);
    for name in ["environ", "maps", "mem", "ptrace"] {
        assert!(reached.contains(name), "{reached}");
    }
}

#[tokio::test]
async fn hiding_proc_entries_is_a_wall_of_its_own() {
    let mut open = Two::without(hostile!("leakage/template_proc"), |p| {
        p.proc_options = "subset=pid"
    })
    .await;
    assert_eq!(open.gets(json!({})).await, json!(["cmdline", "status"]));
}

#[tokio::test]
async fn what_the_template_passes_on_can_not_be_changed() {
    let mut two = Two::behind_all_walls(hostile!("persistence/template_limits")).await;
    for _ in 0..2 {
        assert_eq!(two.gets(json!({})).await, json!([]));
    }
    two.other_is_well().await;

    let mut open = Two::without(hostile!("persistence/template_limits"), |p| {
        p.second_uid = false
    })
    .await;
    assert_eq!(open.gets(json!({})).await, json!(["prlimit"]));
    let mut open = Two::without(hostile!("persistence/template_limits"), |p| {
        p.second_uid = false;
        p.drop_capabilities = false;
    })
    .await;
    let changed = open.gets(json!({})).await;
    assert_eq!(changed, json!(["prlimit", "nice", "affinity", "policy"]));
}

#[tokio::test]
async fn no_signal_reaches_the_template() {
    let mut two = Two::behind_all_walls(hostile!("protocol/template_signals")).await;
    for _ in 0..3 {
        // SIGCONT may be sent within a session; pid 1 is not stopped.
        assert_eq!(two.gets(json!({})).await, json!([18]));
        assert!(two.hostile.is_reusable());
    }
    two.other_is_well().await;

    let mut open = Two::without(hostile!("protocol/template_signals"), |p| {
        p.second_uid = false
    })
    .await;
    assert!(open.gets(json!({})).await.as_array().unwrap().len() > 50);
}

#[tokio::test]
async fn no_namespace_can_be_made_or_entered() {
    let mut two = Two::behind_all_walls(hostile!("escape/unshare")).await;
    let refused = json!({"unshare": "EPERM", "clone": "EPERM", "clone3": "ENOSYS", "setns": "EPERM", "chroot": "EPERM"});
    assert_eq!(two.gets(json!({})).await, refused);
    two.other_is_well().await;

    let mut open = Two::without(hostile!("escape/unshare"), |p| p.seccomp = false).await;
    let met = open.gets(json!({})).await;
    assert_eq!(
        (&met["unshare"], &met["clone"]),
        (&json!("done"), &json!("done"))
    );
}

#[tokio::test]
async fn tracing_and_the_wide_side_of_the_kernel_are_refused() {
    let mut two = Two::behind_all_walls(hostile!("escape/ptrace")).await;
    let met = two.gets(json!({})).await;
    for (name, word) in met.as_object().unwrap() {
        assert_eq!(word, "EPERM", "{name}");
    }
    two.other_is_well().await;

    let mut open = Two::without(hostile!("escape/ptrace"), |p| p.allow.push("ptrace")).await;
    assert_eq!(open.gets(json!({})).await["ptrace"], "done");
}

#[tokio::test]
async fn there_is_nobody_on_the_network() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let name = format!("patchbay-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let _listener = UnixListener::bind_addr(&address).unwrap();
    let input = json!({"port": port, "abstract": name});
    let alone = json!({"interfaces": ["lo"], "host": "ECONNREFUSED", "abstract": "ECONNREFUSED", "outside": "ENETUNREACH",
        "netlink": "EAFNOSUPPORT", "packet": "EAFNOSUPPORT", "raw": "EPERM"});
    let mut two = Two::behind_all_walls(hostile!("escape/network")).await;
    assert_eq!(two.gets(input.clone()).await, alone);
    two.other_is_well().await;

    let mut open = Two::without(hostile!("escape/network"), |p| p.own_net = false).await;
    let met = open.gets(input).await;
    assert_eq!(
        (&met["host"], &met["abstract"]),
        (&json!("done"), &json!("done"))
    );
}

#[tokio::test]
async fn code_that_answers_and_runs_on_is_killed_with_its_sandbox() {
    let mut two = Two::behind_all_walls(hostile!("protocol/forged_frame")).await;
    // One that burns time and one that only stays: that this returns at all is the kill.
    for how in ["answer and stay", "answer and sleep"] {
        assert_eq!(two.gets(json!({"how": how})).await, "forged");
        assert!(!two.hostile.settle().await, "{how}");
        assert!(!two.hostile.is_reusable(), "{how}");
    }
    assert_eq!(two.gets(json!({"how": "not at all"})).await, "real");
    two.other_is_well().await;
}

#[tokio::test]
async fn a_forged_frame_speaks_for_its_own_call_and_costs_the_sandbox() {
    let mut two = Two::behind_all_walls(hostile!("protocol/forged_frame")).await;
    let done = two.tries(&json!({"how": "forge"})).await;
    // What it forges is its own result, as if it had returned it; both frames at once are none.
    let told = done.result.map_err(|failure| failure.code);
    assert!(
        told == Ok(b"\"forged\"".to_vec()) || told == Err(FailureCode::Killed),
        "{told:?}"
    );
    assert!(!two.hostile.settle().await, "something followed the frame");
    two.other_is_well().await;
    for how in ["junk", "long", "not json", "descriptors"] {
        two.fails(json!({"how": how}), FailureCode::Killed).await;
        two.other_is_well().await;
    }
    two.fails(json!({"how": "endless"}), FailureCode::OutputTooLarge)
        .await;
    two.fails(json!({"how": "close"}), FailureCode::Exit).await;
    assert_eq!(two.gets(json!({"how": "not at all"})).await, "real");
    two.other_is_well().await;

    let mut open = Two::without(hostile!("protocol/forged_frame"), |p| {
        p.strict_frames = false
    })
    .await;
    assert_eq!(open.gets(json!({"how": "forge"})).await, "forged");
    assert!(open.hostile.settle().await);
}
