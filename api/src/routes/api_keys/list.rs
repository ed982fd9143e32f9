//! `GET /v1/api-keys`: newest first, revoked ones too.

use std::sync::Arc;

use common::db::api_keys;
use common::ids::ApiKeyId;
use http::StatusCode;
use uuid::Uuid;

use super::shown;
use crate::app::App;
use crate::call::Call;
use crate::fault::Away as _;
use crate::paging::{Asked, Listing};
use crate::routes::{Answer, json};

pub(super) async fn answer(app: Arc<App>, call: Call) -> Answer {
    let account = call.caller()?.account_id();
    let asked = Asked::of(&call.query()?, Listing::ApiKeys)?;
    let before = asked.after(|bytes| Uuid::from_slice(bytes).ok().map(ApiKeyId::from_uuid))?;
    let client = app.database.client().await.or_away()?;
    let keys = api_keys::list(&client, account, before, asked.rows())
        .await
        .or_away()?;
    let page = asked.page(
        keys,
        |key| key.id.uuid().as_bytes().to_vec(),
        |key| shown(&key),
    );
    json(StatusCode::OK, &page)
}
