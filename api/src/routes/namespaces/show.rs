//! `GET /v1/namespaces/{ns}`

use std::sync::Arc;

use http::StatusCode;

use super::{named, shown};
use crate::app::App;
use crate::call::Call;
use crate::routes::{Answer, json};

pub(super) async fn answer(app: Arc<App>, call: Call) -> Answer {
    let found = named(&app, &call).await?;
    let account = call.caller()?.account_id();
    json(StatusCode::OK, &shown(&app, account, found).await?)
}
