//! Packages: resolved, installed, and used in real sandboxes.

mod hostile;
mod index;
mod real;

use common::db::versions::{self, BrokenKind, Status, Version};
use common::testing::given::{self, Tenant};
use common::testing::{Role, wait_until};
use common::vault::Purpose;

use crate::rig::Rig;

/// Long enough to download and compile the largest set.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(180);

/// A version with requirements, published and not yet built.
async fn publish(rig: &Rig, requirements: &[&str], code: &str) -> Tenant {
    let (account, user) = given::account(&rig.database).await;
    let (namespace, namespace_name) = given::namespace(&rig.database, account).await;
    let name = "f".parse().unwrap();
    let place = (account, namespace);
    let asked = (code, requirements);
    let (function, version) = given::building_with(&rig.database, place, &name, asked).await;
    Tenant {
        account,
        user,
        namespace,
        namespace_name,
        function,
        function_name: name,
        version,
    }
}

async fn built(rig: &Rig, tenant: &Tenant) -> Version {
    let database = rig.database.connect(Role::Api);
    wait_until("the version is built", PATIENCE, async || {
        let client = database.client().await.unwrap();
        let found = versions::find(&client, tenant.account, tenant.version).await;
        let found = found.unwrap().unwrap();
        if found.status == Status::Building {
            return Err("building");
        }
        Ok(found)
    })
    .await
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
    let sealed = version.reason.unwrap();
    let place = (Purpose::Reason, tenant.version.uuid());
    let text = rig.vault.open(tenant.account, place.0, place.1, &sealed);
    let told: serde_json::Value = serde_json::from_slice(&text.await.unwrap()).unwrap();
    told["message"].as_str().unwrap().to_owned()
}
