//! What the backend asks a database for, and what a database may answer: the interface between the
//! code path that all engines share and their drivers.

use std::fmt;

use async_trait::async_trait;

use super::row::Row;
use crate::{Failure, backend::FailureKind};

/// The most of an answer that a server may send, in bytes: MySQL's columns hold 16 MiB, those of
/// PostgreSQL more.
#[cfg(feature = "_metastore-server")]
pub(super) const LONGEST_ANSWER: usize = 17 * 1024 * 1024;

/// A database with Airflow's tables. It connects at the first `select`, and sends nothing but
/// `SELECT`.
#[async_trait]
pub(super) trait Driver: fmt::Debug + Send + Sync {
    /// The rows that `select` describes, each with the columns of its table in
    /// [`Table::columns`]' order.
    async fn select(&self, select: &Select<'_>) -> Result<Vec<Row>, Fault>;

    /// Whether the database may treat two different texts as equal: MySQL's collations may ignore
    /// case, accents and trailing blanks.
    fn compares_loosely(&self) -> bool {
        false
    }
}

/// One of Airflow's tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    Connection,
    Variable,
}

impl Table {
    /// The table's name in every Airflow since 1.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Variable => "variable",
        }
    }

    /// The columns that are read; the first is the id.
    pub(super) fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Connection => &[
                "conn_id",
                "conn_type",
                "description",
                "host",
                "schema",
                "login",
                "password",
                "port",
                "is_encrypted",
                "is_extra_encrypted",
                "extra",
            ],
            Self::Variable => &["key", "val", "is_encrypted"],
        }
    }

    /// The column that holds the id.
    pub(super) fn id_column(self) -> &'static str {
        match self {
            Self::Connection => "conn_id",
            Self::Variable => "key",
        }
    }
}

/// Which rows are asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Select<'a> {
    pub(super) table: Table,
    pub(super) ids: &'a [&'a str],
    pub(super) visible: Visible<'a>,
}

/// Whose rows are asked for. Airflow has had a `team_name` column since 3.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Visible<'a> {
    /// Every row: the table has no `team_name`.
    All,
    /// The rows without a team.
    Global,
    /// The rows of this team, and those without one.
    Team(&'a str),
}

/// Why the database did not answer. The message contains no value and no user info.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(super) struct Fault {
    pub(super) kind: FaultKind,
    pub(super) message: String,
    /// What the program's own password source reported.
    pub(super) cause: Option<Failure>,
}

/// What kind of fault it was.
#[cfg_attr(
    not(feature = "_metastore-server"),
    allow(dead_code, reason = "only servers need it")
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FaultKind {
    /// The database could not be asked.
    Unavailable,
    /// The connection broke; a new one may work.
    Broken,
    /// The answer is longer than [`LONGEST_ANSWER`]. Its connection cannot be used again.
    TooLong,
    /// The table lacks a column that was asked for.
    UndefinedColumn,
    /// The database refused the login, or the query.
    AccessDenied,
    /// A setting is missing or wrong.
    Configuration,
}

impl Fault {
    /// The database could not be asked; `message` says why and what to do.
    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(FaultKind::Unavailable, message)
    }

    /// A setting is missing or wrong; `message` says which, and what to do.
    pub(super) fn configuration(message: impl Into<String>) -> Self {
        Self::new(FaultKind::Configuration, message)
    }

    /// A fault of `kind`; `message` says why, and what to do.
    pub(super) fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            cause: None,
        }
    }

    /// The program's own password source gave no password for `place`.
    #[cfg(feature = "_metastore-server")]
    pub(super) fn no_password(place: &str, cause: &Failure) -> Self {
        let kind = match cause.kind() {
            FailureKind::Unavailable => FaultKind::Unavailable,
            FailureKind::AccessDenied | FailureKind::FinalDenial => FaultKind::AccessDenied,
            FailureKind::InvalidValue | FailureKind::Configuration => FaultKind::Configuration,
        };
        Self {
            cause: Some(cause.clone()),
            ..Self::new(kind, format!("no password for {place}: {cause}"))
        }
    }

    /// The failure that callers see.
    pub(super) fn into_failure(self, native_key: &str) -> Failure {
        let kind = match self.kind {
            FaultKind::Unavailable | FaultKind::Broken | FaultKind::TooLong => {
                FailureKind::Unavailable
            }
            FaultKind::AccessDenied => FailureKind::AccessDenied,
            FaultKind::Configuration | FaultKind::UndefinedColumn => FailureKind::Configuration,
        };
        let mut failure = Failure::new(kind, self.message).at(native_key);
        if let Some(cause) = self.cause {
            failure = failure.with_transient(cause.is_transient());
            if let Some(pause) = cause.retry_after() {
                failure = failure.with_retry_after(pause);
            }
            failure = failure.with_source(cause);
        }
        failure
    }
}
