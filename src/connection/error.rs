//! Why a text or a set of fields is no connection.

/// Why a text or a set of fields is no connection. Says what is wrong and where, never with what
/// value: the value may be the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The text is no connection URI.
    #[error("invalid connection URI: {0}")]
    Uri(&'static str),
}
