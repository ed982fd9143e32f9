//! What would get past the proxy, or get it to do something in another's time.

use serde_json::{Value, json};

use super::case::Case;
use super::reach::Reach;
use crate::network::MIB;

cases! { "proxy":
    only_named_hosts_are_reached, "unnamed_hosts", |case| {
        let (outside, port) = Reach::with(&["127.0.0.0/8"], &["api.test"]);
        let other = outside.another();
        let hosts = [format!("other.test:{port}"), format!("x.api.test:{port}"), format!("127.0.0.1:{port}"), format!("api.test:{other}")];
        case.reaching(outside)
            .gives(json!({"hosts": hosts}), json!([403, 403, 403, 403]))
            .let_in_by("every host is named", |p| p.egress.named = false)
            .gives(json!({"hosts": hosts}), json!([200, 200, 200, 200]))
    };

    no_name_carries_a_message, "names_as_messages", |case| {
        let (outside, port) = Reach::with(&["127.0.0.0/8"], &["api.test"]);
        let input = json!({"word": "secret", "domain": format!("evil.test:{port}")});
        case.reaching(outside)
            .gives(input.clone(), json!(403))
            .let_in_by("every host is named", |p| p.egress.named = false)
            .gives(input, json!(200))
    };

    no_name_leads_inside, "private_addresses", private_addresses;

    the_address_that_was_checked_is_the_one_that_is_reached, "rebinding", |case| {
        let (outside, port) = Reach::with(&["127.0.0.2/32"], &["turning.test"]);
        let turns: [&[&str]; 4] = [&["127.0.0.2"], &["127.0.0.1"], &["127.0.0.2"], &["127.0.0.1"]];
        outside.names.say_in_turn("turning.test", &turns);
        let input = json!({"host": format!("turning.test:{port}")});
        case.reaching(outside)
            .gives(input.clone(), json!(502))
            .gives(input.clone(), json!(403))
            .let_in_by("a second look-up before it connects", |p| p.egress.pinned = false)
            .gives(input, json!(200))
    };

    a_host_is_told_its_own_name, "host_header", |case| {
        let (outside, port) = Reach::with(&["127.0.0.0/8"], &["api.test"]);
        let host = format!("api.test:{port}");
        let input = json!({"host": host, "other": "other.test"});
        case.reaching(outside)
            .gives(input.clone(), json!(host))
            .let_in_by("the code's own `Host`", |p| p.egress.own_host = false)
            .gives(input, json!("other.test"))
    };

    two_requests_are_two, "smuggling", smuggling;

    an_address_has_one_spelling, "tunnel_tricks", |case| {
        let (outside, port) = Reach::with(&[], &["api.test"]);
        case.reaching(outside)
            .gives(json!({"port": port}), json!([{}, {}]))
            .let_in_by("every host is named, every address public", |p| {
                p.egress.named = false;
                p.egress.public = false;
            })
            .shows(json!({"port": port}), |met| met[0]["127.0.0.1:{}"] == 200)
    };

    a_tunnel_ends_with_its_execution, "kept_tunnel", |case| {
        let (outside, port) = Reach::with(&["127.0.0.0/8"], &["api.test"]);
        let leave = json!({"host": format!("api.test:{port}")});
        case.reaching(outside)
            .gives(leave.clone(), json!("200"))
            .gives(json!({"look": true}), json!("nothing"))
            .let_in_by("no sweeping, neither of processes nor of connections", |p| {
                p.sweep = false;
                p.egress.swept = false;
            })
            .gives(leave, json!("200"))
            .gives(json!({"look": true}), json!("HTTP/1.1 200 OK"))
    };

    what_waits_to_be_accepted_is_thrown_away, "waiting_connections", |case| {
        let (outside, port) = Reach::with(&["127.0.0.0/8"], &["api.test"]);
        let asked = |leave| json!({"host": format!("api.test:{port}"), "leave": leave});
        case.reaching(outside)
            .gives(asked(true), json!("left"))
            .gives(asked(false), json!("0"))
            .let_in_by("no sweeping, and what waits is served whoever runs", |p| {
                p.sweep = false;
                p.egress.swept = false;
                p.egress.gated = false;
            })
            .gives(asked(true), json!("left"))
            .shows(asked(false), |seen| *seen != "0")
    };

    the_port_is_taken_before_the_code_is_there, "port_first", |case| {
        let (outside, _) = Reach::with(&["127.0.0.0/8"], &["api.test"]);
        case.reaching(outside)
            .gives(json!({}), json!(["EADDRINUSE"]))
            .let_in_by("a listener that comes after the import", |p| p.egress.first = false)
            .gives(json!({}), json!(["done"]))
    };

    an_import_reaches_nothing, "import_time", |case| {
        let (outside, _) = Reach::with(&["127.0.0.0/8"], &["api.test"]);
        case.reaching(outside)
            .gives(json!({}), json!("the network is there while an execution runs"))
            .let_in_by("a way that is always open", |p| p.egress.gated = false)
            .gives(json!({}), json!("elsewhere.test:80 is not among the hosts this version names"))
    };

    no_more_is_moved_than_may_be, "endless_download", |case| {
        let (outside, port) = Reach::with(&["127.0.0.0/8"], &["api.test"]);
        let input = json!({"host": format!("api.test:{port}"), "most": 3 * MIB});
        case.reaching(outside)
            .says(input.clone(), jail::FailureCode::Exception, "the end (its connections were closed: it may move 1 MiB)")
            .let_in_by("no bound of bytes", |p| p.egress.bounded = false)
            .gives(input, json!("all of it"))
    };
}

