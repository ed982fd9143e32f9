//! `GET /v1/namespaces/{ns}/functions/{fn}`: with its code.

use std::sync::Arc;

use http::StatusCode;

use super::{etag, named, shown};
use crate::app::App;
use crate::call::Call;
use crate::routes::{Answer, json};

pub(super) async fn answer(app: Arc<App>, call: Call) -> Answer {
    let (namespace, function) = named(&app, &call).await?;
    let account = call.caller()?.account_id();
    let (id, number) = (function.version.id, function.version.number);
    let names = (namespace.name.as_str(), function.name.as_str());
    let body = shown(&app, account, names, function.version)
        .await?
        .with_all(&app, account, id)
        .await?;
    let mut response = json(StatusCode::OK, &body)?;
    let (header, value) = etag(number);
    response.headers_mut().insert(header, value);
    Ok(response)
}
