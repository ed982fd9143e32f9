//! The names of a partition's keys, streams and channels.
//!
//! All keys of a partition share its hash tag, so that one script may touch them
//! all in a cluster. What tests put before the tag keeps them apart.

use std::fmt;

use crate::execution::Lane;
use crate::ids::ExecutionId;

/// One shard of the queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Partition {
    /// Before everything; empty but in tests.
    pub prefix: String,
    /// What a cluster hashes, as `p0`.
    pub tag: String,
}

impl Partition {
    /// The only partition there is until one Redis is full.
    #[must_use]
    pub fn first() -> Self {
        Self::with_prefix("")
    }

    /// The first partition under a test's own prefix.
    #[must_use]
    pub fn with_prefix(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
            tag: "p0".to_owned(),
        }
    }

    /// `key("q:i")` is `<prefix>{p0}:q:i`.
    #[must_use]
    pub fn key(&self, name: &str) -> String {
        format!("{}{{{}}}:{name}", self.prefix, self.tag)
    }

    #[must_use]
    pub fn stream(&self, kind: StreamKind) -> String {
        self.key(&format!("q:{kind}"))
    }

    /// The hash that says what becomes of an execution.
    #[must_use]
    pub fn execution(&self, id: ExecutionId) -> String {
        self.key(&format!("x:{}", hex(id)))
    }

    /// What is told of an execution while it runs.
    #[must_use]
    pub fn log(&self, id: ExecutionId) -> String {
        self.key(&format!("log:{}", hex(id)))
    }

    /// Channels belong to no slot, so they carry no tag.
    #[must_use]
    pub fn channel(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

/// The group all workers read through.
pub const GROUP: &str = "w";

/// The streams of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StreamKind {
    Interactive,
    Background,
    /// Executions whose next start is their last: read only by processes that hold nothing else.
    LastStarts,
}

impl StreamKind {
    pub const ALL: [Self; 3] = [Self::Interactive, Self::Background, Self::LastStarts];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Interactive => "i",
            Self::Background => "b",
            Self::LastStarts => "l",
        }
    }

    pub(super) fn parse(word: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str().as_bytes() == word)
    }
}

impl fmt::Display for StreamKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Lane> for StreamKind {
    fn from(lane: Lane) -> Self {
        match lane {
            Lane::Interactive => Self::Interactive,
            Lane::Background => Self::Background,
        }
    }
}

/// An id as it stands in keys, fields and messages: 32 hex digits.
pub(super) fn hex(id: ExecutionId) -> String {
    id.uuid().simple().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_keys_share_the_tag_and_channels_have_none() {
        let partition = Partition::with_prefix("t1:");
        assert_eq!(partition.key("gen"), "t1:{p0}:gen");
        assert_eq!(partition.stream(StreamKind::LastStarts), "t1:{p0}:q:l");
        assert_eq!(partition.channel("api:1"), "t1:api:1");
    }
}
