//! What a call runs: a ready version, looked up once and kept until it changes.

use serde_json::Value;

use super::schema::{Mismatch, Schema};
use crate::db::versions::{DeclaredEnv, Version};
use crate::ids::{FunctionId, NamespaceId, VersionId};
use crate::telemetry;

/// A version that may be called, by the names it was asked for under.
#[derive(Debug)]
pub struct Target {
    pub namespace: NamespaceId,
    pub namespace_name: String,
    pub function: FunctionId,
    pub function_name: String,
    pub version: VersionId,
    pub number: u32,
    pub timeout_ms: u32,
    pub memory_mib: u32,
    /// Executions of the function at once, where it sets a bound of its own.
    pub concurrency: Option<u32>,
    pub max_attempts: Option<u32>,
    /// Environment values it gets.
    pub env: DeclaredEnv,
    /// JSON texts, for what shows them.
    pub input_schema: Option<String>,
    pub output_schema: Option<String>,
    schema: Option<Schema>,
}

impl Target {
    /// Compiles what is needed to check inputs.
    #[must_use]
    pub fn of(namespace: (NamespaceId, &str), function_name: &str, version: &Version) -> Self {
        Self {
            namespace: namespace.0,
            namespace_name: namespace.1.to_owned(),
            function: version.function,
            function_name: function_name.to_owned(),
            version: version.id,
            number: version.number,
            timeout_ms: version.timeout_ms,
            memory_mib: version.memory_mib,
            concurrency: version.concurrency,
            max_attempts: version.max_attempts,
            env: version.env.clone(),
            input_schema: version.input_schema.clone(),
            output_schema: version.output_schema.clone(),
            schema: version
                .input_schema
                .as_deref()
                .and_then(|text| compiled(text, version.id)),
        }
    }

    /// Checks an input of `bytes` bytes; a version without a schema takes anything.
    ///
    /// # Errors
    /// What doesn't fit.
    pub fn check(&self, input: &Value, bytes: usize) -> Result<(), Vec<Mismatch>> {
        self.schema
            .as_ref()
            .map_or(Ok(()), |schema| schema.check(input, bytes))
    }

    /// Never started twice: an explicit `max_attempts: 1`.
    #[must_use]
    pub fn once(&self) -> bool {
        self.max_attempts == Some(1)
    }
}

/// A given schema was compiled before it was stored; an inferred one that can't be
/// leaves the checking to the code itself.
fn compiled(text: &str, version: VersionId) -> Option<Schema> {
    let value: Value = serde_json::from_str(text)
        .map_err(|error| tracing::error!(%version, error = %error, "a stored schema is no JSON"))
        .ok()?;
    Schema::compile(&value)
        .map_err(|fault| {
            let error = telemetry::chain(&fault);
            tracing::warn!(%version, error, "an inferred schema cannot be used");
        })
        .ok()
}
