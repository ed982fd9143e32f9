//! A statement with a name, and the list of all there are.

use deadpool_postgres::GenericClient;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::error::DbError;

/// SQL and what errors call it.
#[derive(Clone, Copy, Debug)]
pub struct Statement {
    pub name: &'static str,
    pub sql: &'static str,
}

pub(crate) type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// Declares a file's statements and its registry, `STATEMENTS`.
macro_rules! statements {
    ($($name:ident = $sql:expr;)+) => {
        $(pub(crate) const $name: $crate::db::statement::Statement = $crate::db::statement::Statement {
            name: concat!(module_path!(), "::", stringify!($name)),
            sql: $sql,
        };)+
        pub(super) const STATEMENTS: &[$crate::db::statement::Statement] = &[$($name),+];
    };
}
pub(super) use statements;

impl Statement {
    pub(crate) async fn rows(
        &self,
        client: &impl GenericClient,
        params: Params<'_>,
    ) -> Result<Vec<Row>, DbError> {
        let failed = DbError::of(self.name);
        let prepared = client.prepare_cached(self.sql).await.map_err(&failed)?;
        client.query(&prepared, params).await.map_err(failed)
    }

    pub(crate) async fn row(
        &self,
        client: &impl GenericClient,
        params: Params<'_>,
    ) -> Result<Option<Row>, DbError> {
        let failed = DbError::of(self.name);
        let prepared = client.prepare_cached(self.sql).await.map_err(&failed)?;
        client.query_opt(&prepared, params).await.map_err(failed)
    }

    /// The one row that such a statement always gives.
    pub(crate) async fn one(
        &self,
        client: &impl GenericClient,
        params: Params<'_>,
    ) -> Result<Row, DbError> {
        let failed = DbError::of(self.name);
        let prepared = client.prepare_cached(self.sql).await.map_err(&failed)?;
        client.query_one(&prepared, params).await.map_err(failed)
    }

    /// How many rows it changed.
    pub(crate) async fn change(
        &self,
        client: &impl GenericClient,
        params: Params<'_>,
    ) -> Result<u64, DbError> {
        let failed = DbError::of(self.name);
        let prepared = client.prepare_cached(self.sql).await.map_err(&failed)?;
        client.execute(&prepared, params).await.map_err(failed)
    }
}

/// Every statement on the main database, file by file.
#[must_use]
pub fn main() -> Vec<Statement> {
    [
        super::accounts::STATEMENTS,
        super::api_keys::STATEMENTS,
        super::builds::STATEMENTS,
        super::days::STATEMENTS,
        super::executions::STATEMENTS,
        super::functions::STATEMENTS,
        super::idempotency::STATEMENTS,
        super::leader::STATEMENTS,
        super::namespaces::STATEMENTS,
        super::partitions::STATEMENTS,
        super::processes::STATEMENTS,
        super::publish::STATEMENTS,
        super::recording::STATEMENTS,
        super::recovering::STATEMENTS,
        super::refresh_tokens::STATEMENTS,
        super::retention::STATEMENTS,
        super::secrets::STATEMENTS,
        super::usage::STATEMENTS,
        super::users::STATEMENTS,
        super::versions::STATEMENTS,
    ]
    .concat()
}

/// Every statement on the keys database.
#[must_use]
pub fn keys() -> Vec<Statement> {
    super::data_keys::STATEMENTS.to_vec()
}
