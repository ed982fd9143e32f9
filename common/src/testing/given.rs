//! Rows that a test takes for granted, made as the services make them.

use crate::clock::{Clock as _, SystemClock};
use crate::db::accounts::NewAccount;
use crate::db::builds::{self, Built, Claim};
use crate::db::namespaces::{self, NewNamespace};
use crate::db::publish::{self, Publish, Published};
use crate::db::users::{self, NewUser};
use crate::db::versions::{DeclaredEnv, EntryPoint};
use crate::entry::Entry;
use crate::execution::Trigger;
use crate::ids::{AccountId, FunctionId, NamespaceId, ProcessId, UserId, VersionId};
use crate::names::{FunctionName, NamespaceName};
use crate::network::AllowedHost;
use crate::plan::Plan;
use crate::vault::Purpose;

use super::{Role, TestDatabase, unique};

/// An account with a user, a namespace, and a function of one ready version.
#[derive(Clone, Debug)]
pub struct Tenant {
    pub account: AccountId,
    pub user: UserId,
    pub namespace: NamespaceId,
    pub namespace_name: NamespaceName,
    pub function: FunctionId,
    pub function_name: FunctionName,
    pub version: VersionId,
}

impl Tenant {
    /// The body of an execution of its function.
    #[must_use]
    pub fn entry(&self) -> Entry {
        Entry {
            trigger: Trigger::Rest,
            plan: Plan::Local,
            once: false,
            account: self.account,
            namespace: self.namespace,
            function: self.function,
            version: self.version,
            timeout_ms: 10_000,
            memory_mib: 128,
            input: b"sealed input".to_vec(),
            env: None,
        }
    }
}

/// An account on plan `local`, its user's address verified.
///
/// # Panics
/// Where it cannot be made.
pub async fn account(database: &TestDatabase) -> (AccountId, UserId) {
    let (account, user) = (AccountId::new(&SystemClock), UserId::new(&SystemClock));
    let email = format!("{}@example.org", unique());
    let new = NewUser {
        id: user,
        account: NewAccount {
            id: account,
            name: "somebody",
            plan: Plan::Local,
            now: SystemClock.now(),
        },
        email_identity: &email,
        email: &email,
        name: None,
        password_hash: "$argon2id$none",
        verified: true,
    };
    let mut client = database.connect(Role::Api).client().await.unwrap();
    users::register(&mut client, &new).await.unwrap();
    (account, user)
}

/// A namespace with a name of its own.
///
/// # Panics
/// Where it cannot be made.
pub async fn namespace(
    database: &TestDatabase,
    account: AccountId,
) -> (NamespaceId, NamespaceName) {
    let id = NamespaceId::new(&SystemClock);
    let name: NamespaceName = format!("n{}", unique()).parse().unwrap();
    let new = NewNamespace {
        id,
        name: &name,
        description: None,
        most: None,
        now: SystemClock.now(),
    };
    let mut client = database.connect(Role::Api).client().await.unwrap();
    let made = namespaces::create(&mut client, account, &new)
        .await
        .unwrap();
    assert_eq!(made, namespaces::Created::Yes);
    (id, name)
}

/// A version that waits to be built.
///
/// # Panics
/// Where it cannot be published.
pub async fn building(
    database: &TestDatabase,
    place: (AccountId, NamespaceId),
    name: &FunctionName,
    code: &str,
) -> (FunctionId, VersionId) {
    let env = DeclaredEnv::default();
    declaring(database, place, name, (code, &[], &env)).await
}

/// A version with requirements that waits to be built.
///
/// # Panics
/// Where it cannot be published.
pub async fn building_with(
    database: &TestDatabase,
    place: (AccountId, NamespaceId),
    name: &FunctionName,
    (code, requirements): (&str, &[&str]),
) -> (FunctionId, VersionId) {
    let env = DeclaredEnv::default();
    declaring(database, place, name, (code, requirements, &env)).await
}

