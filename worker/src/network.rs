//! What executions may reach: as the operator says it, and as a version does.

#[cfg(test)]
mod fuzz;

use common::config::Env;
use common::network::{AllowedHost, HostPattern};
use common::plan::PlanLimits;
use jail::{EgressConfig, HostName, NamedHost, Network};

/// `PATCHBAY_NETWORK_RANGES`: ranges (CIDR, with commas between) that executions may reach
/// though they are not public; default none. An address of this host is in none of them, but
/// where a range is that address alone, or of loopback alone. `PATCHBAY_NETWORK_REFUSED`:
/// ranges that they may not reach, public or not, such as this host's address behind a
/// translation; default none. `PATCHBAY_NETWORK_NAMESERVERS`: servers
/// (`address:port`, with commas between) that are asked for the hosts' addresses; default
/// those of `/etc/resolv.conf`.
pub(crate) fn read(env: &mut Env) -> EgressConfig {
    EgressConfig {
        ranges: listed(env, "PATCHBAY_NETWORK_RANGES", A_RANGE),
        refused: listed(env, "PATCHBAY_NETWORK_REFUSED", A_RANGE),
        nameservers: listed(
            env,
            "PATCHBAY_NETWORK_NAMESERVERS",
            "an address and port such as 10.1.0.2:53",
        ),
    }
}

/// What a version's executions may reach on an account's plan.
#[must_use]
pub fn of(hosts: &[AllowedHost], plan: &PlanLimits) -> Network {
    Network {
        hosts: hosts.iter().map(named).collect(),
        bytes: u64::from(plan.network_mib) << 20,
        is_trusted: false,
    }
}

pub(crate) fn named(host: &AllowedHost) -> NamedHost {
    let name = match &host.pattern {
        HostPattern::Exact(name) => HostName::Exact(name.clone()),
        HostPattern::Below(name) => HostName::Below(name.clone()),
    };
    let port = host.port;
    NamedHost { name, port }
}

const A_RANGE: &str = "a range such as 10.1.0.0/16";

fn listed<T: std::str::FromStr>(env: &mut Env, name: &str, wanted: &str) -> Vec<T> {
    let text: Option<String> = env.optional(name);
    let text = text.unwrap_or_default();
    let parts = text.split(',').map(str::trim);
    let mut read = Vec::new();
    for part in parts.filter(|part| !part.is_empty()) {
        match part.parse() {
            Ok(value) => read.push(value),
            Err(_) => env.wrong(format!("{name}: {part} is not {wanted}")),
        }
    }
    read
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_of(name: &str, value: &str) -> (EgressConfig, bool) {
        let mut env = Env::of([(name.to_owned(), value.to_owned())]);
        let config = read(&mut env);
        (config, env.finish().is_ok())
    }

    #[test]
    fn ranges_and_servers_are_listed_and_nothing_is_open_by_default() {
        let (none, fit) = read_of("PATCHBAY_NETWORK_RANGES", "");
        assert!(fit && none.ranges.is_empty() && none.nameservers.is_empty());
        let (some, fit) = read_of("PATCHBAY_NETWORK_RANGES", "10.1.0.0/16, fd00::/8");
        assert!(fit && some.ranges.len() == 2);
        let (some, fit) = read_of("PATCHBAY_NETWORK_NAMESERVERS", "10.0.0.2:53,[::1]:5353");
        assert!(fit && some.nameservers.len() == 2);
        for (name, wrong) in [
            ("PATCHBAY_NETWORK_RANGES", "10.1.0.0"),
            ("PATCHBAY_NETWORK_RANGES", "10.1.0.0/33"),
            ("PATCHBAY_NETWORK_REFUSED", "all"),
            ("PATCHBAY_NETWORK_NAMESERVERS", "10.0.0.2"),
        ] {
            assert!(!read_of(name, wrong).1, "{name}={wrong}");
        }
    }
}
