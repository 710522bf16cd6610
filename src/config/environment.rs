//! The environment as a value: read from the process once, injected, never read elsewhere.

use std::{
    collections::{HashMap, HashSet},
    ffi::OsString,
    fmt,
    sync::Arc,
};

use crate::Secret;

/// A snapshot of environment variables. Cheap to clone. `Debug` prints names, never values.
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

    /// The value of `name`; an empty one is `Some("")`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(Secret::expose)
    }

    /// Whether `name` is set to something that is not UTF-8, which [`get`](Self::get) cannot give.
    #[must_use]
    pub fn is_not_unicode(&self, name: &str) -> bool {
        self.not_unicode.contains(name)
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
                    .map(|(name, value)| (name.into(), Secret::from(value.into())))
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
