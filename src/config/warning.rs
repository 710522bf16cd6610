//! A problem in the settings that Airflow ignores silently, and that this crate ignores with a warning.

use std::fmt;

use crate::ConfigurationError;

/// A setting that is ignored, as Airflow does: which, where it came from, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning(ConfigurationError);

impl Warning {
    /// `setting` as Airflow names it, `origin` where its value came from, `message` what is wrong
    /// and what to do, without the value.
    pub fn new(
        setting: impl Into<String>,
        origin: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self(ConfigurationError::new(setting, origin, message))
    }

    /// These warnings, which are logged.
    pub(crate) fn logged(warnings: Vec<Self>) -> Vec<Self> {
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        warnings
    }

    /// The setting, as Airflow names it.
    #[must_use]
    pub fn setting(&self) -> &str {
        self.0.setting()
    }

    /// Where its value came from.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.0.origin()
    }

    /// What is wrong, and what to do.
    #[must_use]
    pub fn message(&self) -> &str {
        self.0.message()
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
