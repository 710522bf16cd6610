//! What each source did for one answer, and where the answer came from.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    backend::{Failure, FailureKind, SkipReason},
    config::Warning,
};

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Asked {
    /// A connection, by its `conn_id`.
    Connection(String),
    /// A variable, by its key.
    Variable(String),
    /// A configuration entry, by its key.
    Config(String),
}

impl Asked {
    /// The `conn_id` or key.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Connection(id) | Self::Variable(id) | Self::Config(id) => id,
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Connection(_) => "connection",
            Self::Variable(_) => "variable",
            Self::Config(_) => "configuration entry",
        };
        write!(f, "{kind} {:?}", self.id())
    }
}

/// Where an answer came from: `vault: airflow/data/connections/pg`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Source {
    pub(crate) backend: Arc<str>,
    pub(crate) native_key: String,
}

impl Source {
    /// The name of the backend that answered.
    #[must_use]
    pub fn backend(&self) -> &str {
        &self.backend
    }

    /// What a person would type into that system to see it.
    #[must_use]
    pub fn native_key(&self) -> &str {
        &self.native_key
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.backend, self.native_key)
    }
}

/// What the sources did for one question, in the order they were asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) warnings: Arc<[Warning]>,
}

impl Report {
    /// What each source did, in the order asked.
    #[must_use]
    pub fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }

    /// What was wrong with the settings and was passed over, as Airflow does.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.attempts.is_empty() {
            f.write_str("no source is configured")?;
        }
        for (index, attempt) in self.attempts.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{attempt}")?;
        }
        for warning in self.warnings.iter() {
            write!(f, "; warning: {warning}")?;
        }
        Ok(())
    }
}

/// What one source did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub(crate) backend: Arc<str>,
    pub(crate) outcome: AttemptOutcome,
    pub(crate) native_key: Option<String>,
    pub(crate) elapsed: Duration,
}

/// How one source's attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AttemptOutcome {
    /// It has it.
    Found,
    /// It looked and has not; with the reason where there is more to say.
    Missing(Option<String>),
    /// It did not look.
    Skipped(SkipReason),
    /// It could not find out.
    Failed(Failure),
}

impl AttemptOutcome {
    /// The outcome in one word: `found`, `missing`, `skipped`, `unavailable`, `access_denied`,
    /// `invalid_value` or `configuration`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Missing(_) => "missing",
            Self::Skipped(_) => "skipped",
            Self::Failed(failure) => match failure.kind() {
                FailureKind::Unavailable => "unavailable",
                FailureKind::AccessDenied | FailureKind::FinalDenial => "access_denied",
                FailureKind::InvalidValue => "invalid_value",
                FailureKind::Configuration => "configuration",
            },
        }
    }

    /// Why, where there is more to say than the outcome's word.
    #[must_use]
    pub fn message(&self) -> Option<String> {
        match self {
            Self::Found => None,
            Self::Missing(reason) => reason.clone(),
            Self::Skipped(reason) => Some(reason.to_string()),
            Self::Failed(failure) => Some(failure.message().to_owned()),
        }
    }
}

impl Attempt {
    /// The backend's name.
    #[must_use]
    pub fn backend(&self) -> &str {
        &self.backend
    }

    /// How it ended.
    #[must_use]
    pub fn outcome(&self) -> &AttemptOutcome {
        &self.outcome
    }

    /// What was asked for in that system's own terms, where it was asked.
    #[must_use]
    pub fn native_key(&self) -> Option<&str> {
        self.native_key.as_deref()
    }

    /// How long it took; for one of many ids asked at once, how long they all took.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.backend)?;
        if let Some(native_key) = &self.native_key {
            write!(f, " ({native_key})")?;
        }
        write!(f, " {}", self.outcome.as_str())?;
        match self.outcome.message() {
            Some(message) => write!(f, ": {message}"),
            None => Ok(()),
        }
    }
}
