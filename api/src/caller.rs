//! Who is asking: an access token or an API key, turned into a [`Caller`].
//!
//! A key is hashed slowly once; after that its SHA-256 finds what is known of it. What
//! is known is dropped as soon as PostgreSQL announces a change, so a revoked key
//! dies in every process within a second. Wrong secrets are counted by key id
//! before anything is hashed.

pub(crate) mod key;
pub(crate) mod lasting;
pub(crate) mod password;
pub(crate) mod token;

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use common::accept::Payer;
use common::db::accounts::{Account, AccountStatus};
use common::db::{accounts, api_keys};
use common::ids::{AccountId, ApiKeyId, NamespaceId, UserId};
use http::{HeaderMap, header};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use self::key::KeyText;
use crate::app::App;
use crate::cache::Cache;
use crate::fault::Away as _;
use crate::problem::Problem;
use crate::scope::{Scope, Scopes};

/// Keys, tokens and accounts remembered.
const REMEMBERED: usize = 10_000;
/// Wrong secrets of one key a minute.
const WRONG_PER_MINUTE: u32 = 20;
/// A key's last use is noted this often, in seconds.
const NOTE_USE_EVERY: i64 = 60;

/// Who makes a request, and what they may do.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) account: Arc<Account>,
    pub(crate) who: Who,
    scopes: Scopes,
    namespaces: Option<Arc<[NamespaceId]>>,
    expires_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    User(UserId),
    Key,
}

impl Caller {
    pub(crate) fn account_id(&self) -> AccountId {
        self.account.id
    }

    pub(crate) fn must_have(&self, scope: Scope) -> Result<(), Problem> {
        if self.scopes.has(scope) {
            Ok(())
        } else {
            Err(Problem::InsufficientScope(scope))
        }
    }

    /// The account that is charged for what the caller runs.
    pub(crate) fn payer(&self) -> Payer {
        Payer {
            account: self.account.id,
            plan: self.account.plan,
            verified: self.account.verified,
            anchor: self.account.period_anchor,
        }
    }

    /// Where none is there, the first is named.
    pub(crate) fn must_have_one_of(&self, scopes: &[Scope]) -> Result<(), Problem> {
        match scopes {
            [first, ..] if !scopes.iter().any(|scope| self.scopes.has(*scope)) => {
                Err(Problem::InsufficientScope(*first))
            }
            _ => Ok(()),
        }
    }

    /// Whether the key may be used there; elsewhere things are as if they weren't.
    pub(crate) fn may_use(&self, namespace: NamespaceId) -> bool {
        self.namespaces
            .as_deref()
            .is_none_or(|bound| bound.contains(&namespace))
    }

    /// The namespaces the key is bound to; `None` is all of the account's.
    pub(crate) fn namespaces(&self) -> Option<&[NamespaceId]> {
        self.namespaces.as_deref()
    }

    pub(crate) fn scopes(&self) -> Scopes {
        self.scopes
    }

    pub(crate) fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }
}

/// What is known of callers between two announcements of changes.
#[derive(Debug)]
pub(crate) struct Known {
    keys: Cache<[u8; 32], Arc<KnownKey>>,
    accounts: Cache<AccountId, Arc<Account>>,
    wrong: WrongSecrets,
}

#[derive(Debug)]
struct KnownKey {
    id: ApiKeyId,
    account: AccountId,
    scopes: Scopes,
    namespaces: Option<Arc<[NamespaceId]>>,
    expires_at: Option<Timestamp>,
    use_noted: AtomicI64,
}

impl Known {
    pub(crate) fn new() -> Self {
        Self {
            keys: Cache::new(REMEMBERED),
            accounts: Cache::new(REMEMBERED),
            wrong: WrongSecrets::default(),
        }
    }

    pub(crate) fn forget_key(&self, key: ApiKeyId) {
        self.keys.drop_where(|known| known.id == key);
    }

    pub(crate) fn forget_account(&self, account: AccountId) {
        self.accounts.drop_where(|known| known.id == account);
        self.keys.drop_where(|known| known.account == account);
    }

