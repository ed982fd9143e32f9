//! Who leads the schedulers.
//!
//! An advisory lock on a connection of its own decides; it ends with the
//! connection, however the leader dies. Each leader takes a higher term, by which
//! the queue refuses an older one that has not noticed yet.

use jiff::Timestamp;
use secrecy::SecretString;

use super::columns::get;
use super::statement::statements;
use super::{Client, Database, DbError};
use crate::ids::ProcessId;

statements! {
    LOCK = "select pg_try_advisory_lock(7306, 1) as taken";
    // A leader that hangs loses the lock, as its session is ended for it.
    LIVELY = "select set_config('idle_session_timeout', '5s', false) as set";
    TERM = "update leadership set term = term + 1, process_id = $1, since = $2
        where id = 1 returning term";
    HELD = "select term from leadership where id = 1";
}

/// The lead, held as long as this lives and its connection does.
#[derive(Debug)]
pub struct Leadership {
    client: Client,
    pool: Database,
    term: u64,
}

impl Leadership {
    /// Takes the lead if nobody has it.
    ///
    /// # Errors
    /// Where PostgreSQL does not answer.
    pub async fn take(
        url: &SecretString,
        process: ProcessId,
        now: Timestamp,
    ) -> Result<Option<Self>, DbError> {
        let pool = Database::single(url)?;
        let client = pool.client().await?;
        let row = LOCK.one(&client, &[]).await?;
        if !get::<bool>(&row, "taken")? {
            return Ok(None);
        }
        LIVELY.one(&client, &[]).await?;
        let row = TERM.one(&client, &[&process.uuid(), &now]).await?;
        let term = read(&row)?;
        Ok(Some(Self { client, pool, term }))
    }

    #[must_use]
    pub const fn term(&self) -> u64 {
        self.term
    }

    /// Whether the connection is known to be gone, without asking. Then so is the lock.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Whether this still leads; ask each second. `false` and errors end the lead.
    ///
    /// # Errors
    /// Where the connection is gone: then so is the lock.
    pub async fn check(&self) -> Result<bool, DbError> {
        let row = HELD.one(&self.client, &[]).await?;
        Ok(read(&row)? == self.term)
    }
}

impl Drop for Leadership {
    fn drop(&mut self) {
        // A closed pool closes what is given back to it.
        self.pool.close();
    }
}

fn read(row: &tokio_postgres::Row) -> Result<u64, DbError> {
    u64::try_from(get::<i64>(row, "term")?).map_err(|_| DbError::column("term"))
}
