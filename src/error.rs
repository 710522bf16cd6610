//! The one error of the crate's front: what was asked, of whom, what was tried, what to do.

use crate::resolver::{Asked, Report};

/// Why there is no answer. No message holds a secret, a response body or the user info of a URL.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Every source was asked and none has it.
    #[error("{asked} is not defined: {report}")]
    NotFound {
        /// What was asked for.
        asked: Asked,
        /// What each source did.
        report: Report,
    },
    /// At least one source could not be asked, and none of the others has it: it may well exist.
    #[error("{asked} could not be looked up, it may well exist: {report}")]
    Unavailable {
        /// What was asked for.
        asked: Asked,
        /// What each source did.
        report: Report,
    },
    /// At least one source refused, and none of the others has it.
    #[error("{asked} was refused: {report}")]
    AccessDenied {
        /// What was asked for.
        asked: Asked,
        /// What each source did.
        report: Report,
    },
    /// A source holds something under that id that cannot be read as what was asked for.
    #[error("{asked} is defined, but its value is not valid: {report}")]
    InvalidValue {
        /// What was asked for.
        asked: Asked,
        /// What each source did.
        report: Report,
    },
    /// A source lacks a setting it needs, or has a wrong one, and none of the others has it.
    #[error("{asked} could not be looked up for want of a setting: {report}")]
    Misconfigured {
        /// What was asked for.
        asked: Asked,
        /// What each source did.
        report: Report,
    },
    /// No source could hold this id.
    #[error("{asked}: invalid id: {reason}")]
    InvalidId {
        /// What was asked for.
        asked: Asked,
        /// What is wrong with the id.
        reason: &'static str,
    },
    /// A setting is missing or wrong.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
}

impl Error {
    /// The error in one word: `not_found`, `unavailable`, `access_denied`, `invalid_value`,
    /// `invalid_id` or `configuration`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "not_found",
            Self::Unavailable { .. } => "unavailable",
            Self::AccessDenied { .. } => "access_denied",
            Self::InvalidValue { .. } => "invalid_value",
            Self::InvalidId { .. } => "invalid_id",
            Self::Misconfigured { .. } | Self::Configuration(_) => "configuration",
        }
    }

    /// What each source did, where any was asked.
    #[must_use]
    pub fn report(&self) -> Option<&Report> {
        match self {
            Self::NotFound { report, .. }
            | Self::Unavailable { report, .. }
            | Self::AccessDenied { report, .. }
            | Self::InvalidValue { report, .. }
            | Self::Misconfigured { report, .. } => Some(report),
            Self::InvalidId { .. } | Self::Configuration(_) => None,
        }
    }
}

/// A setting that is missing or wrong: which, where it came from, and what to do.
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
