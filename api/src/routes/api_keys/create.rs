//! `POST /v1/api-keys`: a key, whose text is shown this once.
//!
//! A key gives no more than its maker has: not more scopes, not more namespaces, not
//! a longer life.

use std::sync::Arc;

use common::db::api_keys::{self, Created, NewApiKey};
use common::db::namespaces;
use common::ids::{ApiKeyId, NamespaceId};
use common::limits;
use http::StatusCode;
use jiff::Timestamp;
use serde_json::json;

use crate::app::App;
use crate::call::Call;
use crate::caller::{Caller, Who, key};
use crate::fault::Away as _;
use crate::fields::Fields;
use crate::problem::{FieldError, Problem};
use crate::routes::{Answer, json};
use crate::scope::{Scope, Scopes};

/// Namespaces a key may name.
const NAMESPACES: usize = 100;

pub(super) async fn answer(app: Arc<App>, call: Call) -> Answer {
    let caller = call.caller()?.clone();
    let mut fields = Fields::of(call.json(limits::BODY_BYTES).await?)?;
    let name = fields.required_text("name", limits::NAME_BYTES);
    let scopes = take_scopes(&mut fields, &caller);
    let namespaces = fields.texts("namespaces", NAMESPACES, 64);
    let expires_at = take_expiry(&mut fields, &caller, app.now());
    if namespaces.as_ref().is_some_and(Vec::is_empty) {
        fields.wrong("namespaces", "name at least one, or leave it out for all");
    }
    fields.finish()?;

    let namespaces = match namespaces {
        Some(names) => Some(resolve(&app, &caller, &names).await?),
        None => caller.namespaces().map(<[NamespaceId]>::to_vec),
    };
    let id = ApiKeyId::new(app.clock.as_ref());
    let minted = app
        .hashing
        .slowly(move || key::mint(id))
        .await
        .map_err(|error| Problem::Internal(error.into()))?
        .map_err(|error| Problem::Internal(error.into()))?;
    let words: Vec<String> = scopes.words().into_iter().map(str::to_owned).collect();
    let now = app.now();
    let created_by = match caller.who {
        Who::User(user) => Some(user),
        Who::Key => None,
    };
    let wanted = NewApiKey {
        id,
        created_by,
        name: &name,
        secret_hash: &minted.hash,
        scopes: &words,
        namespaces: namespaces.as_deref(),
        expires_at,
        now,
    };
    let mut client = app.database.client().await.or_away()?;
    let created = api_keys::create(&mut client, caller.account_id(), &wanted).await;
    match created.or_away()? {
        Created::Yes => {}
        Created::TooMany => {
            return Err(Problem::PlanLimit {
                what: "API keys",
                limit: u64::try_from(limits::API_KEYS_PER_ACCOUNT).unwrap_or_default(),
            });
        }
        Created::NoSuchNamespace => return Err(Problem::NotFound("namespace")),
    }
    json(
        StatusCode::CREATED,
        &json!({
            "id": id,
            "key": minted.text,
            "name": name,
            "scopes": words,
            "namespaces": namespaces,
            "created_at": now,
            "expires_at": expires_at,
        }),
    )
}

fn take_scopes(fields: &mut Fields, caller: &Caller) -> Scopes {
    let Some(words) = fields.texts("scopes", 2 * Scope::ALL.len(), 64) else {
        fields.wrong("scopes", "a list of scopes is wanted");
        return Scopes::default();
    };
    let mut scopes = Vec::new();
    for (index, word) in words.iter().enumerate() {
        match Scope::parse(word) {
            Some(scope) if caller.scopes().has(scope) => scopes.push(scope),
            Some(_) => fields.wrong(
                &format!("scopes/{index}"),
                "the key that asks does not have this scope itself",
            ),
            None => fields.wrong(&format!("scopes/{index}"), "there is no such scope"),
        }
    }
    if words.is_empty() {
        fields.wrong("scopes", "at least one scope is wanted");
    }
    scopes.into_iter().collect()
}

fn take_expiry(fields: &mut Fields, caller: &Caller, now: Timestamp) -> Option<Timestamp> {
    let wanted: Option<Timestamp> = fields.parsed("expires_at");
    if wanted.is_some_and(|at| at <= now) {
        fields.wrong("expires_at", "this time has passed");
    }
    match (wanted, caller.expires_at()) {
        (wanted, None) => wanted,
        (None, bound) => bound,
        (Some(wanted), Some(bound)) => Some(wanted.min(bound)),
    }
}

/// Names or ids, all of namespaces that the caller may use.
async fn resolve(
    app: &Arc<App>,
    caller: &Caller,
    wanted: &[String],
) -> Result<Vec<NamespaceId>, Problem> {
    let client = app.database.client().await.or_away()?;
    let mut ids = Vec::with_capacity(wanted.len());
    let mut errors = Vec::new();
    for (index, text) in wanted.iter().enumerate() {
        let id = match text.parse::<NamespaceId>() {
            Ok(id) => Some(id),
            Err(_) => namespaces::find(&client, caller.account_id(), text)
                .await
                .or_away()?
                .map(|found| found.id),
        };
        match id.filter(|id| caller.may_use(*id)) {
            Some(id) if ids.contains(&id) => {}
            Some(id) => ids.push(id),
            None => errors.push(FieldError::new(
                format!("/namespaces/{index}"),
                "there is no such namespace",
            )),
        }
    }
    if errors.is_empty() {
        Ok(ids)
    } else {
        Err(Problem::Invalid(errors))
    }
}
