//! `POST /v1/auth/register`: a user with an account of their own.
//!
//! A known address gets the very same answer after the same work, so that nobody
//! learns here who has an account.

use std::sync::Arc;

use common::db::accounts::NewAccount;
use common::db::users::{self, NewUser};
use common::ids::{AccountId, UserId};
use common::limits;
use common::plan::Plan;
use http::StatusCode;
use serde_json::json;

use super::Email;
use crate::app::App;
use crate::call::Call;
use crate::fault::Away as _;
use crate::fields::Fields;
use crate::problem::Problem;
use crate::rate_limit::{Door, peer_key};
use crate::routes::{Answer, json};

pub(super) async fn answer(app: Arc<App>, call: Call) -> Answer {
    if let Some(peer) = call.peer() {
        app.attempts
            .take(Door::RegisterByPeer, &peer_key(peer))
            .await?;
    }
    let mut fields = Fields::of(call.json(limits::BODY_BYTES).await?)?;
    let email = Email::take(&mut fields);
    let password = take_password(&mut fields);
    let name = fields.text("name", limits::NAME_BYTES);
    match fields.take("accept_terms") {
        Some(serde_json::Value::Bool(true)) => {}
        _ => fields.wrong("accept_terms", "the terms must be accepted: true"),
    }
    fields.finish()?;

    let name = name.filter(|name| !name.trim().is_empty());
    let hash = app
        .hashing
        .hash(password)
        .await
        .map_err(|error| Problem::Internal(error.into()))?;
    let now = app.now();
    let mut client = app.database.client().await.or_away()?;
    let user = NewUser {
        id: UserId::new(app.clock.as_ref()),
        account: NewAccount {
            id: AccountId::new(app.clock.as_ref()),
            name: name.as_deref().unwrap_or(&email.typed),
            plan: Plan::Free,
            now,
        },
        email_identity: &email.identity,
        email: &email.typed,
        name: name.as_deref(),
        password_hash: &hash,
        verified: false,
    };
    users::register(&mut client, &user).await.or_away()?;
    json(StatusCode::CREATED, &json!({"status": "registered"}))
}

/// Every byte counts, and there is a bound before anything is hashed.
fn take_password(fields: &mut Fields) -> String {
    let password = fields.required_text("password", usize::MAX);
    if !password.is_empty() && !limits::PASSWORD_BYTES.contains(&password.len()) {
        fields.wrong("password", "10 to 1,024 bytes");
    }
    password
}
