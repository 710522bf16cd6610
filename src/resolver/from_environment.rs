//! How a resolver is put together from Airflow's settings.

use std::sync::Arc;

use super::{Resolver, ResolverBuilder, metadata_db};
use crate::{
    BackendFactory, BackendSetup, ConfigurationError, Dialect, Environment, Error, Registry,
    SecretsBackend, Settings, Side, Warning, backends::EnvironmentVariablesBackend,
};

/// Puts a [`Resolver`] together as Airflow does from an environment; see
/// [`Resolver::from_environment`].
#[derive(Debug)]
pub struct FromEnvironment {
    environment: Environment,
    side: Side,
    registry: Registry,
}

impl FromEnvironment {
    pub(super) fn new(environment: Environment) -> Self {
        Self {
            environment,
            side: Side::Server,
            registry: Registry::default(),
        }
    }

    /// The worker side: what an Airflow 3 task does.
    #[must_use]
    pub fn worker(mut self) -> Self {
        self.side = Side::Worker;
        self
    }

    /// Makes `factory` the one for `class_path` where settings name that as their backend.
    #[must_use]
    pub fn register(mut self, class_path: &str, factory: BackendFactory) -> Self {
        self.registry.register(class_path, factory);
        self
    }

    /// The resolver. Reads `airflow.cfg` and runs the commands that settings name; connects to
    /// nothing, except to the custom backend when a setting is itself a secret (`…_SECRET`).
    ///
    /// # Errors
    /// [`Error::Configuration`] for what Airflow itself would refuse to start with.
    pub async fn build(self) -> Result<Resolver, Error> {
        let settings = Settings::load(&self.environment)?;
        let multi_team = settings.multi_team()?;
        let mut warnings = Vec::new();
        let custom = self.custom_backend(&settings, multi_team, &mut warnings)?;
        let environment = EnvironmentVariablesBackend::new(self.environment, multi_team);

        let mut chain = Resolver::builder().multi_team(multi_team);
        if let Some(custom) = &custom {
            chain = chain.custom_backend(Arc::clone(custom));
        }
        chain = chain.backend(environment);
        chain = match self.side {
            Side::Server => {
                let metadata_db =
                    metadata_db::from_settings(&settings, custom.as_deref(), &mut warnings).await?;
                chain.shared_backend(metadata_db)
            }
            Side::Worker => chain.dialect(Dialect::TaskSdk),
        };
        Ok(ResolverBuilder::warnings(chain, warnings).build())
    }

    fn custom_backend(
        &self,
        settings: &Settings,
        multi_team: bool,
        warnings: &mut Vec<Warning>,
    ) -> Result<Option<Arc<dyn SecretsBackend>>, ConfigurationError> {
        let Some(spec) = settings.custom_backend(self.side, warnings)? else {
            return Ok(None);
        };
        let factory = self
            .registry
            .get(&spec.class_path, spec.setting, &spec.origin)?;
        factory(BackendSetup {
            kwargs: spec.kwargs,
            environment: settings.environment(),
            multi_team,
            warnings,
        })
        .map(Some)
    }
}
