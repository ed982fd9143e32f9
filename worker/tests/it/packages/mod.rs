//! Packages: resolved, installed, and used in real sandboxes.

mod hostile;
mod index;
mod real;

use common::db::versions::{BrokenKind, DeclaredEnv, Status, Version};
use common::testing::given::Tenant;

use crate::rig::Rig;

/// Long enough to download and compile the largest set.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(180);

async fn publish(rig: &Rig, requirements: &[&str], code: &str) -> Tenant {
    rig.publish(code, requirements, &DeclaredEnv::default())
        .await
}

async fn built(rig: &Rig, tenant: &Tenant) -> Version {
    rig.built(tenant, PATIENCE).await
}

/// Builds what must be ready.
async fn ready(rig: &Rig, requirements: &[&str], code: &str) -> Tenant {
    let tenant = publish(rig, requirements, code).await;
    let version = built(rig, &tenant).await;
    if let Some(kind) = version.broken_kind {
        panic!("{kind:?}: {}", reason(rig, &tenant, version).await);
    }
    tenant
}

/// Builds what can't be; gives why.
async fn broken(rig: &Rig, requirements: &[&str]) -> String {
    let tenant = publish(rig, requirements, "def main(): pass").await;
    let version = built(rig, &tenant).await;
    assert_eq!(version.status, Status::Broken, "{requirements:?}");
    assert_eq!(version.broken_kind, Some(BrokenKind::Packages));
    reason(rig, &tenant, version).await
}

async fn reason(rig: &Rig, tenant: &Tenant, version: Version) -> String {
    let told = rig.reason(tenant, version).await;
    told["message"].as_str().unwrap().to_owned()
}
