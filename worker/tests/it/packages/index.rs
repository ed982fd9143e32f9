//! An index of one test: Python's own server, with packages that lie.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/packages/index.py");

/// Stopped when dropped.
pub(super) struct Index {
    child: Child,
    folder: PathBuf,
    port: u16,
}

impl Index {
    /// `other` is the port of a host that no build may reach.
    pub(super) fn start(test: &str, other: u16) -> Self {
        let name = format!("pbt-index-{}-{test}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).unwrap();
        let mut child = Command::new("/usr/bin/python3")
            .args(["-I", PROGRAM])
            .arg(&folder)
            .arg(other.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut port).unwrap();
        Self {
            child,
            folder,
            port: port.trim().parse().unwrap(),
        }
    }

    /// What a worker is told.
    pub(super) fn address(&self) -> String {
        format!("http://127.0.0.1:{}/simple", self.port)
    }

    /// Turns on one of the index' vices.
    pub(super) fn turn(&self, vice: &str) {
        std::fs::write(self.folder.join(vice), "").unwrap();
    }

    /// Turns it off again.
    pub(super) fn mend(&self, vice: &str) {
        std::fs::remove_file(self.folder.join(vice)).unwrap();
    }

    /// Paths it was asked for.
    pub(super) fn asked(&self) -> String {
        std::fs::read_to_string(self.folder.join("asked")).unwrap_or_default()
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
