//! `ops/up` and `ops/down` with real services, PostgreSQL, Redis and sandboxes.
//!
//! Only the build is left out: a copy of the checkout is given the services this
//! test run was built with, and a `cargo` that has nothing to do.

mod checkout;
mod machine;

use std::time::Duration;

use checkout::Checkout;
use machine::{groups_of, is_gone, kill, mounts_below, wait_until};

const SERVICES: &[&str] = &[
    "postgres",
    "redis",
    "api",
    "scheduler",
    "worker-1",
    "worker-2",
    "worker-last",
];
/// Nothing here is measured; it only ends what hangs.
const BOUND: Duration = Duration::from_secs(60);

#[test]
fn it_comes_up_in_a_private_home_and_goes_down_without_a_trace() {
    let copy = Checkout::in_private_home("pbu");
    let said = copy.up();
    for expected in ["gruesse-aus-koeln", "71.04", "curl", "/var/lib/patchbay/"] {
        assert!(said.contains(expected), "no {expected:?} in:\n{said}");
    }
    assert_eq!(said.matches("\ncurl ").count(), 3, "{said}");
    assert_eq!(copy.mode_of("env"), 0o600);
    assert_eq!(copy.mode_of("secrets"), 0o700);
    let key = copy.variable("PATCHBAY_API_KEY");
    assert!(
        copy.logs().iter().all(|log| !log.contains(&key)),
        "the key is in a log"
    );

    let pids: Vec<u32> = SERVICES.iter().map(|name| copy.pid(name)).collect();
    copy.up();
    assert_eq!(
        copy.variable("PATCHBAY_API_KEY"),
        key,
        "a second ops/up made another key"
    );
    let again: Vec<u32> = SERVICES.iter().map(|name| copy.pid(name)).collect();
    assert_eq!(pids, again, "a second ops/up restarted something");

    for name in ["api", "scheduler"] {
        assert_eq!(machine::rights_of(copy.pid(name)), "1 0 0 0 0", "{name}");
    }
    let groups = groups_of(&copy.workers());
    assert!(!groups.is_empty(), "the workers have no control group");
    copy.down();
    for pid in pids {
        assert!(is_gone(pid), "process {pid} is left");
    }
    assert_eq!(machine::processes_naming(copy.home()), Vec::<String>::new());
    assert_eq!(machine::left(&groups), Vec::<String>::new());
    assert_eq!(mounts_below(copy.home()), Vec::<String>::new());
    assert!(!copy.sockets().exists(), "the sockets are left");
    assert!(
        copy.home().join("postgres/PG_VERSION").exists(),
        "the data is gone"
    );
}

#[test]
fn two_copies_run_side_by_side_and_whatever_is_killed_comes_back() {
    let one = Checkout::beside("pbu-one");
    let two = Checkout::beside("pbu-two");
    one.up();
    two.up();
    for name in SERVICES {
        let before = one.pid(name);
        kill(before);
        wait_until(&format!("{name} is started again"), BOUND, || {
            one.pid_now(name).is_some_and(|pid| pid != before)
        });
    }
    kill(one.supervisor());
    let said = one.up();
    assert!(said.contains("gruesse-aus-koeln"), "{said}");
    let others = two.pid("api");
    one.down();
    assert_eq!(two.pid("api"), others, "ops/down touched the other copy");
    assert!(two.up().contains("gruesse-aus-koeln"));
    two.down();
}

#[test]
fn a_setting_stays_until_it_is_emptied_and_all_services_read_the_same_plans() {
    let copy = Checkout::beside("pbu-set");
    let plans = copy.home().join("plans.toml");
    let closed = ("PATCHBAY_NETWORK_REFUSED", "192.0.2.0/24, 2001:db8::/32");
    let of = |service, name| machine::variable_of(copy.pid(service), name);
    // As it is shipped, in a file of the operator's.
    std::fs::create_dir_all(copy.home()).unwrap();
    std::fs::write(&plans, include_str!("../../../plans.toml")).unwrap();
    let plans = plans.to_str().unwrap();
    copy.up_with(&[closed, ("PATCHBAY_PLANS_FILE", plans)]);
    copy.up();
    for worker in ["worker-1", "worker-2", "worker-last"] {
        assert_eq!(of(worker, closed.0).as_deref(), Some(closed.1), "{worker}");
    }
    for service in ["api", "scheduler", "worker-1"] {
        let read = of(service, "PATCHBAY_PLANS_FILE");
        assert_eq!(read.as_deref(), Some(plans), "{service}");
    }
    copy.up_with(&[(closed.0, "")]);
    assert_eq!(of("worker-1", closed.0), None);
    copy.down();
}

#[test]
fn a_taken_port_and_a_wrong_word_are_told_with_what_to_do() {
    let copy = Checkout::beside("pbu-port");
    let taken = std::net::TcpListener::bind(("127.0.0.1", copy.port)).unwrap();
    let said = copy.up_fails(&["--detach"]);
    assert!(
        said.contains("is taken") && said.contains("PATCHBAY_PORT="),
        "{said}"
    );
    drop(taken);
    let said = copy.up_fails(&["--detatch"]);
    assert!(said.contains("ops/up --detach"), "{said}");
    copy.down();
}

#[test]
fn what_was_sent_as_input_is_in_no_file() {
    let copy = Checkout::beside("pbu-seal");
    copy.up();
    let word = "plantedwordZq7";
    copy.call("text.slug", &format!("{{\"title\": \"{word}\"}}"));
    copy.call_later(
        "csv_summary",
        &format!("{{\"text\": \"{word}\\n{word}\\n\"}}"),
    );
    // Whatever is still in memory goes to the disk.
    copy.down();
    let found = machine::files_holding(copy.home(), word);
    assert_eq!(found, Vec::<String>::new(), "the input is in plain text");
}
