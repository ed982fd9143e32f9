//! `GET /v1/account`: the account itself, its plan and what that allows.

use std::sync::Arc;

use common::db::users;
use http::{Method, StatusCode};
use serde_json::json;

use super::{Access, Answer, Route, json, route};
use crate::app::App;
use crate::call::Call;
use crate::caller::Who;
use crate::fault::Away as _;
use crate::scope::Scope;

pub(super) fn routes() -> Vec<Route> {
    vec![route(
        Method::GET,
        "/v1/account",
        Access::Needs(Scope::AccountRead),
        answer,
    )]
}

async fn answer(app: Arc<App>, call: Call) -> Answer {
    let caller = call.caller()?;
    let account = &caller.account;
    let user = match caller.who {
        Who::Key => None,
        Who::User(user) => {
            let client = app.database.client().await.or_away()?;
            users::find(&client, account.id, user).await.or_away()?
        }
    };
    let user = user.map(|user| {
        json!({
            "id": user.id,
            "email": user.email,
            "name": user.name,
            "email_verified": user.email_verified_at.is_some(),
        })
    });
    let limits = app.plans.of(account.plan);
    json(
        StatusCode::OK,
        &json!({
            "id": account.id,
            "name": account.name,
            "plan": account.plan,
            "status": account.status.as_str(),
            "email_verified": account.verified,
            "created_at": account.created_at,
            "user": user,
            "limits": {
                "executions_per_period": limits.executions_per_period,
                "timeout_ms": limits.timeout_ms,
                "memory_mib": limits.memory_mib,
                "concurrency": limits.concurrency,
                "network_hosts": limits.network_hosts,
                "network_mib": limits.network_mib,
                "namespaces": limits.namespaces,
                "functions": limits.functions,
            },
        }),
    )
}
