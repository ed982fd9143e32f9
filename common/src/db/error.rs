//! What can go wrong between a process and PostgreSQL.

use std::error::Error;

use tokio_postgres::error::SqlState;

/// Raised by the function `enter_door`: the writer's generation is not the present one.
pub(crate) const DOOR_CLOSED: &str = "PB001";

/// Why the record gave no answer. An answer that says no is not an error.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// It could not be asked, or its answer got lost: what was asked for may have happened.
    #[error("postgresql cannot be reached")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    #[error("statement {name} failed")]
    Statement {
        name: &'static str,
        #[source]
        source: tokio_postgres::Error,
    },
    #[error("the database url cannot be read")]
    Url(#[source] tokio_postgres::Error),
    #[error("the column {column} holds what this release cannot read")]
    Column {
        column: &'static str,
        #[source]
        source: Option<tokio_postgres::Error>,
    },
}

impl DbError {
    pub(crate) fn of(name: &'static str) -> impl Fn(tokio_postgres::Error) -> Self {
        move |source| {
            if is_away(&source) {
                Self::Unavailable(Box::new(source))
            } else {
                Self::Statement { name, source }
            }
        }
    }

    pub(crate) const fn column(column: &'static str) -> Self {
        Self::Column {
            column,
            source: None,
        }
    }

    /// PostgreSQL is away, or as good as: coming back later may help.
    #[must_use]
    pub const fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    /// The writer's generation is not the present one; nothing was written.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.state()
            .is_some_and(|state| state.code() == DOOR_CLOSED)
    }

    /// A value PostgreSQL will never take (data exception, broken constraint): not to
    /// be sent again as it is.
    #[must_use]
    pub fn is_unfit(&self) -> bool {
        self.state().is_some_and(|state| {
            let code = state.code();
            code.starts_with("22") || code.starts_with("23")
        })
    }

    fn state(&self) -> Option<&SqlState> {
        match self {
            Self::Statement { source, .. } => source.code(),
            _ => None,
        }
    }
}

/// Connection gone, server starting or stopping, too many clients, time run out.
fn is_away(error: &tokio_postgres::Error) -> bool {
    let Some(state) = error.code() else {
        // Not the server's answer: the connection failed, or the answer is unreadable.
        return error.is_closed()
            || error
                .source()
                .is_some_and(<dyn Error>::is::<std::io::Error>);
    };
    let code = state.code();
    code.starts_with("08")
        || code.starts_with("57P")
        || code.starts_with("53")
        || *state == SqlState::QUERY_CANCELED
        || *state == SqlState::LOCK_NOT_AVAILABLE
        || *state == SqlState::READ_ONLY_SQL_TRANSACTION
}
