//! Something wrong in the settings that Airflow passes over, and so do we, but not in silence.

use std::fmt;

/// A setting that was passed over, as Airflow does: which, where it came from, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    setting: String,
    origin: String,
    message: String,
}

impl Warning {
    /// `setting` as Airflow names it, `origin` where its value came from, `message` what is wrong
    /// and what to do, without the value.
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
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.setting, self.origin, self.message)
    }
}
