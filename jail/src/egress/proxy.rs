//! What a connection out of a sandbox may ask for (RFC 9110, section 9.3.6; RFC 9112,
//! section 3.2.2): a tunnel, or a request with an absolute address.
//!
//! Requests are read and written anew by a library that knows what a message is, so that
//! no host is sent what the code made look like two requests; each one is decided on by
//! itself. A refusal says why in its status line, which is what clients show.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, Response, StatusCode, Uri, Version};
use http_body_util::{BodyExt as _, Either, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1 as client;
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional_with_sizes};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Network;
use super::dial::Dialer;
use super::hosts::Wanted;
use super::meter::{Meter, Metered};
use super::refusal::{Body, Refusal};
use crate::limits::{HEAD_BYTES, HEAD_LINES};

const PIECE: usize = 16 << 10;
/// How much of a refused request is read, and for how long, before it is answered: who is still
/// writing doesn't see the answer.
const UNREAD_BYTES: usize = 16 << 20;
const UNREAD: Duration = Duration::from_secs(2);
/// The port of addresses that name none.
const HTTP: u16 = 80;

type Host = Metered<TcpStream>;

/// What one sandbox may reach, and how.
#[derive(Debug)]
pub(super) struct Policy {
    network: Network,
    dialer: Dialer,
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
    dialled: Dialled,
}

/// A connection to a host, and its place among all.
struct Dialled {
    host: Host,
    _place: OwnedSemaphorePermit,
}

/// Until both ends are done with it, or its execution is.
pub(super) async fn serve<T>(client: T, policy: Arc<Policy>, admission: Admission)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let meter = match &admission {
        Admission::Open(meter) => Some(meter.clone()),
        Admission::Shut | Admission::Full(_) => None,
    };
    let serving = serve_all(client, policy, admission);
    match &meter {
        None => serving.await,
        Some(meter) => {
            let mut ends = std::pin::pin!(meter.ends());
            // It may have been shut since it was looked at: heard from here on, or seen below.
            ends.as_mut().enable();
            if meter.is_shut() {
                return;
            }
            tokio::select! {
                biased;
                () = ends => {}
                () = serving => {}
            }
        }
    }
}

async fn serve_all<T>(client: T, policy: Arc<Policy>, admission: Admission)
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
        async move { Ok::<_, Infallible>(connection.answer(request).await) }
    });
    let served = server::Builder::new()
        .preserve_header_case(true)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEAD_LINES)
        .serve_connection(TokioIo::new(client), service)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::debug!(error = %error, "a connection out of a sandbox broke off");
    }
    let tunnel = lock(&connection.tunnel).take();
    if let Some(Tunnel { client, dialled }) = tunnel
        && let Ok(client) = client.await
    {
        // Either end may break off whenever it likes.
        let _broken = through(client, dialled).await;
    }
}

async fn through(client: Upgraded, mut dialled: Dialled) -> io::Result<()> {
    let mut client = TokioIo::new(client);
    copy_bidirectional_with_sizes(&mut client, &mut dialled.host, PIECE, PIECE).await?;
    Ok(())
}

impl Policy {
    pub(super) const fn new(network: Network, dialer: Dialer) -> Self {
        Self { network, dialer }
    }

    async fn dial(&self, wanted: &Wanted, meter: &Arc<Meter>) -> Result<Dialled, Refusal> {
        // Before anything is looked up: a name is a message, too.
        let is_named = self.network.hosts.iter().any(|host| host.is(wanted));
        if self.dialer.walls.named && !is_named {
            return Err(Refusal::Unnamed(wanted.clone()));
        }
        if meter.is_cut() {
            return Err(Refusal::UsedUp(meter.most()));
        }
        if !meter.dials() {
            return Err(Refusal::Dialled);
        }
        let place = self.dialer.place().ok_or(Refusal::Crowded)?;
        let dialled = self.dialer.dial(wanted, self.network.is_trusted).await;
        let stream = dialled.inspect_err(|_| meter.failed())?;
        Ok(Dialled {
            host: Metered::new(stream, meter.clone()),
            _place: place,
        })
    }
}

