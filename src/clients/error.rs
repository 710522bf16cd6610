//! Why no client can be made from a connection, and what one should know of one that can.

use std::{borrow::Cow, fmt};

use crate::{ConnectionError, REDACTED};

/// The name of a member as it may be shown. One with the marks of a URI may be a piece of a password that was
/// written there as it is: `postgres://app:p?word@db`.
pub(super) fn shown(name: &str) -> &str {
    let marks = ['@', ';', '=', '?', '&', '#', '%', '/', ':'];
    if name.contains(marks) { REDACTED } else { name }
}

/// Where in a connection something is.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A field, such as `port`.
    Field(&'static str),
    /// A member of `extra`.
    Extra(String),
    /// `extra` as a whole.
    WholeExtra,
}

impl Place {
    pub(super) fn extra(key: &str) -> Self {
        Self::Extra(key.to_owned())
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, "`{name}`"),
            Self::Extra(key) => write!(f, "member {:?} of `extra`", shown(key)),
            Self::WholeExtra => f.write_str("`extra`"),
        }
    }
}

/// Why a connection gives no client, or a client not the form that was asked for: names the connection,
/// the field and the reason, never a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientError {
    pub(super) conn_id: String,
    pub(super) client: &'static str,
    pub(super) place: Place,
    pub(super) problem: Cow<'static, str>,
}

impl ClientError {
    /// The id of the connection.
    #[must_use]
    pub fn conn_id(&self) -> &str {
        &self.conn_id
    }

    /// The field, as Airflow names it: `host`, `extra`, …
    #[must_use]
    pub fn field(&self) -> &str {
        match &self.place {
            Place::Field(name) => name,
            Place::Extra(_) | Place::WholeExtra => "extra",
        }
    }

    /// The member of `extra`, where it is about one.
    #[must_use]
    pub fn member(&self) -> Option<&str> {
        match &self.place {
            Place::Extra(key) => Some(key),
            Place::Field(_) | Place::WholeExtra => None,
        }
    }

    pub(super) fn of_extra(conn_id: &str, client: &'static str, error: &ConnectionError) -> Self {
        let problem = match error {
            ConnectionError::Field { problem, .. } => Cow::Borrowed(*problem),
            other => Cow::Owned(other.to_string()),
        };
        Self {
            conn_id: conn_id.to_owned(),
            client,
            place: Place::WholeExtra,
            problem,
        }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            conn_id,
            client,
            place,
            problem,
        } = self;
        write!(
            f,
            "connection {conn_id:?} gives no {client} client: {place} {problem}"
        )
    }
}

impl std::error::Error for ClientError {}

/// What is most likely a mistake in a connection, though the hook takes it. Names the field, never a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientWarning {
    pub(super) place: Place,
    pub(super) problem: Cow<'static, str>,
}

impl fmt::Display for ClientWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.place, self.problem)
    }
}
