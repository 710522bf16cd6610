//! The environment as a value: read from the process once, injected, never read elsewhere.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    ffi::OsString,
    fmt,
    sync::Arc,
};

use super::{dotenv, warning::Warning};
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
    warnings: Arc<[Warning]>,
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
            warnings: Arc::default(),
        }
    }

    /// This environment, with the variables of a `.env` file added that are not set here. `file` names
    /// the file in errors, `text` is its content.
    ///
    /// The text is read as Docker Compose reads it, and so as the Astro CLI does:
    ///
    /// - `NAME=VALUE` or `NAME: VALUE`, with or without `export` before it. Blanks around the value are
    ///   no part of it, nor is a comment that begins with ` #`.
    /// - A value between double quotes may take several lines. `\n`, `\t`, `\"`, `\\` and their like
    ///   are escapes in it. A value between single quotes is taken as it is.
    /// - Outside single quotes, `$NAME` and `${NAME}` stand for the value of that variable: this
    ///   environment's, else the one that an earlier line of the file gave, else nothing.
    ///   `${NAME:-default}` and `${NAME-default}`, `${NAME:+other}` and `${NAME+other}`, `${NAME:?}` and
    ///   `${NAME?}` are as in a shell. `$$` is a `$`.
    /// - Of two lines with the same name, the last one counts. A name without a value is ignored.
    ///
    /// [`with_dotenv_raw`](Self::with_dotenv_raw) has the other reading that such files get. Of each
    /// variable that is added, and that the other would read differently, [`warnings`](Self::warnings)
    /// has a warning with its name and line.
    ///
    /// ```
    /// use airflow_secrets::Environment;
    ///
    /// let process = Environment::from_iter([("A", "process")]);
    /// let env = process.with_dotenv(".env", "A=file\n# B=no\nC='x' # y\nD=${C}-$A-${E:-z}\n")?;
    /// assert_eq!(env.get("A"), Some("process"));
    /// assert_eq!(env.get("B"), None);
    /// assert_eq!(env.get("C"), Some("x"));
    /// assert_eq!(env.get("D"), Some("x-process-z"));
    /// assert_eq!(env.warnings().len(), 2);
    /// # Ok::<(), airflow_secrets::ConfigurationError>(())
    /// ```
    ///
    /// # Errors
    /// When Compose refuses a line: a quote that does not end, a `${` that names no variable, a variable
    /// that is required and not set, or a name with a blank or another character that names do not have.
    /// Also when a line has no name, when defaults stand more than 64 deep in defaults, and when the
    /// values take more than 64 MiB. The error gives the line's number, and no value.
    pub fn with_dotenv(&self, file: &str, text: &str) -> Result<Self, ConfigurationError> {
        let entries = dotenv::read_as_compose(text, self);
        Ok(self.with_entries(file, entries.map_err(|malformed| malformed.of(file))?))
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
    /// let env = process.with_dotenv_raw(".env", "A=file\n# B=no\nC='x' # y\n")?;
    /// assert_eq!(env.get("A"), Some("process"));
    /// assert_eq!(env.get("B"), None);
    /// assert_eq!(env.get("C"), Some("'x' # y"));
    /// # Ok::<(), airflow_secrets::ConfigurationError>(())
    /// ```
    ///
    /// # Errors
    /// When a line has no name, or a blank or a tab in its name. The error gives the line's number.
    pub fn with_dotenv_raw(&self, file: &str, text: &str) -> Result<Self, ConfigurationError> {
        let entries = dotenv::read_raw(text);
        Ok(self.with_entries(file, entries.map_err(|malformed| malformed.of(file))?))
    }

    /// These variables, and below them those of `file`.
    fn with_entries(&self, file: &str, entries: Vec<dotenv::Entry>) -> Self {
        let mut variables = HashMap::with_capacity(entries.len() + self.variables.len());
        let mut warnings = self.warnings.to_vec();
        for entry in entries {
            let name = known_as(&entry.name);
            if self.variables.contains_key(name.as_ref())
                || self.not_unicode.contains(name.as_ref())
            {
                continue;
            }
            if !entry.read_alike {
                let origin = format!("{file}:{}", entry.line);
                warnings.push(Warning::new(&*name, origin, dotenv::READ_DIFFERENTLY));
            }
            variables.insert(name.into_owned(), entry.value);
        }
        variables.extend(
            self.variables
                .iter()
                .map(|(name, value)| (name.clone(), value.clone())),
        );
        Self {
            variables: Arc::new(variables),
            not_unicode: Arc::clone(&self.not_unicode),
            warnings: warnings.into(),
        }
    }

    /// The variables of `.env` files whose value depends on who reads the file, each with its line.
    /// [`Resolver::warnings`](crate::Resolver::warnings) has them too.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// These variables, and `names`, whose values cannot be given.
    #[cfg(feature = "astro")]
    pub(crate) fn with_unreadable(mut self, names: HashSet<String>) -> Self {
        self.not_unicode = Arc::new(names);
        self
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
            warnings: Arc::default(),
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
