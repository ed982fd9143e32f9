//! A queue, a database, functions, and workers as processes that may be killed.

mod processes;
mod served;
mod stores;

use std::time::Duration;

use common::clock::{Clock as _, SystemClock};
use common::db::executions;
use common::db::versions::{self, DeclaredEnv, Status, Version};
use common::entry::Entry;
use common::execution::{Failure, FinalState, Lane, Logs, SealedOutcome, State};
use common::ids::{AccountId, ExecutionId, FunctionId, NamespaceId, UserId, VersionId};
use common::names::{FunctionName, NamespaceName};
use common::plan::Plan;
use common::queue::{self, Accept, Accepted, Bounds, Owner, Period, Watched};
use common::testing::given::{self, Tenant};
use common::testing::{self, Queue, Role, TestDatabase, wait_until};
use common::vault::{Purpose, Vault};

pub(crate) use processes::{Scheduler, WorkerProcess, from_environment, sandbox_alive};
pub(crate) use served::Served;

/// Long enough for a slow machine, short enough to notice a hang.
pub(crate) const BOUND: Duration = Duration::from_secs(30);

/// What every test stands on.
pub(crate) struct Rig {
    pub(crate) database: TestDatabase,
    pub(crate) queue: Queue,
    pub(crate) vault: Vault,
    redis_url: String,
}

/// How to ask for an execution.
pub(crate) struct Ask<'a> {
    pub(crate) input: &'a str,
    pub(crate) lane: Lane,
    pub(crate) timeout: Duration,
    pub(crate) once: bool,
    /// A JSON object of environment values.
    pub(crate) env: Option<&'a str>,
    /// Who pays, and the memory that is granted.
    pub(crate) plan: Plan,
    pub(crate) memory_mib: u32,
}

impl Default for Ask<'_> {
    fn default() -> Self {
        Self {
            input: "{}",
            lane: Lane::Interactive,
            timeout: Duration::from_secs(20),
            once: false,
            env: None,
            plan: Plan::Local,
            memory_mib: 128,
        }
    }
}

/// An outcome, opened.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) sealed: SealedOutcome,
    pub(crate) output: Option<String>,
    pub(crate) error: Option<Failure>,
    pub(crate) logs: Logs,
}

impl Outcome {
    pub(crate) fn state(&self) -> FinalState {
        self.sealed.ending.state
    }
}

/// Whom a function is published for.
struct Owned {
    place: (AccountId, NamespaceId),
    user: UserId,
    namespace_name: NamespaceName,
    name: FunctionName,
}

impl Owned {
    async fn new(rig: &Rig) -> Self {
        let (account, user) = given::account(&rig.database).await;
        let (namespace, namespace_name) = given::namespace(&rig.database, account).await;
        Self {
            place: (account, namespace),
            user,
            namespace_name,
            name: "f".parse().unwrap(),
        }
    }

    fn tenant(self, (function, version): (FunctionId, VersionId)) -> Tenant {
        let (account, namespace) = self.place;
        Tenant {
            account,
            user: self.user,
            namespace,
            namespace_name: self.namespace_name,
            function,
            function_name: self.name,
            version,
        }
    }
}

impl Rig {
    pub(crate) async fn new() -> Self {
        let database = testing::database().await;
        let queue = testing::queue(&database).await;
        Self::over(database, queue, testing::redis_url())
    }

    /// Over servers of one's own.
    pub(crate) fn over(database: TestDatabase, queue: Queue, redis_url: String) -> Self {
        Self {
            vault: database.vault(Role::Api),
            database,
            queue,
            redis_url,
        }
    }

    /// A function of one version that is ready.
    pub(crate) async fn function(&self, code: &str) -> Tenant {
        let owner = Owned::new(self).await;
        let ids = given::version(&self.database, owner.place, &owner.name, code).await;
        owner.tenant(ids)
    }

    /// A function published and not yet built.
    pub(crate) async fn publish(
        &self,
        code: &str,
        requirements: &[&str],
        env: &DeclaredEnv,
    ) -> Tenant {
        let owner = Owned::new(self).await;
        let what = (code, requirements, env);
        let ids = given::declaring(&self.database, owner.place, &owner.name, what).await;
        owner.tenant(ids)
    }

    /// The same, naming hosts.
    pub(crate) async fn publish_naming(
        &self,
        code: &str,
        requirements: &[&str],
        hosts: &[&str],
    ) -> Tenant {
        let owner = Owned::new(self).await;
        let what = (code, requirements, hosts);
        let ids = given::naming(&self.database, owner.place, &owner.name, what).await;
        owner.tenant(ids)
    }

