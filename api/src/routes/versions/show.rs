//! `GET …/versions/{n}`: with its code.

use std::sync::Arc;

use http::StatusCode;

use super::named;
use crate::app::App;
use crate::call::Call;
use crate::routes::functions::shown;
use crate::routes::{Answer, json};

pub(super) async fn answer(app: Arc<App>, call: Call) -> Answer {
    let (namespace, function, version) = named(&app, &call).await?;
    let account = call.caller()?.account_id();
    let id = version.id;
    let names = (namespace.name.as_str(), function.name.as_str());
    let body = shown(&app, account, names, version)
        .await?
        .with_all(&app, account, id)
        .await?;
    json(StatusCode::OK, &body)
}
