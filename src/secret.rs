//! The type that holds a secret: shown as `***`, wiped when dropped.

use std::{borrow::Cow, convert::Infallible, fmt, str::FromStr};

use secrecy::{ExposeSecret, SecretString};
use serde_core::de::DeserializeOwned;

use crate::python::json;

/// How deep `serde_json` reads.
const MAX_DEPTH: usize = 127;

/// What is printed in place of a secret.
pub const REDACTED: &str = "***";

/// A secret text. `Debug` prints `***`; the memory is wiped when the secret is dropped.
///
/// There is no `Display`, so that a secret cannot end up in a message or in a URL by accident,
/// neither in clear nor as `***`; call [`expose`](Self::expose) where the text itself is needed.
///
/// ```
/// use airflow_secrets::Secret;
///
/// let secret = Secret::from("hunter2");
/// assert_eq!(format!("{secret:?}"), "***");
/// assert_eq!(secret.expose(), "hunter2");
/// ```
///
/// ```compile_fail,E0277
/// let secret = airflow_secrets::Secret::from("hunter2");
/// format!("postgres://me:{secret}@db");
/// ```
#[derive(Clone, Default)]
pub struct Secret(SecretString);

impl Secret {
    /// The secret in clear. The caller makes sure that it does not leak.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// The secret in clear, as a text of the caller's own, which is not wiped when it is dropped.
    #[must_use]
    pub fn into_exposed(self) -> String {
        self.expose().to_owned()
    }

    /// The length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.expose().len()
    }

    /// Whether the secret is the empty text, which is a value like any other.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.expose().is_empty()
    }

    /// The secret, read as JSON: `Variable.get(…, deserialize_json=True)`.
    ///
    /// ```
    /// use airflow_secrets::Secret;
    ///
    /// let ports: Vec<u16> = Secret::from("[5432, 5433]").json()?;
    /// assert_eq!(ports, [5432, 5433]);
    ///
    /// let error = Secret::from("{\"pin\": hunter2}").json::<Vec<u16>>().unwrap_err();
    /// assert_eq!((error.line(), error.column()), (1, 0));
    /// # Ok::<(), airflow_secrets::JsonError>(())
    /// ```
    ///
    /// # Errors
    /// [`JsonError`] when the text is not valid JSON, nests deeper than 127 levels, or is not what `T`
    /// is read from.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, JsonError> {
        let text = self.expose();
        // As Python reads it: the last of a key's values, each float to its last bit.
        if let Ok(value) = json::parse_strictly(text, MAX_DEPTH)
            && let Ok(read) = value.read()
        {
            return Ok(read);
        }
        // `serde_json` knows the place of a mistake, and types of its own.
        serde_json::from_str(text).map_err(|error| JsonError::new(&error, text))
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(SecretString::from(text))
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(SecretString::from(text))
    }
}

impl From<Box<str>> for Secret {
    fn from(text: Box<str>) -> Self {
        Self(SecretString::new(text))
    }
}

impl From<Cow<'_, str>> for Secret {
    fn from(text: Cow<'_, str>) -> Self {
        Self::from(text.into_owned())
    }
}

impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::from(text))
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// Why a secret could not be read as JSON: where, and what kind of mistake; never the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the value {problem} (line {line}, column {column})")]
pub struct JsonError {
    problem: &'static str,
    line: usize,
    column: usize,
}

impl JsonError {
    /// The line of the mistake, from 1; 0 where its place is unknown.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// The column of the mistake in bytes, from 1; 0 where it is before the line's first byte.
    #[must_use]
    pub fn column(&self) -> usize {
        self.column
    }
}

impl JsonError {
    /// Leaves the message out: it quotes the text. So may the place, where a type of the caller's
    /// puts the text into an error of its own; a place that is not in the text is left out too.
    fn new(error: &serde_json::Error, text: &str) -> Self {
        use serde_json::error::Category;
        let line = error
            .line()
            .checked_sub(1)
            .and_then(|line| text.split('\n').nth(line));
        let is_there = line.is_some_and(|line| error.column() <= line.len() + 1);
        let (line, column) = if is_there {
            (error.line(), error.column())
        } else {
            (0, 0)
        };
        let problem = match error.classify() {
            Category::Data => "is JSON, but not of the expected type",
            Category::Eof => "is JSON that ends too early",
            // `serde_json` also refuses some of what is JSON.
            Category::Syntax | Category::Io => match json::parse_strictly(text, MAX_DEPTH) {
                Err((error, _)) => error.problem(),
                Ok(_) => "contains an integer beyond the range of a float",
            },
        };
        Self {
            problem,
            line,
            column,
        }
    }
}