    pub(crate) fn forget_all(&self) {
        self.keys.clear();
        self.accounts.clear();
    }
}

/// Finds out who is asking, from the `Authorization` header and nothing else.
pub(crate) async fn authenticate(app: &Arc<App>, headers: &HeaderMap) -> Result<Caller, Problem> {
    identify(app, bearer(headers)?).await
}

async fn identify(app: &Arc<App>, credential: &str) -> Result<Caller, Problem> {
    active(if credential.starts_with("pb_") {
        by_key(app, credential).await?
    } else {
        by_token(app, credential).await?
    })
}

fn active(caller: Caller) -> Result<Caller, Problem> {
    match caller.account.status {
        AccountStatus::Active => Ok(caller),
        AccountStatus::Suspended => Err(Problem::AccountSuspended),
    }
}

fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    let line = lines
        .next()
        .ok_or(Problem::Unauthenticated("credentials are missing"))?;
    let (scheme, credential) = line
        .to_str()
        .ok()
        .and_then(|text| text.trim().split_once(' '))
        .ok_or(Problem::Unauthenticated(NOT_BEARER))?;
    if lines.next().is_some() || !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Problem::Unauthenticated(NOT_BEARER));
    }
    Ok(credential.trim())
}

const NOT_BEARER: &str = "credentials come as one Authorization header: Bearer and a key or token";
const WRONG: &str = "the key or token is not valid";

async fn by_token(app: &Arc<App>, token: &str) -> Result<Caller, Problem> {
    let bearer = app
        .tokens
        .check(token, app.clock.as_ref())
        .ok_or(Problem::Unauthenticated(WRONG))?;
    Ok(Caller {
        account: account(app, bearer.account).await?,
        who: Who::User(bearer.user),
        scopes: Scopes::all(),
        namespaces: None,
        expires_at: None,
    })
}

async fn by_key(app: &Arc<App>, text: &str) -> Result<Caller, Problem> {
    let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    let held = app.known.keys.get(&digest);
    let known = app.or_remembered(held, look_up(app, text, digest)).await?;
    let now = app.now();
    if known.expires_at.is_some_and(|at| at <= now) {
        return Err(Problem::Unauthenticated("the key has expired"));
    }
    note_use(app, &known, now);
    Ok(Caller {
        account: account(app, known.account).await?,
        who: Who::Key,
        scopes: known.scopes,
        namespaces: known.namespaces.clone(),
        expires_at: known.expires_at,
    })
}

async fn look_up(app: &Arc<App>, text: &str, digest: [u8; 32]) -> Result<Arc<KnownKey>, Problem> {
    let key = KeyText::parse(text).ok_or(Problem::Unauthenticated(WRONG))?;
    let id = key.id;
    app.known.wrong.may_try(id, app.now())?;
    let epoch = app.known.keys.epoch();
    let client = app.database.client().await.or_away()?;
    let presented = api_keys::presented(&client, id).await.or_away()?;
    drop(client);
    let Some(presented) = presented.filter(|found| found.key.revoked_at.is_none()) else {
        return Err(Problem::Unauthenticated(WRONG));
    };
    let (owned, hash) = (text.to_owned(), presented.secret_hash);
    let right = app
        .hashing
        .slowly(move || KeyText::parse(&owned).is_some_and(|key| key.is_right(&hash)))
        .await
        .map_err(|error| Problem::Internal(error.into()))?;
    if !right {
        app.known.wrong.count(id, app.now());
        return Err(Problem::Unauthenticated(WRONG));
    }
    let known = Arc::new(KnownKey {
        id,
        account: presented.account,
        scopes: Scopes::of_words(presented.key.scopes.iter().map(String::as_str)),
        namespaces: presented.key.namespaces.map(Arc::from),
        expires_at: presented.key.expires_at,
        use_noted: AtomicI64::new(0),
    });
    app.known.keys.put(epoch, digest, Arc::clone(&known));
    Ok(known)
}

