//! What was asked, what each source did, and where the answer came from.

use std::{
    fmt::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use crate::{
    backend::{CheckOutcome, Failure, Freshness, SkipReason},
    config::{Settings, Warning},
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

/// A kind of thing that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A connection.
    Connection,
    /// A variable.
    Variable,
    /// A configuration entry.
    Config,
}

impl Kind {
    /// The kind in one word: `connection`, `variable` or `config`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Variable => "variable",
            Self::Config => "config",
        }
    }

    pub(crate) fn asked(self, id: &str) -> Asked {
        let id = id.to_owned();
        match self {
            Self::Connection => Asked::Connection(id),
            Self::Variable => Asked::Variable(id),
            Self::Config => Asked::Config(id),
        }
    }
}

impl Asked {
    /// What kind of thing it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Connection(_) => Kind::Connection,
            Self::Variable(_) => Kind::Variable,
            Self::Config(_) => Kind::Config,
        }
    }

    /// The `conn_id` or key.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Connection(id) | Self::Variable(id) | Self::Config(id) => id,
        }
    }

    /// What the id is called: `conn_id` or `key`.
    #[cfg(feature = "serde")]
    pub(crate) fn id_name(&self) -> &'static str {
        match self {
            Self::Connection(_) => "conn_id",
            Self::Variable(_) | Self::Config(_) => "key",
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
        write!(f, "{}: {}", self.backend, OnOneLine(&self.native_key))
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

    /// The failures of the sources that failed, in the order asked.
    pub fn failures(&self) -> impl Iterator<Item = &Failure> {
        self.attempts.iter().filter_map(Attempt::failure)
    }

    /// The settings that were ignored, as in Airflow. `Display` leaves the
    /// warnings out: they are the same for every question.
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
    /// The source holds what was asked for.
    #[non_exhaustive]
    Found {
        /// How fresh its answer is.
        freshness: Freshness,
    },
    /// The source looked and does not define it.
    #[non_exhaustive]
    Missing {
        /// Why it counts as missing, where there is more to say.
        reason: Option<String>,
    },
    /// The source did not look.
    #[non_exhaustive]
    Skipped {
        /// Why not.
        reason: SkipReason,
    },
    /// The source failed.
    #[non_exhaustive]
    Failed {
        /// Why not.
        failure: Failure,
    },
}

impl AttemptOutcome {
    /// The outcome in one word: `found`, `missing`, `skipped`, `unavailable`, `access_denied`,
    /// `invalid_value` or `configuration`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Found { .. } => "found",
            Self::Missing { .. } => "missing",
            Self::Skipped { .. } => "skipped",
            Self::Failed { failure } => failure.kind().as_str(),
        }
    }

    /// Why, where there is more to say than the outcome's word.
    #[must_use]
    pub fn message(&self) -> Option<String> {
        match self {
            Self::Found {
                freshness: Freshness::Live,
            } => None,
            Self::Found { freshness } => Some(freshness.to_string()),
            Self::Missing { reason } => reason.clone(),
            Self::Skipped { reason } => Some(reason.to_string()),
            Self::Failed { failure } => Some(failure.message().to_owned()),
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

    /// Why the source failed, if it did.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        match &self.outcome {
            AttemptOutcome::Failed { failure } => Some(failure),
            _ => None,
        }
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
        write_line(
            f,
            &self.backend,
            self.native_key(),
            self.outcome.as_str(),
            self.outcome.message(),
        )
    }
}

/// What one source did, on one line.
fn write_line(
    f: &mut fmt::Formatter<'_>,
    backend: &str,
    native_key: Option<&str>,
    outcome: &str,
    message: Option<String>,
) -> fmt::Result {
    write!(f, "{backend}")?;
    if let Some(native_key) = native_key {
        write!(f, " ({})", OnOneLine(native_key))?;
    }
    write!(f, " {outcome}")?;
    match message {
        Some(message) => write!(f, ": {message}"),
        None => Ok(()),
    }
}

/// Whether one source can be reached and lets us read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub(crate) backend: Arc<str>,
    pub(crate) outcome: Result<CheckOutcome, Failure>,
    pub(crate) elapsed: Duration,
}

impl Check {
    /// The backend's name.
    #[must_use]
    pub fn backend(&self) -> &str {
        &self.backend
    }

    /// What was found.
    ///
    /// # Errors
    /// Why the source cannot be reached, or does not let us read.
    pub fn outcome(&self) -> Result<&CheckOutcome, &Failure> {
        self.outcome.as_ref()
    }

    /// Whether nothing is wrong: the source can be reached and lets us read, or there is nothing to ask.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.outcome.is_ok()
    }

    /// The outcome in one word: `reachable`, `skipped`, or the failure's kind, such as `unavailable`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match &self.outcome {
            Ok(outcome) => outcome.as_str(),
            Err(failure) => failure.kind().as_str(),
        }
    }

    /// What was asked for in that system's own terms, where it was asked.
    #[must_use]
    pub fn native_key(&self) -> Option<&str> {
        match &self.outcome {
            Ok(CheckOutcome::Reachable { native_key }) => Some(native_key),
            Ok(CheckOutcome::Skipped { .. }) => None,
            Err(failure) => failure.native_key(),
        }
    }

    /// Why, where there is more to say than the outcome's word.
    #[must_use]
    pub fn message(&self) -> Option<String> {
        match &self.outcome {
            Ok(CheckOutcome::Reachable { .. }) => None,
            Ok(CheckOutcome::Skipped { reason }) => Some(reason.to_string()),
            Err(failure) => Some(failure.message().to_owned()),
        }
    }

    /// How long it took.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_line(
            f,
            &self.backend,
            self.native_key(),
            self.as_str(),
            self.message(),
        )
    }
}

/// The sources that a resolver asks, in their order, and where its settings were read. `Display`
/// prints all of it on one line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sources {
    pub(crate) names: Vec<Arc<str>>,
    airflow_home: Option<PathBuf>,
    config_file: Option<PathBuf>,
}

impl Sources {
    /// No source yet; the places of `settings`.
    pub(crate) fn of(settings: &Settings) -> Self {
        Self {
            names: Vec::new(),
            airflow_home: Some(settings.airflow_home().into()),
            config_file: settings.config_file().map(Path::to_owned),
        }
    }

    /// The names of the sources, in the order they are asked.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(AsRef::as_ref)
    }

    /// The Airflow home that the settings were read for; `None` for a resolver put together in
    /// code.
    #[must_use]
    pub fn airflow_home(&self) -> Option<&Path> {
        self.airflow_home.as_deref()
    }

    /// The `airflow.cfg` that was read, if there is one.
    #[must_use]
    pub fn config_file(&self) -> Option<&Path> {
        self.config_file.as_deref()
    }
}

impl fmt::Display for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.names.as_slice() {
            [] => f.write_str("no source is configured")?,
            names => f.write_str(&names.join(", "))?,
        }
        if let Some(home) = &self.airflow_home {
            write!(f, " (Airflow home {}, ", home.display())?;
            match &self.config_file {
                Some(file) => write!(f, "settings from {})", file.display()),
                None => f.write_str("no airflow.cfg)"),
            }?;
        }
        Ok(())
    }
}

/// A text with its control characters escaped: a native key holds the id as it was asked.
pub(crate) struct OnOneLine<'a>(pub(crate) &'a str);

impl fmt::Display for OnOneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            if character.is_control() {
                write!(f, "{}", character.escape_default())?;
            } else {
                f.write_char(character)?;
            }
        }
        Ok(())
    }
}
