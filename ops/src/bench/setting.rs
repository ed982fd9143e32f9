//! Where everything is that is measured, from what `ops/bench` exports.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use common::config::Env;
use common::plan::Plan;
use jail::{EgressConfig, Host, HostConfig};
use secrecy::SecretString;

use super::machine::{Group, Scope};
use super::patchbay::Target;
use crate::up::account::{self, Owner};

/// One running copy and the floors' host.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) target: Target,
    pub(super) redis_url: SecretString,
    /// `PATCHBAY_HOME` of the copy: its disk is the one an fdatasync is timed on.
    pub(super) home: PathBuf,
    pub(super) host: Host,
    pub(super) groups: Vec<Group>,
}

impl Setting {
    /// Reads the environment, makes an account and prepares sandboxes for the floors.
    pub(super) async fn read() -> Result<Self> {
        let mut env = Env::process();
        let url: String = env.required("PATCHBAY_URL");
        let database = env.secret("DATABASE_URL");
        let password = env.secret("PATCHBAY_UP_PASSWORD");
        let redis_url = env.secret("REDIS_URL");
        let home: PathBuf = env.required("PATCHBAY_HOME");
        let rootfs = env.required("PATCHBAY_ROOTFS");
        let nsjail = env.required("PATCHBAY_NSJAIL");
        env.finish()?;
        // Sixty-four callers at once are more than plan `local` allows.
        let owner = Owner {
            email: "bench@patchbay.invalid",
            name: "Bench",
            plan: Plan::Enterprise,
            password: &password,
        };
        account::register(&url, &database, &owner).await?;
        let key = account::new_key(&url, &owner).await?.key;
        let config = HostConfig {
            state_dir: home.join("bench"),
            rootfs,
            nsjail,
            layers: vec![home.join("bench")],
            name: "bench".to_owned(),
            max_sandboxes: 16,
            egress: EgressConfig {
                ranges: vec!["127.0.0.0/8".parse()?],
                ..EgressConfig::default()
            },
        };
        fs::create_dir_all(&config.state_dir)?;
        Ok(Self {
            target: Target {
                address: url.trim_start_matches("http://").to_owned(),
                key,
                namespace: "patchbay-bench".to_owned(),
            },
            redis_url,
            host: Host::prepare(&config)?,
            groups: groups(&home)?,
            home,
        })
    }
}

/// The processes of the copy, by what they do.
fn groups(home: &Path) -> Result<Vec<Group>> {
    let mut groups = Vec::new();
    for (service, name, scope) in [
        ("api", "api", Scope::Tree),
        ("worker-1", "worker", Scope::Root),
        ("worker-2", "worker", Scope::Root),
        ("worker-last", "worker", Scope::Root),
        ("worker-1", "sandbox", Scope::Below),
        ("worker-2", "sandbox", Scope::Below),
        ("worker-last", "sandbox", Scope::Below),
        ("redis", "redis", Scope::Tree),
        ("postgres", "postgres", Scope::Tree),
        ("scheduler", "scheduler", Scope::Tree),
    ] {
        let path = home.join("service").join(service).join("supervise/pid");
        let text = fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
        let root = text
            .trim()
            .parse()
            .with_context(|| format!("{service} does not run"))?;
        groups.push(Group { name, root, scope });
    }
    Ok(groups)
}
