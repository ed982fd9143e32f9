//! Reading columns: a value this release can't read is an error, never a panic.

use tokio_postgres::Row;
use tokio_postgres::types::FromSql;
use uuid::Uuid;

use super::error::DbError;

/// PostgreSQL's texts can't hold it, so nothing is named with it.
pub(super) const NUL: char = '\0';

/// A column's value.
pub(super) fn get<'a, T: FromSql<'a>>(row: &'a Row, column: &'static str) -> Result<T, DbError> {
    row.try_get(column).map_err(|source| DbError::Column {
        column,
        source: Some(source),
    })
}

/// A column that holds an id of a kind of ours.
pub(super) fn id<T>(row: &Row, column: &'static str, of: fn(Uuid) -> T) -> Result<T, DbError> {
    get(row, column).map(of)
}

/// A column that holds one of an enumeration's words.
pub(super) fn word<T>(
    row: &Row,
    column: &'static str,
    parse: fn(&str) -> Option<T>,
) -> Result<T, DbError> {
    parse(get(row, column)?).ok_or(DbError::column(column))
}

/// As [`word`], or null.
pub(super) fn optional_word<T>(
    row: &Row,
    column: &'static str,
    parse: fn(&str) -> Option<T>,
) -> Result<Option<T>, DbError> {
    get::<Option<&str>>(row, column)?
        .map(|text| parse(text).ok_or(DbError::column(column)))
        .transpose()
}

/// A column that holds a count; the schema keeps it from being negative.
pub(super) fn count(row: &Row, column: &'static str) -> Result<u32, DbError> {
    u32::try_from(get::<i32>(row, column)?).map_err(|_| DbError::column(column))
}

/// As [`count`], for a bigint that may be null.
pub(super) fn optional_big(row: &Row, column: &'static str) -> Result<Option<u64>, DbError> {
    get::<Option<i64>>(row, column)?
        .map(|value| u64::try_from(value).map_err(|_| DbError::column(column)))
        .transpose()
}

/// A column of exactly 32 bytes.
pub(super) fn digest(row: &Row, column: &'static str) -> Result<[u8; 32], DbError> {
    get::<&[u8]>(row, column)?
        .try_into()
        .map_err(|_| DbError::column(column))
}

/// As [`digest`], or null.
pub(super) fn optional_digest(
    row: &Row,
    column: &'static str,
) -> Result<Option<[u8; 32]>, DbError> {
    get::<Option<&[u8]>>(row, column)?
        .map(|bytes| bytes.try_into().map_err(|_| DbError::column(column)))
        .transpose()
}

/// A count as PostgreSQL's integer; ours are bounded far below its end.
pub(super) fn int(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

/// A count as PostgreSQL's bigint.
pub(super) fn big(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
