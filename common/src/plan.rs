//! Plans and what each allows.

use std::collections::HashMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::Env;
use crate::limits::{FOLLOWERS_LEAST, NETWORK_HOSTS_MOST};
use crate::telemetry;

/// Which plan an account is on. `local` is for one's own machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    Free,
    Builder,
    Pro,
    Enterprise,
    Local,
}

impl Plan {
    pub const ALL: &'static [Self] = &[
        Self::Free,
        Self::Builder,
        Self::Pro,
        Self::Enterprise,
        Self::Local,
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Builder => "builder",
            Self::Pro => "pro",
            Self::Enterprise => "enterprise",
            Self::Local => "local",
        }
    }

    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|plan| plan.as_str() == word)
    }
}

/// The bounds of one plan; `None` is no bound.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanLimits {
    pub executions_per_period: Option<u64>,
    pub timeout_ms: u32,
    /// On top of what the template itself uses.
    pub memory_mib: u32,
    /// 100 is one core.
    pub cpu_percent: u32,
    /// Processes and threads of an execution.
    pub pids: u32,
    /// Executions at once.
    pub concurrency: u32,
    /// Entries that may wait.
    pub queued: u64,
    pub scratch_mib: u32,
    /// Installed packages of a version.
    pub packages_mib: u32,
    /// Hosts a version may name.
    pub network_hosts: Option<u32>,
    /// Of bytes from and to them together, for one execution.
    pub network_mib: u32,
    pub namespaces: Option<u32>,
    pub functions: Option<u32>,
}

impl PlanLimits {
    /// How many of the executions at once may be background: three quarters, at least one.
    #[must_use]
    pub fn background(&self) -> u32 {
        (self.concurrency * 3 / 4).max(1)
    }

    /// How many hosts a version may name: without a bound, as many as are kept.
    #[must_use]
    pub fn hosts(&self) -> usize {
        self.network_hosts.map_or(NETWORK_HOSTS_MOST, |hosts| {
            NETWORK_HOSTS_MOST.min(hosts as usize)
        })
    }

    /// How many may follow logs of the account at one api.
    #[must_use]
    pub fn followers(&self) -> usize {
        self.concurrency.max(FOLLOWERS_LEAST) as usize
    }
}

#[derive(Debug, thiserror::Error)]
pub enum PlansError {
    #[error("the plans cannot be read")]
    Toml(#[source] toml::de::Error),
    #[error("plan {0} is missing")]
    Missing(&'static str),
    #[error("plan {plan}: {field} must be at least 1")]
    Zero {
        plan: &'static str,
        field: &'static str,
    },
}

/// All plans, checked. The default has none: it stands in for plans that can't be
/// read until the settings are refused.
#[derive(Clone, Debug, Default)]
pub struct Plans(HashMap<Plan, PlanLimits>);

impl Plans {
    /// The plans this release ships.
    ///
    /// # Errors
    /// Never in a release: a test reads them.
    pub fn shipped() -> Result<Self, PlansError> {
        Self::from_toml(include_str!("../../ops/plans.toml"))
    }

    /// The plans of the file that `PATCHBAY_PLANS_FILE` names, else the shipped ones.
    /// What can't be read is refused with all else that is wrong ([`Env::finish`]).
    pub fn read(env: &mut Env) -> Self {
        let read = match env.optional::<PathBuf>("PATCHBAY_PLANS_FILE") {
            None => Self::shipped().map_err(|error| telemetry::chain(&error)),
            Some(path) => std::fs::read_to_string(&path)
                .map_err(|error| error.to_string())
                .and_then(|text| Self::from_toml(&text).map_err(|error| telemetry::chain(&error)))
                .map_err(|error| format!("PATCHBAY_PLANS_FILE names {}: {error}", path.display())),
        };
        read.unwrap_or_else(|error| {
            env.wrong(error);
            Self::default()
        })
    }

    /// # Errors
    /// Where a plan is missing, unknown or not usable.
    pub fn from_toml(text: &str) -> Result<Self, PlansError> {
        let plans: HashMap<Plan, PlanLimits> = toml::from_str(text).map_err(PlansError::Toml)?;
        for plan in Plan::ALL {
            let limits = plans.get(plan).ok_or(PlansError::Missing(plan.as_str()))?;
            for (field, value) in [
                ("timeout_ms", limits.timeout_ms),
                ("memory_mib", limits.memory_mib),
                ("cpu_percent", limits.cpu_percent),
                ("pids", limits.pids),
                ("concurrency", limits.concurrency),
                ("scratch_mib", limits.scratch_mib),
                ("packages_mib", limits.packages_mib),
                ("network_mib", limits.network_mib),
            ] {
                if value == 0 {
                    return Err(PlansError::Zero {
                        plan: plan.as_str(),
                        field,
                    });
                }
            }
        }
        Ok(Self(plans))
    }

    /// The bounds of a plan.
    #[must_use]
    pub fn of(&self, plan: Plan) -> &PlanLimits {
        &self.0[&plan]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_plans_are_whole() {
        let plans = Plans::shipped().unwrap();
        assert_eq!(plans.of(Plan::Free).background(), 3);
        assert_eq!(plans.of(Plan::Free).followers(), 8);
        assert_eq!(plans.of(Plan::Builder).followers(), 15);
        assert_eq!(plans.of(Plan::Local).executions_per_period, None);
        assert_eq!(plans.of(Plan::Free).hosts(), 0);
        assert_eq!(plans.of(Plan::Local).hosts(), NETWORK_HOSTS_MOST);
    }

    #[test]
    fn a_plan_with_a_zero_or_a_stray_field_is_refused() {
        let shipped = include_str!("../../ops/plans.toml");
        let zero = shipped.replacen("pids = 16", "pids = 0", 1);
        assert!(matches!(
            Plans::from_toml(&zero),
            Err(PlansError::Zero { field: "pids", .. })
        ));
        let dumb = shipped.replacen("network_mib = 64", "network_mib = 0", 1);
        assert!(matches!(
            Plans::from_toml(&dumb),
            Err(PlansError::Zero {
                field: "network_mib",
                ..
            })
        ));
        let stray = shipped.replacen("pids = 16", "pids = 16\npid = 1", 1);
        assert!(matches!(Plans::from_toml(&stray), Err(PlansError::Toml(_))));
        let missing = shipped.replacen("[local]", "[local2]", 1);
        assert!(Plans::from_toml(&missing).is_err());
    }

    #[test]
    fn a_plan_may_not_allow_more_hosts_than_are_kept() {
        let shipped = include_str!("../../ops/plans.toml");
        let many = shipped.replacen("network_hosts = 25", "network_hosts = 1000", 1);
        let plans = Plans::from_toml(&many).unwrap();
        assert_eq!(plans.of(Plan::Pro).hosts(), NETWORK_HOSTS_MOST);
    }
}
