//! `GET …/versions`: newest first, without code.

use std::sync::Arc;

use common::db::versions;
use http::StatusCode;

use crate::app::App;
use crate::call::Call;
use crate::fault::Away as _;
use crate::paging::{Asked, Listing, Page};
use crate::routes::functions::{named, shown};
use crate::routes::{Answer, json};

pub(super) async fn answer(app: Arc<App>, call: Call) -> Answer {
    let asked = Asked::of(&call.query()?, Listing::Versions)?;
    let before = asked.after(|bytes| bytes.try_into().ok().map(u32::from_be_bytes))?;
    let (namespace, function) = named(&app, &call).await?;
    let account = call.caller()?.account_id();
    let client = app.database.client().await.or_away()?;
    let found = versions::list(&client, account, function.id, before, asked.rows())
        .await
        .or_away()?;
    drop(client);
    let page = asked.page(found, |one| one.number.to_be_bytes().to_vec(), |one| one);
    let mut items = Vec::with_capacity(page.items.len());
    for version in page.items {
        let names = (namespace.name.as_str(), function.name.as_str());
        items.push(shown(&app, account, names, version).await?);
    }
    let next_cursor = page.next_cursor;
    json(StatusCode::OK, &Page { items, next_cursor })
}
