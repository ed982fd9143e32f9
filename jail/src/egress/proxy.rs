//! What a connection out of a sandbox may ask for (RFC 9110, section 9.3.6; RFC 9112,
//! section 3.2.2): a tunnel, or a request with an absolute address.
//!
//! Requests are read and written anew by a library that knows what a message is, so that
//! no host is sent what the code made look like two requests; each one is decided on by
//! itself. A refusal says why in its status line, which is what clients show.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri, Version};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1 as client;
use hyper::ext::ReasonPhrase;
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional_with_sizes};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::Network;
use super::dial::{DialError, Dialer};
use super::hosts::Wanted;
use super::meter::{Meter, Metered};

/// Of a request's head, in bytes and in lines.
const HEAD_BYTES: usize = 64 << 10;
const HEAD_LINES: usize = 100;
const PIECE: usize = 16 << 10;

type Body = Either<Incoming, Full<Bytes>>;

/// What one sandbox may reach, and how.
#[derive(Debug)]
pub(super) struct Policy {
    network: Network,
    dialer: Dialer,
}

/// Why a request goes nowhere, as the code is told.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("the network is there while an execution runs")]
    Shut,
    #[error("more than {0} connections at once")]
    Full(usize),
    #[error("this is a proxy: CONNECT a host and a port, or ask for an http:// address")]
    NoProxyRequest,
    #[error("{0} is not among the hosts this version names")]
    Unnamed(Wanted),
    #[error("this execution has moved {} MiB, the most it may", .0 >> 20)]
    UsedUp(u64),
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("{0} did not answer as a server does")]
    Upstream(Wanted, #[source] hyper::Error),
}

impl Refusal {
    const fn status(&self) -> StatusCode {
        match self {
            Self::NoProxyRequest => StatusCode::BAD_REQUEST,
            Self::Shut
            | Self::Unnamed(_)
            | Self::UsedUp(_)
            | Self::Dial(DialError::NoAddress(_)) => StatusCode::FORBIDDEN,
            Self::Full(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Dial(_) | Self::Upstream(..) => StatusCode::BAD_GATEWAY,
        }
    }

    fn answer(&self) -> Response<Body> {
        let text = self.to_string();
        let mut answer = Response::new(Either::Right(Full::from(format!("{text}\n"))));
        *answer.status_mut() = self.status();
        if let Ok(reason) = ReasonPhrase::try_from(text.into_bytes()) {
            answer.extensions_mut().insert(reason);
        }
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        answer.headers_mut().insert(header::CONTENT_TYPE, plain);
        answer
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
        answer
    }
}

/// Whether a connection is for something.
pub(super) enum Admission {
    Open(Arc<Meter>),
    /// No execution runs.
    Shut,
    /// So many are there already.
    Full(usize),
}

/// One connection from a sandbox; dropped, all that belongs to it ends.
struct Connection {
    policy: Arc<Policy>,
    admission: Admission,
    tunnel: Mutex<Option<Tunnel>>,
    /// What drives the connections to hosts.
    drivers: Mutex<JoinSet<()>>,
}

struct Tunnel {
    client: OnUpgrade,
    host: Metered<TcpStream>,
}

/// Until both ends are done with it.
pub(super) async fn serve<T>(client: T, policy: Arc<Policy>, admission: Admission)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = Arc::new(Connection {
        policy,
        admission,
        tunnel: Mutex::default(),
        drivers: Mutex::default(),
    });
    let service = service_fn(|request| {
        let connection = connection.clone();
        async move {
            let answer = connection.answer(request).await;
            Ok::<_, Infallible>(answer.unwrap_or_else(|refusal| refusal.answer()))
        }
    });
    let served = server::Builder::new()
        .preserve_header_case(true)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEAD_LINES)
        .half_close(true)
        .serve_connection(TokioIo::new(client), service)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::debug!(error = %error, "a connection out of a sandbox broke off");
    }
    let tunnel = lock(&connection.tunnel).take();
    if let Some(Tunnel { client, host }) = tunnel
        && let Ok(client) = client.await
    {
        // Either end may break off whenever it likes.
        let _broken = through(client, host).await;
    }
}

async fn through(client: Upgraded, mut host: Metered<TcpStream>) -> io::Result<()> {
    let mut client = TokioIo::new(client);
    copy_bidirectional_with_sizes(&mut client, &mut host, PIECE, PIECE).await?;
    Ok(())
}

impl Policy {
    pub(super) const fn new(network: Network, dialer: Dialer) -> Self {
        Self { network, dialer }
    }

