//! `PUT /v1/namespaces/{ns}/functions/{fn}`: a function, or its next version.

#[cfg(test)]
mod fuzz;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::db::versions::DeclaredEnv;
use common::limits;
use common::names::FunctionName;
use common::plan::PlanLimits;
use common::source::Source;
use http::{HeaderMap, StatusCode, header};
use serde_json::Value;

use super::{etag, shown};
use crate::app::App;
use crate::call::Call;
use crate::fault::Away as _;
use crate::fields::Fields;
use crate::network;
use crate::problem::{FieldError, Problem};
use crate::publishing::{self, Draft, Place, file_pointer, schema_text};
use crate::requirements;
use crate::routes::{Answer, json, namespaces};

pub(super) async fn answer(app: Arc<App>, call: Call) -> Answer {
    let name: FunctionName = call
        .part("fn")
        .parse()
        .map_err(|error| Problem::field("{fn}", format!("{error}")))?;
    let namespace = namespaces::named(&app, &call).await?;
    let caller = call.caller()?.clone();
    let wanted = IfMatch::of(call.headers());
    let body = call.json(limits::FUNCTION_BODY_BYTES).await?;
    let draft = take_draft(body, app.plans.of(caller.account.plan))?;
    let expected = match wanted {
        IfMatch::Any => None,
        wanted => Some(expected(&app, &caller, (namespace.id, &name), &wanted).await?),
    };
    let place = Place {
        namespace: namespace.id,
        name: &name,
        expected,
    };
    let done = publishing::publish(&app, &caller, place, &draft).await?;
    let number = done.version.number;
    let status = if done.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let names = (namespace.name.as_str(), name.as_str());
    let body = shown(&app, caller.account_id(), names, done.version).await?;
    let mut response = json(status, &body)?;
    let (header, value) = etag(number);
    response.headers_mut().insert(header, value);
    Ok(response)
}

/// What `If-Match` allows.
#[derive(Debug, PartialEq, Eq)]
enum IfMatch {
    /// There is none.
    Any,
    /// `*`: whatever is current, but something.
    Existing,
    /// One of these; a tag that is none of ours matches nothing.
    OneOf(Vec<u32>),
}

impl IfMatch {
    fn of(headers: &HeaderMap) -> Self {
        let mut numbers = Vec::new();
        let mut any = true;
        for line in headers.get_all(header::IF_MATCH) {
            any = false;
            let tags = line.to_str().unwrap_or_default().split(',').map(str::trim);
            for tag in tags {
                if tag == "*" {
                    return Self::Existing;
                }
                let quoted = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
                numbers.extend(quoted.and_then(|tag| tag.parse::<u32>().ok()));
            }
        }
        if any { Self::Any } else { Self::OneOf(numbers) }
    }
}

/// The current version's number, if it is one the client will replace.
async fn expected(
    app: &Arc<App>,
    caller: &crate::caller::Caller,
    (namespace, name): (common::ids::NamespaceId, &FunctionName),
    wanted: &IfMatch,
) -> Result<u32, Problem> {
    let client = app.database.client().await.or_away()?;
    let account = caller.account_id();
    let found = common::db::functions::find(&client, account, namespace, name.as_str())
        .await
        .or_away()?;
    let current = found.map(|found| found.version.number);
    let fits = match (current, wanted) {
        (Some(_), IfMatch::Existing | IfMatch::Any) => true,
        (Some(current), IfMatch::OneOf(numbers)) => numbers.contains(&current),
        (None, _) => false,
    };
    match current {
        Some(current) if fits => Ok(current),
        current => Err(Problem::VersionMismatch(current.unwrap_or(0))),
    }
}

