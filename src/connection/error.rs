//! Why a text or a set of fields is no connection.

/// Why a text or a set of fields is no connection. Says what is wrong and where, never with what
/// value: the value may be the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The text holds nothing but white space.
    #[error("the connection's text is blank; give a URI or a JSON object")]
    Blank,
    /// The text is no connection URI.
    #[error("invalid connection URI: {0}")]
    Uri(&'static str),
    /// The text is no connection in JSON.
    #[error("invalid connection JSON: {0}")]
    Json(&'static str),
    /// A field holds what it cannot hold.
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
    /// `field` is wrong because it `problem`.
    pub(super) fn field(field: &'static str, problem: &'static str) -> Self {
        Self::Field { field, problem }
    }
}
