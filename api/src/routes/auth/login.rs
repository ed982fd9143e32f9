//! `POST /v1/auth/login`: an access token for an email and its password.
//!
//! An unknown address and a wrong password get the same answer after the same work.
//! Attempts are counted by peer and by address; those that succeed are given back.

use std::sync::Arc;

use common::db::accounts::AccountStatus;
use common::db::users;
use common::limits;
use http::StatusCode;
use serde_json::json;

use super::Email;
use crate::app::App;
use crate::call::Call;
use crate::caller::token;
use crate::fault::Away as _;
use crate::fields::Fields;
use crate::problem::Problem;
use crate::rate_limit::{Door, peer_key};
use crate::routes::{Answer, json};

pub(super) async fn answer(app: Arc<App>, call: Call) -> Answer {
    let peer = call.peer().map(peer_key).unwrap_or_default();
    let mut fields = Fields::of(call.json(limits::BODY_BYTES).await?)?;
    let email = Email::take(&mut fields);
    let password = fields.required_text("password", usize::MAX);
    fields.finish()?;

    app.attempts.take(Door::LoginByPeer, &peer).await?;
    app.attempts
        .take(Door::LoginByAccount, &email.identity)
        .await?;
    let client = app.database.client().await.or_away()?;
    let found = users::login(&client, &email.identity).await.or_away()?;
    drop(client);
    let bounded = *limits::PASSWORD_BYTES.end();
    let attempt = if password.len() <= bounded {
        password
    } else {
        // Longer than any password there is: wrong, and not hashed whole.
        String::new()
    };
    let hash = found.as_ref().map(|found| found.password_hash.clone());
    let right = app
        .hashing
        .is_right(attempt, hash)
        .await
        .map_err(|error| Problem::Internal(error.into()))?;
    let Some(found) = found.filter(|_| right) else {
        return Err(Problem::Unauthenticated(
            "the email or the password is wrong",
        ));
    };
    app.attempts.give_back(Door::LoginByPeer, &peer).await?;
    app.attempts
        .give_back(Door::LoginByAccount, &email.identity)
        .await?;
    if found.account_status == AccountStatus::Suspended {
        return Err(Problem::AccountSuspended);
    }
    let access_token = app
        .tokens
        .sign(found.user, found.account, app.clock.as_ref())
        .map_err(|error| Problem::Internal(error.into()))?;
    json(
        StatusCode::OK,
        &json!({
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": token::LIFE,
        }),
    )
}
