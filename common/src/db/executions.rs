//! Reading executions, and erasing the texts of one. Writing them is `record`'s.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio_postgres::Row;
use uuid::Uuid;

use super::columns::{count, get, id, optional_big, optional_word, word};
use super::statement::statements;
use super::{DbError, GenericClient};
use crate::execution::{Ending, ErrorCode, FinalState, SealedOutcome, State, Trigger};
use crate::ids::{AccountId, ExecutionId, FunctionId, NamespaceId, VersionId};

/// A row, without its input.
#[derive(Clone, Debug, PartialEq)]
pub struct Execution {
    pub id: ExecutionId,
    pub namespace: NamespaceId,
    /// `None` where the namespace is long gone.
    pub namespace_name: Option<String>,
    pub function: FunctionId,
    /// `None` where the function is long gone.
    pub function_name: Option<String>,
    pub version: VersionId,
    pub version_number: Option<u32>,
    pub state: State,
    pub trigger: Trigger,
    /// Which try is running or ran last; 0 before the first.
    pub attempt: u32,
    pub cancel_requested: bool,
    pub due_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    /// There exactly where the state is final. Texts are `None` in lists and where erased.
    pub outcome: Option<SealedOutcome>,
    pub erased_at: Option<Timestamp>,
}

/// Which executions a list shows, newest first.
#[derive(Clone, Debug, Default)]
pub struct Filter<'a> {
    /// A key bound to namespaces sees only theirs.
    pub namespaces: Option<&'a [NamespaceId]>,
    pub function: Option<FunctionId>,
    pub state: Option<State>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
    /// The time and id the last page ended with.
    pub before: Option<(Timestamp, ExecutionId)>,
}

/// What erasing came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Erased {
    /// The texts are gone, now or before; the row still counts.
    Done,
    NotFinished,
    Unknown,
}

macro_rules! facts {
    () => {
        "e.id, e.namespace_id, n.name as namespace_name, e.function_id, f.name as function_name,
            e.version_id, e.version_number, e.state, e.trigger, e.attempt, e.cancel_requested,
            e.due_at, e.created_at, e.started_at, e.finished_at, e.erased_at, e.error_code,
            e.duration_us, e.cpu_us, e.memory_peak_bytes, e.network_in_bytes, e.network_out_bytes"
    };
}

macro_rules! joined {
    () => {
        " from executions e
            left join namespaces n on n.id = e.namespace_id
            left join functions f on f.id = e.function_id "
    };
}

statements! {
    FIND = concat!("select ", facts!(), ", e.output, e.error, e.logs", joined!(),
        "where e.account_id = $1 and e.day = $2 and e.id = $3");
    INPUT = "select input from executions where account_id = $1 and day = $2 and id = $3";
    LIST = concat!("select ", facts!(), ", null::bytea as output, null::bytea as error,
            null::bytea as logs", joined!(),
        "where e.account_id = $1
            and ($2::uuid[] is null or e.namespace_id = any ($2))
            and ($3::uuid is null or e.function_id = $3)
            and ($4::text is null or e.state = $4)
            and e.created_at >= $5 and e.day >= $6
            and e.created_at < $7
            and (e.created_at, e.id) < ($8, $9) and e.day <= $10
        order by e.created_at desc, e.id desc limit $11");
    ERASE = "update executions set input = null, output = null, error = null, logs = null,
            erased_at = coalesce(erased_at, $4)
        where account_id = $1 and day = $2 and id = $3 and finished_at is not null";
    THERE = "select 1 from executions where account_id = $1 and day = $2 and id = $3";
}

/// # Errors
/// Where PostgreSQL does not answer.
pub async fn find(
    client: &impl GenericClient,
    account: AccountId,
    execution: ExecutionId,
) -> Result<Option<Execution>, DbError> {
    let params: super::statement::Params<'_> =
        &[&account.uuid(), &execution.day(), &execution.uuid()];
    let row = FIND.row(client, params).await?;
    row.as_ref().map(read).transpose()
}

/// The sealed input. The outer `None` is no such execution, the inner one an
/// input that is unknown or erased.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn input(
    client: &impl GenericClient,
    account: AccountId,
    execution: ExecutionId,
) -> Result<Option<Option<Vec<u8>>>, DbError> {
    let params: super::statement::Params<'_> =
        &[&account.uuid(), &execution.day(), &execution.uuid()];
    let row = INPUT.row(client, params).await?;
    row.as_ref().map(|row| get(row, "input")).transpose()
}