fn private_addresses(case: Case) -> Case {
    // Without the wall only this machine itself is asked.
    let here = ["127.0.0.1", "127.8.8.8", "0.0.0.0"];
    let others = [
        "10.0.0.1",
        "100.100.100.200",
        "169.254.169.254",
        "192.168.0.1",
        "::1",
        "fd00:ec2::254",
    ];
    let named: Vec<String> = (0..here.len() + others.len())
        .map(|n| format!("n{n}.test"))
        .collect();
    let named: Vec<&str> = named.iter().map(String::as_str).collect();
    let (outside, port) = Reach::with(&[], &named);
    for (name, address) in named.iter().zip(here.iter().chain(&others)) {
        outside.names.say(name, &[address]);
    }
    outside.names.say(named[1], &["1.1.1.1", "127.0.0.1"]);
    let hosts = |names: &[&str]| -> Value {
        let hosts = names.iter().map(|name| format!("{name}:{port}"));
        json!({"hosts": hosts.collect::<Vec<_>>()})
    };
    let (all, two) = (hosts(&named), hosts(&[named[0], named[2]]));
    case.reaching(outside)
        .gives(all, json!(vec![403; named.len()]))
        .let_in_by("every address is public", |p| p.egress.public = false)
        .gives(two, json!([200, 200]))
}

fn smuggling(case: Case) -> Case {
    let (outside, port) = Reach::with(&["127.0.0.0/8"], &["api.test"]);
    let (host, other) = (format!("api.test:{port}"), format!("other.test:{port}"));
    let asked = |how: &str| json!({"host": host, "other": other, "how": how});
    let mut case = case.reaching(outside);
    for (how, statuses) in [
        ("behind", &[200, 403][..]),
        ("in the body", &[200]),
        ("two lengths", &[400]),
        ("length and chunks", &[200]),
        ("odd chunks", &[400]),
        ("a bare newline", &[200, 403]),
        ("a folded line", &[400]),
        ("in the address", &[200]),
    ] {
        case = case.gives(asked(how), json!(statuses));
    }
    case.let_in_by("every host is named", |p| p.egress.named = false)
        .gives(asked("behind"), json!([200, 200]))
}
