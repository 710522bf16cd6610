//! The crate's public error: what was asked, what each source did, and what to do.

#[cfg(feature = "cache")]
use std::time::Duration;
use std::{error::Error as StdError, fmt};

use crate::{
    JsonError,
    backend::{Failure, Freshness},
    config::Warning,
    report::{Asked, OnOneLine, Report, Source},
};

/// Why there is no answer.
///
/// The message says what was asked, what each source did, and what to do. `Debug` prints the same
/// message, so that a `main` that returns this error shows something a person can read. No message
/// holds a secret, a response body or the user info of a URL.
///
/// [`source`](StdError::source) gives the [`Failure`], the [`ConfigurationError`] or the [`JsonError`] that
/// decided.
///
/// ```
/// use airflow_secrets::{ErrorKind, Resolver, backends::memory::MemoryBackend};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let resolver = Resolver::builder().backend(MemoryBackend::new("mine")).build();
/// let error = resolver.get_variable("colour").await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::NotFound);
/// assert_eq!(
///     error.to_string(),
///     r#"variable "colour" is not defined: mine (variable colour) missing"#,
/// );
/// # }
/// ```
#[derive(Clone)]
pub struct Error(Box<Reason>);

#[derive(Clone)]
enum Reason {
    /// No source answered.
    Unanswered {
        kind: ErrorKind,
        asked: Asked,
        report: Report,
        /// Which of the report's failures decided, if any.
        deciding: Option<usize>,
        freshness: Freshness,
    },
    InvalidId {
        asked: Asked,
        reason: &'static str,
    },
    Configuration(ConfigurationError),
    /// A source answered, but not with the JSON that the caller reads.
    Json {
        asked: Asked,
        source: Source,
        report: Report,
        error: JsonError,
    },
}

/// What kind of error it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No source failed, and none defines it.
    NotFound,
    /// At least one source could not be asked, and no other defines it: it may exist.
    Unavailable,
    /// At least one source refused, and no other defines it.
    AccessDenied,
    /// A source defines the id, but its value is invalid.
    InvalidValue,
    /// No source could hold this id.
    InvalidId,
    /// A setting is not set or is invalid: one of Airflow's, when the resolver is made, or one that
    /// a source needs, when it is asked.
    Configuration,
}

