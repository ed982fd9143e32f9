//! What a host gets, read so strictly that no other reader could take it to be more.

/// A request as it came over one connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// So far, and nothing is wrong with it.
    Part,
    /// All of it, for this host, so long.
    Whole {
        host: String,
        length: usize,
    },
    Wrong(String),
}

pub(super) fn read(bytes: &[u8]) -> Read {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Read::Part;
    };
    let (head, body) = (&bytes[..end], &bytes[end + 4..]);
    match framing(head).and_then(|(host, framing)| Ok((host, length(&framing, body)?))) {
        Ok((host, Some(length))) => Read::Whole {
            host,
            length: end + 4 + length,
        },
        Ok((_, None)) => Read::Part,
        Err(what) => Read::Wrong(what),
    }
}

enum Framing {
    Length(usize),
    Chunks,
}

/// The host that is asked, and how long the body is.
fn framing(head: &[u8]) -> Result<(String, Framing), String> {
    let is_plain = |byte: &u8| matches!(byte, b'\t' | 0x20..=0x7e | 0x80..);
    let lines = head.split(|byte| *byte == b'\n').enumerate();
    let count = lines.clone().count();
    let (mut hosts, mut framings) = (Vec::new(), Vec::new());
    for (at, line) in lines {
        // The last line's end was taken away.
        let line = if at + 1 == count {
            Some(line)
        } else {
            line.strip_suffix(b"\r")
        };
        let line = line
            .filter(|line| line.iter().all(is_plain))
            .ok_or("a bare line's end or a control character")?;
        let line = String::from_utf8_lossy(line);
        if at == 0 {
            request_line(&line)?;
            continue;
        }
        let (name, value) = line.split_once(':').ok_or("a line without a colon")?;
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_name) {
            return Err(format!("{name:?} is no header's name"));
        }
        match &*name.to_ascii_lowercase() {
            "host" => hosts.push(value.trim().to_owned()),
            "content-length" => framings.push(content_length(value.trim())?),
            "transfer-encoding" if value.trim().eq_ignore_ascii_case("chunked") => {
                framings.push(Framing::Chunks);
            }
            "transfer-encoding" | "connection" | "proxy-authorization" | "upgrade" | "expect" => {
                return Err(format!("{line:?} was passed on"));
            }
            _ => {}
        }
    }
    let host = match &hosts[..] {
        [host] => host.clone(),
        _ => return Err(format!("{} hosts", hosts.len())),
    };
    match framings.len() {
        0 => Ok((host, Framing::Length(0))),
        1 => Ok((host, framings.remove(0))),
        _ => Err("more than one length".to_owned()),
    }
}

fn request_line(line: &str) -> Result<(), String> {
    let words: Vec<&str> = line.split(' ').collect();
    match words[..] {
        [method, target, "HTTP/1.1"]
            if !method.is_empty() && (target.starts_with('/') || target == "*") =>
        {
            Ok(())
        }
        _ => Err(format!("{line:?} is no request")),
    }
}

fn content_length(value: &str) -> Result<Framing, String> {
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let length = value.parse().ok().filter(|_| is_number);
    length
        .map(Framing::Length)
        .ok_or_else(|| format!("{value:?} is no length"))
}

/// Of a body, where all of it is there.
fn length(framing: &Framing, body: &[u8]) -> Result<Option<usize>, String> {
    let mut at = match framing {
        Framing::Length(length) => return Ok((body.len() >= *length).then_some(*length)),
        Framing::Chunks => 0,
    };
    loop {
        let rest = &body[at..];
        let Some(end) = rest.windows(2).position(|two| two == b"\r\n") else {
            return Ok(None);
        };
        let digits = std::str::from_utf8(&rest[..end]).map_err(|error| error.to_string())?;
        let is_size = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let size = usize::from_str_radix(digits, 16).ok().filter(|_| is_size);
        let size = size.ok_or_else(|| format!("{digits:?} is no chunk's size"))?;
        let Some(chunk) = rest.get(end + 2..end + 4 + size) else {
            return Ok(None);
        };
        if !chunk.ends_with(b"\r\n") {
            return Err("a chunk has no end".to_owned());
        }
        at += end + 4 + size;
        if size == 0 {
            return Ok(Some(at));
        }
    }
}

#[test]
fn a_request_that_two_readers_could_take_apart_differently_is_wrong() {
    let good = b"POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nok";
    let host = "a.test".to_owned();
    assert_eq!(
        read(good),
        Read::Whole {
            host,
            length: good.len()
        }
    );
    assert_eq!(read(&good[..good.len() - 1]), Read::Part);
    for wrong in [
        "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\nHost: a.test\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.test\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a.test\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.test\r\nX: a\rb\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.test\r\nX: a\0b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.test\r\nContent-Length: +1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\n",
        "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n",
    ] {
        assert!(
            matches!(read(wrong.as_bytes()), Read::Wrong(_)),
            "{wrong:?}"
        );
    }
}
