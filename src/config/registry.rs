//! From a backend's class path, as settings name it, to the backend.

use std::{borrow::Cow, collections::BTreeMap, fmt, sync::Arc};

use crate::{
    ConfigurationError, SecretsBackend,
    config::{Environment, Kwargs, Warning, known},
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
    NotOffered(Cow<'static, str>),
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
        let known = self.entries.keys().map(AsRef::as_ref).collect::<Vec<_>>();
        format!(
            "no secrets backend is known as {class_path:?}; known are {}; others can be registered",
            known.join(", ")
        )
    }
}

impl Default for Registry {
    fn default() -> Self {
        let entries = known::BACKENDS.iter().map(|backend| {
            let entry = match backend.factory {
                Some(factory) => Entry::Factory(Arc::new(factory)),
                None => Entry::NotOffered(backend.absence().into()),
            };
            (Cow::Borrowed(backend.class_path), entry)
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
