//! `worker --check-host`: what this host is, each wall, how it is enforced here, and what
//! going past it met.
//!
//! The same preparation, rights and tests as at a worker's start, with neither PostgreSQL
//! nor Redis: of the settings only `PATCHBAY_STATE_DIR`, `PATCHBAY_ROOTFS` and
//! `PATCHBAY_NSJAIL` are read.

use std::fmt::Write as _;
use std::time::Duration;

use common::config::{ConfigError, Env};
use jail::{EgressConfig, Fact, Host, HostConfig, HostError, Report, RightsError, SelfTestError};

/// Its one sandbox is buried within this.
const END: Duration = Duration::from_secs(20);

#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("this host is not fit for sandboxes")]
    Host(#[from] HostError),
    #[error(transparent)]
    Rights(#[from] RightsError),
    #[error("the tests need a runtime")]
    Runtime(#[source] std::io::Error),
    #[error("no wall could be tried")]
    SelfTest(#[from] SelfTestError),
}

/// What was found.
#[derive(Debug)]
pub struct Checked {
    facts: Vec<Fact>,
    report: Report,
}

impl Checked {
    /// To be called before there is any other thread.
    ///
    /// # Errors
    /// Where it doesn't come to trying the walls; the text names the step.
    pub fn host(env: &mut Env) -> Result<Self, CheckError> {
        let config = HostConfig {
            state_dir: env.required("PATCHBAY_STATE_DIR"),
            rootfs: env.required("PATCHBAY_ROOTFS"),
            nsjail: env.required("PATCHBAY_NSJAIL"),
            name: format!("check {}", std::process::id()),
            layers: Vec::new(),
            max_sandboxes: 1,
            egress: EgressConfig::default(),
        };
        env.finish()?;
        let host = Host::prepare(&config)?;
        jail::give_up_rights()?;
        let facts = host.facts();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(CheckError::Runtime)?;
        let report = runtime.block_on(host.check());
        // What is left where this fails is swept by the next worker.
        let _buried = host.close(END);
        let report = report?;
        Ok(Self { facts, report })
    }

    /// Whether every wall holds.
    #[must_use]
    pub fn is_fit(&self) -> bool {
        self.report.missing().is_empty()
    }

    /// A line for each fact and each wall, and one that sums up.
    #[must_use]
    pub fn text(&self) -> String {
        let mut lines = String::new();
        // Writing to a String cannot fail.
        for Fact { name, is } in &self.facts {
            let _ = writeln!(lines, "{name}: {is}");
        }
        lines.push('\n');
        for wall in &self.report.walls {
            let (word, met) = match &wall.met {
                Ok(met) => ("ok  ", format!("met: {met}")),
                Err(instead) => ("OPEN", format!("instead: {instead}")),
            };
            let _ = writeln!(lines, "{word} {:<36} {}; {met}", wall.name, wall.how);
        }
        let missing = self.report.missing();
        let _ = match missing.len() {
            0 => writeln!(
                lines,
                "\nevery wall that was tried holds ({})",
                self.report.walls.len()
            ),
            _ => writeln!(lines, "\nnot enforced: {}", missing.join(", ")),
        };
        lines
    }
}
