//! One setting: its value, which setting it is, and where it came from.

use std::{fmt, path::PathBuf, time::Duration};

use serde_json::Value;

use super::{Kwargs, Warning};
use crate::{ConfigurationError, Secret, python::truth::is_truthy};

/// A setting's value, with the setting's name and where the value came from: a keyword argument,
/// a variable, a file and line, code. `Debug` prints name and origin, never the value.
///
/// ```
/// use airflow_secrets::settings::Setting;
///
/// let region = Setting::new("region", "MY_REGION", "mars".to_owned());
/// assert_eq!(
///     region.error("must be a region of AWS").to_string(),
///     "region (MY_REGION): must be a region of AWS",
/// );
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Setting<T = Secret> {
    /// The value; an empty one is a value.
    pub value: T,
    name: String,
    origin: String,
}

impl<T> Setting<T> {
    /// `name` as Airflow names it, such as `[core] fernet_key`; `origin` is where `value` came
    /// from: a variable's name, or a file and line.
    pub fn new(name: impl Into<String>, origin: impl Into<String>, value: T) -> Self {
        Self {
            value,
            name: name.into(),
            origin: origin.into(),
        }
    }

    /// The setting, as Airflow names it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the value came from: a variable's name, or a file and line.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The same setting with another value.
    #[must_use]
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Setting<U> {
        Setting {
            value: change(self.value),
            name: self.name,
            origin: self.origin,
        }
    }

    /// The same setting with `value` in place of its own.
    #[must_use]
    pub fn with<U>(&self, value: U) -> Setting<U> {
        Setting::new(&self.name, &self.origin, value)
    }

    /// The error about this setting. `message` says what is wrong and what to do, without the
    /// value.
    #[must_use]
    pub fn error(&self, message: impl Into<String>) -> ConfigurationError {
        ConfigurationError::new(&self.name, &self.origin, message)
    }

    /// The warning about this setting, which is ignored. `message` is as in [`error`](Self::error).
    #[must_use]
    pub fn warning(&self, message: impl Into<String>) -> Warning {
        Warning::new(&self.name, &self.origin, message)
    }

    /// The error as a lookup reports it.
    #[cfg(feature = "_https")]
    pub(crate) fn failure(&self, message: impl Into<String>) -> crate::Failure {
        crate::Failure::configuration(self.error(message).to_string())
    }
}

/// Puts the value that a setting gives, if it is set, in place of the default.
pub(crate) fn set<T>(place: &mut T, setting: Option<Setting<T>>) {
    if let Some(setting) = setting {
        *place = setting.value;
    }
}

impl<T> Setting<Option<T>> {
    /// The setting, if it has a value.
    #[must_use]
    pub fn transpose(self) -> Option<Setting<T>> {
        let Self {
            value,
            name,
            origin,
        } = self;
        let value = value?;
        Some(Setting {
            value,
            name,
            origin,
        })
    }
}

/// A JSON value of a keyword argument, which the methods turn into a typed one. Each method gives
/// the error that names the setting and the form it must have.
impl Setting<Value> {
    /// Whether Python counts the value as true: all but `null`, `false`, 0, and an empty text, list
    /// or object.
    #[must_use]
    pub fn is_truthy(&self) -> bool {
        is_truthy(&self.value)
    }

    /// A text; it may be empty.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn text(self) -> Result<Setting<String>, ConfigurationError> {
        self.read("must be a text", |value| match value {
            Value::String(text) => Some(text),
            _ => None,
        })
    }

    /// A text, or `None` for `null`.
    ///
    /// # Errors
    /// When it is neither a text nor `null`.
    pub fn text_or_null(self) -> Result<Setting<Option<String>>, ConfigurationError> {
        self.read("must be a text or null", |value| match value {
            Value::Null => Some(None),
            Value::String(text) => Some(Some(text)),
            _ => None,
        })
    }

    /// A text, or the digits of a number.
    ///
    /// # Errors
    /// When it is neither a text nor a number.
    pub fn text_or_number(self) -> Result<Setting<String>, ConfigurationError> {
        match &self.value {
            Value::Number(number) => Ok(self.with(number.to_string())),
            _ => self.text(),
        }
    }

    /// A list of texts; a single text is a list of one.
    ///
    /// # Errors
    /// When it is neither a list of texts nor a text.
    pub fn list(self) -> Result<Setting<Vec<String>>, ConfigurationError> {
        self.read("must be a text or a list of texts", |value| match value {
            Value::String(text) => Some(vec![text]),
            Value::Array(texts) => {
                let texts = texts.into_iter().map(|text| match text {
                    Value::String(text) => Some(text),
                    _ => None,
                });
                texts.collect()
            }
            _ => None,
        })
    }

    /// A number of seconds above 0, fractions included.
    ///
    /// # Errors
    /// When it is anything else, a text with a number too.
    pub fn seconds(self) -> Result<Setting<Duration>, ConfigurationError> {
        let expected = match self.value.as_f64() {
            Some(seconds) if seconds > 1.0 => "is too large a number of seconds",
            _ => "must be a number of seconds above 0",
        };
        self.read(expected, |value| {
            let seconds = value.as_f64().filter(|seconds| *seconds > 0.0)?;
            // A number so small that it rounds to zero is not above 0.
            let duration = Duration::try_from_secs_f64(seconds).ok()?;
            (!duration.is_zero()).then_some(duration)
        })
    }

    /// A whole number of at least `least`; more than [`u32::MAX`] is read as [`u32::MAX`].
    ///
    /// # Errors
    /// When it is anything else.
    pub fn count(self, least: u32) -> Result<Setting<u32>, ConfigurationError> {
        let expected = format!("must be a whole number, {least} or more");
        self.read(&expected, |value| {
            let count = u32::try_from(value.as_u64()?).unwrap_or(u32::MAX);
            (count >= least).then_some(count)
        })
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// When it is anything else, a text with one of the two too.
    pub fn flag(self) -> Result<Setting<bool>, ConfigurationError> {
        self.read("must be true or false, and not a text", |value| {
            value.as_bool()
        })
    }

    /// The path of a file or folder.
    ///
    /// # Errors
    /// When it is not a text, or an empty one.
    pub fn path(self) -> Result<Setting<PathBuf>, ConfigurationError> {
        self.read("must be a path", |value| match value {
            Value::String(path) if !path.is_empty() => Some(path.into()),
            _ => None,
        })
    }

    /// An object, whose fields are keyword arguments in turn.
    ///
    /// # Errors
    /// When it is anything else, a text with an object too.
    pub fn object(self) -> Result<Kwargs, ConfigurationError> {
        let object = self.read(
            "must be an object, and not a text that holds one",
            |value| match value {
                Value::Object(fields) => Some(fields),
                _ => None,
            },
        )?;
        Ok(Kwargs::new(object.name, object.origin, object.value))
    }

    /// What `read` makes of the value; without it the error that says what is `expected`.
    pub(crate) fn read<T>(
        self,
        expected: &str,
        read: impl FnOnce(Value) -> Option<T>,
    ) -> Result<Setting<T>, ConfigurationError> {
        let Self {
            value,
            name,
            origin,
        } = self;
        match read(value) {
            Some(value) => Ok(Setting {
                value,
                name,
                origin,
            }),
            None => Err(ConfigurationError::new(name, origin, expected)),
        }
    }
}

impl<T> fmt::Debug for Setting<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Setting({}, {})", self.name, self.origin)
    }
}
