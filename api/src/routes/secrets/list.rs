//! `GET /v1/namespaces/{ns}/secrets`: by name.

use std::sync::Arc;

use common::db::secrets;
use http::StatusCode;

use super::{Shown, namespaces};
use crate::app::App;
use crate::call::Call;
use crate::fault::Away as _;
use crate::paging::{Asked, Listing};
use crate::routes::{Answer, json};

pub(super) async fn answer(app: Arc<App>, call: Call) -> Answer {
    let asked = Asked::of(&call.query()?, Listing::Secrets)?;
    let after = asked.after(|bytes| String::from_utf8(bytes.to_vec()).ok())?;
    let namespace = namespaces::named(&app, &call).await?;
    let account = call.caller()?.account_id();
    let client = app.database.client().await.or_away()?;
    let found = secrets::list(
        &client,
        account,
        namespace.id,
        after.as_deref(),
        asked.rows(),
    );
    let found = found.await.or_away()?;
    let page = asked.page(found, |one| one.name.clone().into_bytes(), Shown::of);
    json(StatusCode::OK, &page)
}