impl Connection {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let answer = match self.decide(&request).await {
            Ok((_, dialled)) if request.method() == Method::CONNECT => {
                let client = hyper::upgrade::on(request);
                *lock(&self.tunnel) = Some(Tunnel { client, dialled });
                return Response::new(Either::Right(Full::default()));
            }
            Ok((wanted, dialled)) => self.forward(request, wanted, dialled).await,
            Err(refusal) => {
                let _left_where_it_is = timeout(UNREAD, read_away(request.into_body())).await;
                Err(refusal)
            }
        };
        answer.unwrap_or_else(|refusal| refusal.answer())
    }

    async fn decide(&self, request: &Request<Incoming>) -> Result<(Wanted, Dialled), Refusal> {
        let meter = match &self.admission {
            Admission::Open(meter) => meter,
            Admission::Shut => return Err(Refusal::Shut),
            Admission::Full(most) => return Err(Refusal::Full(*most)),
        };
        let wanted = target(request).ok_or(Refusal::NoProxyRequest)?;
        if !is_plainly_framed(request.headers()) {
            return Err(Refusal::Coding);
        }
        let dialled = self.policy.dial(&wanted, meter).await?;
        Ok((wanted, dialled))
    }

    async fn forward(
        &self,
        request: Request<Incoming>,
        wanted: Wanted,
        Dialled {
            host,
            _place: place,
        }: Dialled,
    ) -> Result<Response<Body>, Refusal> {
        let failed = |error| Refusal::Upstream(wanted.clone(), Some(error));
        let (mut sender, driver) = client::Builder::new()
            .preserve_header_case(true)
            .max_buf_size(HEAD_BYTES)
            .handshake(TokioIo::new(host))
            .await
            .map_err(failed)?;
        {
            let mut drivers = lock(&self.drivers);
            // A client may send many requests over its one connection.
            while drivers.try_join_next().is_some() {}
            drivers.spawn(async move {
                // Its end is told to whoever waits for the answer.
                let _told = driver.await;
                drop(place);
            });
        }
        let own_host = self.policy.dialer.walls.own_host;
        let host = own_host.then_some(&wanted);
        let request = as_the_host_reads_it(request, host).ok_or(Refusal::NoProxyRequest)?;
        let mut answer = sender.send_request(request).await.map_err(failed)?;
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            // Nobody asked: what would do so is not passed on.
            return Err(Refusal::Upstream(wanted, None));
        }
        without_hops(answer.headers_mut());
        if answer
            .headers_mut()
            .remove(header::TRANSFER_ENCODING)
            .is_some()
        {
            // The chunks say how long it is, whatever else does (RFC 9112, section 6.3).
            answer.headers_mut().remove(header::CONTENT_LENGTH);
        }
        *answer.version_mut() = Version::HTTP_11;
        Ok(answer.map(Either::Left))
    }
}

async fn read_away(mut body: Incoming) {
    let mut read = 0;
    while read < UNREAD_BYTES
        && let Some(Ok(frame)) = body.frame().await
    {
        read += frame.data_ref().map_or(0, Bytes::len);
    }
}

/// Where a request goes: the host and port of a tunnel, or of an absolute address.
fn target<B>(request: &Request<B>) -> Option<Wanted> {
    let uri = request.uri();
    let authority = uri.authority()?.as_str();
    match (request.method(), uri.scheme_str()) {
        (&Method::CONNECT, None) if uri.path().is_empty() => Wanted::of(authority, None),
        (&Method::CONNECT, _) => None,
        (_, Some("http")) => Wanted::of(authority, Some(HTTP)),
        _ => None,
    }
}

/// Whether every host finds the same end of the body: a coding that one of them doesn't know
/// (RFC 9112, section 6.1) may be none to it, and the body another request.
fn is_plainly_framed(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let is_chunked = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    codings.next().is_none_or(is_chunked) && codings.next().is_none()
}

/// The same request in origin form, with the host it really asks for (RFC 9112, section
/// 3.2.2) as we spell it, and without what concerns the proxy alone.
fn as_the_host_reads_it(
    request: Request<Incoming>,
    host: Option<&Wanted>,
) -> Option<Request<Incoming>> {
    let (mut parts, body) = request.into_parts();
    parts.uri = origin_form(&parts.uri)?;
    parts.version = Version::HTTP_11;
    without_hops(&mut parts.headers);
    if let Some(host) = host {
        let host = HeaderValue::from_str(&host.authority(HTTP)).ok()?;
        parts.headers.insert(header::HOST, host);
    }
    // The library has told the client to go on.
    parts.headers.remove(header::EXPECT);
    Some(Request::from_parts(parts, body))
}

/// What stands behind the host. The library has no path at all for `http://host?query` and
/// `http://host#fragment`, and would write it so.
fn origin_form(uri: &Uri) -> Option<Uri> {
    let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let slash = if path.starts_with('/') { "" } else { "/" };
    format!("{slash}{path}").parse().ok()
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
