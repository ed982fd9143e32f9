//! From the names in a request to the version that runs, without PostgreSQL where it
//! was looked up before.

use std::sync::Arc;
use std::time::Duration;

use common::accept::Target;
use common::db::versions::{self, BrokenKind, Resolved, Status};
use common::ids::{AccountId, FunctionId, NamespaceId, VersionId};
use common::limits;
use common::vault::Purpose;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::app::App;
use crate::cache::Cache;
use crate::caller::Caller;
use crate::execution::Names;
use crate::fault::{Away as _, Sealed as _};
use crate::problem::Problem;

/// Versions remembered, each with its compiled schema.
const REMEMBERED: usize = 5_000;
/// Looked at again this often while a version is built: an announcement may be lost.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What a request names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Named {
    account: AccountId,
    namespace: String,
    function: String,
    number: Option<u32>,
}

/// What was looked up, and the news that something was built.
#[derive(Debug)]
pub(crate) struct Targets {
    found: Cache<Named, Arc<Target>>,
    /// What ids of versions are called: never untrue, for names stay with ids.
    names: Cache<VersionId, Arc<Names>>,
    built: watch::Sender<u64>,
}

impl Targets {
    pub(crate) fn new() -> Self {
        Self {
            found: Cache::new(REMEMBERED),
            names: Cache::new(REMEMBERED),
            built: watch::Sender::new(0),
        }
    }

    pub(crate) fn forget_namespace(&self, namespace: NamespaceId) {
        self.found
            .drop_where(|target| target.namespace == namespace);
    }

    pub(crate) fn forget_function(&self, function: FunctionId) {
        self.found.drop_where(|target| target.function == function);
    }

    /// A version changed its status, or is gone.
    pub(crate) fn version_changed(&self, version: VersionId) {
        self.found.drop_where(|target| target.version == version);
        self.built.send_modify(|news| *news += 1);
    }

    pub(crate) fn forget_all(&self) {
        self.found.clear();
        self.built.send_modify(|news| *news += 1);
    }

    /// What a version's ids are called, if it was called here.
    pub(crate) fn names(&self, version: VersionId) -> Option<Arc<Names>> {
        self.names.get(&version)
    }

    fn keep_names(&self, target: &Target) {
        let names = Names {
            namespace: target.namespace_name.clone(),
            function: target.function_name.clone(),
            number: target.number,
        };
        let epoch = self.names.epoch();
        self.names.put(epoch, target.version, Arc::new(names));
    }

    /// News from now on; subscribe first, then look.
    pub(crate) fn news(&self) -> News {
        News(self.built.subscribe())
    }
}

/// Tells when some version was built.
pub(crate) struct News(watch::Receiver<u64>);

impl News {
    /// Returns when it is worth looking again, at `deadline` at the latest.
    pub(crate) async fn next(&mut self, deadline: Instant) {
        let look = deadline.min(Instant::now() + LOOK_EVERY);
        // An error means that the sender is gone: only when the process ends.
        let _ = tokio::time::timeout_at(look, self.0.changed()).await;
    }
}

/// What a call of `namespace/function` by this caller runs. Waits for a version that
/// is still being built.
pub(crate) async fn resolve(
    app: &Arc<App>,
    caller: &Caller,
    (namespace, function): (&str, &str),
    number: Option<u32>,
) -> Result<Arc<Target>, Problem> {
    let named = Named {
        account: caller.account_id(),
        namespace: namespace.to_owned(),
        function: function.to_owned(),
        number,
    };
    let held = app.targets.found.get(&named);
    let target = app.or_remembered(held, look_up(app, named)).await?;
    if caller.may_use(target.namespace) {
        Ok(target)
    } else {
        Err(NO_SUCH_FUNCTION)
    }
}

const NO_SUCH_FUNCTION: Problem = Problem::NotFound("function or version");

async fn look_up(app: &Arc<App>, named: Named) -> Result<Arc<Target>, Problem> {
    let mut news = app.targets.news();
    let deadline = Instant::now() + limits::BUILD_WAIT;
    loop {
        let epoch = app.targets.found.epoch();
        let resolved = ask(app, &named).await?;
        match resolved.version.status {
            Status::Ready => {
                let namespace = (resolved.namespace, named.namespace.as_str());
                let target = Arc::new(Target::of(namespace, &named.function, &resolved.version));
                app.targets.keep_names(&target);
                app.targets.found.put(epoch, named, Arc::clone(&target));
                return Ok(target);
            }
            Status::Broken => return Err(broken(app, named.account, &resolved).await),
            Status::Building if Instant::now() >= deadline => {
                return Err(Problem::VersionBuilding);
            }
            Status::Building => news.next(deadline).await,
        }
    }
}

async fn ask(app: &Arc<App>, named: &Named) -> Result<Resolved, Problem> {
    let client = app.database.client().await.or_away()?;
    versions::resolve(
        &client,
        named.account,
        &named.namespace,
        &named.function,
        named.number,
    )
    .await
    .or_away()?
    .ok_or(NO_SUCH_FUNCTION)
}

async fn broken(app: &Arc<App>, account: AccountId, resolved: &Resolved) -> Problem {
    let version = &resolved.version;
    let reason = match &version.reason {
        None => Ok(None),
        Some(sealed) => app
            .vault
            .open(account, Purpose::Reason, version.id.uuid(), sealed)
            .await
            .or_sealed()
            .map(Some),
    };
    let kind = version.broken_kind.map_or("build", BrokenKind::as_str);
    match reason {
        Err(problem) => problem,
        Ok(reason) => {
            let told = reason.and_then(|text| Reason::read(&text));
            let message = told.map_or_else(String::new, |reason| reason.message);
            Problem::VersionBroken(format!("{kind}: {message}"))
        }
    }
}

/// Why a version is broken, as the worker that built it wrote it down.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Reason {
    #[serde(default)]
    pub(crate) message: String,
    #[serde(default)]
    pub(crate) line: Option<u32>,
    #[serde(default)]
    pub(crate) column: Option<u32>,
    #[serde(default)]
    pub(crate) file: Option<String>,
}

impl Reason {
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }
}
