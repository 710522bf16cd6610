//! Why a text or a set of fields is not a connection.

use std::borrow::Cow;

/// Why a text or a set of fields is not a connection. Says what is wrong and where, never with what
/// value: the value may be the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The text contains only white space.
    #[error("the connection's text is blank; give a URI or a JSON object")]
    Blank,
    /// The text is not a connection URI.
    #[error("invalid connection URI: {0}")]
    Uri(&'static str),
    /// The text is not a connection in JSON.
    #[error("invalid connection JSON: {0}")]
    Json(Cow<'static, str>),
    /// A member of `extra` is of another type than was asked for.
    #[error("invalid connection: member {key:?} of `extra` {problem}")]
    #[non_exhaustive]
    Extra {
        /// The member's key.
        key: String,
        /// What it must be.
        problem: &'static str,
    },
    /// `extra` is not what the program's own type is read from.
    #[error(
        "invalid connection: `extra` lacks members that this program expects, or their types differ"
    )]
    ExtraType,
    /// The value of a field is invalid.
    #[error("invalid connection: `{field}` {problem}")]
    #[non_exhaustive]
    Field {
        /// The field, as Airflow names it, such as `port`.
        field: &'static str,
        /// What is wrong with it, and what it may be.
        problem: &'static str,
    },
}

impl ConnectionError {
    /// Whether Airflow takes it all the same: JSON that is not strict (CODEC-3).
    pub(crate) fn is_loose_json(&self) -> bool {
        matches!(self, Self::Field { problem, .. } if problem.ends_with("(CODEC-3)"))
    }

    /// `field` is wrong because it `problem`.
    pub(super) fn field(field: &'static str, problem: &'static str) -> Self {
        Self::Field { field, problem }
    }
}
