//! What the backend asks of a database, and what a database may answer: the line between the one
//! code path above and the drivers below.

use std::fmt;

use async_trait::async_trait;

use super::row::Row;
use crate::Failure;

/// A database that can be asked for rows of Airflow's tables. It connects when it is first asked,
/// and sends nothing but `SELECT`.
#[async_trait]
pub(super) trait Driver: fmt::Debug + Send + Sync {
    /// The rows that `select` describes, each with the columns of its table in
    /// [`Table::columns`]' order.
    async fn select(&self, select: &Select<'_>) -> Result<Vec<Row>, Fault>;

    /// Whether the database may hold two different texts equal: MySQL's collations may ignore
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
    /// The rows of no team.
    Global,
    /// The rows of this team, and those of none.
    Team(&'a str),
}

/// The database did not answer. The message holds no value and no user info.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(super) struct Fault {
    pub(super) kind: FaultKind,
    pub(super) message: String,
}

/// What kind of fault it was.
#[cfg_attr(
    not(any(feature = "postgres", feature = "mysql")),
    allow(dead_code, reason = "only servers need it")
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FaultKind {
    /// The database could not be asked, or refused.
    Unavailable,
    /// The connection broke; another may do.
    Broken,
    /// The table lacks a column that was asked for.
    UndefinedColumn,
}

impl Fault {
    /// The database could not be asked, or refused; `message` says why and what to do.
    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self {
            kind: FaultKind::Unavailable,
            message: message.into(),
        }
    }

    /// The failure that callers see.
    pub(super) fn into_failure(self, native_key: &str) -> Failure {
        Failure::unavailable(self.message).at(native_key)
    }
}
