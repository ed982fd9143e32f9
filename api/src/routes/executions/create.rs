//! `POST /v1/namespaces/{ns}/functions/{fn}/executions`: run a function.
//!
//! Without a wait the answer is a 202 that is durable; with one it is the finished
//! execution, or a 202 when the wait is over.

use std::sync::Arc;

use common::accept::{Answered, Ask, OwnEnv, Target};
use common::execution::Trigger;
use common::limits;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::app::App;
use crate::body;
use crate::call::Call;
use crate::caller::Caller;
use crate::environment::Given;
use crate::execution::{Facts, facts, text};
use crate::fault::Refused as _;
use crate::prefer::Prefer;
use crate::problem::{FieldError, Problem};
use crate::query::Query;
use crate::routes::{Answer, json_text};
use crate::targets;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const APPLIED: HeaderName = HeaderName::from_static("preference-applied");
/// Versions are numbered from 1, in PostgreSQL's integers.
const NUMBERS: std::ops::RangeInclusive<u32> = 1..=i32::MAX as u32;

pub(super) async fn answer(app: Arc<App>, call: Call) -> Answer {
    let query = call.query()?;
    let number = query.number("version", NUMBERS)?;
    refuse_later(&query)?;
    let wanted = Wanted {
        prefer: Prefer::of(call.headers())?,
        key: idempotency_key(call.headers())?,
        number,
        trigger: Trigger::Rest,
        env: Given::of(call.headers())?,
    };
    let caller = call.caller()?.clone();
    let names = (call.part("ns"), call.part("fn"));
    let target = targets::resolve(&app, &caller, names, number).await?;
    let input = call.text(limits::INPUT_BYTES).await?;
    run(&app, &caller, (&target, &input), wanted).await
}

/// How a client asks, besides what runs.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) prefer: Prefer,
    pub(super) key: Option<String>,
    pub(super) number: Option<u32>,
    pub(super) trigger: Trigger,
    pub(super) env: Given,
}

/// Checks input and environment, has it accepted, waits if that is preferred.
pub(super) async fn run(
    app: &Arc<App>,
    caller: &Caller,
    (target, input): (&Target, &[u8]),
    wanted: Wanted,
) -> Answer {
    check(target, input)?;
    let account = caller.account_id();
    let env = wanted.env.for_call(app, account, target).await?;
    let ask = Ask {
        payer: caller.payer(),
        target,
        asked_version: wanted.number,
        input,
        env: env.as_deref().map(OwnEnv),
        key: wanted.key.as_deref(),
        trigger: wanted.trigger,
    };
    let wait = wanted.prefer.wait.filter(|wait| !wait.is_zero());
    let answered = match wait {
        None => app.accept.background(&ask).await,
        Some(wait) => app.accept.interactive(&ask, wait).await,
    };
    let (status, facts) = match answered.or_refused()? {
        Answered::Pending(id) => (
            StatusCode::ACCEPTED,
            Facts::fresh(id, target, wanted.trigger),
        ),
        Answered::Finished(id, outcome) => {
            let fresh = Facts::fresh(id, target, wanted.trigger);
            (StatusCode::OK, fresh.ended(Arc::unwrap_or_clone(outcome)))
        }
        Answered::Joined(id, standing) => {
            let done = wait.is_some() && standing.state().is_final();
            let status = if done {
                StatusCode::OK
            } else {
                StatusCode::ACCEPTED
            };
            (status, facts(app, account, id, standing).await?)
        }
    };
    let body = text(app, account, &facts, None).await?;
    let mut response = json_text(status, body);
    let headers = response.headers_mut();
    let location = format!("/v1/executions/{}", facts.id);
    put(headers, header::LOCATION, &location);
    if let Some(applied) = wanted.prefer.applied() {
        put(headers, APPLIED, &applied);
    }
    Ok(response)
}

fn put(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}

/// The value that is checked is the value the code gets: same bytes.
fn check(target: &Target, input: &[u8]) -> Result<(), Problem> {
    let value = body::value(input)?;
    target.check(&value, input.len()).map_err(|mismatches| {
        let errors = mismatches
            .into_iter()
            .map(|mismatch| FieldError::new(mismatch.pointer, mismatch.detail));
        Problem::Invalid(errors.collect())
    })
}

/// What a later release does is refused, not ignored.
fn refuse_later(query: &Query) -> Result<(), Problem> {
    let mut later = Vec::new();
    for name in ["delay_ms", "run_at"] {
        if query.text(name)?.is_some() {
            later.push(format!("?{name}"));
        }
    }
    if later.is_empty() {
        return Ok(());
    }
    let told = |pointer| FieldError::new(pointer, "this release does not do this yet");
    Err(Problem::NotAvailableYet(
        later.into_iter().map(told).collect(),
    ))
}

/// 1 to 255 visible ASCII characters, once.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut lines = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(line) = lines.next() else {
        return Ok(None);
    };
    let fits = (1..=limits::IDEMPOTENCY_KEY_BYTES).contains(&line.len())
        && line.as_bytes().iter().all(u8::is_ascii_graphic)
        && lines.next().is_none();
    let text = line.to_str().ok().filter(|_| fits);
    match text {
        Some(text) => Ok(Some(text.to_owned())),
        None => Err(Problem::field(
            "Idempotency-Key",
            "1 to 255 visible ASCII characters, in one header",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stands_on_its_bounds() {
        let key = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(IDEMPOTENCY_KEY, HeaderValue::from_str(text).unwrap());
            idempotency_key(&headers).ok().flatten()
        };
        let longest = "k".repeat(limits::IDEMPOTENCY_KEY_BYTES);
        assert_eq!(key(&longest), Some(longest.clone()));
        assert_eq!(key("!~"), Some("!~".to_owned()));
        for wrong in ["", "a b", &format!("{longest}k"), "\u{e9}"] {
            assert_eq!(key(wrong), None, "{wrong}");
        }
        assert_eq!(idempotency_key(&HeaderMap::new()).unwrap(), None);
    }
}
