//! `DELETE /v1/api-keys/{id}`: dead here at once, everywhere within a second.

use std::sync::Arc;

use common::db::api_keys;
use common::ids::ApiKeyId;

use crate::app::App;
use crate::call::Call;
use crate::fault::Away as _;
use crate::problem::Problem;
use crate::routes::{Answer, nothing};

pub(super) async fn answer(app: Arc<App>, call: Call) -> Answer {
    let account = call.caller()?.account_id();
    let id: ApiKeyId = call.named("id", "API key")?;
    let client = app.database.client().await.or_away()?;
    let revoked = api_keys::revoke(&client, account, id, app.now())
        .await
        .or_away()?;
    app.known.forget_key(id);
    if revoked {
        return Ok(nothing());
    }
    // Asking twice is no mistake; asking for a stranger's is a 404.
    match api_keys::find(&client, account, id).await.or_away()? {
        Some(_) => Ok(nothing()),
        None => Err(Problem::NotFound("API key")),
    }
}
