//! Which secrets a namespace has: names only, remembered until one is announced to have
//! changed. This process never opens a value.

use std::collections::HashSet;
use std::sync::Arc;

use common::db::secrets;
use common::ids::{AccountId, NamespaceId};

use crate::app::App;
use crate::cache::Cache;
use crate::fault::Away as _;
use crate::problem::Problem;

/// Namespaces remembered.
const REMEMBERED: usize = 5_000;

#[derive(Debug)]
pub(crate) struct Secrets(Cache<NamespaceId, Arc<Names>>);

/// Those of one namespace.
#[derive(Debug)]
pub(crate) struct Names {
    namespace: NamespaceId,
    names: HashSet<String>,
}

impl Names {
    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }
}

impl Secrets {
    pub(crate) fn new() -> Self {
        Self(Cache::new(REMEMBERED))
    }

    pub(crate) fn forget(&self, namespace: NamespaceId) {
        self.0.drop_where(|known| known.namespace == namespace);
    }

    pub(crate) fn forget_all(&self) {
        self.0.clear();
    }
}

/// Those of a namespace of this account's.
pub(crate) async fn of(
    app: &Arc<App>,
    account: AccountId,
    namespace: NamespaceId,
) -> Result<Arc<Names>, Problem> {
    let held = app.secrets.0.get(&namespace);
    app.or_remembered(held, look_up(app, account, namespace))
        .await
}

/// The same as PostgreSQL has it now: another api's change may not have been heard yet.
pub(crate) async fn anew(
    app: &Arc<App>,
    account: AccountId,
    namespace: NamespaceId,
) -> Result<Arc<Names>, Problem> {
    let held = app.secrets.0.get(&namespace);
    match look_up(app, account, namespace).await {
        Ok(names) => Ok(names),
        Err(problem) => held.ok_or(problem),
    }
}

async fn look_up(
    app: &Arc<App>,
    account: AccountId,
    namespace: NamespaceId,
) -> Result<Arc<Names>, Problem> {
    let epoch = app.secrets.0.epoch();
    let client = app.database.client().await.or_away()?;
    let names = secrets::names(&client, account, namespace)
        .await
        .or_away()?;
    let names = names.into_iter().collect();
    let known = Arc::new(Names { namespace, names });
    app.secrets.0.put(epoch, namespace, Arc::clone(&known));
    Ok(known)
}
