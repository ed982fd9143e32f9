//! What all requests of one api process share.

use std::sync::Arc;

use common::accept::Accept;
use common::admin::Readiness;
use common::announce::{Change, News, Noun};
use common::clock::SharedClock;
use common::db::Database;
use common::ids::{AccountId, ApiKeyId, FunctionId, NamespaceId, VersionId};
use common::plan::Plans;
use common::vault::Vault;
use jiff::Timestamp;
use tokio_util::task::TaskTracker;

use crate::caller::Known;
use crate::caller::password::Hashing;
use crate::caller::token::Tokens;
use crate::hearing::Hearing;
use crate::mcp::Mcp;
use crate::problem::Problem;
use crate::rate_limit::RateLimit;
use crate::secrets::Secrets;
use crate::targets::Targets;

#[derive(Debug)]
pub(crate) struct App {
    pub(crate) clock: SharedClock,
    pub(crate) plans: Plans,
    pub(crate) database: Database,
    pub(crate) vault: Vault,
    pub(crate) accept: Accept,
    pub(crate) tokens: Tokens,
    pub(crate) hashing: Hashing,
    pub(crate) attempts: RateLimit,
    pub(crate) known: Known,
    pub(crate) targets: Targets,
    pub(crate) secrets: Secrets,
    pub(crate) hearing: Hearing,
    pub(crate) mcp: Mcp,
    pub(crate) readiness: Readiness,
    /// Owns what goes on beside requests.
    pub(crate) tasks: TaskTracker,
}

impl App {
    /// The present time as PostgreSQL keeps it, so that an answer and a later look
    /// at the same thing say the same.
    pub(crate) fn now(&self) -> Timestamp {
        as_kept(self.clock.now())
    }

    /// What is remembered, or what the lookup finds; memory stands in where
    /// PostgreSQL can't be reached.
    pub(crate) async fn or_remembered<T>(
        &self,
        held: Option<T>,
        look_up: impl Future<Output = Result<T, Problem>>,
    ) -> Result<T, Problem> {
        let held = match held {
            Some(held) if self.hearing.may_remember() => return Ok(held),
            held => held,
        };
        match (look_up.await, held) {
            (Err(Problem::RecordUnavailable(why)), Some(held)) => {
                if self.hearing.failed() {
                    Ok(held)
                } else {
                    Err(Problem::RecordUnavailable(why))
                }
            }
            (found, _) => found,
        }
    }

    /// Forgets what an announcement says is no longer true.
    pub(crate) fn hear(self: &Arc<Self>, news: News) {
        match news {
            News::Lost => self.hearing.lost(),
            News::Listening => {
                self.known.forget_all();
                self.targets.forget_all();
                self.secrets.forget_all();
                self.hearing.listening();
            }
            News::Changed(Change { noun, id }) => match noun {
                Noun::Account => self.known.forget_account(AccountId::from_uuid(id)),
                Noun::ApiKey => self.known.forget_key(ApiKeyId::from_uuid(id)),
                Noun::Namespace => self.targets.forget_namespace(NamespaceId::from_uuid(id)),
                Noun::Function => self.targets.forget_function(FunctionId::from_uuid(id)),
                Noun::Version => self.targets.version_changed(VersionId::from_uuid(id)),
                Noun::Secrets => self.secrets.forget(NamespaceId::from_uuid(id)),
                Noun::Build => {}
            },
        }
    }
}

/// A time in whole microseconds.
pub(crate) fn as_kept(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}
