//! `GET /v1/namespaces`: by name.

use std::sync::Arc;

use common::db::namespaces;
use http::StatusCode;

use super::shown;
use crate::app::App;
use crate::call::Call;
use crate::fault::Away as _;
use crate::paging::{Asked, Listing, Page};
use crate::routes::{Answer, json};

pub(super) async fn answer(app: Arc<App>, call: Call) -> Answer {
    let caller = call.caller()?;
    let asked = Asked::of(&call.query()?, Listing::Namespaces)?;
    let after = asked.after(|bytes| String::from_utf8(bytes.to_vec()).ok())?;
    let client = app.database.client().await.or_away()?;
    let found = namespaces::list(&client, caller.account_id(), after.as_deref(), asked.rows())
        .await
        .or_away()?;
    drop(client);
    let page = asked.page(found, |one| one.name.clone().into_bytes(), |one| one);
    let mut items = Vec::with_capacity(page.items.len());
    for found in page.items {
        // A bound key sees its own namespaces alone: their number is small.
        if caller.may_use(found.id) {
            items.push(shown(&app, caller.account_id(), found).await?);
        }
    }
    let next_cursor = page.next_cursor;
    json(StatusCode::OK, &Page { items, next_cursor })
}
