//! From a backend's class path, as settings name it, to the backend.

use std::{borrow::Cow, collections::BTreeMap, fmt, sync::Arc};

use crate::{
    ConfigurationError, SecretsBackend,
    config::{
        Environment, Kwargs, Warning,
        known::{BACKENDS, RENAMED},
    },
};

/// What a backend is made from: its keyword arguments and the environment it lives in.
#[derive(Debug)]
#[non_exhaustive]
pub struct BackendSetup<'a> {
    /// The keyword arguments that settings gave.
    pub kwargs: Kwargs,
    /// The environment variables; a backend reads them here and nowhere else.
    pub environment: &'a Environment,
    /// Whether `[core] multi_team` is on.
    pub multi_team: bool,
    /// What is passed over, as Airflow passes it over, goes here.
    pub warnings: &'a mut Vec<Warning>,
}

/// Makes a backend from settings. It connects to nothing: that waits for the first lookup.
pub type BackendFactory = Arc<
    dyn Fn(BackendSetup<'_>) -> Result<Arc<dyn SecretsBackend>, ConfigurationError> + Send + Sync,
>;

/// Which backend a class path stands for. What is known at the start are Airflow's own.
///
/// ```
/// use airflow_secrets::Registry;
///
/// let registry = Registry::default();
/// let error = registry.get("my.Backend", "[secrets] backend", "here").err().unwrap();
/// assert!(error.to_string().contains("airflow.providers.hashicorp.secrets.vault.VaultBackend"));
/// ```
#[derive(Clone)]
pub struct Registry {
    entries: BTreeMap<Cow<'static, str>, Entry>,
}

/// What stands behind a class path.
#[derive(Clone)]
enum Entry {
    Factory(BackendFactory),
    /// Why there is none, and what to do.
    NotOffered(String),
}

impl Registry {
    /// Makes `factory` the one for `class_path`, in place of what was there.
    pub fn register(&mut self, class_path: impl Into<String>, factory: BackendFactory) {
        let class_path = Cow::Owned(class_path.into());
        self.entries.insert(class_path, Entry::Factory(factory));
    }

    /// The factory for `class_path`, which `setting` named in `origin`.
    ///
    /// # Errors
    /// When the path is unknown, with all that are known; when it is known but not in this build,
    /// with what to do.
    pub fn get(
        &self,
        class_path: &str,
        setting: &str,
        origin: &str,
    ) -> Result<&BackendFactory, ConfigurationError> {
        let message = match self.entries.get(class_path) {
            Some(Entry::Factory(factory)) => return Ok(factory),
            Some(Entry::NotOffered(why)) => format!("{class_path}: {why}"),
            None => self.unknown(class_path),
        };
        Err(ConfigurationError::new(setting, origin, message))
    }

    fn unknown(&self, class_path: &str) -> String {
        if !class_path
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'))
        {
            return "this is no class path: letters, digits, '_' and '.' alone, without quotes or \
                    white space around it"
                .to_owned();
        }
        let known = || self.entries.keys().map(AsRef::as_ref);
        let class = class_path.trim().rsplit('.').next().unwrap_or_default();
        let class = RENAMED
            .iter()
            .find_map(|(old, new)| (*old == class).then_some(*new))
            .unwrap_or(class);
        match known().find(|path: &&str| path.rsplit('.').next() == Some(class)) {
            Some(path) => {
                format!("there is no secrets backend {class_path:?}; do you mean {path}?")
            }
            None => format!(
                "there is no secrets backend {class_path:?}; known are {}; others can be registered",
                known().collect::<Vec<_>>().join(", ")
            ),
        }
    }
}

impl Default for Registry {
    fn default() -> Self {
        let entries = BACKENDS.iter().map(|(class_path, offer)| {
            let entry = match offer.factory() {
                Ok(factory) => Entry::Factory(Arc::new(factory)),
                Err(why) => Entry::NotOffered(why),
            };
            (Cow::Borrowed(*class_path), entry)
        });
        Self {
            entries: entries.collect(),
        }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.entries.keys()).finish()
    }
}