    /// Waits until a worker has built the version.
    pub(crate) async fn built(&self, tenant: &Tenant, patience: Duration) -> Version {
        let database = self.database.connect(Role::Api);
        wait_until("the version is built", patience, async || {
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

    /// Why a version is broken, as it is stored.
    pub(crate) async fn reason(&self, tenant: &Tenant, version: Version) -> serde_json::Value {
        let (sealed, id) = (version.reason.unwrap(), tenant.version.uuid());
        let opened = self
            .vault
            .open(tenant.account, Purpose::Reason, id, &sealed);
        serde_json::from_slice(&opened.await.unwrap()).unwrap()
    }

    /// Accepts an execution, as an api does.
    pub(crate) async fn accept(&self, tenant: &Tenant, ask: &Ask<'_>) -> ExecutionId {
        let id = ExecutionId::new(&SystemClock);
        let seal = async |purpose, text: &str| {
            self.vault
                .seal(tenant.account, purpose, id.uuid(), text.as_bytes())
                .await
                .unwrap()
        };
        let input = seal(Purpose::Input, ask.input).await;
        let env = match ask.env {
            Some(env) => Some(seal(Purpose::Env, env).await),
            None => None,
        };
        let entry = Entry {
            once: ask.once,
            plan: ask.plan,
            memory_mib: ask.memory_mib,
            timeout_ms: u32::try_from(ask.timeout.as_millis()).unwrap(),
            input,
            env,
            ..tenant.entry()
        };
        self.accept_body(tenant, id, ask.lane, &entry.encode())
            .await;
        id
    }

    pub(crate) async fn accept_body(
        &self,
        tenant: &Tenant,
        id: ExecutionId,
        lane: Lane,
        body: &[u8],
    ) {
        let accept = Accept {
            id,
            owner: Owner {
                account: tenant.account,
                namespace: tenant.namespace,
                function: tenant.function,
                version: tenant.version,
            },
            lane,
            period: Period {
                name: "2026-01-01",
                ends: SystemClock.now() + Duration::from_secs(3_600),
            },
            bounds: Bounds {
                quota: None,
                concurrency: 64,
                background: 48,
                queued: 10_000,
                function_concurrency: None,
            },
            key: None,
            checked: false,
            attempts: 1,
            body,
            waiter: None,
        };
        let accepted = wait_until("the queue accepts", BOUND, async || {
            let link = self
                .queue
                .links
                .link()
                .await
                .map_err(|error| error.to_string())?;
            let accepted = queue::accept(&link, &accept).await;
            accepted.map_err(|error| error.to_string())
        })
        .await;
        assert_eq!(accepted, Accepted::New);
    }

    pub(crate) async fn call(&self, tenant: &Tenant, input: &str) -> Outcome {
        let ask = Ask {
            input,
            ..Ask::default()
        };
        let id = self.accept(tenant, &ask).await;
        self.outcome(tenant, id).await
    }

    /// Waits until the execution has ended in the queue.
    pub(crate) async fn outcome(&self, tenant: &Tenant, id: ExecutionId) -> Outcome {
        let sealed = wait_until("the execution ends", BOUND, async || {
            match self.watch(tenant, id).await {
                Some(Watched::Final { outcome, .. }) => Ok(outcome),
                seen => Err(seen),
            }
        })
        .await;
        self.open(tenant, id, sealed).await
    }

    /// Waits until somebody runs the execution.
    pub(crate) async fn running(&self, tenant: &Tenant, id: ExecutionId) {
        wait_until("the execution is leased", BOUND, async || {
            match self.watch(tenant, id).await {
                Some(Watched::Open {
                    state: State::Running,
                    ..
                }) => Ok(()),
                seen => Err(seen),
            }
        })
        .await;
    }

    /// How the execution stands; `None` while the partition is recovering.
    pub(crate) async fn watch(&self, tenant: &Tenant, id: ExecutionId) -> Option<Watched> {
        let link = self.queue.links.link().await.ok()?;
        queue::watch(&link, tenant.account, id, None).await.ok()
    }

    /// Waits until the execution's row is final.
    pub(crate) async fn recorded(&self, tenant: &Tenant, id: ExecutionId) -> Outcome {
        let database = self.database.connect(Role::Api);
        let sealed = wait_until("the outcome is recorded", BOUND, async || {
            let client = database.client().await.map_err(|error| error.to_string())?;
            let row = executions::find(&client, tenant.account, id).await;
            let row = row.map_err(|error| error.to_string())?;
            let outcome = row.and_then(|row| row.outcome);
            outcome.ok_or_else(|| "not final".to_owned())
        })
        .await;
        self.open(tenant, id, sealed).await
    }

    async fn open(&self, tenant: &Tenant, id: ExecutionId, sealed: SealedOutcome) -> Outcome {
        let open = async |purpose, value: &Option<Vec<u8>>| match value {
            None => None,
            Some(value) => Some(
                self.vault
                    .open(tenant.account, purpose, id.uuid(), value)
                    .await
                    .unwrap(),
            ),
        };
        let output = open(Purpose::Output, &sealed.output).await;
        let error = open(Purpose::Error, &sealed.error).await;
        let logs = open(Purpose::Logs, &sealed.logs).await;
        Outcome {
            output: output.map(|text| String::from_utf8(text).unwrap()),
            error: error.map(|text| serde_json::from_slice(&text).unwrap()),
            logs: logs.map_or_else(Logs::default, |text| serde_json::from_slice(&text).unwrap()),
            sealed,
        }
    }
}