/// A version with requirements and environment values that waits to be built.
///
/// # Panics
/// Where it cannot be published.
pub async fn declaring(
    database: &TestDatabase,
    place: (AccountId, NamespaceId),
    name: &FunctionName,
    (code, requirements, env): (&str, &[&str], &DeclaredEnv),
) -> (FunctionId, VersionId) {
    published(database, place, name, (code, requirements, env, &[])).await
}

/// A version that names hosts and waits to be built.
///
/// # Panics
/// Where it cannot be published.
pub async fn naming(
    database: &TestDatabase,
    place: (AccountId, NamespaceId),
    name: &FunctionName,
    (code, requirements, hosts): (&str, &[&str], &[&str]),
) -> (FunctionId, VersionId) {
    let hosts: Vec<_> = hosts.iter().map(|host| host.parse().unwrap()).collect();
    let env = DeclaredEnv::default();
    published(database, place, name, (code, requirements, &env, &hosts)).await
}

type Asked<'a> = (&'a str, &'a [&'a str], &'a DeclaredEnv, &'a [AllowedHost]);

async fn published(
    database: &TestDatabase,
    (account, namespace): (AccountId, NamespaceId),
    name: &FunctionName,
    (code, requirements, env, network): Asked<'_>,
) -> (FunctionId, VersionId) {
    let requirements: Vec<String> = requirements.iter().map(|text| (*text).to_owned()).collect();
    let (function, version) = (FunctionId::new(&SystemClock), VersionId::new(&SystemClock));
    let sealed = database
        .vault(Role::Api)
        .seal(account, Purpose::Code, version.uuid(), code.as_bytes())
        .await
        .unwrap();
    let mut digest = [0; 32];
    digest[..16].copy_from_slice(version.uuid().as_bytes());
    let wanted = Publish {
        namespace,
        name,
        function,
        version,
        expected: None,
        most: None,
        code: &sealed,
        body_digest: digest,
        description: None,
        input_schema: None,
        output_schema: None,
        tags: &[],
        annotations: None,
        timeout_ms: 10_000,
        memory_mib: 128,
        concurrency: None,
        max_attempts: None,
        requirements: &requirements,
        lock: None,
        env,
        network,
        now: SystemClock.now(),
    };
    let mut client = database.connect(Role::Api).client().await.unwrap();
    match publish::publish(&mut client, account, &wanted)
        .await
        .unwrap()
    {
        Published::Created { .. } => (function, version),
        Published::Updated { function, .. } => (function, version),
        other => panic!("{other:?}"),
    }
}

/// A version that is ready, and current.
///
/// # Panics
/// Where it cannot be published or built.
pub async fn version(
    database: &TestDatabase,
    place: (AccountId, NamespaceId),
    name: &FunctionName,
    code: &str,
) -> (FunctionId, VersionId) {
    let published = building(database, place, name, code).await;
    build(database, published.1).await;
    published
}

/// Builds what waits until `version` was built.
async fn build(database: &TestDatabase, version: VersionId) {
    let process = ProcessId::new(&SystemClock);
    let mut client = database.connect(Role::Worker).client().await.unwrap();
    let built = Built {
        entry_point: Some(EntryPoint::Main),
        ..Built::default()
    };
    loop {
        let now = SystemClock.now();
        let claim = Claim {
            process,
            now,
            lease: std::time::Duration::from_secs(10),
            with_packages: true,
        };
        let claimed = builds::claim(&client, &claim).await.unwrap();
        let claimed = claimed.expect("a version waits to be built").version.id;
        builds::finish(&mut client, claimed, process, &built, now)
            .await
            .unwrap();
        if claimed == version {
            return;
        }
    }
}

/// All of it at once.
///
/// # Panics
/// Where it cannot be made.
pub async fn tenant(database: &TestDatabase) -> Tenant {
    let (account, user) = account(database).await;
    let (namespace, namespace_name) = namespace(database, account).await;
    let function_name: FunctionName = "add_one".parse().unwrap();
    let code = "def main(n: int) -> int:\n    return n + 1\n";
    let (function, version) = version(database, (account, namespace), &function_name, code).await;
    Tenant {
        account,
        user,
        namespace,
        namespace_name,
        function,
        function_name,
        version,
    }
}