impl ErrorKind {
    /// The kind in one word: `not_found`, `unavailable`, `access_denied`, `invalid_value`,
    /// `invalid_id` or `configuration`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Unavailable => "unavailable",
            Self::AccessDenied => "access_denied",
            Self::InvalidValue => "invalid_value",
            Self::InvalidId => "invalid_id",
            Self::Configuration => "configuration",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Error {
    /// No source answered; the `deciding` one of the report's failures made it `kind`.
    pub(crate) fn unanswered(
        kind: ErrorKind,
        asked: Asked,
        report: Report,
        deciding: Option<usize>,
    ) -> Self {
        Self(Box::new(Reason::Unanswered {
            kind,
            asked,
            report,
            deciding,
            freshness: Freshness::Live,
        }))
    }

    /// The same error from a cache, `age` old.
    #[cfg(feature = "cache")]
    pub(crate) fn cached(mut self, age: Duration) -> Self {
        if let Reason::Unanswered { freshness, .. } = &mut *self.0 {
            *freshness = Freshness::cached(age);
        }
        self
    }

    /// The answer of `source` is not the JSON that the caller reads.
    pub(crate) fn not_json(asked: Asked, source: Source, report: Report, error: JsonError) -> Self {
        Self(Box::new(Reason::Json {
            asked,
            source,
            report,
            error,
        }))
    }

    pub(crate) fn invalid_id(asked: Asked, reason: &'static str) -> Self {
        Self(Box::new(Reason::InvalidId { asked, reason }))
    }

    /// What kind of error it was.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match &*self.0 {
            Reason::Unanswered { kind, .. } => *kind,
            Reason::InvalidId { .. } => ErrorKind::InvalidId,
            Reason::Configuration(_) => ErrorKind::Configuration,
            Reason::Json { .. } => ErrorKind::InvalidValue,
        }
    }

    /// What was asked for; `None` where the settings were invalid and no source was asked.
    #[must_use]
    pub fn asked(&self) -> Option<&Asked> {
        match &*self.0 {
            Reason::Unanswered { asked, .. }
            | Reason::InvalidId { asked, .. }
            | Reason::Json { asked, .. } => Some(asked),
            Reason::Configuration(_) => None,
        }
    }

    /// What each source did, where any was asked.
    #[must_use]
    pub fn report(&self) -> Option<&Report> {
        match &*self.0 {
            Reason::Unanswered { report, .. } | Reason::Json { report, .. } => Some(report),
            Reason::InvalidId { .. } | Reason::Configuration(_) => None,
        }
    }

    /// How fresh it is: live, or *not found* from a cache.
    #[must_use]
    pub fn freshness(&self) -> &Freshness {
        static LIVE: Freshness = Freshness::Live;
        match &*self.0 {
            Reason::Unanswered { freshness, .. } => freshness,
            Reason::InvalidId { .. } | Reason::Configuration(_) | Reason::Json { .. } => &LIVE,
        }
    }

    /// The failures of the sources that failed, in the order asked.
    pub fn failures(&self) -> impl Iterator<Item = &Failure> {
        self.report().into_iter().flat_map(Report::failures)
    }

    /// The failure that decided what kind of error this is.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        match &*self.0 {
            Reason::Unanswered {
                deciding: Some(index),
                ..
            } => self.failures().nth(*index),
            _ => None,
        }
    }

    /// The invalid setting, where no source was asked because of it.
    #[must_use]
    pub fn configuration(&self) -> Option<&ConfigurationError> {
        match &*self.0 {
            Reason::Configuration(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Reason::Unanswered {
                kind,
                asked,
                report,
                freshness,
                ..
            } => {
                match kind {
                    ErrorKind::Unavailable => {
                        write!(f, "{asked} could not be looked up, and it may exist")
                    }
                    ErrorKind::AccessDenied => write!(f, "access to {asked} was denied"),
                    ErrorKind::InvalidValue => write!(f, "the value of {asked} is invalid"),
                    ErrorKind::Configuration => write!(
                        f,
                        "{asked} could not be looked up because a setting is not set or is invalid"
                    ),
                    ErrorKind::NotFound | ErrorKind::InvalidId => {
                        write!(f, "{asked} is not defined")
                    }
                }?;
                if *freshness != Freshness::Live {
                    write!(f, " ({freshness})")?;
                }
                write!(f, ": {report}")
            }
            Reason::InvalidId { asked, reason } => write!(f, "{asked}: invalid id: {reason}"),
            Reason::Configuration(error) => error.fmt(f),
            Reason::Json {
                asked,
                source,
                error,
                ..
            } => {
                let (backend, key) = (source.backend(), OnOneLine(source.native_key()));
                write!(
                    f,
                    "the value of {asked} is invalid: {backend} ({key}): {error}"
                )
            }
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &*self.0 {
            Reason::Configuration(error) => Some(error),
            Reason::Json { error, .. } => Some(error),
            _ => self.failure().map(|failure| failure as _),
        }
    }
}

impl From<ConfigurationError> for Error {
    fn from(error: ConfigurationError) -> Self {
        Self(Box::new(Reason::Configuration(error)))
    }
}

/// A setting that is not set or is invalid: which, where it came from, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting} ({origin}): {message}")]
pub struct ConfigurationError {
    setting: String,
    origin: String,
    message: String,
}

impl ConfigurationError {
    /// `setting` as Airflow names it, such as `[secrets] backend_kwargs`; `origin` is where its
    /// value came from: a variable's name, or a file and line; `message` says what is wrong and
    /// what to do, without the value.
    pub fn new(
        setting: impl Into<String>,
        origin: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            setting: setting.into(),
            origin: origin.into(),
            message: message.into(),
        }
    }

    /// The same error, followed by what was ignored before it.
    pub(crate) fn with_warnings(mut self, warnings: &[Warning]) -> Self {
        for warning in warnings {
            self.message = format!("{}; before that: {warning}", self.message);
        }
        self
    }

    /// The setting, as Airflow names it.
    #[must_use]
    pub fn setting(&self) -> &str {
        &self.setting
    }

    /// Where its value came from.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// What is wrong, and what to do.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}