fn take_draft(body: Value, plan: &PlanLimits) -> Result<Draft, Problem> {
    let mut fields = Fields::of(body)?;
    fields.not_yet(&["retry", "secrets"]);
    let source = take_source(&mut fields);
    let description = fields.text("description", limits::DESCRIPTION_BYTES);
    let input_schema = take_schema(&mut fields, "input_schema");
    let output_schema = take_schema(&mut fields, "output_schema");
    let tags = fields
        .texts("tags", limits::TAGS, limits::TAG_BYTES)
        .unwrap_or_default();
    let requirements = requirements::take(&mut fields);
    let annotations = take_annotations(&mut fields);
    let (mut timeout_ms, mut memory_mib, mut concurrency) = (None, None, None);
    if let Some(mut wanted) = fields.object("limits") {
        timeout_ms = wanted.count("timeout_ms", plan.timeout_ms, "your plan's bound");
        memory_mib = wanted.count("memory_mib", plan.memory_mib, "your plan's bound");
        concurrency = wanted.count("concurrency", plan.concurrency, "your plan's bound");
        fields.close(wanted);
    }
    let env = take_env(&mut fields);
    let network = network::take(&mut fields, plan);
    fields.finish()?;
    // Without one there was a fault, and the line above has told it.
    let source = source.ok_or(Problem::field("/code", "this field is missing"))?;
    Ok(Draft {
        source,
        description,
        input_schema,
        output_schema,
        annotations,
        tags,
        requirements,
        lock: None,
        timeout_ms: timeout_ms.unwrap_or(plan.timeout_ms),
        memory_mib: memory_mib.unwrap_or(plan.memory_mib),
        concurrency,
        env,
        network,
    })
}

/// The environment values it gets, sorted: their order means nothing.
fn take_env(fields: &mut Fields) -> DeclaredEnv {
    let Some(mut wanted) = fields.object("env") else {
        return DeclaredEnv::default();
    };
    let required = wanted.env_names("required");
    let optional = wanted.env_names("optional");
    if required.len() + optional.len() > limits::ENV_NAMES {
        let most = limits::ENV_NAMES;
        fields.wrong("env", format!("at most {most} names"));
    }
    if let Some(twice) = optional.intersection(&required).next() {
        fields.wrong("env/optional", format!("{twice} is required already"));
    }
    fields.close(wanted);
    DeclaredEnv {
        required: required.into_iter().collect(),
        optional: optional.into_iter().collect(),
    }
}

/// `code`, or else `files`.
fn take_source(fields: &mut Fields) -> Option<Source> {
    let (code, files) = (fields.take("code"), fields.take("files"));
    let (name, source) = match (code, files) {
        (Some(Value::String(code)), None) => ("code", Source::single(code)),
        (None, Some(Value::Object(files))) => ("files", Source::of_files(texts(fields, files)?)),
        (Some(_), None) => {
            fields.wrong("code", "a text is wanted");
            return None;
        }
        (None, Some(_)) => {
            fields.wrong("files", "an object of texts is wanted");
            return None;
        }
        (Some(_), Some(_)) => {
            fields.wrong("files", "give either code or files");
            return None;
        }
        (None, None) => {
            fields.wrong("code", "this field is missing; several files go into files");
            return None;
        }
    };
    source
        .map_err(|fault| {
            let file = fault.file.filter(|_| name == "files");
            fields.refuse(FieldError::new(
                file_pointer(name, file.as_deref()),
                fault.what,
            ));
        })
        .ok()
}

fn texts(
    fields: &mut Fields,
    files: serde_json::Map<String, Value>,
) -> Option<BTreeMap<String, String>> {
    let mut texts = BTreeMap::new();
    for (name, value) in files {
        let Value::String(text) = value else {
            let pointer = file_pointer("files", Some(&name));
            fields.refuse(FieldError::new(pointer, "a text is wanted"));
            return None;
        };
        texts.insert(name, text);
    }
    Some(texts)
}

fn take_schema(fields: &mut Fields, name: &str) -> Option<String> {
    let schema = fields.take(name)?;
    match schema_text(&format!("/{name}"), &schema) {
        Ok(text) => Some(text),
        Err(error) => {
            fields.refuse(error);
            None
        }
    }
}

