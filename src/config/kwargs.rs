//! The keyword arguments of a backend, as settings give them: each knows where it came from.

use std::{collections::BTreeMap, fmt};

use serde_json::{Map, Value};

use crate::ConfigurationError;

/// The keyword arguments for one backend. `Debug` prints their names, never their values.
///
/// A backend takes out what it knows; what is left at the end is unknown to it, and it decides,
/// as its Airflow original does, whether that is an error or a warning.
#[derive(Clone, Default)]
pub struct Kwargs {
    setting: String,
    values: BTreeMap<String, Kwarg>,
}

/// One keyword argument: its value, and the file and line or the variable it was set by.
#[derive(Clone)]
struct Kwarg {
    value: Value,
    origin: String,
}

impl Kwargs {
    /// Keyword arguments that `setting`, such as `[secrets] backend_kwargs`, gave; `origin` is the
    /// file and line or the variable they were set by.
    #[must_use]
    pub fn new(setting: &str, origin: &str, values: Map<String, Value>) -> Self {
        let values = values
            .into_iter()
            .map(|(name, value)| {
                let origin = origin.to_owned();
                (name, Kwarg { value, origin })
            })
            .collect();
        Self {
            setting: setting.to_owned(),
            values,
        }
    }

    /// Sets one argument, in place of what was there.
    pub fn set(&mut self, name: &str, value: Value, origin: &str) {
        let origin = origin.to_owned();
        self.values.insert(name.to_owned(), Kwarg { value, origin });
    }

    /// The names of the arguments that nobody took yet.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// Takes argument `name` out, if it was given; JSON's `null` is `Some(Value::Null)`.
    pub fn take(&mut self, name: &str) -> Option<GivenKwarg> {
        let Kwarg { value, origin } = self.values.remove(name)?;
        Some(GivenKwarg {
            setting: format!("{} {name:?}", self.setting),
            origin,
            value,
        })
    }

    /// What nobody took: for each argument, the error that names it and says that `backend` does
    /// not know it.
    pub fn unknown(&self, known: &[&str]) -> impl Iterator<Item = ConfigurationError> {
        self.values.iter().map(|(name, kwarg)| {
            ConfigurationError::new(
                format!("{} {name:?}", self.setting),
                &kwarg.origin,
                format!("unknown argument; this backend knows {}", known.join(", ")),
            )
        })
    }
}

impl fmt::Debug for Kwargs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

/// A keyword argument that was given, on its way to become typed.
pub struct GivenKwarg {
    setting: String,
    origin: String,
    value: Value,
}

impl GivenKwarg {
    /// The value as it was given.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The text, or `None` for `null`.
    ///
    /// # Errors
    /// When it is neither.
    pub fn text_or_null(&self) -> Result<Option<String>, ConfigurationError> {
        match &self.value {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text.clone())),
            _ => Err(self.error("must be a text or null")),
        }
    }

    /// Its name, with the setting that it is part of.
    #[cfg(any(
        feature = "vault",
        feature = "_aws",
        feature = "gcp",
        feature = "azure"
    ))]
    pub(crate) fn setting(&self) -> &str {
        &self.setting
    }

    /// The file and line or the variable it was set by.
    #[cfg(any(
        feature = "vault",
        feature = "_aws",
        feature = "gcp",
        feature = "azure"
    ))]
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// The error that names this argument, where it came from, and `message`.
    #[must_use]
    pub fn error(&self, message: impl Into<String>) -> ConfigurationError {
        ConfigurationError::new(&self.setting, &self.origin, message)
    }
}

impl fmt::Debug for GivenKwarg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GivenKwarg({})", self.setting)
    }
}

/// Whether Python takes it for true.
#[cfg(any(
    feature = "vault",
    feature = "_aws",
    feature = "gcp",
    feature = "azure"
))]
pub(crate) fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(values) => !values.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}
