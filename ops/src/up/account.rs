//! The account of this machine: verified, on plan `local`, with a key for everything.
//!
//! It registers and logs in as anybody would; only what a mail or a payment would
//! do elsewhere is written into the database by its owner.

use std::fs;

use anyhow::{Context as _, ensure};
use common::clock::{Clock as _, SystemClock};
use common::db::{Database, accounts, users};
use common::plan::Plan;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::client::{Client, text};
use super::place::Place;

/// No mail goes there: the name is reserved (RFC 2606).
const EMAIL: &str = "local@patchbay.invalid";
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

/// A client with the key of the env file, where that still opens, else with a new one.
pub(super) async fn client_with_key(place: &Place) -> anyhow::Result<Client> {
    if let Some(key) = written_key(place) {
        let client = Client::new(&place.url, &key)?;
        if client.get("/v1/account").await?.status.is_success() {
            return Ok(client);
        }
    }
    register(place).await?;
    Client::new(&place.url, &new_key(place).await?)
}

fn written_key(place: &Place) -> Option<String> {
    let text = fs::read_to_string(&place.env_file).ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("export PATCHBAY_API_KEY="))?;
    Some(line.trim_matches('\'').to_owned())
}

/// Registering answers alike whether the address is known.
async fn register(place: &Place) -> anyhow::Result<()> {
    let nobody = Client::new(&place.url, "")?;
    let asked = json!({
        "email": EMAIL,
        "password": place.password.expose_secret(),
        "name": "Local",
        "accept_terms": true,
    });
    nobody
        .post("/v1/auth/register", &asked)
        .await?
        .expect(&[201])
        .context("making the account")?;
    let database = Database::single(&place.database)?;
    let client = database.client().await?;
    let login = users::login(&client, EMAIL)
        .await?
        .context("the account that was just made is not there")?;
    users::verify(&client, login.user, SystemClock.now()).await?;
    accounts::set_plan(&client, login.account, Plan::Local).await?;
    Ok(())
}

async fn new_key(place: &Place) -> anyhow::Result<String> {
    let nobody = Client::new(&place.url, "")?;
    let login = json!({"email": EMAIL, "password": place.password.expose_secret()});
    let session = nobody
        .post("/v1/auth/login", &login)
        .await?
        .expect(&[200])
        .context("logging in; was $PATCHBAY_HOME/secrets/account.password changed?")?;
    let user = Client::new(&place.url, &text(&session, "access_token")?)?;
    let made = user
        .post("/v1/api-keys", &json!({"name": "ops/up", "scopes": SCOPES}))
        .await?
        .expect(&[201])
        .context("making the key")?;
    let key = text(&made, "key")?;
    ensure!(key.starts_with("pb_"), "the api gave no key");
    Ok(key)
}
