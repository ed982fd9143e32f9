//! The account of this machine: verified, on plan `local`, with a key for everything.
//!
//! It registers and logs in as anybody would; only what a mail or a payment would
//! do elsewhere is written into the database by its owner.

use std::fs;

use anyhow::{Context as _, ensure};
use common::clock::{Clock as _, SystemClock};
use common::db::{Database, accounts, users};
use common::plan::Plan;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::client::{Client, text};
use super::place::Place;

/// Whom to register, and on which plan.
#[derive(Debug)]
pub(crate) struct Owner<'a> {
    /// Of a reserved name (RFC 2606): no mail goes there.
    pub(crate) email: &'static str,
    pub(crate) name: &'static str,
    pub(crate) plan: Plan,
    pub(crate) password: &'a SecretString,
}
const SCOPES: &[&str] = &[
    "functions:read",
    "functions:write",
    "functions:invoke",
    "executions:read",
    "connections:read",
    "connections:write",
    "account:read",
    "account:write",
    "billing:write",
];

impl<'a> Owner<'a> {
    const fn local(password: &'a SecretString) -> Self {
        let (email, name) = ("local@patchbay.invalid", "Local");
        Self {
            email,
            name,
            plan: Plan::Local,
            password,
        }
    }
}

/// A client with the key of the env file, where that still opens, else with a new one.
pub(super) async fn client_with_key(place: &Place) -> anyhow::Result<Client> {
    if let Some(key) = written_key(place) {
        let client = Client::new(&place.url, &key)?;
        if client.get("/v1/account").await?.status.is_success() {
            return Ok(client);
        }
    }
    let owner = Owner::local(&place.password);
    register(&place.url, &place.database, &owner).await?;
    new_key(&place.url, &owner).await
}

fn written_key(place: &Place) -> Option<String> {
    let text = fs::read_to_string(&place.env_file).ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("export PATCHBAY_API_KEY="))?;
    Some(line.trim_matches('\'').to_owned())
}

/// Makes the account where it is absent, verified and on its plan. Registering answers
/// alike whether the address is known.
pub(crate) async fn register(
    url: &str,
    database: &SecretString,
    owner: &Owner<'_>,
) -> anyhow::Result<()> {
    let asked = json!({
        "email": owner.email,
        "password": owner.password.expose_secret(),
        "name": owner.name,
        "accept_terms": true,
    });
    Client::new(url, "")?
        .post("/v1/auth/register", &asked)
        .await?
        .expect(&[201])
        .context("making the account")?;
    let database = Database::single(database)?;
    let client = database.client().await?;
    let login = users::login(&client, owner.email)
        .await?
        .context("the account that was just made is not there")?;
    users::verify(&client, login.user, SystemClock.now()).await?;
    accounts::set_plan(&client, login.account, owner.plan).await?;
    Ok(())
}

/// A client with a new key for everything.
pub(crate) async fn new_key(url: &str, owner: &Owner<'_>) -> anyhow::Result<Client> {
    let login = json!({"email": owner.email, "password": owner.password.expose_secret()});
    let session = Client::new(url, "")?
        .post("/v1/auth/login", &login)
        .await?
        .expect(&[200])
        .context("logging in; was $PATCHBAY_HOME/secrets/account.password changed?")?;
    let user = Client::new(url, &text(&session, "access_token")?)?;
    let made = user
        .post("/v1/api-keys", &json!({"name": "ops", "scopes": SCOPES}))
        .await?
        .expect(&[201])
        .context("making the key")?;
    let key = text(&made, "key")?;
    ensure!(key.starts_with("pb_"), "the api gave no key");
    Client::new(url, &key)
}
