//! A keep-alive HTTP/1.1 client that costs next to nothing: it shares the two
//! cores with what it measures.

use std::fmt::Write as _;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// One connection.
#[derive(Debug)]
pub(super) struct Client {
    stream: TcpStream,
    read: Vec<u8>,
}

/// A status and a body.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

impl Client {
    pub(super) async fn connect(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address)
            .await
            .with_context(|| format!("connect {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            read: Vec::with_capacity(16 << 10),
        })
    }

    /// Different for each connection that is open.
    #[must_use]
    pub(super) fn number(&self) -> u16 {
        self.stream.local_addr().map_or(0, |address| address.port())
    }

    /// Sends a whole request and reads the whole answer.
    pub(super) async fn send(&mut self, request: &[u8]) -> Result<Answer> {
        self.stream.write_all(request).await?;
        self.read.clear();
        let head_end = loop {
            if let Some(at) = find(&self.read, b"\r\n\r\n") {
                break at + 4;
            }
            self.fill().await?;
        };
        let head = std::str::from_utf8(&self.read[..head_end])?;
        let status = head.get(9..12).context("no status line")?.parse()?;
        let mut headers = head.split("\r\n").filter_map(|line| line.split_once(':'));
        let length = headers.find(|header| header.0.eq_ignore_ascii_case("content-length"));
        let length: usize = match length {
            Some((_, length)) => length.trim().parse()?,
            None if status == 204 => 0,
            None => bail!("an answer without content-length"),
        };
        while self.read.len() < head_end + length {
            self.fill().await?;
        }
        Ok(Answer {
            status,
            body: self.read[head_end..head_end + length].to_vec(),
        })
    }

    async fn fill(&mut self) -> Result<()> {
        if self.stream.read_buf(&mut self.read).await? == 0 {
            bail!("the server closed the connection");
        }
        Ok(())
    }
}

/// The bytes of a request with a JSON body.
#[must_use]
pub(super) fn request(
    method: &str,
    path: &str,
    host: &str,
    headers: &[(&str, String)],
    body: &str,
) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n");
    for (name, value) in headers {
        let _ = write!(text, "{name}: {value}\r\n");
    }
    let _ = write!(
        text,
        "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    text.push_str(body);
    text.into_bytes()
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}