/// MCP's hints about a tool, passed on as they are.
fn take_annotations(fields: &mut Fields) -> Option<String> {
    let annotations = fields.take("annotations")?;
    let text = annotations.to_string();
    if !annotations.is_object() || text.len() > limits::DESCRIPTION_BYTES {
        let most = limits::DESCRIPTION_BYTES;
        fields.wrong("annotations", format!("an object of at most {most} bytes"));
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::plan::{Plan, Plans};
    use http::HeaderValue;
    use serde_json::json;

    fn errors(body: Value) -> (String, Vec<String>) {
        let plans = Plans::shipped().unwrap();
        let problem = take_draft(body, plans.of(Plan::Free)).unwrap_err();
        let pointers = problem.errors().iter().map(|error| error.pointer.clone());
        (problem.code().to_owned(), pointers.collect())
    }

    #[test]
    fn limits_are_bounded_by_the_plan_at_their_pointer() {
        let (code, pointers) = errors(json!({
            "code": "", "limits": {"timeout_ms": 0, "memory_mib": 129, "concurrency": 1.5}
        }));
        assert_eq!(code, "invalid");
        assert_eq!(
            pointers,
            [
                "/limits/timeout_ms",
                "/limits/memory_mib",
                "/limits/concurrency"
            ]
        );
    }

    #[test]
    fn what_comes_later_says_so() {
        let body = json!({"code": "", "secrets": {}, "retry": {}});
        let (code, pointers) = errors(body);
        assert_eq!(code, "not_available_yet");
        assert_eq!(pointers, ["/retry", "/secrets"]);
    }

    #[test]
    fn declared_names_are_checked_one_by_one_and_their_order_means_nothing() {
        let long = "A".repeat(129);
        let body = json!({"code": "", "env": {
            "required": ["API_KEY", "PATH", "api", 7, ""], "optional": [long, "API_KEY"], "x": []
        }});
        let (_, pointers) = errors(body);
        assert_eq!(
            pointers,
            [
                "/env/optional",
                "/env/required/1",
                "/env/required/2",
                "/env/required/3",
                "/env/required/4",
                "/env/optional/0",
                "/env/x"
            ]
        );
        for wrong in [
            json!({"code": "", "env": []}),
            json!({"code": "", "env": {"optional": 1}}),
        ] {
            assert_eq!(errors(wrong).0, "invalid");
        }
        let plans = Plans::shipped().unwrap();
        let draft = |names: Value| {
            let body = json!({"code": "", "env": {"required": names}});
            take_draft(body, plans.of(Plan::Free))
        };
        let sorted = draft(json!(["B", "A", "B"])).unwrap().env;
        assert_eq!(sorted.required, ["A", "B"]);
        let names = |count| (0..count).map(|n| format!("N{n}")).collect::<Vec<_>>();
        assert!(draft(json!(names(64))).is_ok());
        assert!(draft(json!(names(65))).is_err());
    }

    #[test]
    fn code_or_files_are_wanted_and_the_fault_is_placed() {
        for (body, pointer) in [
            (json!({}), "/code"),
            (json!({"code": 1}), "/code"),
            (json!({"code": "", "files": {"main.py": ""}}), "/files"),
            (json!({"files": ["main.py"]}), "/files"),
            (json!({"files": {}}), "/files"),
            (json!({"files": {"helpers.py": ""}}), "/files"),
            (
                json!({"files": {"main.py": "", "pkg/a.py": 1}}),
                "/files/pkg~1a.py",
            ),
            (
                json!({"files": {"main.py": "", "../a.py": ""}}),
                "/files/..~1a.py",
            ),
        ] {
            assert_eq!(errors(body).1, [pointer]);
        }
    }

    #[test]
    fn one_file_is_the_same_as_its_code() {
        let plans = Plans::shipped().unwrap();
        let draft = |body| take_draft(body, plans.of(Plan::Free)).unwrap().source;
        let files = json!({"files": {"main.py": "x = 1"}});
        assert_eq!(draft(files), draft(json!({"code": "x = 1"})));
    }

    #[test]
    fn a_nul_in_the_code_is_placed() {
        let body = json!({"code": "a\nbé\u{0}"});
        let problem = take_draft(body, Plans::shipped().unwrap().of(Plan::Free)).unwrap_err();
        assert!(
            problem.errors()[0].detail.starts_with("line 2, column 3"),
            "{problem:?}"
        );
    }

    #[test]
    fn a_schema_is_refused_at_the_place_that_is_wrong() {
        let body = json!({"code": "", "input_schema": {"items": {"$ref": "http://127.0.0.1:9/"}}});
        let (_, pointers) = errors(body);
        assert_eq!(pointers, ["/input_schema/items/$ref"]);
    }

    #[test]
    fn if_match_reads_tags_and_star() {
        let of = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_MATCH, HeaderValue::from_static(value));
            IfMatch::of(&headers)
        };
        assert_eq!(IfMatch::of(&HeaderMap::new()), IfMatch::Any);
        assert_eq!(of("*"), IfMatch::Existing);
        assert_eq!(of("\"3\", \"4\""), IfMatch::OneOf(vec![3, 4]));
        assert_eq!(of("W/\"3\""), IfMatch::OneOf(vec![]));
        assert_eq!(of("3"), IfMatch::OneOf(vec![]));
    }
}
