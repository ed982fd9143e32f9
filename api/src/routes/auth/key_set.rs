//! `GET /.well-known/jwks.json`: the public keys access tokens are signed with.

use std::sync::Arc;

use http::StatusCode;

use crate::app::App;
use crate::call::Call;
use crate::routes::{Answer, json};

pub(super) async fn answer(app: Arc<App>, _call: Call) -> Answer {
    json(StatusCode::OK, app.tokens.key_set())
}
