//! `PUT /v1/namespaces/{ns}/secrets/{name}`: a new value, seen by calls within a second.

use std::sync::Arc;

use common::db::secrets::{self, NewSecret, Set};
use common::ids::SecretId;
use common::limits;
use common::names::EnvName;
use common::vault::Purpose;
use http::StatusCode;

use super::{Shown, namespaces};
use crate::app::App;
use crate::call::Call;
use crate::fault::{Away as _, Sealed as _};
use crate::fields::Fields;
use crate::problem::Problem;
use crate::routes::{Answer, json};

pub(super) async fn answer(app: Arc<App>, call: Call) -> Answer {
    let name: EnvName = call
        .part("name")
        .parse()
        .map_err(|error| Problem::field("{name}", format!("{error}")))?;
    let namespace = namespaces::named(&app, &call).await?;
    let account = call.caller()?.account_id();
    let value = take_value(call).await?;
    let id = SecretId::new(app.clock.as_ref());
    let sealed = app
        .vault
        .seal(account, Purpose::Secret, id.uuid(), value.as_bytes());
    let sealed = sealed.await.or_sealed()?;
    let new = NewSecret {
        id,
        namespace: namespace.id,
        name: &name,
        value: &sealed,
        now: app.now(),
    };
    let mut client = app.database.client().await.or_away()?;
    let set = secrets::set(&mut client, account, &new).await;
    drop(client);
    app.secrets.forget(namespace.id);
    let (status, secret) = match set.or_away()? {
        Set::Created(secret) => (StatusCode::CREATED, secret),
        Set::Replaced(secret) => (StatusCode::OK, secret),
        Set::NoNamespace => return Err(Problem::NotFound("namespace")),
        Set::TooMany => return Err(full("secrets", limits::SECRETS_PER_NAMESPACE)),
        Set::TooLarge => return Err(full("bytes of secrets", limits::SECRETS_BYTES)),
    };
    let mut shown = Shown::of(secret);
    shown.masked = Some(value.chars().nth(limits::MASKED_CHARACTERS - 1).is_some());
    json(status, &shown)
}

async fn take_value(call: Call) -> Result<String, Problem> {
    let body = call.json(limits::SECRET_BODY_BYTES).await?;
    let mut fields = Fields::of(body)?;
    if !fields.has("value") {
        fields.wrong("value", "this field is missing");
    }
    let value = fields.text("value", limits::SECRET_BYTES);
    fields.finish()?;
    Ok(value.unwrap_or_default())
}

fn full(what: &str, most: i64) -> Problem {
    Problem::field("/value", format!("a namespace has at most {most} {what}"))
}
