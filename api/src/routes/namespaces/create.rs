//! `POST /v1/namespaces`

use std::sync::Arc;

use common::db::namespaces::{self, Created, NewNamespace};
use common::ids::NamespaceId;
use common::limits;
use common::names::NamespaceName;
use common::vault::Purpose;
use http::StatusCode;
use serde_json::json;

use super::take_description;
use crate::app::App;
use crate::call::Call;
use crate::caller::Caller;
use crate::fault::{Away as _, Sealed as _};
use crate::fields::Fields;
use crate::problem::Problem;
use crate::routes::{Answer, json};

/// Namespaces of an account whose email is not verified.
const UNVERIFIED: u32 = 1;

pub(super) async fn answer(app: Arc<App>, call: Call) -> Answer {
    let caller = call.caller()?.clone();
    if caller.namespaces().is_some() {
        return Err(Problem::Forbidden(
            "a key bound to namespaces makes no new ones",
        ));
    }
    let mut fields = Fields::of(call.json(limits::BODY_BYTES).await?)?;
    if !fields.has("name") {
        fields.wrong("name", "this field is missing");
    }
    let name: Option<NamespaceName> = fields.parsed("name");
    let description = take_description(&mut fields);
    fields.finish()?;
    let name = name.ok_or(Problem::BadRequest("a name is missing"))?;

    let id = NamespaceId::new(app.clock.as_ref());
    let account = caller.account_id();
    let sealed = match &description {
        None => None,
        Some(text) => Some(
            app.vault
                .seal(account, Purpose::Description, id.uuid(), text.as_bytes())
                .await
                .or_sealed()?,
        ),
    };
    let now = app.now();
    let wanted = NewNamespace {
        id,
        name: &name,
        description: sealed.as_deref(),
        most: most(&app, &caller),
        now,
    };
    let mut client = app.database.client().await.or_away()?;
    match namespaces::create(&mut client, account, &wanted)
        .await
        .or_away()?
    {
        Created::Yes => json(
            StatusCode::CREATED,
            &json!({"id": id, "name": name, "description": description, "created_at": now}),
        ),
        Created::Taken => Err(Problem::NameTaken),
        Created::TooMany if !caller.account.verified => Err(Problem::EmailNotVerified(
            "until then an account has one namespace",
        )),
        Created::TooMany => Err(Problem::PlanLimit {
            what: "namespaces",
            limit: u64::from(most(&app, &caller).unwrap_or(u32::MAX)),
        }),
    }
}

fn most(app: &App, caller: &Caller) -> Option<u32> {
    let plan = app.plans.of(caller.account.plan).namespaces;
    if caller.account.verified {
        plan
    } else {
        Some(plan.unwrap_or(UNVERIFIED).min(UNVERIFIED))
    }
}
