//! The way from a build sandbox to the package index: a proxy at the other end of a
//! listener in the sandbox's network. It knows a few hosts and nothing else.
//!
//! `CONNECT host:port` for TLS, and absolute addresses for an index without it (RFC
//! 9112, section 3.2.2). A connection serves one request: whatever follows in it can only
//! go to the same host.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

const HEAD_BYTES: usize = 16 << 10;
const PIECE: usize = 64 << 10;
const CONNECT: Duration = Duration::from_secs(10);
/// At once, of one sandbox; others wait.
const CONNECTIONS: usize = 64;

/// One sandbox's way out.
#[derive(Debug)]
pub(super) struct Way {
    /// `host:port`, in lower case.
    hosts: Arc<BTreeSet<String>>,
    /// What may come in, in all.
    most: u64,
    came: AtomicU64,
    /// A host that may be reached was not.
    failed: AtomicBool,
}

impl Way {
    pub(super) const fn new(hosts: Arc<BTreeSet<String>>, most: u64) -> Self {
        Self {
            hosts,
            most,
            came: AtomicU64::new(0),
            failed: AtomicBool::new(false),
        }
    }

    /// More came than may: nothing comes any more.
    pub(super) fn is_used_up(&self) -> bool {
        self.came.load(Ordering::Relaxed) > self.most
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Serves for ever; dropped, it drops its connections.
    pub(super) async fn serve(self: Arc<Self>, listener: TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            if connections.len() >= CONNECTIONS {
                connections.join_next().await;
            }
            match listener.accept().await {
                Ok((client, _)) => {
                    let way = Arc::clone(&self);
                    connections.spawn(async move {
                        // Its client sees that it ended.
                        let _closed = way.pass(client).await;
                    });
                }
                Err(error) => {
                    tracing::debug!(error = %error, "no connection out of a build sandbox");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    async fn pass(&self, mut client: TcpStream) -> io::Result<()> {
        let Some((head, rest)) = read_head(&mut client).await? else {
            return refuse(&mut client, "400 Bad Request").await;
        };
        let Some(wanted) = Wanted::parse(&head) else {
            return refuse(&mut client, "400 Bad Request").await;
        };
        if !self.hosts.contains(&wanted.host) {
            return refuse(&mut client, "403 Forbidden").await;
        }
        let Ok(Ok(mut host)) = timeout(CONNECT, TcpStream::connect(&wanted.host)).await else {
            self.failed.store(true, Ordering::Relaxed);
            return refuse(&mut client, "502 Bad Gateway").await;
        };
        match &wanted.head {
            None => client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?,
            Some(head) => host.write_all(head.as_bytes()).await?,
        }
        host.write_all(&rest).await?;
        let (mut from_client, mut to_client) = client.split();
        let (mut from_host, mut to_host) = host.split();
        let up = async {
            tokio::io::copy(&mut from_client, &mut to_host).await?;
            to_host.shutdown().await
        };
        let down = self.bring(&mut from_host, &mut to_client);
        tokio::select! {
            down = down => down,
            // What the client has said is all; the answer may still be coming.
            Err(error) = up => Err(error),
        }
    }

    async fn bring(
        &self,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
    ) -> io::Result<()> {
        let mut piece = vec![0; PIECE];
        loop {
            let read = from.read(&mut piece).await;
            let read = read.inspect_err(|_| self.failed.store(true, Ordering::Relaxed))?;
            self.came.fetch_add(read as u64, Ordering::Relaxed);
            if read == 0 || self.is_used_up() {
                return to.shutdown().await;
            }
            to.write_all(&piece[..read]).await?;
        }
    }
}

async fn refuse(client: &mut TcpStream, status: &str) -> io::Result<()> {
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    client.write_all(answer.as_bytes()).await
}

/// A request's head and what came behind it; `None` where it is too long or never ends.
async fn read_head(client: &mut TcpStream) -> io::Result<Option<(Vec<u8>, Vec<u8>)>> {
    let mut got = Vec::with_capacity(1_024);
    loop {
        if let Some(end) = got.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = got.split_off(end + 4);
            return Ok(Some((got, rest)));
        }
        if got.len() >= HEAD_BYTES || client.read_buf(&mut got).await? == 0 {
            return Ok(None);
        }
    }
}

/// Where a request goes.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    /// `host:port`, in lower case.
    host: String,
    /// What the host is told, where it is not a tunnel.
    head: Option<String>,
}

impl Wanted {
    fn parse(head: &[u8]) -> Option<Self> {
        let head = std::str::from_utf8(head).ok()?;
        let (line, fields) = head.split_once("\r\n")?;
        let mut words = line.split(' ');
        let (method, target, version) = (words.next()?, words.next()?, words.next()?);
        if words.next().is_some() || version != "HTTP/1.1" {
            return None;
        }
        if method == "CONNECT" {
            let host = target.to_ascii_lowercase();
            return Some(Self { host, head: None });
        }
        let address = target.strip_prefix("http://")?;
        let (authority, path) = match address.find(['/', '?']) {
            Some(at) => address.split_at(at),
            None => (address, ""),
        };
        let authority = authority.to_ascii_lowercase();
        let has_port = authority
            .rsplit_once(':')
            .is_some_and(|(_, port)| !port.ends_with(']'));
        let host = if has_port {
            authority
        } else {
            authority + ":80"
        };
        let slash = if path.starts_with('/') { "" } else { "/" };
        let mut told = format!("{method} {slash}{path} HTTP/1.1\r\nConnection: close\r\n");
        for field in fields.split_inclusive("\r\n") {
            let name = field.split(':').next().unwrap_or_default();
            if ![
                "connection",
                "proxy-connection",
                "keep-alive",
                "proxy-authorization",
            ]
            .contains(&name.to_ascii_lowercase().as_str())
            {
                told.push_str(field);
            }
        }
        Some(Self {
            host,
            head: Some(told),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(head: &str) -> Option<Wanted> {
        Wanted::parse(head.as_bytes())
    }

    #[test]
    fn a_tunnel_is_for_a_host_and_a_port() {
        let wanted = parsed("CONNECT PyPI.org:443 HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        assert_eq!((wanted.host.as_str(), wanted.head), ("pypi.org:443", None));
    }

    #[test]
    fn an_absolute_address_is_told_to_its_host_as_a_path_on_a_connection_that_ends() {
        let head = "GET http://index/simple/six/?a=b HTTP/1.1\r\nHost: index\r\nConnection: keep-alive\r\n\r\n";
        let wanted = parsed(head).unwrap();
        assert_eq!(wanted.host, "index:80");
        assert_eq!(
            wanted.head.unwrap(),
            "GET /simple/six/?a=b HTTP/1.1\r\nConnection: close\r\nHost: index\r\n\r\n"
        );
        let bare = parsed("GET http://127.0.0.1:81?q HTTP/1.1\r\n\r\n").unwrap();
        assert_eq!(bare.host, "127.0.0.1:81");
        assert!(bare.head.unwrap().starts_with("GET /?q HTTP/1.1\r\n"));
        assert_eq!(
            parsed("GET http://[::1] HTTP/1.1\r\n\r\n").unwrap().host,
            "[::1]:80"
        );
    }

    #[test]
    fn other_heads_go_nowhere() {
        for head in [
            "",
            "\r\n\r\n",
            "GET /simple HTTP/1.1\r\n\r\n",
            "GET https://pypi.org/ HTTP/1.1\r\n\r\n",
            "GET http://pypi.org/ HTTP/1.0\r\n\r\n",
            "GET http://pypi.org/ x HTTP/1.1\r\n\r\n",
            "CONNECT\r\n\r\n",
        ] {
            assert_eq!(parsed(head), None, "{head:?}");
        }
        assert_eq!(Wanted::parse(b"GET http://\xff HTTP/1.1\r\n\r\n"), None);
    }
}
