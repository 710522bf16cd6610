//! How a backend's lookup fails.

use std::{error::Error as StdError, fmt, sync::Arc, time::Duration};

use crate::{ConfigurationError, ConnectionError};

/// Why a backend could not answer.
///
/// The message says what went wrong and what to do. It never holds a secret, a response body or
/// the user info of a URL, and neither may its [`source`](StdError::source).
///
/// ```
/// use std::time::Duration;
/// use airflow_secrets::backend::{Failure, FailureKind};
///
/// let failure = Failure::unavailable("the service throttles (429)")
///     .at("prod/airflow/connections/pg")
///     .with_retry_after(Duration::from_secs(3));
/// assert_eq!(failure.kind(), FailureKind::Unavailable);
/// assert!(failure.is_transient());
/// ```
#[derive(Clone)]
pub struct Failure(Box<Parts>);

#[derive(Clone)]
struct Parts {
    kind: FailureKind,
    native_key: Option<String>,
    message: String,
    is_transient: bool,
    retry_after: Option<Duration>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// What kind of failure it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureKind {
    /// The system could not be asked: it is down, cannot be reached, throttles or timed out.
    Unavailable,
    /// The system refused. The next source may still answer, as in Airflow.
    AccessDenied,
    /// The system refused, and its denial is final: no other source is asked.
    FinalDenial,
    /// The system holds a value that is invalid.
    InvalidValue,
    /// A setting that this backend needs is not set or is invalid.
    Configuration,
}

impl FailureKind {
    /// The kind in one word: `unavailable`, `access_denied`, `invalid_value` or `configuration`. A
    /// final denial is `access_denied` too.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::AccessDenied | Self::FinalDenial => "access_denied",
            Self::InvalidValue => "invalid_value",
            Self::Configuration => "configuration",
        }
    }
}

impl Failure {
    /// A failure of `kind`; `message` says what went wrong and what to do.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            kind,
            native_key: None,
            message: message.into(),
            is_transient: kind == FailureKind::Unavailable,
            retry_after: None,
            source: None,
        }))
    }

    /// A failure of kind [`Unavailable`](FailureKind::Unavailable).
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Unavailable, message)
    }

    /// A failure of kind [`AccessDenied`](FailureKind::AccessDenied).
    pub fn access_denied(message: impl Into<String>) -> Self {
        Self::new(FailureKind::AccessDenied, message)
    }

    /// A failure of kind [`InvalidValue`](FailureKind::InvalidValue).
    pub fn invalid_value(message: impl Into<String>) -> Self {
        Self::new(FailureKind::InvalidValue, message)
    }

    /// A failure of kind [`Configuration`](FailureKind::Configuration); the message names the
    /// setting.
    pub fn configuration(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Configuration, message)
    }

    /// The same failure, with the native key that was asked for.
    #[must_use]
    pub fn at(mut self, native_key: impl Into<String>) -> Self {
        self.0.native_key = Some(native_key.into());
        self
    }

    /// The same failure, caused by `source`, whose text holds no secret.
    #[must_use]
    pub fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.0.source = Some(Arc::new(source));
        self
    }

    /// The same failure, marked as transient or not. Default: *unavailable* is transient,
    /// every other kind is not.
    #[must_use]
    pub fn with_transient(mut self, is_transient: bool) -> Self {
        self.0.is_transient = is_transient;
        self
    }

    /// The same failure, with the time after which the system asked to try again.
    #[must_use]
    pub fn with_retry_after(mut self, pause: Duration) -> Self {
        self.0.retry_after = Some(pause);
        self
    }

    /// What kind of failure it was.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        self.0.kind
    }

    /// What was asked for, in the system's own terms.
    #[must_use]
    pub fn native_key(&self) -> Option<&str> {
        self.0.native_key.as_deref()
    }

    /// What went wrong, and what to do.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Whether the failure is transient, so that the same lookup may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.0.is_transient
    }

    /// The time after which the system asked to try again, if it gave one.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure")
            .field("kind", &self.0.kind)
            .field("native_key", &self.0.native_key)
            .field("message", &self.0.message)
            .field("is_transient", &self.0.is_transient)
            .field("retry_after", &self.0.retry_after)
            .field("source", &self.0.source.as_ref().map(ToString::to_string))
            .finish()
    }
}

impl StdError for Failure {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.0.source {
            Some(source) => Some(&**source),
            None => None,
        }
    }
}

/// Two failures are equal when they say the same; their sources are not compared.
impl PartialEq for Failure {
    fn eq(&self, other: &Self) -> bool {
        let said = |failure: &Self| {
            (
                failure.0.kind,
                failure.0.is_transient,
                failure.0.retry_after,
            )
        };
        said(self) == said(other)
            && self.0.native_key == other.0.native_key
            && self.0.message == other.0.message
    }
}

impl Eq for Failure {}

impl From<ConnectionError> for Failure {
    fn from(error: ConnectionError) -> Self {
        Self::invalid_value(error.to_string())
    }
}

/// A setting that a lookup finds to be invalid.
impl From<ConfigurationError> for Failure {
    fn from(error: ConfigurationError) -> Self {
        Self::configuration(error.to_string()).with_source(error)
    }
}
