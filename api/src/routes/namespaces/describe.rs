//! `PATCH /v1/namespaces/{ns}`: the description; a name never changes.

use std::sync::Arc;

use common::db::namespaces;
use common::limits;
use common::vault::Purpose;
use http::StatusCode;

use super::{named, shown, take_description};
use crate::app::App;
use crate::call::Call;
use crate::fault::{Away as _, Sealed as _};
use crate::fields::Fields;
use crate::problem::Problem;
use crate::routes::{Answer, json};

pub(super) async fn answer(app: Arc<App>, call: Call) -> Answer {
    let mut found = named(&app, &call).await?;
    let account = call.caller()?.account_id();
    let body = call.json(limits::BODY_BYTES).await?;
    let given = body.get("description").is_some();
    let mut fields = Fields::of(body)?;
    let description = take_description(&mut fields);
    fields.finish()?;
    if given {
        found.description = match description {
            None => None,
            Some(text) => Some(
                app.vault
                    .seal(
                        account,
                        Purpose::Description,
                        found.id.uuid(),
                        text.as_bytes(),
                    )
                    .await
                    .or_sealed()?,
            ),
        };
        let client = app.database.client().await.or_away()?;
        let sealed = found.description.as_deref();
        let changed = namespaces::describe(&client, account, found.id, sealed).await;
        if !changed.or_away()? {
            return Err(Problem::NotFound("namespace"));
        }
    }
    json(StatusCode::OK, &shown(&app, account, found).await?)
}
