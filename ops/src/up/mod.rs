//! The steps of `ops/up` that talk to PostgreSQL and to the api: migrating, waiting
//! until everything is ready, making the first account, its key and the examples,
//! and showing that a call goes through in each of the three ways.
//!
//! Every step is harmless to repeat; a second run finds what the first one made.

pub(crate) mod account;
mod client;
mod examples;
mod place;
mod ready;
mod show;
mod tries;

use anyhow::Context as _;
use common::clock::SystemClock;
use common::config::Env;

pub use ready::ready;

/// Brings both databases to the schema of this release.
///
/// # Errors
/// Where a database can't be reached or a migration fails.
pub async fn migrate() -> anyhow::Result<()> {
    let mut env = Env::process();
    let main = env.secret("DATABASE_URL");
    let keys = env.secret("KEYS_DATABASE_URL");
    env.finish()?;
    let applied = common::db::migrate::run(&main, &keys, &SystemClock)
        .await
        .context("migrating")?;
    if applied > 0 {
        eprintln!("         {applied} migrations applied");
    }
    Ok(())
}

/// Makes account, key and examples where they are absent, calls three of them and
/// prints what came back.
///
/// # Errors
/// Where the api answers anything but what it should.
pub async fn welcome() -> anyhow::Result<()> {
    let place = place::Place::from_env(&mut Env::process())?;
    let client = account::client_with_key(&place).await?;
    examples::upload(&client, &place.examples).await?;
    let tried = tries::all(&client).await?;
    show::write_env(&place, &client)?;
    show::print(&place, &client, &tried);
    Ok(())
}
