//! The [`SecretsBackend`] trait, what a lookup gives ([`Lookup`]) and how it fails ([`Failure`]).

use std::{borrow::Cow, fmt};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};

use crate::{Connection, ConnectionError, Dialect, Secret};

/// How many lookups a backend has under way at once when it is asked for many ids and has no
/// request of its own for that.
pub const MAX_CONCURRENT_LOOKUPS: usize = 16;

/// A place that holds connections, variables and configuration values.
///
/// Mirrors Airflow's `BaseSecretsBackend`. A backend answers for itself alone: precedence,
/// fall-through and provenance are the [`Resolver`](crate::Resolver)'s. It tells apart what it
/// *found*, what it looked for and did not find (*missing*), what it never asks for (*skipped*)
/// and what it could not find out ([`Failure`]); nothing of a secret is in any of them but the
/// value itself.
///
/// `team` is the team that asks, in a multi-team deployment; the resolver passes one only there.
///
/// ```
/// use airflow_secrets::{Failure, Lookup, Secret, SecretsBackend};
///
/// /// Gives every variable its own name as its value.
/// #[derive(Debug)]
/// struct Echo;
///
/// #[async_trait::async_trait]
/// impl SecretsBackend for Echo {
///     fn name(&self) -> &str {
///         "echo"
///     }
///     async fn get_conn_value(&self, id: &str, _: Option<&str>) -> Result<Lookup<Secret>, Failure> {
///         Ok(Lookup::missing(id))
///     }
///     async fn get_variable(&self, key: &str, _: Option<&str>) -> Result<Lookup<Secret>, Failure> {
///         Ok(Lookup::found(Secret::from(key), key))
///     }
/// }
/// ```
#[async_trait]
pub trait SecretsBackend: fmt::Debug + Send + Sync + 'static {
    /// The backend's short name in reports and logs, such as `vault`.
    fn name(&self) -> &str;

    /// The text that describes connection `conn_id`: a URI or a JSON object.
    ///
    /// # Errors
    /// A [`Failure`] when the backend could not find out; an id it does not hold is no error.
    async fn get_conn_value(
        &self,
        conn_id: &str,
        team: Option<&str>,
    ) -> Result<Lookup<Secret>, Failure>;

    /// Connection `conn_id`, read as `dialect` reads it.
    ///
    /// The default parses what [`get_conn_value`](Self::get_conn_value) gives, as
    /// [`Connection::from_value`] does; an empty text counts as missing, as in Airflow.
    ///
    /// # Errors
    /// A [`Failure`] when the backend could not find out, or holds what is no connection.
    async fn get_connection(
        &self,
        conn_id: &str,
        team: Option<&str>,
        dialect: Dialect,
    ) -> Result<Lookup<Connection>, Failure> {
        self.get_conn_value(conn_id, team)
            .await?
            .into_connection(conn_id, dialect)
    }

    /// The value of variable `key`, as text.
    ///
    /// # Errors
    /// A [`Failure`] when the backend could not find out.
    async fn get_variable(&self, key: &str, team: Option<&str>) -> Result<Lookup<Secret>, Failure>;

    /// The value of configuration entry `key`. The default offers none.
    ///
    /// # Errors
    /// A [`Failure`] when the backend could not find out.
    async fn get_config(&self, key: &str) -> Result<Lookup<Secret>, Failure> {
        let _ = key;
        Ok(Lookup::skipped(SkipReason::NotOffered))
    }

    /// Many connections at once: one result for each id, in the order asked.
    ///
    /// The default asks for each by itself, [`MAX_CONCURRENT_LOOKUPS`] at a time. A backend that
    /// can ask for many in one request overrides it.
    async fn get_connections(
        &self,
        conn_ids: &[&str],
        team: Option<&str>,
        dialect: Dialect,
    ) -> Vec<Result<Lookup<Connection>, Failure>> {
        let lookups = conn_ids
            .iter()
            .map(|conn_id| self.get_connection(conn_id, team, dialect))
            .collect::<Vec<_>>();
        stream::iter(lookups)
            .buffered(MAX_CONCURRENT_LOOKUPS)
            .collect()
            .await
    }

    /// Many variables at once: one result for each key, in the order asked.
    ///
    /// The default asks for each by itself, [`MAX_CONCURRENT_LOOKUPS`] at a time.
    async fn get_variables(
        &self,
        keys: &[&str],
        team: Option<&str>,
    ) -> Vec<Result<Lookup<Secret>, Failure>> {
        let lookups = keys
            .iter()
            .map(|key| self.get_variable(key, team))
            .collect::<Vec<_>>();
        stream::iter(lookups)
            .buffered(MAX_CONCURRENT_LOOKUPS)
            .collect()
            .await
    }
}

/// What a backend answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup<T> {
    /// The backend holds it.
    Found {
        /// The answer.
        value: T,
        /// What a person would type into that system to see it.
        native_key: String,
    },
    /// The backend looked and has nothing under that key.
    Missing {
        /// Where it looked.
        native_key: String,
        /// Why, where there is more to say than that it is not there.
        reason: Option<String>,
    },
    /// The backend never asks for this.
    Skipped {
        /// Why not.
        reason: SkipReason,
    },
}

