//! `GET /v1/executions`: newest first, without texts.

use std::sync::Arc;

use common::db::executions::{self, Filter};
use common::db::{functions, namespaces};
use common::execution::State;
use common::ids::{ExecutionId, FunctionId, NamespaceId};
use http::StatusCode;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::app::App;
use crate::call::Call;
use crate::execution::{Facts, text};
use crate::fault::Away as _;
use crate::paging::{Asked, Listing, Page};
use crate::problem::Problem;
use crate::query::{Query, wrong};
use crate::routes::{Answer, json};

pub(super) async fn answer(app: Arc<App>, call: Call) -> Answer {
    let query = call.query()?;
    let asked = Asked::of(&query, Listing::Executions)?;
    let before = asked.after(|bytes| Uuid::from_slice(bytes).ok().map(ExecutionId::from_uuid))?;
    let state = state(&query)?;
    let (since, until) = (query.time("since")?, query.time("until")?);
    let caller = call.caller()?;
    let account = caller.account_id();
    let (namespace, function) = place(&app, &call, &query).await?;
    let one = namespace.map(|id| [id]);
    let filter = Filter {
        namespaces: one.as_ref().map_or(caller.namespaces(), |one| Some(one)),
        function,
        state,
        since,
        until,
        // The id's own time is what the list is ordered by.
        before: before.map(|id| (id.at(), id)),
    };
    let client = app.database.client().await.or_away()?;
    let rows = executions::list(&client, account, &filter, asked.rows())
        .await
        .or_away()?;
    drop(client);
    let page = asked.page(rows, |row| row.id.uuid().as_bytes().to_vec(), Facts::listed);
    let mut items = Vec::with_capacity(page.items.len());
    for facts in &page.items {
        let text = text(&app, account, facts, None).await?;
        items.push(as_raw(text)?);
    }
    let next_cursor = page.next_cursor;
    json(StatusCode::OK, &Page { items, next_cursor })
}

fn as_raw(text: Vec<u8>) -> Result<Box<RawValue>, Problem> {
    let text = String::from_utf8(text).map_err(|error| Problem::Internal(error.into()))?;
    RawValue::from_string(text).map_err(|error| Problem::Internal(error.into()))
}

fn state(query: &Query) -> Result<Option<State>, Problem> {
    query
        .text("status")?
        .map(|word| {
            State::parse(word).ok_or_else(|| {
                let words: Vec<_> = State::ALL.iter().map(|state| state.as_str()).collect();
                wrong("status", format!("one of {}", words.join(", ")))
            })
        })
        .transpose()
}

/// The namespace and function the query names.
async fn place(
    app: &Arc<App>,
    call: &Call,
    query: &Query,
) -> Result<(Option<NamespaceId>, Option<FunctionId>), Problem> {
    let caller = call.caller()?;
    let function = query.text("function")?;
    let Some(name) = query.text("namespace")? else {
        return match function {
            None => Ok((None, None)),
            Some(_) => Err(wrong("function", "a function is named with its namespace")),
        };
    };
    let client = app.database.client().await.or_away()?;
    let account = caller.account_id();
    let namespace = namespaces::find(&client, account, name)
        .await
        .or_away()?
        .filter(|found| caller.may_use(found.id))
        .ok_or(Problem::NotFound("namespace"))?;
    let Some(name) = function else {
        return Ok((Some(namespace.id), None));
    };
    let function = functions::find(&client, account, namespace.id, name)
        .await
        .or_away()?
        .ok_or(Problem::NotFound("function"))?;
    Ok((Some(namespace.id), Some(function.id)))
}
