//! What would get out.

use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use serde_json::json;

use super::case::Case;
use crate::world::place;

/// Who owns nothing on the host.
const NOBODY: u32 = 65_534;

cases! { "escape":
    nothing_but_the_scratch_places_can_be_written, "write_everywhere", |case| case
        .gives(json!({}), json!({"written": ["/dev/shm", "/tmp"], "remounted": [], "unmounted": [], "devices": []}))
        .let_in_by("/code with the modes of /tmp", |p| p.code_read_only = false)
        .shows(json!({}), |met| met["written"] == json!(["/code", "/dev/shm", "/tmp"]));

    no_namespace_can_be_made_or_entered, "unshare", |case| case
        .gives(json!({}), json!({"unshare": "EPERM", "clone": "EPERM", "clone3": "ENOSYS", "setns": "EPERM", "chroot": "EPERM"}))
        .let_in_by("no list of calls", |p| p.seccomp = false)
        .shows(json!({}), |met| met["unshare"] == "done" && met["clone"] == "done");

    tracing_and_foreign_memory_are_refused, "ptrace", |case| case
        .gives(json!({}), json!({"ptrace": "EPERM", "process_vm_readv": "EPERM", "process_vm_writev": "EPERM",
            "kcmp": "EPERM", "pidfd_getfd": "EPERM"}))
        .let_in_by("ptrace in the list of calls", |p| p.allow.push("ptrace"))
        .shows(json!({}), |met| met["ptrace"] == "done");

    there_is_nobody_on_the_network, "network", network;

    no_device_can_be_made, "device_nodes", |case| case
        .gives(json!({}), json!({"mem": "EPERM", "disk": "EPERM", "fuse": "EPERM", "kvm": "EPERM", "devices": 5}))
        .works_outside("root of the host", 0)
        .shows(json!({}), |met| met["mem"] == "done" && met["disk"] == "done" && met["devices"].as_u64() > Some(5));

    the_kernel_s_keyrings_are_refused, "keyrings", |case| case
        .gives(json!({}), json!({"add_key": "EPERM", "request_key": "EPERM", "keyctl": "EPERM"}))
        .let_in_by("add_key and keyctl in the list of calls", |p| p.allow.extend(["add_key", "keyctl"]))
        .shows(json!({}), |met| met["add_key"] == "done" && met["keyctl"] == "done");

    no_program_gets_into_the_kernel, "bpf", |case| case
        .gives(json!({}), json!({"bpf": "EPERM", "perf_event_open": "EPERM"}))
        .works_outside("root of the host", 0)
        .gives(json!({}), json!({"bpf": "done", "perf_event_open": "done"}));

    io_uring_is_refused, "io_uring", |case| case
        .gives(json!({}), json!("EPERM"))
        .let_in_by("io_uring_setup in the list of calls", |p| p.allow.push("io_uring_setup"))
        .gives(json!({}), json!("done"));

    userfaultfd_is_refused, "userfaultfd", |case| case
        .gives(json!({}), json!("EPERM"))
        .let_in_by("userfaultfd in the list of calls", |p| p.allow.push("userfaultfd"))
        .gives(json!({}), json!("done"));

    the_personality_can_only_be_asked, "personality", |case| case
        .gives(json!({}), json!(["EPERM", 0]))
        .let_in_by("personality in the list of calls", |p| p.allow.push("personality"))
        .gives(json!({}), json!(["done", 0x0044_0000]));

    other_tables_of_calls_are_closed, "foreign_calls", |case| case
        .gives(json!({}), json!(["SIGSYS", "ENOSYS"]))
        .let_in_by("no list of calls", |p| p.seccomp = false)
        .shows(json!({}), |met| met[0] == 0);

    no_group_is_in_sight, "cgroup", |case| case
        .gives(json!({}), json!({"met": ["EPERM", "EPERM", false], "seen": []}))
        .let_in_by("no list of calls", |p| p.seccomp = false)
        .gives(json!({}), json!({"met": ["done", "done", true], "seen": []}));

    a_crash_leaves_no_core_and_starts_no_program, "core_dump", |case| case
        .gives(json!({}), json!({"raised": false, "died of": 11, "dumped": false}))
        .let_in_by("no core limit of one byte", |p| p.bound_core = false)
        .gives(json!({}), json!({"raised": false, "died of": 11, "dumped": true}));

    a_setuid_program_gives_nothing, "setuid_file", |case| case
        .gives(json!({}), json!("refused"))
        .let_in_by("a mount with suid, new privileges (and so no list of calls)", |p| {
            p.nosuid = false;
            p.no_new_privs = false;
            p.seccomp = false;
        })
        .gives(json!({}), json!("the template's"));

    nothing_of_the_host_is_inherited, "inherited", |case| case
        .gives(json!({}), json!([{"0": "device", "1": "pipe", "2": "pipe", "3": "socket"}, true]))
        .let_in_by("standard input as the worker has it", |p| p.own_stdin = false)
        .gives(json!({}), json!([{"0": "device", "1": "pipe", "2": "pipe", "3": "socket"}, false]));

    the_worker_can_not_be_signalled, "worker_handle", |case| case
        .shows(json!({}), |met| *met == json!(["nobody", "EINVAL"]) || *met == json!(["nobody"]))
        .works_outside("no pid namespace between both", NOBODY)
        .shows(json!({"pair": true}), |met| met[0] == "done");

    no_link_leads_out, "symlinks", symlinks;

    rare_families_and_protocols_are_refused, "socket_families", |case| case
        .gives(json!({}), json!({
            "netlink": ["EAFNOSUPPORT"], "packet": ["EAFNOSUPPORT"], "vsock": ["EAFNOSUPPORT"], "crypto": ["EAFNOSUPPORT"],
            "multipath": ["EPROTONOSUPPORT"], "sctp": ["EPROTONOSUPPORT"], "seqpacket": ["EPROTONOSUPPORT"],
            "udplite": ["EPROTONOSUPPORT"], "ping": ["EPROTONOSUPPORT"], "raw": ["EPROTONOSUPPORT"],
            "old packet": ["EPROTONOSUPPORT"]}))
        .let_in_by("every socket in the list of calls", |p| p.allow.push("socket"))
        .shows(json!({}), |met| met["netlink"] == json!(["done"]));
}

/// With a listener of the host on a port, and one on an abstract name.
fn network(case: Case) -> Case {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let name = format!("patchbay-test-{}-{port}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let input = json!({"port": port, "abstract": name});
    case.beside(listener)
        .beside(UnixListener::bind_addr(&address).unwrap())
        .gives(
            input.clone(),
            json!({"interfaces": ["lo"], "host": "ECONNREFUSED", "abstract": "ECONNREFUSED", "outside": "ENETUNREACH"}),
        )
        .let_in_by("the host's net namespace", |p| p.own_net = false)
        .shows(input, |met| met["host"] == "done" && met["abstract"] == "done")
}

/// To a file of the host that everybody may read there.
fn symlinks(case: Case) -> Case {
    let path = place("PATCHBAY_ROOTFS").join("etc/hostname");
    let input = json!({"path": path});
    case.gives(input, json!([]))
        .works_outside("no root of its own", NOBODY)
        .shows(json!({"path": "/etc/passwd"}), |met| {
            met.as_array().is_some_and(|reached| reached.len() >= 8)
        })
}
