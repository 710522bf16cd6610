//! The environment as a value: read from the process once, injected, never read elsewhere.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    ffi::OsString,
    fmt,
    sync::Arc,
};

use crate::{ConfigurationError, Secret};

/// The variable that gives the user's home folder, as Python reads it.
pub(crate) const HOME: &str = if cfg!(windows) { "USERPROFILE" } else { "HOME" };

/// A snapshot of environment variables. Cheap to clone. `Debug` prints names, never values.
///
/// On Windows, upper and lower case make no difference in a name.
///
/// ```
/// use airflow_secrets::Environment;
///
/// let env = Environment::from_iter([("AIRFLOW_VAR_COLOUR", "blue")]);
/// assert_eq!(env.get("AIRFLOW_VAR_COLOUR"), Some("blue"));
/// assert_eq!(env.get("AIRFLOW_VAR_SHAPE"), None);
/// ```
#[derive(Clone, Default)]
pub struct Environment {
    variables: Arc<HashMap<String, Secret>>,
    not_unicode: Arc<HashSet<String>>,
}

/// One variable of this process, as it is now.
#[cfg(feature = "clients")]
pub(crate) fn environment_variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl Environment {
    /// The variables of this process, as they are now. This is the only place that reads them.
    #[must_use]
    pub fn process() -> Self {
        Self::from_os(std::env::vars_os())
    }

    fn from_os(variables: impl Iterator<Item = (OsString, OsString)>) -> Self {
        let mut unicode = HashMap::new();
        let mut not_unicode = HashSet::new();
        for (name, value) in variables {
            let Ok(name) = name.into_string() else {
                continue;
            };
            let name = known_as(&name).into_owned();
            match value.into_string() {
                Ok(value) => unicode.insert(name, Secret::from(value)).is_some(),
                Err(_) => not_unicode.insert(name),
            };
        }
        Self {
            variables: Arc::new(unicode),
            not_unicode: Arc::new(not_unicode),
        }
    }

    /// This environment, with the variables of a `.env` file added that are not set here. `file` names
    /// the file in errors, `text` is its content.
    ///
    /// The text is read as `docker run --env-file` reads it:
    ///
    /// - One variable a line, `NAME=VALUE`. The value is all that follows, quotes and `$` included.
    /// - Blank lines and lines that start with `#` are ignored.
    /// - Of two lines with the same name, the last one counts.
    /// - A name without `=` is ignored.
    ///
    /// ```
    /// use airflow_secrets::Environment;
    ///
    /// let process = Environment::from_iter([("A", "process")]);
    /// let env = process.with_env_file_below(".env", "A=file\n# B=no\nC='x' # y\n")?;
    /// assert_eq!(env.get("A"), Some("process"));
    /// assert_eq!(env.get("B"), None);
    /// assert_eq!(env.get("C"), Some("'x' # y"));
    /// # Ok::<(), airflow_secrets::ConfigurationError>(())
    /// ```
    ///
    /// # Errors
    /// When a line has no name, or white space in its name. The error gives the line's number.
    pub fn with_env_file_below(&self, file: &str, text: &str) -> Result<Self, ConfigurationError> {
        let mut below = HashMap::new();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (index, line) in text.split('\n').enumerate() {
            let line = line.strip_suffix('\r').unwrap_or(line).trim_start();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, value) = match line.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (line, None),
            };
            let problem = if name.is_empty() {
                "the variable's name before the '=' is empty; a line is NAME=VALUE"
            } else if name.contains(char::is_whitespace) {
                "the variable's name contains white space; a line is NAME=VALUE, without \
                 'export' and without blanks around the '='"
            } else {
                if let Some(value) = value {
                    below.insert(known_as(name).into_owned(), Secret::from(value));
                }
                continue;
            };
            let origin = format!("{file}:{}", index + 1);
            return Err(ConfigurationError::new("env file", origin, problem));
        }
        below.retain(|name, _| !self.not_unicode.contains(name));
        below.extend(
            self.variables
                .iter()
                .map(|(name, value)| (name.clone(), value.clone())),
        );
        Ok(Self {
            variables: Arc::new(below),
            not_unicode: Arc::clone(&self.not_unicode),
        })
    }

    /// The value of `name`; an empty one is `Some("")`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .get(known_as(name).as_ref())
            .map(Secret::expose)
    }

    /// The value of `name`; an empty one is treated as not set, as in many clients.
    #[must_use]
    pub fn non_empty(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// Whether `name` is set to something that is not UTF-8, which [`get`](Self::get) cannot give.
    #[must_use]
    pub fn is_not_unicode(&self, name: &str) -> bool {
        self.not_unicode.contains(known_as(name).as_ref())
    }

    /// Every name and value, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.expose()))
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        Self {
            variables: Arc::new(
                variables
                    .into_iter()
                    .map(|(name, value)| {
                        let name = known_as(&name.into()).into_owned();
                        (name, Secret::from(value.into()))
                    })
                    .collect(),
            ),
            not_unicode: Arc::default(),
        }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

/// A name as it is kept: in upper case on Windows, where case makes no difference.
fn known_as(name: &str) -> Cow<'_, str> {
    if cfg!(windows) {
        name.to_uppercase().into()
    } else {
        name.into()
    }
}
