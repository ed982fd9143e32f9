//! Signatures first; filled in next.
use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::limits::Limits;
use crate::outcome::{Description, Done, Failure};

/// A version's source: file names (`main.py`, `helpers.py`, `pkg/mod.py`) and texts.
#[derive(Clone, Debug, Serialize)]
pub struct Code {
    /// The file with the entry point.
    pub entry: String,
    pub files: BTreeMap<String, String>,
}

impl Code {
    /// One file, `main.py`.
    #[must_use]
    pub fn single(source: impl Into<String>) -> Self {
        let entry = "main.py".to_owned();
        let files = BTreeMap::from([(entry.clone(), source.into())]);
        Self { entry, files }
    }
}

/// What the user's code may know about its execution (`context`).
#[derive(Clone, Debug, Default, Serialize)]
pub struct Context<'a> {
    pub execution_id: &'a str,
    pub namespace: &'a str,
    pub function: &'a str,
    pub version: i64,
    pub attempt: u32,
    /// Milliseconds since 1970 at which the execution is killed.
    pub deadline_ms: i64,
}

/// One execution.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// JSON text, checked already.
    pub input: &'a [u8],
    pub context: Context<'a>,
    /// Wall clock.
    pub timeout: Duration,
    /// Longest result, as JSON text.
    pub output_bytes: usize,
}

/// Ours, not the user's: the sandbox could not be used and is gone.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error("the sandbox was gone before it was used")]
    Gone,
}

/// A booted sandbox that holds no tenant's code. Dropping it kills it.
#[derive(Debug)]
pub struct GenericSandbox {}

/// What became of binding: the user's failure is data.
#[derive(Debug)]
pub struct Bound {
    /// Ready to run, or the `import_error` (or `out_of_memory`, `timeout`) every call gets.
    pub sandbox: Result<Sandbox, Failure>,
    /// What the import printed, both streams, bounded.
    pub log: String,
}

impl GenericSandbox {
    /// Imports the version and makes the sandbox its own, for good.
    ///
    /// # Errors
    /// Only where the sandbox failed us before the user's code ran.
    pub async fn bind(
        self,
        _code: &Code,
        _limits: &Limits,
        _within: Duration,
    ) -> Result<Bound, SandboxError> {
        Err(SandboxError::Gone)
    }

    /// Imports the version once and tells what it is; uses the sandbox up.
    ///
    /// # Errors
    /// Only where the sandbox failed us before the user's code ran.
    pub async fn describe(
        self,
        _code: &Code,
        _limits: &Limits,
        _within: Duration,
    ) -> Result<Description, SandboxError> {
        Err(SandboxError::Gone)
    }
}

/// A sandbox that holds one version. Dropping it kills all of it.
#[derive(Debug)]
pub struct Sandbox {}

impl Sandbox {
    /// Runs one execution. If the future is dropped, the sandbox must be dropped too.
    ///
    /// # Errors
    /// Only where the sandbox was gone before the input was handed over: run it in another.
    pub async fn run(&mut self, _request: Request<'_>) -> Result<Done, SandboxError> {
        Err(SandboxError::Gone)
    }

    /// May it take (another) execution?
    #[must_use]
    pub fn is_reusable(&self) -> bool {
        false
    }

    /// Memory in use now, template and all.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        0
    }

    /// Kills it from another task; a running execution then ends `cancelled`.
    #[must_use]
    pub fn killer(&self) -> Killer {
        Killer {}
    }
}

/// Kills a sandbox at once; harmless when it is gone.
#[derive(Clone, Debug)]
pub struct Killer {}

impl Killer {
    pub fn kill(&self) {}
}
