//! `tools/list`: every function of the namespace that can be called, by name.
//!
//! Read afresh for each list, in pages: what was published a moment ago is there.

use std::sync::Arc;

use common::db::functions::{self, Filter, Function};
use common::db::namespaces::Namespace;
use common::db::versions::Status;
use common::ids::AccountId;
use common::names::FunctionName;
use common::vault::Purpose;

use super::tool::{Contract, Era, Tool};
use crate::app::App;
use crate::fault::{Away as _, Sealed as _};
use crate::problem::Problem;

/// Rows read at once.
const ROWS: u32 = 100;

pub(super) async fn tools(
    app: &Arc<App>,
    account: AccountId,
    namespace: &Namespace,
    era: Era,
) -> Result<Vec<Tool>, Problem> {
    let mut tools = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let filter = Filter {
            tag: None,
            after: after.as_deref(),
        };
        let client = app.database.client().await.or_away()?;
        let page = functions::list(&client, account, namespace.id, filter, ROWS)
            .await
            .or_away()?;
        drop(client);
        let last = page.len() < ROWS as usize;
        after = page.last().map(|function| function.name.clone());
        for function in page {
            tools.extend(listed(app, account, function, era).await?);
        }
        if last {
            return Ok(tools);
        }
    }
}

/// `None` for one that has no version yet which could be called.
async fn listed(
    app: &Arc<App>,
    account: AccountId,
    function: Function,
    era: Era,
) -> Result<Option<Tool>, Problem> {
    let version = function.version;
    let Ok(name) = function.name.parse::<FunctionName>() else {
        tracing::error!(function.id = %function.id, "a stored function has no function's name");
        return Ok(None);
    };
    if version.status != Status::Ready {
        return Ok(None);
    }
    let description = opened(app, account, version.id.uuid(), version.description).await?;
    let contract = Contract::new(
        version.input_schema.as_deref(),
        version.output_schema.as_deref(),
    );
    let mut tool = contract.tool(&name, description, era);
    tool.annotations = version.annotations;
    Ok(Some(tool))
}

/// What a namespace or a version says of itself.
pub(super) async fn opened(
    app: &Arc<App>,
    account: AccountId,
    id: uuid::Uuid,
    sealed: Option<Vec<u8>>,
) -> Result<Option<String>, Problem> {
    let Some(sealed) = sealed else {
        return Ok(None);
    };
    let opened = app
        .vault
        .open(account, Purpose::Description, id, &sealed)
        .await
        .or_sealed()?;
    Ok(Some(String::from_utf8_lossy(&opened).into_owned()))
}