    async fn dial(
        &self,
        wanted: &Wanted,
        meter: &Arc<Meter>,
    ) -> Result<Metered<TcpStream>, Refusal> {
        // Before anything is looked up: a name is a message, too.
        let is_named = self.network.hosts.iter().any(|host| host.is(wanted));
        if self.dialer.walls.named && !is_named {
            return Err(Refusal::Unnamed(wanted.clone()));
        }
        if meter.is_cut() {
            return Err(Refusal::UsedUp(meter.most()));
        }
        let dialled = self.dialer.dial(wanted, self.network.is_trusted).await;
        let stream = dialled.inspect_err(|_| meter.failed())?;
        Ok(Metered::new(stream, meter.clone()))
    }
}

impl Connection {
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
        let meter = match &self.admission {
            Admission::Open(meter) => meter,
            Admission::Shut => return Err(Refusal::Shut),
            Admission::Full(most) => return Err(Refusal::Full(*most)),
        };
        if request.method() == Method::CONNECT {
            return self.tunnel(request, meter).await;
        }
        let wanted = plain_target(request.uri()).ok_or(Refusal::NoProxyRequest)?;
        let host = self.policy.dial(&wanted, meter).await?;
        self.forward(request, wanted, host).await
    }

    async fn tunnel(
        &self,
        request: Request<Incoming>,
        meter: &Arc<Meter>,
    ) -> Result<Response<Body>, Refusal> {
        let authority = request.uri().authority().map(http::uri::Authority::as_str);
        let wanted = authority.and_then(|authority| Wanted::of(authority, None));
        let wanted = wanted.ok_or(Refusal::NoProxyRequest)?;
        let host = self.policy.dial(&wanted, meter).await?;
        let client = hyper::upgrade::on(request);
        *lock(&self.tunnel) = Some(Tunnel { client, host });
        Ok(Response::new(Either::Right(Full::default())))
    }

    async fn forward(
        &self,
        request: Request<Incoming>,
        wanted: Wanted,
        host: Metered<TcpStream>,
    ) -> Result<Response<Body>, Refusal> {
        let failed = |error| Refusal::Upstream(wanted.clone(), error);
        let (mut sender, driver) = client::Builder::new()
            .preserve_header_case(true)
            .max_buf_size(HEAD_BYTES)
            .handshake(TokioIo::new(host))
            .await
            .map_err(failed)?;
        lock(&self.drivers).spawn(async move {
            // Its end is told to whoever waits for the answer.
            let _told = driver.await;
        });
        let own_host = self.policy.dialer.walls.own_host;
        let request = as_the_host_reads_it(request, own_host).ok_or(Refusal::NoProxyRequest)?;
        let mut answer = sender.send_request(request).await.map_err(failed)?;
        without_hops(answer.headers_mut());
        *answer.version_mut() = Version::HTTP_11;
        Ok(answer.map(Either::Left))
    }
}

/// Where a request with an absolute address goes.
fn plain_target(uri: &Uri) -> Option<Wanted> {
    if uri.scheme_str() != Some("http") {
        return None;
    }
    Wanted::of(uri.authority()?.as_str(), Some(80))
}

/// The same request in origin form, with the host it really asks for (RFC 9112, section
/// 3.2.2), and without what concerns the proxy alone.
fn as_the_host_reads_it(request: Request<Incoming>, own_host: bool) -> Option<Request<Incoming>> {
    let (mut parts, body) = request.into_parts();
    let host = HeaderValue::from_str(parts.uri.authority()?.as_str()).ok()?;
    let path = parts.uri.path_and_query().cloned();
    parts.uri = path.map_or_else(|| Uri::from_static("/"), Uri::from);
    parts.version = Version::HTTP_11;
    without_hops(&mut parts.headers);
    if own_host {
        parts.headers.insert(header::HOST, host);
    }
    // The library has told the client to go on.
    parts.headers.remove(header::EXPECT);
    Some(Request::from_parts(parts, body))
}

/// Removes what is for one connection only (RFC 9110, section 7.6.1).
fn without_hops(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let always = [
        header::CONNECTION,
        header::PROXY_AUTHENTICATE,
        header::PROXY_AUTHORIZATION,
        header::TE,
        header::TRAILER,
        header::UPGRADE,
        HeaderName::from_static("keep-alive"),
        HeaderName::from_static("proxy-connection"),
    ];
    // How long the body is concerns the library, whatever the code lists.
    let framing = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING];
    for name in named.into_iter().chain(always) {
        if !framing.contains(&name) {
            headers.remove(&name);
        }
    }
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
