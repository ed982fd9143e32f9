//! Where packages come from and go to.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::config::Env;
use common::network::AllowedHost;

const PYPI: &str = "https://pypi.org/simple";
/// Where PyPI keeps the files that its index names.
const PYPI_FILES: &str = "files.pythonhosted.org:443";

#[derive(Clone, Debug)]
pub struct PackagesConfig {
    /// `PATCHBAY_UV`: the resolver's binary, alone in its directory.
    pub uv: PathBuf,
    /// `PATCHBAY_PACKAGE_INDEX`: the index (PEP 503 or 691), without a name or password
    /// in it; default PyPI.
    pub index: String,
    /// `PATCHBAY_PACKAGE_HOSTS`: what a build may reach, `host:port` with commas between,
    /// without a port 443; default the index' own host, and for PyPI the one with its files.
    pub hosts: BTreeSet<AllowedHost>,
    /// `PATCHBAY_LAYERS_DIR`: where layers are kept; workers of a host may share it;
    /// default `layers` in the state directory.
    pub layers: PathBuf,
    /// `PATCHBAY_LAYERS_MIB`: of all layers, before unused ones go; default 16,384, 256 to
    /// 16,777,216.
    pub layers_mib: u32,
    /// `PATCHBAY_INSTALL_SECONDS`: how long installing a list may take, and resolving it,
    /// which gets a minute at most; default 300, 5 to 3,600.
    pub time: Duration,
}

impl PackagesConfig {
    pub(crate) fn read(env: &mut Env, state_dir: &Path) -> Self {
        let index = env.with_default("PATCHBAY_PACKAGE_INDEX", PYPI.to_owned());
        let own = host_of(&index);
        if own.is_none() {
            env.wrong(
                "PATCHBAY_PACKAGE_INDEX is no http(s) address of a host without a name or password",
            );
        }
        let hosts: Option<String> = env.optional("PATCHBAY_PACKAGE_HOSTS");
        let hosts = match hosts {
            Some(hosts) => listed(&hosts),
            None if index == PYPI => own.into_iter().chain([PYPI_FILES.to_owned()]).collect(),
            None => own.into_iter().collect(),
        };
        let mut read = BTreeSet::new();
        for host in hosts {
            match host.parse() {
                Ok(host) => drop(read.insert(host)),
                Err(error) => env.wrong(format!("PATCHBAY_PACKAGE_HOSTS: {host}: {error}")),
            }
        }
        let layers: Option<PathBuf> = env.optional("PATCHBAY_LAYERS_DIR");
        let layers = layers.unwrap_or_else(|| state_dir.join("layers"));
        let uv: PathBuf = env.required("PATCHBAY_UV");
        for (name, path) in [("PATCHBAY_UV", &uv), ("PATCHBAY_LAYERS_DIR", &layers)] {
            if path.is_relative() && !path.as_os_str().is_empty() {
                env.wrong(format!("{name} is no absolute path"));
            }
        }
        Self {
            uv,
            index,
            hosts: read,
            layers,
            layers_mib: env.within("PATCHBAY_LAYERS_MIB", 16_384, 256..=16_777_216),
            time: Duration::from_secs(
                env.within("PATCHBAY_INSTALL_SECONDS", 300, 5..=3_600)
                    .into(),
            ),
        }
    }
}

fn listed(hosts: &str) -> BTreeSet<String> {
    let hosts = hosts
        .split(',')
        .map(str::trim)
        .filter(|host| !host.is_empty());
    hosts.map(str::to_ascii_lowercase).collect()
}

/// `host:port` of an address, in lower case.
fn host_of(address: &str) -> Option<String> {
    let (rest, port) = match address.strip_prefix("https://") {
        Some(rest) => (rest, 443),
        None => (address.strip_prefix("http://")?, 80),
    };
    let host = rest.split(['/', '?', '#']).next()?.to_ascii_lowercase();
    if host.is_empty() || host.contains('@') {
        return None;
    }
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.ends_with(']'));
    Some(if has_port {
        host
    } else {
        format!("{host}:{port}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(vars: &[(&str, &str)]) -> (PackagesConfig, bool) {
        let given = [("PATCHBAY_UV", "/u/uv")];
        let vars = given.iter().chain(vars);
        let mut env = Env::of(vars.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let config = PackagesConfig::read(&mut env, Path::new("/s"));
        (config, env.finish().is_ok())
    }

    #[test]
    fn a_build_reaches_the_index_and_what_it_names_alone() {
        let hosts = |vars: &[(&str, &str)]| {
            let hosts = read(vars).0.hosts;
            hosts.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(hosts(&[]), ["files.pythonhosted.org", "pypi.org"]);
        let own = ("PATCHBAY_PACKAGE_INDEX", "http://Index.example:81/simple/");
        assert_eq!(hosts(&[own]), ["index.example:81"]);
        let listed = ("PATCHBAY_PACKAGE_HOSTS", "a:1, B:2,");
        assert_eq!(hosts(&[own, listed]), ["a:1", "b:2"]);
        assert_eq!(read(&[]).0.layers, Path::new("/s/layers"));
    }

    #[test]
    fn paths_are_absolute_and_hosts_are_hosts() {
        for (name, value) in [
            ("PATCHBAY_UV", "uv"),
            ("PATCHBAY_LAYERS_DIR", "layers"),
            ("PATCHBAY_PACKAGE_HOSTS", "https://pypi.org"),
            ("PATCHBAY_PACKAGE_HOSTS", "pypi.org:https"),
        ] {
            assert!(!read(&[(name, value)]).1, "{name}={value}");
        }
    }

    #[test]
    fn an_index_is_an_address_without_a_password() {
        for (address, is_fit) in [
            ("https://pypi.org/simple", true),
            ("http://[::1]:8080/simple", true),
            ("https://me:secret@pypi.org/simple", false),
            ("pypi.org", false),
            ("file:///tmp", false),
            ("https://", false),
        ] {
            assert_eq!(
                read(&[("PATCHBAY_PACKAGE_INDEX", address)]).1,
                is_fit,
                "{address}"
            );
        }
    }
}
