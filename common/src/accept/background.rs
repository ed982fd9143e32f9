//! Accepting an execution nobody waits for: durable before it is answered.

use super::decide::Decided;
use super::{Accept, Answered, Ask, Refusal, Standing};
use crate::db::versions;
use crate::entry::Entry;
use crate::execution::Lane;
use crate::ids::ExecutionId;
use crate::queue::{Key, Watched};
use crate::record::{self, AcceptError, Committed, Permit};

impl Accept {
    /// Accepts; returns once the row is committed.
    ///
    /// # Errors
    /// Why not. See the module's header for what may have happened all the same.
    pub async fn background(&self, ask: &Ask<'_>) -> Result<Answered, Refusal> {
        let permit = self.permit(None)?;
        let id = ExecutionId::new(self.0.clock.as_ref());
        match self.decide(ask, id, Lane::Background).await? {
            Decided::New {
                entry,
                key,
                generation,
            } => {
                let accept = record::Accept {
                    id,
                    generation,
                    entry,
                    key,
                };
                self.commit(permit, accept).await
            }
            Decided::Known(id) => self.join(permit, ask, id).await,
        }
    }

    /// A place in the next batch; `id` is what may run already.
    pub(super) fn permit(&self, id: Option<ExecutionId>) -> Result<Permit, Refusal> {
        self.0.batcher.permit().map_err(|error| match error {
            AcceptError::Crowded => Refusal::Full,
            _ => Refusal::RecordAway(id),
        })
    }

    /// Makes an accepted execution durable.
    pub(super) async fn commit(
        &self,
        permit: Permit,
        accept: record::Accept,
    ) -> Result<Answered, Refusal> {
        let (id, account) = (accept.id, accept.entry.account);
        match permit.commit(accept).await {
            Ok(Committed::Row) => Ok(Answered::Pending(id)),
            // Over a loss two may have taken the key: the recorded one counts.
            Ok(Committed::Other(id)) => {
                let standing = self.standing(account, id, None).await?;
                standing
                    .map(|standing| Answered::Joined(id, standing))
                    .ok_or(Refusal::Reset)
            }
            Err(AcceptError::Refused) => Err(Refusal::Reset),
            Err(AcceptError::Crowded) => Err(Refusal::Full),
            Err(AcceptError::Unavailable | AcceptError::Unfit) => {
                Err(Refusal::RecordAway(Some(id)))
            }
        }
    }

    /// Answers with the execution a key stands for. Who accepted it may have died before
    /// its row was there, so the row is written here, with what Redis says of it.
    pub(super) async fn join(
        &self,
        permit: Permit,
        ask: &Ask<'_>,
        id: ExecutionId,
    ) -> Result<Answered, Refusal> {
        let account = ask.payer.account;
        if let Some(row) = self.recorded(account, id).await? {
            let standing = match self.standing(account, id, None).await? {
                Some(standing) => standing,
                None => Standing::Recorded(row),
            };
            return Ok(Answered::Joined(id, standing));
        }
        let link = self.0.links.link().await?;
        let (owner, standing) = match self.watch(account, id, None).await? {
            Watched::Unknown => return Err(Refusal::Reset),
            Watched::Open { owner, state, .. } => (owner, Standing::Open { owner, state }),
            Watched::Final { owner, outcome } => {
                let outcome = outcome.into();
                (owner, Standing::Ended { owner, outcome })
            }
        };
        let accept = record::Accept {
            id,
            generation: link.generation(),
            entry: self.entry_of(ask, id, owner.version).await?,
            key: ask.key(),
        };
        match self.commit(permit, accept).await? {
            Answered::Pending(id) => Ok(Answered::Joined(id, standing)),
            other => Ok(other),
        }
    }

    /// The entry as it was accepted: the same input, the version of then. Environment
    /// values are no part of what a key stands for: they are this request's, and count only
    /// if Redis loses the entry.
    async fn entry_of(
        &self,
        ask: &Ask<'_>,
        id: ExecutionId,
        version: crate::ids::VersionId,
    ) -> Result<Entry, Refusal> {
        let account = ask.payer.account;
        let mut entry = self.sealed(ask, id).await?;
        if version != ask.target.version {
            let client = self.0.database.client().await?;
            if let Some(then) = versions::find(&client, account, version).await? {
                entry.version = version;
                entry.timeout_ms = then.timeout_ms;
                entry.memory_mib = then.memory_mib;
                entry.once = then.max_attempts == Some(1);
                entry = entry.within(self.0.plans.of(ask.payer.plan));
            }
        }
        Ok(entry)
    }
}

/// What makes an interactive execution durable once its caller stops waiting.
pub(super) struct Durable {
    pub(super) entry: Entry,
    pub(super) key: Option<Key>,
    pub(super) generation: u64,
}
