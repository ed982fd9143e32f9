//! The only file that knows `rmcp`.
//!
//! The SDK negotiates the revision, compares headers with bodies and knows the
//! shapes of both eras. It sees each request alone: no session, one JSON document
//! for an answer. Around it stands what it would lose: the id as it was written,
//! and the output as it was written, put into the finished answer by
//! [`Whole::of`].
//!
//! Only tools are offered, so everything else a client could ask for is "method
//! not found"; by itself the SDK would answer some of it with empty lists.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header, request};
use http_body_util::{BodyExt as _, Full};
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CallToolResult, CompleteRequestMethod,
    CompleteRequestParams, CompleteResult, ContentBlock, DiscoverResult, ErrorData, Implementation,
    ListPromptsRequestMethod, ListPromptsResult, ListResourceTemplatesRequestMethod,
    ListResourceTemplatesResult, ListResourcesRequestMethod, ListResourcesResult, ListToolsResult,
    MetaObject, PaginatedRequestParams, ProtocolVersion, ServerCapabilities, ServerConfig,
    Tool as SdkTool,
};
use rmcp::service::{NotificationContext, RequestContext};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{RoleServer, ServerHandler};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::answer::Answer;
use super::envelope::{Envelope, STAND_IN_ID};
use super::tool::{Era, Tool};

/// A client may show a list this old: as long as a change takes to reach every api.
const TOOLS_FRESH_MS: u64 = 1_000;
/// What the endpoint is changes with releases only.
const DISCOVERY_FRESH_MS: u64 = 60_000;
const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
/// Where the SDK writes what stands in for the output.
const STAND_IN_OUTPUT: &str = "output";

/// A namespace as the SDK's server asks for it.
pub(super) trait Namespace: Clone + Send + Sync + 'static {
    /// What the endpoint says of itself.
    fn instructions(&self) -> String;

    /// All tools, in an order that only changes with the functions.
    fn tools(&self, era: Era) -> impl Future<Output = Result<Vec<Tool>, Fault>> + Send;

    /// Does the call the request asks for. `gone` fires when its client has left.
    fn call(
        &self,
        era: Era,
        gone: CancellationToken,
    ) -> impl Future<Output = Result<Answer, Fault>> + Send;

    /// The called tool's input schema, where it names headers to compare with.
    fn schema_with_headers(&self) -> Option<Map<String, Value>>;
}

/// What is told as a JSON-RPC error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("there is no tool {0}")]
    UnknownTool(String),
    /// Something that is answered over HTTP instead.
    #[error("the answer was withheld")]
    Untold,
}

impl From<Fault> for ErrorData {
    fn from(fault: Fault) -> Self {
        match &fault {
            Fault::UnknownTool(_) => Self::invalid_params(fault.to_string(), None),
            Fault::Untold => Self::internal_error(fault.to_string(), None),
        }
    }
}

/// What came out of the SDK.
#[derive(Debug)]
pub(super) enum Served {
    /// Status and JSON, to be sent as it is.
    Json(StatusCode, Bytes),
    /// A notification, which has no answer.
    Accepted,
    /// `Host` or `Origin` is not one of ours.
    Forbidden,
    /// The SDK refused the request in words of its own.
    Refused(StatusCode, String),
}

/// The hosts and origins of one api.
#[derive(Clone, Debug)]
pub(super) struct Sdk {
    config: StreamableHttpServerConfig,
    sessions: Arc<NeverSessionManager>,
}

impl Sdk {
    /// Takes requests for the public URL's host, and for this machine's own names.
    pub(super) fn new(public_url: &http::Uri) -> Self {
        let local = ["localhost", "127.0.0.1", "[::1]"];
        let host = public_url.host().unwrap_or("localhost");
        let scheme = public_url.scheme_str().unwrap_or("http");
        let port = public_url
            .port_u16()
            .unwrap_or(if scheme == "https" { 443 } else { 80 });
        let mut origins = vec![format!("{scheme}://{host}:{port}")];
        if local.contains(&host) {
            origins.extend(local.iter().map(|name| format!("http://{name}:*")));
        }
        let hosts = local.iter().copied().chain([host]);
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(false)
            .with_json_response(true)
            .with_allowed_hosts(hosts)
            .with_allowed_origins(origins)
            .enforce_origin_validation();
        Self {
            config,
            sessions: Arc::default(),
        }
    }

    /// Answers one message. `compared` are the arguments that headers may repeat.
    pub(super) async fn serve<N: Namespace>(
        &self,
        namespace: N,
        mut parts: request::Parts,
        (envelope, compared): (&Envelope<'_>, &str),
    ) -> Served {
        // Whoever takes JSON is served; the SDK wants to hear of both.
        let both = HeaderValue::from_static("application/json, text/event-stream");
        parts.headers.insert(header::ACCEPT, both);
        let json = HeaderValue::from_static("application/json");
        parts.headers.insert(header::CONTENT_TYPE, json);
        let output = Output::default();
        let server = Server {
            namespace,
            output: output.clone(),
        };
        let service = StreamableHttpService::new(
            move || Ok(server.clone()),
            Arc::clone(&self.sessions),
            self.config.clone(),
        );
        let body = Full::new(Bytes::from(envelope.for_sdk(compared)));
        let response = service.handle(Request::from_parts(parts, body)).await;
        let (head, body) = response.into_parts();
        let body = body
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes);
        let body = body.unwrap_or_default();
        let is_json = head
            .headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
        if is_json {
            return Served::Json(head.status, Whole::of(&body, envelope.id, output.take()));
        }
        match head.status {
            StatusCode::ACCEPTED => Served::Accepted,
            StatusCode::FORBIDDEN => Served::Forbidden,
            status => Served::Refused(status, String::from_utf8_lossy(&body).into_owned()),
        }
    }
}

