//! A backend's setting that knows where it came from.

use crate::{ConfigurationError, GivenKwarg};

/// A setting's value, and where it came from: a keyword argument, a variable, code.
#[derive(Debug, Clone)]
pub(super) struct Given<T> {
    pub(super) value: T,
    pub(super) setting: String,
    pub(super) origin: String,
}

impl<T> Given<T> {
    pub(super) fn new(setting: &str, origin: &str, value: T) -> Self {
        Self {
            value,
            setting: setting.to_owned(),
            origin: origin.to_owned(),
        }
    }

    /// What `kwarg` came to.
    pub(super) fn by(kwarg: &GivenKwarg, value: T) -> Self {
        Self::new(kwarg.setting(), kwarg.origin(), value)
    }

    #[cfg(feature = "_aws")]
    pub(super) fn map<U>(self, change: impl FnOnce(T) -> U) -> Given<U> {
        Given {
            value: change(self.value),
            setting: self.setting,
            origin: self.origin,
        }
    }

    /// The error as a lookup gives it.
    #[cfg(feature = "_aws")]
    pub(super) fn failure(&self, message: &str) -> crate::Failure {
        let message = self.error(message).to_string();
        crate::Failure::configuration(message)
    }

    pub(super) fn error(&self, message: impl Into<String>) -> ConfigurationError {
        ConfigurationError::new(&self.setting, &self.origin, message)
    }
}