/// Newest first by (time, id); without texts.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn list(
    client: &impl GenericClient,
    account: AccountId,
    filter: &Filter<'_>,
    most: u32,
) -> Result<Vec<Execution>, DbError> {
    let namespaces: Option<Vec<Uuid>> = filter
        .namespaces
        .map(|all| all.iter().map(|one| one.uuid()).collect());
    let since = filter.since.unwrap_or(EARLIEST);
    let until = filter.until.unwrap_or(LATEST);
    let (before, before_id) = filter
        .before
        .map_or((LATEST, Uuid::max()), |(at, id)| (at, id.uuid()));
    let day = |at: Timestamp| at.to_zoned(TimeZone::UTC).date();
    let rows = LIST
        .rows(
            client,
            &[
                &account.uuid(),
                &namespaces,
                &filter.function.map(FunctionId::uuid),
                &filter.state.map(State::as_str),
                &since,
                &day(since),
                &until,
                &before,
                &before_id,
                &day(before.min(until)),
                &i64::from(most),
            ],
        )
        .await?;
    rows.iter().map(read).collect()
}

/// Ids carry milliseconds since 1970, and PostgreSQL's times end long after.
const EARLIEST: Timestamp = Timestamp::UNIX_EPOCH;
const LATEST: Timestamp = Timestamp::MAX;

/// Erases input, output, logs and error text of a finished execution.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn erase(
    client: &impl GenericClient,
    account: AccountId,
    execution: ExecutionId,
    now: Timestamp,
) -> Result<Erased, DbError> {
    let (account, day, id) = (account.uuid(), execution.day(), execution.uuid());
    if ERASE.change(client, &[&account, &day, &id, &now]).await? == 1 {
        return Ok(Erased::Done);
    }
    let there = THERE.row(client, &[&account, &day, &id]).await?;
    Ok(match there {
        Some(_) => Erased::NotFinished,
        None => Erased::Unknown,
    })
}

fn read(row: &Row) -> Result<Execution, DbError> {
    Ok(Execution {
        id: id(row, "id", ExecutionId::from_uuid)?,
        namespace: id(row, "namespace_id", NamespaceId::from_uuid)?,
        namespace_name: get(row, "namespace_name")?,
        function: id(row, "function_id", FunctionId::from_uuid)?,
        function_name: get(row, "function_name")?,
        version: id(row, "version_id", VersionId::from_uuid)?,
        version_number: get::<Option<i32>>(row, "version_number")?
            .and_then(|number| u32::try_from(number).ok()),
        state: word(row, "state", State::parse)?,
        trigger: word(row, "trigger", Trigger::parse)?,
        attempt: count(row, "attempt")?,
        cancel_requested: get(row, "cancel_requested")?,
        due_at: get(row, "due_at")?,
        created_at: get(row, "created_at")?,
        started_at: get(row, "started_at")?,
        outcome: outcome(row)?,
        erased_at: get(row, "erased_at")?,
    })
}

/// How a row's execution ended, if it has.
pub(super) fn outcome(row: &Row) -> Result<Option<SealedOutcome>, DbError> {
    let Some(state) = FinalState::parse(get(row, "state")?) else {
        return Ok(None);
    };
    Ok(Some(SealedOutcome {
        ending: Ending {
            state,
            error_code: optional_word(row, "error_code", ErrorCode::parse)?,
            attempt: count(row, "attempt")?,
            started_at: get(row, "started_at")?,
            finished_at: get(row, "finished_at")?,
            duration_us: optional_big(row, "duration_us")?,
            cpu_us: optional_big(row, "cpu_us")?,
            memory_peak_bytes: optional_big(row, "memory_peak_bytes")?,
            network_in_bytes: optional_big(row, "network_in_bytes")?,
            network_out_bytes: optional_big(row, "network_out_bytes")?,
        },
        output: get(row, "output")?,
        error: get(row, "error")?,
        logs: get(row, "logs")?,
    }))
}
