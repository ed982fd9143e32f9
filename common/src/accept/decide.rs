//! Having the queue decide, over a link that greeted.

use super::{Accept, Ask, Refusal};
use crate::db::idempotency;
use crate::entry::Entry;
use crate::execution::Lane;
use crate::ids::ExecutionId;
use crate::queue::{self, Accepted, Key, Link, Period, QueueError};
use crate::vault::{Purpose, VaultError};

/// A request that the queue took, or knew already.
pub(super) enum Decided {
    New {
        entry: Entry,
        key: Option<Key>,
        generation: u64,
    },
    /// The key stands for this execution.
    Known(ExecutionId),
}

impl Accept {
    /// Seals what it brings and asks. `waiter` is this process's name where it waits.
    pub(super) async fn decide(
        &self,
        ask: &Ask<'_>,
        id: ExecutionId,
        lane: Lane,
    ) -> Result<Decided, Refusal> {
        let inner = &self.0;
        let entry = self.sealed(ask, id).await?;
        let body = entry.encode();
        let key = ask.key();
        let charged = ask.payer.period(id);
        let name = charged.name();
        let waiter = (lane == Lane::Interactive).then(|| inner.waiters.api());
        let request = queue::Accept {
            id,
            owner: ask.owner(),
            lane,
            period: Period {
                name: &name,
                ends: charged.ends(),
            },
            bounds: ask.bounds(inner.plans.of(ask.payer.plan)),
            key,
            checked: false,
            attempts: ask.target.max_attempts.unwrap_or(1),
            body: &body,
            waiter,
        };
        let asked = self.ask_queue(request).await;
        let (accepted, generation) = asked.inspect_err(|refused| self.count(refused))?;
        let refused = match accepted {
            Accepted::New => {
                inner.metrics.accepts.with_label_values(&["ok"]).inc();
                inner.remember(id, ask.trigger);
                return Ok(Decided::New {
                    entry,
                    key,
                    generation,
                });
            }
            Accepted::Replay { id, .. } => {
                inner.metrics.accepts.with_label_values(&["replay"]).inc();
                return Ok(Decided::Known(id));
            }
            Accepted::Conflict => Refusal::Conflict,
            Accepted::Quota => Refusal::Quota {
                resets_at: charged.ends(),
            },
            Accepted::NoSlot => Refusal::NoSlot,
            Accepted::Full => Refusal::Full,
            Accepted::Behind => Refusal::Behind,
            // Answered by asking PostgreSQL; a second time it is no answer.
            Accepted::LookUp => Refusal::Recovering,
        };
        self.count(&refused);
        Err(refused)
    }

    /// The body of its entry, as if it were accepted now.
    pub(super) async fn sealed(&self, ask: &Ask<'_>, id: ExecutionId) -> Result<Entry, Refusal> {
        let account = ask.payer.account;
        let key = self.0.vault.key_to_seal(account).await?;
        let seal = |purpose, text| {
            let failed = |source| VaultError::Text {
                purpose,
                id: id.uuid(),
                source,
            };
            key.seal(purpose, id.uuid(), text).map_err(failed)
        };
        let input = seal(Purpose::Input, ask.input)?;
        let env = ask.env.map(|env| seal(Purpose::Env, env.0)).transpose()?;
        let limits = self.0.plans.of(ask.payer.plan);
        Ok(ask.entry(limits, input, env))
    }

    /// Asks, once more over a new link where the first did nothing.
    async fn ask_queue(&self, request: queue::Accept<'_>) -> Result<(Accepted, u64), Refusal> {
        let link = self.0.links.link().await?;
        match self.ask_over(&link, &request).await {
            Err(Asked::Queue(error)) if !error.is_unsure() => {
                if matches!(error, QueueError::OutOfMemory) {
                    return Err(error.into());
                }
                let link = self.0.links.link().await?;
                let accepted = self.ask_over(&link, &request).await?;
                Ok((accepted, link.generation()))
            }
            accepted => Ok((accepted?, link.generation())),
        }
    }

    async fn ask_over(&self, link: &Link, request: &queue::Accept<'_>) -> Result<Accepted, Asked> {
        let accepted = queue::accept(link, request).await.map_err(Asked::Queue)?;
        let (Accepted::LookUp, Some(key)) = (accepted, request.key) else {
            return Ok(accepted);
        };
        // Redis lost its memory within a key's life: PostgreSQL knows the key, or nobody does.
        let now = self.0.clock.now();
        let client = self.0.database.client().await?;
        let known = idempotency::find(&client, request.owner.account, key.hash, now).await?;
        drop(client);
        match known {
            Some(known) if known.digest == key.digest => Ok(Accepted::Replay {
                id: known.execution,
                state: None,
            }),
            Some(_) => Ok(Accepted::Conflict),
            None => {
                let checked = queue::Accept {
                    checked: true,
                    waiter: request.waiter,
                    period: request.period,
                    body: request.body,
                    ..*request
                };
                queue::accept(link, &checked).await.map_err(Asked::Queue)
            }
        }
    }

    fn count(&self, refused: &Refusal) {
        let word = match refused {
            Refusal::Quota { .. } => "quota",
            Refusal::NoSlot => "no_slot",
            Refusal::Full => "full",
            Refusal::Behind => "behind",
            Refusal::Conflict => "conflict",
            Refusal::Recovering => "recovering",
            _ => "error",
        };
        self.0.metrics.accepts.with_label_values(&[word]).inc();
    }
}

/// Which store gave no answer: only the queue is asked again.
enum Asked {
    Queue(QueueError),
    Refused(Refusal),
}

impl From<crate::db::DbError> for Asked {
    fn from(error: crate::db::DbError) -> Self {
        Self::Refused(error.into())
    }
}

impl From<Asked> for Refusal {
    fn from(asked: Asked) -> Self {
        match asked {
            Asked::Queue(error) => error.into(),
            Asked::Refused(refusal) => refusal,
        }
    }
}
