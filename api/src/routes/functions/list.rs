//! `GET /v1/namespaces/{ns}/functions` (`?tag=`): by name, without code.

use std::sync::Arc;

use common::db::functions::{self, Filter};
use http::StatusCode;

use super::shown;
use crate::app::App;
use crate::call::Call;
use crate::fault::Away as _;
use crate::paging::{Asked, Listing, Page};
use crate::routes::{Answer, json, namespaces};

pub(super) async fn answer(app: Arc<App>, call: Call) -> Answer {
    let query = call.query()?;
    let asked = Asked::of(&query, Listing::Functions)?;
    let after = asked.after(|bytes| String::from_utf8(bytes.to_vec()).ok())?;
    let namespace = namespaces::named(&app, &call).await?;
    let account = call.caller()?.account_id();
    let filter = Filter {
        tag: query.text("tag")?,
        after: after.as_deref(),
    };
    let client = app.database.client().await.or_away()?;
    let found = functions::list(&client, account, namespace.id, filter, asked.rows())
        .await
        .or_away()?;
    drop(client);
    let page = asked.page(found, |one| one.name.clone().into_bytes(), |one| one);
    let mut items = Vec::with_capacity(page.items.len());
    for found in page.items {
        let names = (namespace.name.as_str(), found.name.as_str());
        items.push(shown(&app, account, names, found.version).await?);
    }
    let next_cursor = page.next_cursor;
    json(StatusCode::OK, &Page { items, next_cursor })
}
