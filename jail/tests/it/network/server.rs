//! A host on loopback that counts what comes and goes, and notes what it is asked.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

#[derive(Default)]
struct Seen {
    heads: Mutex<Vec<String>>,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    open: AtomicUsize,
    over: AtomicBool,
}

/// `/bytes/N` answers with N bytes; `/endless` and `/silent` never end; `/to/ADDRESS`
/// redirects; `/host` tells the `Host` it was given, `/count/PATH` how often `/PATH` was
/// asked for; `/both` has two lengths, `/switch` speaks something else; all else is answered with what came as the body.
pub(crate) struct Server {
    pub(crate) at: SocketAddr,
    seen: Arc<Seen>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let at = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let shared = seen.clone();
        let thread = std::thread::spawn(move || {
            let mut connections = Vec::new();
            for client in listener.incoming() {
                if shared.over.load(Ordering::Relaxed) {
                    break;
                }
                let (client, seen) = (client.unwrap(), shared.clone());
                connections.push(std::thread::spawn(move || {
                    seen.open.fetch_add(1, Ordering::SeqCst);
                    // A client that breaks off is what some tests are about.
                    let _broken = serve(client, &seen);
                    seen.open.fetch_sub(1, Ordering::SeqCst);
                }));
            }
            for connection in connections {
                connection.join().unwrap();
            }
        });
        Self {
            at,
            seen,
            thread: Some(thread),
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.at.port()
    }

    /// Heads of requests, in the order they came.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.seen.heads.lock().unwrap().clone()
    }

    /// As its clients count them: what it sent, what it got.
    pub(crate) fn traffic(&self) -> (u64, u64) {
        let of = |count: &AtomicU64| count.load(Ordering::SeqCst);
        (of(&self.seen.bytes_out), of(&self.seen.bytes_in))
    }

    /// Until as many connections are open; gives how many are after twenty seconds at most.
    pub(crate) async fn wait_for(&self, open: usize) -> usize {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let now = self.seen.open.load(Ordering::SeqCst);
            if now == open || Instant::now() >= until {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.seen.over.store(true, Ordering::Relaxed);
        let _wakes_it = TcpStream::connect(self.at);
        self.thread.take().map(JoinHandle::join);
    }
}

fn serve(mut client: TcpStream, seen: &Seen) -> std::io::Result<()> {
    client.set_read_timeout(Some(Duration::from_millis(50)))?;
    while let Some((head, body)) = request(&mut client, seen)? {
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        seen.heads.lock().unwrap().push(head);
        let send = |client: &mut TcpStream, bytes: &[u8]| {
            client.write_all(bytes)?;
            seen.bytes_out
                .fetch_add(bytes.len() as u64, Ordering::SeqCst);
            std::io::Result::Ok(())
        };
        if let Some(to) = path.strip_prefix("/to/") {
            let text = format!(
                "HTTP/1.1 302 Found\r\nLocation: http://{to}/\r\nContent-Length: 0\r\n\r\n"
            );
            send(&mut client, text.as_bytes())?;
            continue;
        }
        let odd = match path.as_str() {
            "/both" => Some(
                "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            ),
            "/switch" => Some(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
            ),
            _ => None,
        };
        if let Some(odd) = odd {
            send(&mut client, odd.as_bytes())?;
            continue;
        }
        let body = told(&path, seen).unwrap_or(body);
        let length = match path.strip_prefix("/bytes/") {
            Some(length) => length.parse().unwrap(),
            None if path == "/endless" => u64::MAX >> 2,
            None if path == "/silent" => {
                // Until it is left.
                let mut rest = [0; 64];
                loop {
                    match client.read(&mut rest) {
                        Ok(0) => return Ok(()),
                        Err(_) if seen.over.load(Ordering::Relaxed) => return Ok(()),
                        _ => {}
                    }
                }
            }
            None => body.len() as u64,
        };
        let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        send(&mut client, text.as_bytes())?;
        if path.starts_with("/bytes/") || path == "/endless" {
            let piece = [b'x'; 4_096];
            let mut left = length;
            while left > 0 {
                let now = left.min(piece.len() as u64);
                send(&mut client, &piece[..usize::try_from(now).unwrap()])?;
                left -= now;
            }
        } else {
            send(&mut client, &body)?;
        }
    }
    Ok(())
}

/// What it says of requests.
fn told(path: &str, seen: &Seen) -> Option<Vec<u8>> {
    let heads = seen.heads.lock().unwrap();
    if path == "/host" {
        let host = heads.last()?.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("host").then(|| value.to_owned())
        });
        return Some(host.unwrap_or_default().into_bytes());
    }
    let counted = path.strip_prefix("/count")?;
    let is_it = |head: &&String| head.split(' ').nth(1) == Some(counted);
    Some(heads.iter().filter(is_it).count().to_string().into_bytes())
}

/// A head and its body; `None` at the end.
fn request(client: &mut TcpStream, seen: &Seen) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let mut got = Vec::new();
    let mut piece = [0; 65_536];
    loop {
        if let Some(end) = got.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&got[..end]).into_owned();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                let is_length = name.eq_ignore_ascii_case("content-length");
                is_length.then(|| value.parse::<usize>().unwrap())
            });
            let is_chunked = head
                .to_lowercase()
                .contains("\r\ntransfer-encoding: chunked");
            let is_whole = if is_chunked {
                got.ends_with(b"0\r\n\r\n")
            } else {
                got.len() >= end + 4 + length.unwrap_or(0)
            };
            if is_whole {
                return Ok(Some((head, got.split_off(end + 4))));
            }
        }
        match client.read(&mut piece) {
            Ok(0) => return Ok(None),
            Ok(length) => {
                seen.bytes_in.fetch_add(length as u64, Ordering::SeqCst);
                got.extend_from_slice(&piece[..length]);
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                if seen.over.load(Ordering::Relaxed) {
                    return Ok(None);
                }
            }
            Err(error) => return Err(error),
        }
    }
}
