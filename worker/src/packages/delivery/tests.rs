//! What comes out of a build sandbox, and what does not.

use std::io::Cursor;

use super::*;

const BOUNDS: Bounds = Bounds {
    bytes: 1 << 20,
    files: 10,
};

/// A stream with what was answered behind what is read.
struct Stream {
    given: Cursor<Vec<u8>>,
    answered: Vec<u8>,
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.given.read(into)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.answered.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn one(kind: u8, name: &[u8], body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend(u16::try_from(name.len()).unwrap().to_be_bytes());
    bytes.extend((body.len() as u64).to_be_bytes());
    [&bytes, name, body].concat()
}

fn deliver(test: &str, parts: &[Vec<u8>]) -> (Folder, Result<Taken, DeliveryError>) {
    let name = format!("pbt-delivery-{}-{test}", std::process::id());
    let folder = Folder(std::env::temp_dir().join(name));
    fs::create_dir(&folder.0).unwrap();
    let mut given = parts.concat();
    given.extend(one(b'E', b"", b""));
    let mut stream = Stream {
        given: Cursor::new(given),
        answered: Vec::new(),
    };
    let taken = take(&mut stream, &folder.0, BOUNDS);
    assert_eq!(taken.is_ok(), stream.answered == b"K");
    (folder, taken)
}

#[test]
fn files_folders_and_inner_links_arrive() {
    // Of a service that keeps its files to itself.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    let parts = [
        one(b'F', b"a/b/c.py", b"x = 1"),
        one(b'X', b"bin/tool", b"#!"),
        one(b'L', b"a/b/d.py", b"../b/c.py"),
        one(b'F', b"empty", b""),
    ];
    let (folder, taken) = deliver("arrive", &parts);
    assert_eq!(taken.unwrap().files, 7, "four, and three folders");
    assert_eq!(fs::read(folder.0.join("a/b/d.py")).unwrap(), b"x = 1");
    for (path, mode) in [("bin/tool", 0o755), ("a/b", 0o755), ("empty", 0o644)] {
        let there = fs::metadata(folder.0.join(path)).unwrap().permissions();
        assert_eq!(there.mode() & 0o777, mode, "{path}");
    }
}

#[test]
fn no_path_leads_out() {
    let long = "a".repeat(PATH_BYTES + 1);
    for name in [
        "",
        "/etc/passwd",
        "../a",
        "a/../../b",
        "a/..",
        "./a",
        "a//b",
        "a/",
        "a\0b",
        ".",
        &long,
    ] {
        let (_folder, taken) = deliver("paths", &[one(b'F', name.as_bytes(), b"x")]);
        assert!(
            matches!(taken, Err(DeliveryError::Path(_))),
            "{name:?}: {taken:?}"
        );
    }
    let (_folder, taken) = deliver("bytes", &[one(b'F', b"\xff", b"x")]);
    assert!(matches!(taken, Err(DeliveryError::Path(_))));
}

#[test]
fn no_link_leads_out_and_none_is_written_through() {
    for target in ["/etc/passwd", "../x", "b/../../x", "", "/", "b/../c", ".."] {
        let (_folder, taken) = deliver("links", &[one(b'L', b"a", target.as_bytes())]);
        assert!(
            matches!(taken, Err(DeliveryError::Link(_))),
            "{target:?}: {taken:?}"
        );
    }
    let through = [one(b'L', b"a", b"b"), one(b'F', b"a/c", b"x")];
    let (folder, taken) = deliver("through", &through);
    assert!(matches!(taken, Err(DeliveryError::Store(_))), "{taken:?}");
    assert!(!folder.0.join("b").exists());
}

#[test]
fn a_name_is_written_once_and_a_file_is_no_folder() {
    for second in [one(b'F', b"a", b"y"), one(b'F', b"a/b", b"y")] {
        let (folder, taken) = deliver("twice", &[one(b'F', b"a", b"x"), second]);
        assert!(matches!(taken, Err(DeliveryError::Store(_))), "{taken:?}");
        assert_eq!(fs::read(folder.0.join("a")).unwrap(), b"x");
    }
}

#[test]
fn bytes_files_and_folders_are_bounded_before_they_are_written() {
    let whole = usize::try_from(BOUNDS.bytes).unwrap();
    let (_folder, taken) = deliver("most", &[one(b'F', b"a", &vec![0; whole])]);
    assert_eq!(taken.unwrap().bytes, BOUNDS.bytes);
    let more = [one(b'F', b"a", &vec![0; whole]), one(b'F', b"b", b"")];
    let (folder, taken) = deliver("more", &more);
    assert!(matches!(taken, Err(DeliveryError::Bytes(1))), "{taken:?}");
    assert!(!folder.0.join("b").exists());
    // A length that no body has.
    let mut liar = one(b'F', b"a", b"");
    liar[3..11].copy_from_slice(&u64::MAX.to_be_bytes());
    let (_folder, taken) = deliver("liar", &[liar]);
    assert!(matches!(taken, Err(DeliveryError::Bytes(_))), "{taken:?}");
    let many = |count: u64| (0..count).map(|n| one(b'F', n.to_string().as_bytes(), b""));
    let (_folder, taken) = deliver("many", &many(BOUNDS.files).collect::<Vec<_>>());
    assert_eq!(taken.unwrap().files, BOUNDS.files);
    let deep = "a/".repeat(10) + "b";
    let (folder, taken) = deliver("deep", &[one(b'F', deep.as_bytes(), b"")]);
    assert!(matches!(taken, Err(DeliveryError::Files(_))), "{taken:?}");
    assert!(!folder.0.join(&deep).exists());
    let (_folder, taken) = deliver("too-many", &many(BOUNDS.files + 1).collect::<Vec<_>>());
    assert!(matches!(taken, Err(DeliveryError::Files(_))), "{taken:?}");
}

#[test]
fn half_a_delivery_and_strange_kinds_are_refused() {
    let (_folder, taken) = deliver("kind", &[one(b'?', b"fifo", b"")]);
    assert!(matches!(taken, Err(DeliveryError::Kind(_))), "{taken:?}");
    let mut half = one(b'F', b"a", b"xyz");
    half[10] = 200;
    let (_folder, taken) = deliver("half", &[half]);
    assert!(matches!(taken, Err(DeliveryError::Stream(_))), "{taken:?}");
}
