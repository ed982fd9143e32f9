//! An index of one test: Python's own server, with packages that lie.

use crate::rig::Served;

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/packages/index.py");

/// Stopped when dropped.
pub(super) struct Index(Served);

impl Index {
    /// `other` is the port of a host that no build may reach.
    pub(super) fn start(test: &str, other: u16) -> Self {
        Self(Served::start(PROGRAM, test, &[other.to_string()]))
    }

    /// What a worker is told.
    pub(super) fn address(&self) -> String {
        format!("http://127.0.0.1:{}/simple", self.0.port)
    }

    /// Turns on one of the index' vices.
    pub(super) fn turn(&self, vice: &str) {
        std::fs::write(self.0.folder.join(vice), "").unwrap();
    }

    /// Turns it off again.
    pub(super) fn mend(&self, vice: &str) {
        std::fs::remove_file(self.0.folder.join(vice)).unwrap();
    }

    /// Paths it was asked for.
    pub(super) fn asked(&self) -> String {
        std::fs::read_to_string(self.0.folder.join("asked")).unwrap_or_default()
    }
}