/// An answer with the id and the output as they were written.
struct Whole;

impl Whole {
    fn of(body: &Bytes, id: Option<&str>, output: Option<String>) -> Bytes {
        let Ok(text) = std::str::from_utf8(body) else {
            return body.clone();
        };
        let start = format!("{{\"jsonrpc\":\"2.0\",\"id\":{STAND_IN_ID},");
        let mut whole = String::with_capacity(text.len() + output.as_ref().map_or(0, String::len));
        let mut rest = text;
        if let (Some(id), Some(after)) = (id, text.strip_prefix(&start)) {
            whole.push_str("{\"jsonrpc\":\"2.0\",\"id\":");
            whole.push_str(id);
            whole.push(',');
            rest = after;
        }
        // The last one: only `isError` and our own `_meta` follow it.
        let stand_in = format!("\"structuredContent\":\"{STAND_IN_OUTPUT}\"");
        match output.zip(rest.rfind(&stand_in)) {
            Some((output, at)) => {
                whole.push_str(&rest[..at]);
                whole.push_str("\"structuredContent\":");
                whole.push_str(&output);
                whole.push_str(&rest[at + stand_in.len()..]);
            }
            None => whole.push_str(rest),
        }
        whole.into()
    }
}

/// The way an output takes around the SDK.
#[derive(Clone, Debug, Default)]
struct Output(Arc<Mutex<Option<String>>>);

impl Output {
    fn put(&self, output: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(output);
    }

    fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[derive(Clone)]
struct Server<N> {
    namespace: N,
    output: Output,
}

type Context = RequestContext<RoleServer>;

impl<N: Namespace> ServerHandler for Server<N> {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(implementation())
            .with_instructions(self.namespace.instructions())
    }

    async fn discover(&self, _: Context) -> Result<DiscoverResult, ErrorData> {
        let versions = self.supported_protocol_versions().into_owned();
        let mut result = DiscoverResult::from_server_info(versions, self.get_info());
        result.ttl_ms = DISCOVERY_FRESH_MS;
        result.cache_scope = CacheScope::Private;
        Ok(result)
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: Context,
    ) -> Result<ListToolsResult, ErrorData> {
        if request.is_some_and(|page| page.cursor.is_some()) {
            return Err(ErrorData::invalid_params(
                "this cursor is not one of ours",
                None,
            ));
        }
        let era = era(&context);
        let tools = self.namespace.tools(era).await?;
        let mut result = ListToolsResult::with_all_items(tools.into_iter().map(listed).collect());
        if era == Era::Stateless {
            result = result
                .with_ttl_ms(TOOLS_FRESH_MS)
                .with_cache_scope(CacheScope::Private);
            result.meta = Some(signed(MetaObject::new()));
        }
        Ok(result)
    }

    async fn call_tool(
        &self,
        _: CallToolRequestParams,
        context: Context,
    ) -> Result<CallToolResponse, ErrorData> {
        let era = era(&context);
        let answer = self.namespace.call(era, context.ct.clone()).await?;
        let content = vec![ContentBlock::text(answer.text)];
        let mut result = if answer.is_error {
            CallToolResult::error(content)
        } else {
            CallToolResult::success(content)
        };
        if let Some(structured) = answer.structured {
            self.output.put(structured);
            result.structured_content = Some(STAND_IN_OUTPUT.into());
        }
        let meta = MetaObject(answer.meta);
        result.meta = Some(match era {
            Era::Stateless => signed(meta),
            Era::Initialize => meta,
        });
        Ok(result.into())
    }

    fn get_tool(&self, name: &str) -> Option<SdkTool> {
        let schema = self.namespace.schema_with_headers()?;
        Some(SdkTool::new_with_raw(name.to_owned(), None, schema))
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListPromptsResult, ErrorData> {
        Err(ErrorData::method_not_found::<ListPromptsRequestMethod>())
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListResourcesResult, ErrorData> {
        Err(ErrorData::method_not_found::<ListResourcesRequestMethod>())
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Err(ErrorData::method_not_found::<
            ListResourceTemplatesRequestMethod,
        >())
    }

    async fn complete(
        &self,
        _: CompleteRequestParams,
        _: Context,
    ) -> Result<CompleteResult, ErrorData> {
        Err(ErrorData::method_not_found::<CompleteRequestMethod>())
    }

    // The SDK's own would log a line for every client that says hello.
    async fn on_initialized(&self, _: NotificationContext<RoleServer>) {}
}

fn era(context: &Context) -> Era {
    let stateless = context
        .protocol_version()
        .is_some_and(|version| version.as_str() >= ProtocolVersion::V_2026_07_28.as_str());
    if stateless {
        Era::Stateless
    } else {
        Era::Initialize
    }
}

fn implementation() -> Implementation {
    Implementation::new("patchbay", env!("CARGO_PKG_VERSION"))
}

/// Says in `_meta` which server answered, as 2026-07-28 asks.
fn signed(mut meta: MetaObject) -> MetaObject {
    if let Ok(server) = serde_json::to_value(implementation()) {
        meta.0.insert(SERVER_INFO.to_owned(), server);
    }
    meta
}

fn listed(tool: Tool) -> SdkTool {
    let description = tool.description.map(Into::into);
    let mut listed = SdkTool::new_with_raw(tool.name, description, tool.input_schema);
    listed.output_schema = tool.output_schema.map(Arc::new);
    listed.annotations = tool
        .annotations
        .and_then(|hints| serde_json::from_str(&hints).ok());
    listed
}

#[cfg(test)]
mod tests;
