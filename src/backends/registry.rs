//! From a backend's class path, as settings name it, to the backend.

use std::{borrow::Cow, collections::BTreeMap, fmt, sync::Arc};

use super::class_paths::{BACKENDS, Offer, RENAMED};
use crate::{
    ConfigurationError, SecretsBackend,
    config::{BackendSpec, Environment, Kwargs},
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
}

impl<'a> BackendSetup<'a> {
    /// A setup without teams.
    #[must_use]
    pub fn new(kwargs: Kwargs, environment: &'a Environment) -> Self {
        Self {
            kwargs,
            environment,
            multi_team: false,
        }
    }

    /// The same setup, with `[core] multi_team` on or off.
    #[must_use]
    pub fn with_multi_team(mut self, multi_team: bool) -> Self {
        self.multi_team = multi_team;
        self
    }
}

/// Makes a backend from settings. It connects to nothing: that waits for the first lookup.
type BackendFactory = Arc<
    dyn Fn(BackendSetup<'_>) -> Result<Arc<dyn SecretsBackend>, ConfigurationError> + Send + Sync,
>;

/// Which backend a class path stands for. A default registry knows Airflow's own.
///
/// ```
/// use airflow_secrets::settings::Registry;
///
/// let registry = Registry::default();
/// assert!(registry.class_paths().any(|path| path.ends_with(".LocalFilesystemBackend")));
/// ```
#[derive(Clone)]
pub struct Registry {
    entries: BTreeMap<Cow<'static, str>, Registered>,
}

/// The backend of a class path.
#[derive(Clone)]
enum Registered {
    Factory(BackendFactory),
    MetadataDb,
    LastSource,
    /// Why the build does not offer it, and what to do.
    NotOffered(String),
}

/// What a setting names.
pub(crate) enum Named {
    Backend(Arc<dyn SecretsBackend>),
    /// The metadata DB, which other settings describe.
    MetadataDb,
    /// A task's last source.
    LastSource,
}

impl Registry {
    /// Makes `factory` the one for `class_path`, in place of what was there.
    pub fn register<B: SecretsBackend>(
        &mut self,
        class_path: impl Into<String>,
        factory: impl Fn(BackendSetup<'_>) -> Result<B, ConfigurationError> + Send + Sync + 'static,
    ) {
        let factory = move |setup: BackendSetup<'_>| {
            let backend: Arc<dyn SecretsBackend> = Arc::new(factory(setup)?);
            Ok(backend)
        };
        self.entries.insert(
            class_path.into().into(),
            Registered::Factory(Arc::new(factory)),
        );
    }

    /// The class paths that are known, with those that this build does not offer.
    pub fn class_paths(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(AsRef::as_ref)
    }

    /// Checks that this build has a backend for `class_path`, which `setting` named in `origin`.
    ///
    /// # Errors
    /// When the path is unknown, with all that are known; when it is known but not in this build,
    /// with what to do.
    pub fn check(
        &self,
        class_path: &str,
        setting: &str,
        origin: &str,
    ) -> Result<(), ConfigurationError> {
        let message = match self.entries.get(class_path) {
            Some(Registered::Factory(_) | Registered::MetadataDb | Registered::LastSource) => {
                return Ok(());
            }
            Some(Registered::NotOffered(why)) => format!("{class_path}: {why}"),
            None => self.unknown(class_path),
        };
        Err(ConfigurationError::new(setting, origin, message))
    }

    /// Makes the backend that `spec` names, or says which of the resolver's own sources that is.
    ///
    /// # Errors
    /// As [`check`](Self::check), and when the backend refuses its keyword arguments.
    pub(crate) fn make(
        &self,
        spec: BackendSpec,
        environment: &Environment,
        multi_team: bool,
    ) -> Result<Named, ConfigurationError> {
        self.check(&spec.class_path, spec.setting, &spec.origin)?;
        let own = match self.entries.get(&*spec.class_path) {
            Some(Registered::Factory(factory)) => {
                let setup = BackendSetup::new(spec.kwargs, environment).with_multi_team(multi_team);
                return factory(setup).map(Named::Backend);
            }
            Some(Registered::LastSource) => Named::LastSource,
            _ => Named::MetadataDb,
        };
        // The classes of both take no arguments.
        spec.kwargs.deny_unknown().map(|()| own)
    }

    fn unknown(&self, class_path: &str) -> String {
        let is_plain = class_path
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'));
        let known = || self.entries.keys().map(AsRef::as_ref);
        let class = class_path.rsplit('.').next().unwrap_or_default();
        let class = RENAMED
            .iter()
            .find_map(|(old, new)| (*old == class).then_some(*new))
            .unwrap_or(class);
        match known().find(|path: &&str| path.rsplit('.').next() == Some(class)) {
            Some(path) if is_plain => {
                format!("{class_path:?} is not a known secrets backend; do you mean {path}?")
            }
            _ if is_plain && class_path.contains('.') => format!(
                "{class_path:?} is not a known secrets backend; known: {}; register one of your \
                 own with `FromEnvironment::register`",
                known().collect::<Vec<_>>().join(", ")
            ),
            // Another text may be a secret in the wrong place.
            _ => "this is not a class path: write it as package.module.Class, without quotes or \
                  white space around it"
                .to_owned(),
        }
    }
}

impl Default for Registry {
    fn default() -> Self {
        let entries = BACKENDS.iter().map(|(class_path, offer)| {
            let entry = match offer {
                Offer::Backend(factory) => Registered::Factory(Arc::new(factory)),
                Offer::MetadataDb => Registered::MetadataDb,
                Offer::LastSource => Registered::LastSource,
                Offer::Feature(feature) => Registered::NotOffered(format!(
                    "it is not in this build of airflow-secrets: enable its cargo feature \
                     {feature:?}"
                )),
                Offer::NotYet => Registered::NotOffered(
                    "this version of airflow-secrets does not offer it yet (SET-16)".to_owned(),
                ),
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
