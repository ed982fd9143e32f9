//! A caller whose answer goes on for a while: asked for again meanwhile, so that a key
//! that was revoked, a token that has expired and an account that is suspended get no
//! more of it.
//!
//! While announcements are heard this is a look into memory.

use std::sync::Arc;
use std::time::Duration;

use common::limits::FOLLOW_ASK;
use http::HeaderMap;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use super::{Caller, WRONG, Who, account, active, bearer, identify};
use crate::app::App;
use crate::problem::Problem;

/// So often in a row nobody needs to know: a lookup may fail while PostgreSQL comes back.
const UNSURE: u32 = 1;

pub(crate) struct Lasting {
    app: Arc<App>,
    caller: Caller,
    credential: SecretString,
    until: Option<Timestamp>,
}

impl Lasting {
    /// Of a caller who came with these headers.
    pub(crate) fn of(
        app: &Arc<App>,
        caller: &Caller,
        headers: &HeaderMap,
    ) -> Result<Self, Problem> {
        let credential = bearer(headers)?;
        let until = match caller.who {
            Who::Key => caller.expires_at,
            Who::User(_) => {
                let token = app.tokens.check(credential, app.clock.as_ref());
                let until = token.and_then(|token| Timestamp::from_second(token.expires).ok());
                Some(until.ok_or(Problem::Unauthenticated(WRONG))?)
            }
        };
        Ok(Self {
            app: Arc::clone(app),
            caller: caller.clone(),
            credential: credential.to_owned().into(),
            until,
        })
    }

    /// Returns once the caller is none any more, or may not do this.
    pub(crate) async fn over(self, may: impl Fn(&Caller) -> bool) {
        let mut unsure = 0;
        loop {
            tokio::time::sleep(self.pause()).await;
            match self.again().await {
                Ok(caller) if may(&caller) => unsure = 0,
                Err(Problem::RecordUnavailable(_)) if unsure < UNSURE => unsure += 1,
                Ok(_) | Err(_) => return,
            }
        }
    }

    fn pause(&self) -> Duration {
        let left = self.until.map(|at| at.duration_since(self.app.now()));
        let left = left.map(|left| Duration::try_from(left).unwrap_or_default());
        left.map_or(FOLLOW_ASK, |left| left.min(FOLLOW_ASK))
    }

    async fn again(&self) -> Result<Caller, Problem> {
        if self.until.is_some_and(|at| at <= self.app.now()) {
            return Err(Problem::Unauthenticated(WRONG));
        }
        match self.caller.who {
            Who::Key => identify(&self.app, self.credential.expose_secret()).await,
            // Its token says what it said; its account may be another by now.
            Who::User(_) => active(Caller {
                account: account(&self.app, self.caller.account_id()).await?,
                ..self.caller.clone()
            }),
        }
    }
}
