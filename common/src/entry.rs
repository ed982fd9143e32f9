//! The body of a queue entry: whose execution it is, what runs, with which input.
//!
//! It starts with a format number. The ids and limits are plain; the input and the
//! environment values of the call are sealed under the account's data key. An entry without
//! such values is written in the format that the release before this one reads too.

use uuid::Uuid;

use crate::execution::Trigger;
use crate::ids::{AccountId, FunctionId, NamespaceId, VersionId};
use crate::plan::{Plan, PlanLimits};

const FORMAT: u8 = 1;
/// With the length of the environment behind the header, and then the environment.
const FORMAT_WITH_ENV: u8 = 2;
const HEADER: usize = 1 + 1 + 1 + 1 + 4 * 16 + 4 + 4;

/// What a worker needs to run one execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub trigger: Trigger,
    /// The plan the account had when the execution was accepted: its bounds hold.
    pub plan: Plan,
    /// Started at most once: an explicit `max_attempts: 1`.
    pub once: bool,
    pub account: AccountId,
    pub namespace: NamespaceId,
    pub function: FunctionId,
    pub version: VersionId,
    pub timeout_ms: u32,
    pub memory_mib: u32,
    /// The input's JSON text, sealed; see `vault::Purpose::Input`.
    pub input: Vec<u8>,
    /// A JSON object of the call's own environment values, sealed; see `vault::Purpose::Env`.
    pub env: Option<Vec<u8>>,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EntryError {
    #[error("format {0} is not one this release reads")]
    Format(u8),
    #[error("the entry is shorter than its header")]
    Short,
    #[error("the {0} is not one this release knows")]
    Word(&'static str),
}

impl Entry {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let env = self.env.as_deref();
        let more = env.map_or(0, |env| size_of::<u32>() + env.len());
        let mut out = Vec::with_capacity(HEADER + more + self.input.len());
        out.push(env.map_or(FORMAT, |_| FORMAT_WITH_ENV));
        out.push(index_of(Trigger::ALL, self.trigger));
        out.push(index_of(Plan::ALL, self.plan));
        out.push(u8::from(self.once));
        for id in [
            self.account.uuid(),
            self.namespace.uuid(),
            self.function.uuid(),
            self.version.uuid(),
        ] {
            out.extend_from_slice(id.as_bytes());
        }
        out.extend_from_slice(&self.timeout_ms.to_be_bytes());
        out.extend_from_slice(&self.memory_mib.to_be_bytes());
        if let Some(env) = env {
            // Bounded far below: see `limits::ENV_BYTES`.
            let length = u32::try_from(env.len()).unwrap_or(u32::MAX);
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(env);
        }
        out.extend_from_slice(&self.input);
        out
    }

    /// No more than the plan grants: the version may be older than the account's plan.
    #[must_use]
    pub fn within(self, limits: &PlanLimits) -> Self {
        Self {
            timeout_ms: self.timeout_ms.min(limits.timeout_ms),
            memory_mib: self.memory_mib.min(limits.memory_mib),
            ..self
        }
    }

    /// # Errors
    /// Where the bytes are no entry of this format: the entry is damaged and
    /// belongs set aside.
    pub fn decode(bytes: &[u8]) -> Result<Self, EntryError> {
        let first = *bytes.first().ok_or(EntryError::Short)?;
        let (header, rest) = bytes.split_at_checked(HEADER).ok_or(EntryError::Short)?;
        let (env, input) = match first {
            FORMAT => (None, rest),
            FORMAT_WITH_ENV => {
                let (env, input) = counted(rest).ok_or(EntryError::Short)?;
                (Some(env.to_vec()), input)
            }
            other => return Err(EntryError::Format(other)),
        };
        let id = |at: usize| {
            let mut raw = [0_u8; 16];
            raw.copy_from_slice(&header[at..at + 16]);
            Uuid::from_bytes(raw)
        };
        let number = |at: usize| {
            let mut raw = [0_u8; 4];
            raw.copy_from_slice(&header[at..at + 4]);
            u32::from_be_bytes(raw)
        };
        let word = |at: usize| usize::from(header[at]);
        Ok(Self {
            trigger: *Trigger::ALL
                .get(word(1))
                .ok_or(EntryError::Word("trigger"))?,
            plan: *Plan::ALL.get(word(2)).ok_or(EntryError::Word("plan"))?,
            once: match header[3] {
                0 => false,
                1 => true,
                _ => return Err(EntryError::Word("start rule")),
            },
            account: AccountId::from_uuid(id(4)),
            namespace: NamespaceId::from_uuid(id(20)),
            function: FunctionId::from_uuid(id(36)),
            version: VersionId::from_uuid(id(52)),
            timeout_ms: number(68),
            memory_mib: number(72),
            input: input.to_vec(),
            env,
        })
    }
}

/// So many bytes as their first four say, and what follows.
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

fn index_of<T: PartialEq + Copy>(all: &[T], one: T) -> u8 {
    let at = all
        .iter()
        .position(|each| *each == one)
        .unwrap_or(usize::from(u8::MAX));
    u8::try_from(at).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    fn entry() -> Entry {
        let clock = ManualClock::at("2026-03-01T00:00:00Z");
        Entry {
            trigger: Trigger::Mcp,
            plan: Plan::Local,
            once: true,
            account: AccountId::new(&clock),
            namespace: NamespaceId::new(&clock),
            function: FunctionId::new(&clock),
            version: VersionId::new(&clock),
            timeout_ms: 10_000,
            memory_mib: 128,
            input: b"sealed".to_vec(),
            env: None,
        }
    }

    fn with_env() -> Entry {
        Entry {
            env: Some(b"sealed values".to_vec()),
            ..entry()
        }
    }

    #[test]
    fn an_entry_reads_back_what_was_written() {
        for entry in [entry(), with_env()] {
            assert_eq!(Entry::decode(&entry.encode()), Ok(entry));
        }
    }

    #[test]
    fn what_the_release_before_this_one_can_read_is_written_as_it_reads_it() {
        assert_eq!(entry().encode()[0], FORMAT);
        assert_eq!(with_env().encode()[0], FORMAT_WITH_ENV);
    }

    #[test]
    fn a_damaged_entry_is_refused() {
        let whole = entry().encode();
        for len in 0..HEADER {
            assert!(Entry::decode(&whole[..len]).is_err(), "cut at {len}");
        }
        let with_env = with_env().encode();
        for len in 0..HEADER + 4 + b"sealed values".len() {
            assert!(Entry::decode(&with_env[..len]).is_err(), "cut at {len}");
        }
        for at in 0..4 {
            let mut damaged = whole.clone();
            damaged[at] = 250;
            assert!(Entry::decode(&damaged).is_err(), "byte {at}");
        }
    }
}