async fn account(app: &Arc<App>, id: AccountId) -> Result<Arc<Account>, Problem> {
    let held = app.known.accounts.get(&id);
    app.or_remembered(held, look_up_account(app, id)).await
}

async fn look_up_account(app: &Arc<App>, id: AccountId) -> Result<Arc<Account>, Problem> {
    let epoch = app.known.accounts.epoch();
    let client = app.database.client().await.or_away()?;
    let found = accounts::find(&client, id).await.or_away()?;
    let found = Arc::new(found.ok_or(Problem::Unauthenticated(WRONG))?);
    // An unverified one is asked for each time: being verified is announced nowhere.
    if found.verified {
        app.known.accounts.put(epoch, id, Arc::clone(&found));
    }
    Ok(found)
}

/// Notes about when the key was last used, beside the request.
fn note_use(app: &Arc<App>, known: &Arc<KnownKey>, now: Timestamp) {
    let second = now.as_second();
    let noted = known.use_noted.load(Ordering::Relaxed);
    if second - noted < NOTE_USE_EVERY {
        return;
    }
    known.use_noted.store(second, Ordering::Relaxed);
    let (app, known) = (Arc::clone(app), Arc::clone(known));
    app.tasks.clone().spawn(async move {
        let noted = async {
            let client = app.database.client().await?;
            api_keys::used(&client, known.account, known.id, now).await
        };
        if let Err(error) = noted.await {
            tracing::debug!(error = %error, "a key's use was not noted");
        }
    });
}

/// Wrong secrets, by key id and minute.
#[derive(Debug, Default)]
struct WrongSecrets(Mutex<HashMap<ApiKeyId, (i64, u32)>>);

impl WrongSecrets {
    fn may_try(&self, id: ApiKeyId, now: Timestamp) -> Result<(), Problem> {
        let minute = now.as_second().div_euclid(60);
        let counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match counted.get(&id) {
            Some((counted_in, wrong)) if *counted_in == minute && *wrong >= WRONG_PER_MINUTE => {
                Err(Problem::RateLimited { retry_after: 60 })
            }
            _ => Ok(()),
        }
    }

    fn count(&self, id: ApiKeyId, now: Timestamp) {
        let minute = now.as_second().div_euclid(60);
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.len() >= REMEMBERED {
            counted.retain(|_, (counted_in, _)| *counted_in == minute);
        }
        if counted.len() >= REMEMBERED {
            return;
        }
        let entry = counted.entry(id).or_insert((minute, 0));
        *entry = if entry.0 == minute {
            (minute, entry.1 + 1)
        } else {
            (minute, 1)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::clock::SystemClock;
    use http::HeaderValue;

    #[test]
    fn the_scheme_has_no_case_and_there_is_one_header() {
        let headers = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::AUTHORIZATION, HeaderValue::from_static(line));
            }
            headers
        };
        assert_eq!(bearer(&headers(&["bearer x"])).unwrap(), "x");
        assert_eq!(bearer(&headers(&["BEARER  x "])).unwrap(), "x");
        for wrong in [
            &[][..],
            &["Basic x"],
            &["Bearer"],
            &["Bearer x", "Bearer y"],
        ] {
            assert!(bearer(&headers(wrong)).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn wrong_secrets_are_counted_by_key_and_minute() {
        let wrong = WrongSecrets::default();
        let (one, other) = (ApiKeyId::new(&SystemClock), ApiKeyId::new(&SystemClock));
        let now: Timestamp = "2026-03-01T00:00:00Z".parse().unwrap();
        for _ in 0..WRONG_PER_MINUTE {
            wrong.may_try(one, now).unwrap();
            wrong.count(one, now);
        }
        assert!(wrong.may_try(one, now).is_err());
        assert!(wrong.may_try(other, now).is_ok());
        let next = "2026-03-01T00:01:00Z".parse().unwrap();
        assert!(wrong.may_try(one, next).is_ok());
    }
}
