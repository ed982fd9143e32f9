//! `/mcp/{ns}`: a namespace's functions as tools of the Model Context Protocol.
//!
//! **How it works.** Streamable HTTP without sessions: each `POST` holds one JSON-RPC
//! message and is answered by one JSON document, so any api answers any request. Both
//! eras live on the one address: 2026-07-28, where a request says all it needs, and
//! the revisions that begin with `initialize`. A message is taken apart by its raw
//! text ([`envelope`]), what it names is looked up, the SDK ([`sdk`]) checks and
//! frames it, and the answer is put together again. A call goes the way every
//! execution goes, through `common::accept`, in the interactive lane.
//!
//! **What always holds.** No digit of an argument or output is lost. What a model can
//! mend is a tool error that it gets to read; what it can't is a JSON-RPC error; who
//! may not ask gets the same problem documents and status as over REST. Whoever takes
//! JSON is served, and session ids mean nothing. A caller that leaves takes its
//! execution along.
//!
//! **What it doesn't do.** No prompts, resources, completion, tasks or subscriptions:
//! they are not advertised and not found.

mod answer;
mod calling;
mod coerce;
mod envelope;
mod listing;
mod media;
mod schema;
mod sdk;
mod tool;
mod types;

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::response::IntoResponse as _;
use common::db::namespaces::{self, Namespace};
use common::ids::VersionId;
use common::limits;
use http::{Method, Request, StatusCode, request};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span};

use self::answer::Answer;
use self::calling::Calling;
use self::envelope::{Envelope, INVALID_REQUEST, Malformed};
use self::sdk::{Fault, Sdk, Served};
use self::tool::{Contract, Era, Tool};
use crate::app::App;
use crate::body;
use crate::cache::Cache;
use crate::call::Call;
use crate::caller::Caller;
use crate::environment::{self, Given};
use crate::fault::Away as _;
use crate::problem::Problem;
use crate::routes::{self, Access, Route, json_text, route};
use crate::scope::Scope;

/// A message: an input and what stands around it.
const MESSAGE_BYTES: usize = limits::INPUT_BYTES + (64 << 10);
/// Contracts remembered; those of a ready version never change.
const REMEMBERED: usize = 5_000;

/// What the endpoint keeps between requests.
#[derive(Debug)]
pub(crate) struct Mcp {
    sdk: Sdk,
    contracts: Cache<VersionId, Arc<Contract>>,
}

impl Mcp {
    /// Serves the hosts and origins of `public_url`.
    pub(crate) fn new(public_url: &str) -> Self {
        let public_url = public_url.parse().unwrap_or_default();
        Self {
            sdk: Sdk::new(&public_url),
            contracts: Cache::new(REMEMBERED),
        }
    }
}

pub(crate) fn routes() -> Vec<Route> {
    const EITHER: &[Scope] = &[Scope::FunctionsInvoke, Scope::FunctionsRead];
    vec![route(
        Method::POST,
        "/mcp/{ns}",
        Access::NeedsOneOf(EITHER),
        answer,
    )]
}

async fn answer(app: Arc<App>, call: Call) -> routes::Answer {
    let caller = call.caller()?.clone();
    let name = call.part("ns").to_owned();
    let request = call.into_request();
    if !media::takes_json(request.headers()) {
        return Err(Problem::NotAcceptable);
    }
    let env = Given::of(request.headers())?;
    let (head, body) = apart(request);
    let body = body::text(body, MESSAGE_BYTES).await?;
    let envelope = match Envelope::read(&body) {
        Ok(envelope) => envelope,
        Err(malformed) => return Ok(refused(StatusCode::BAD_REQUEST, &malformed)),
    };
    let asked = asked(app, caller, &name, (&envelope, env)).await?;
    let compared = asked.compared();
    let sdk = &asked.0.app.mcp.sdk;
    let served = sdk.serve(asked.clone(), head, (&envelope, &compared)).await;
    if let Some(problem) = asked.problem() {
        return Err(problem);
    }
    match served {
        Served::Accepted => Ok(StatusCode::ACCEPTED.into_response()),
        Served::Json(status, body) => Ok(json_text(status, body.into())),
        Served::Forbidden => Err(Problem::Forbidden("this host or origin is not served here")),
        Served::Refused(status, message) if status.is_client_error() => {
            let malformed = Malformed {
                code: INVALID_REQUEST,
                id: envelope.id.map(str::to_owned),
                message,
            };
            Ok(refused(StatusCode::BAD_REQUEST, &malformed))
        }
        Served::Refused(_, message) => Err(Problem::Internal(message.into())),
    }
}

/// The head for the SDK, and the request whose body is to be read.
fn apart(request: Request<Body>) -> (request::Parts, Request<Body>) {
    let (parts, body) = request.into_parts();
    let mut head = Request::new(());
    *head.method_mut() = parts.method.clone();
    *head.uri_mut() = parts.uri.clone();
    *head.headers_mut() = parts.headers.clone();
    // Read already, and none of the SDK's business.
    head.headers_mut().remove(environment::HEADER);
    (head.into_parts().0, Request::from_parts(parts, body))
}