/// Why a backend did not ask.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SkipReason {
    /// The backend does not offer this kind of secret.
    NotOffered,
    /// The setting that says where this kind of secret lives is absent or `null`.
    NoPrefix,
    /// Nothing is configured that could be asked.
    NotConfigured(Cow<'static, str>),
    /// The id does not match the backend's lookup pattern.
    Pattern,
    /// The id cannot be a name in that system, or would leave its prefix there.
    InvalidId(Cow<'static, str>),
    /// The id is refused by the rules of multi-team deployments.
    Team(Cow<'static, str>),
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOffered => f.write_str("not offered by this backend"),
            Self::NoPrefix => f.write_str("not configured: no prefix, path or file"),
            Self::NotConfigured(what) => write!(f, "not configured: {what}"),
            Self::Pattern => f.write_str("the id does not match the lookup pattern"),
            Self::InvalidId(why) => write!(f, "invalid id: {why}"),
            Self::Team(why) => write!(f, "refused for teams: {why}"),
        }
    }
}

impl<T> Lookup<T> {
    /// Found, under `native_key`.
    pub fn found(value: T, native_key: impl Into<String>) -> Self {
        Self::Found {
            value,
            native_key: native_key.into(),
        }
    }

    /// Looked for under `native_key` and not there.
    pub fn missing(native_key: impl Into<String>) -> Self {
        Self::Missing {
            native_key: native_key.into(),
            reason: None,
        }
    }

    /// Looked for under `native_key` and as good as not there, for `reason`.
    pub fn missing_because(native_key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Missing {
            native_key: native_key.into(),
            reason: Some(reason.into()),
        }
    }

    /// Not asked for, for `reason`.
    #[must_use]
    pub fn skipped(reason: SkipReason) -> Self {
        Self::Skipped { reason }
    }
}

impl Lookup<Secret> {
    /// Reads the text that was found as connection `conn_id`, as Airflow's base backend does: an
    /// empty text counts as missing.
    ///
    /// # Errors
    /// A [`Failure`] of kind [`FailureKind::InvalidValue`] when the text is no connection.
    pub fn into_connection(
        self,
        conn_id: &str,
        dialect: Dialect,
    ) -> Result<Lookup<Connection>, Failure> {
        match self {
            Self::Found { value, native_key } if value.is_empty() => Ok(Lookup::missing_because(
                native_key,
                "the value is empty, which is no connection",
            )),
            Self::Found { value, native_key } => {
                match Connection::from_value(conn_id, value.expose(), dialect) {
                    Ok(connection) => Ok(Lookup::found(connection, native_key)),
                    Err(error) => Err(Failure::from(error).at(native_key)),
                }
            }
            Self::Missing { native_key, reason } => Ok(Lookup::Missing { native_key, reason }),
            Self::Skipped { reason } => Ok(Lookup::Skipped { reason }),
        }
    }
}

/// A backend could not find out. Its message never holds a secret, a response body or the user
/// info of a URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    kind: FailureKind,
    native_key: Option<String>,
    message: String,
}

/// What kind of failure it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailureKind {
    /// The system could not be asked: it is down, cannot be reached, throttles or timed out.
    Unavailable,
    /// The system refused. The next source may still answer, as in Airflow.
    AccessDenied,
    /// The system refused, and its word is final: no other source is asked.
    FinalDenial,
    /// What the system holds cannot be read as what was asked for.
    InvalidValue,
    /// A setting this backend needs is missing or wrong.
    Configuration,
}

impl Failure {
    /// A failure of `kind`; `message` says what went wrong and what to do.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            native_key: None,
            message: message.into(),
        }
    }

    /// An [`Unavailable`](FailureKind::Unavailable) one; `message` says what went wrong and what
    /// to do.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Unavailable, message)
    }

    /// An [`AccessDenied`](FailureKind::AccessDenied) one.
    pub fn access_denied(message: impl Into<String>) -> Self {
        Self::new(FailureKind::AccessDenied, message)
    }

    /// An [`InvalidValue`](FailureKind::InvalidValue) one.
    pub fn invalid_value(message: impl Into<String>) -> Self {
        Self::new(FailureKind::InvalidValue, message)
    }

    /// A [`Configuration`](FailureKind::Configuration) one: it names the setting.
    pub fn configuration(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Configuration, message)
    }

    /// The same failure, with the native key that was asked for.
    #[must_use]
    pub fn at(mut self, native_key: impl Into<String>) -> Self {
        self.native_key = Some(native_key.into());
        self
    }

    /// What kind of failure it was.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        self.kind
    }

    /// What was asked for, in the system's own terms.
    #[must_use]
    pub fn native_key(&self) -> Option<&str> {
        self.native_key.as_deref()
    }

    /// What went wrong, and what to do.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl From<ConnectionError> for Failure {
    fn from(error: ConnectionError) -> Self {
        Self::new(FailureKind::InvalidValue, error.to_string())
    }
}