/// A JSON-RPC error, for what is no message.
fn refused(status: StatusCode, malformed: &Malformed) -> axum::response::Response {
    let error = json!({"code": malformed.code, "message": malformed.message});
    // MCP leaves the id out where none could be read.
    let id = malformed
        .id
        .as_ref()
        .map_or_else(String::new, |id| format!("\"id\":{id},"));
    let text = format!("{{\"jsonrpc\":\"2.0\",{id}\"error\":{error}}}");
    json_text(status, text.into_bytes())
}

/// A request whose namespace is there for its caller.
#[derive(Clone)]
struct Asked(Arc<Inner>);

struct Inner {
    app: Arc<App>,
    caller: Caller,
    about: About,
    /// The SDK works in a task of its own.
    span: Span,
    /// What the SDK can't tell: answered as over REST.
    problem: Mutex<Option<Problem>>,
}

/// What the message is about.
enum About {
    /// A tool, which may be there or not.
    Call(Calling),
    /// The namespace itself, and what it says of itself.
    Namespace(Namespace, String),
}

/// Looks up what the message names.
///
/// # Errors
/// Where the caller has no such namespace, or may not call.
async fn asked(
    app: Arc<App>,
    caller: Caller,
    name: &str,
    (envelope, env): (&Envelope<'_>, Given),
) -> Result<Asked, Problem> {
    let about = match &envelope.call {
        Some(call) => {
            caller.must_have(Scope::FunctionsInvoke)?;
            About::Call(Calling::of(&app, &caller, name, (call, env)).await?)
        }
        None => {
            let namespace = namespace(&app, &caller, name).await?;
            let says = instructions(&app, &caller, &namespace, &envelope.method).await?;
            About::Namespace(namespace, says)
        }
    };
    Ok(Asked(Arc::new(Inner {
        app,
        caller,
        about,
        span: Span::current(),
        problem: Mutex::default(),
    })))
}

/// The namespace, if the caller may use it.
async fn namespace(app: &Arc<App>, caller: &Caller, name: &str) -> Result<Namespace, Problem> {
    let client = app.database.client().await.or_away()?;
    namespaces::find(&client, caller.account_id(), name)
        .await
        .or_away()?
        .filter(|found| caller.may_use(found.id))
        .ok_or(Problem::NotFound("namespace"))
}

/// What a client is told once, when it begins.
async fn instructions(
    app: &Arc<App>,
    caller: &Caller,
    namespace: &Namespace,
    method: &str,
) -> Result<String, Problem> {
    if !matches!(method, "initialize" | "server/discover") {
        return Ok(String::new());
    }
    let sealed = namespace.description.clone();
    let described = listing::opened(app, caller.account_id(), namespace.id.uuid(), sealed).await?;
    let mut says = format!(
        "The functions of the namespace {} as tools. A failing call says its code and \
         the id of its execution.",
        namespace.name
    );
    if let Some(described) = described {
        says.push_str("\n\n");
        says.push_str(&described);
    }
    Ok(says)
}

impl Asked {
    /// Keeps a problem for the answer.
    fn untold(&self, problem: Problem) -> Fault {
        *self
            .0
            .problem
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(problem);
        Fault::Untold
    }

    fn problem(&self) -> Option<Problem> {
        self.0
            .problem
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// The arguments that headers may repeat, as the SDK compares them.
    fn compared(&self) -> String {
        let picked = match &self.0.about {
            About::Call(calling) => calling.compared(),
            About::Namespace(..) => None,
        };
        picked.map_or_else(|| "{}".to_owned(), |picked| picked.to_string())
    }
}

impl sdk::Namespace for Asked {
    fn instructions(&self) -> String {
        match &self.0.about {
            About::Namespace(_, says) => says.clone(),
            About::Call(_) => String::new(),
        }
    }

    async fn tools(&self, era: Era) -> Result<Vec<Tool>, Fault> {
        let About::Namespace(namespace, _) = &self.0.about else {
            return Ok(Vec::new());
        };
        let account = self.0.caller.account_id();
        listing::tools(&self.0.app, account, namespace, era)
            .instrument(self.0.span.clone())
            .await
            .map_err(|problem| self.untold(problem))
    }

    async fn call(&self, era: Era, gone: CancellationToken) -> Result<Answer, Fault> {
        let About::Call(calling) = &self.0.about else {
            return Err(Fault::Untold);
        };
        let ran = calling
            .run(&self.0.app, &self.0.caller, (era, gone))
            .instrument(self.0.span.clone())
            .await;
        match ran {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(Fault::UnknownTool(calling.tool().to_owned())),
            Err(problem) => Err(self.untold(problem)),
        }
    }

    fn schema_with_headers(&self) -> Option<Map<String, Value>> {
        match &self.0.about {
            About::Call(calling) => calling.schema_with_headers().cloned(),
            About::Namespace(..) => None,
        }
    }
}
