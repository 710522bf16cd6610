//! The Execution API as a task's last source.

use std::{fmt, sync::Arc};

use super::FromEnvironment;
use crate::{
    ConfigurationError, SecretsBackend, backends::execution_api::ExecutionApiBuilder,
    config::Settings,
};

/// Fills a builder further, once the settings have.
type Change = dyn Fn(ExecutionApiBuilder) -> ExecutionApiBuilder + Send + Sync;

/// How the Execution API is asked, beside the settings.
#[derive(Default)]
pub(super) struct Options {
    change: Option<Box<Change>>,
}

impl Options {
    /// The Execution API of the settings, where the program has given a token for it.
    ///
    /// # Errors
    /// When a setting is invalid, or the program gave no token.
    pub(super) fn source(
        &self,
        settings: &Settings,
    ) -> Result<Option<Arc<dyn SecretsBackend>>, ConfigurationError> {
        let Some(change) = &self.change else {
            return Ok(None);
        };
        let builder = change(ExecutionApiBuilder::from_settings(settings)?);
        Ok(Some(Arc::new(builder.build()?)))
    }

    /// The error where it is not asked, though the program has set it up.
    pub(super) fn unused(&self) -> Result<(), ConfigurationError> {
        match self.change {
            None => Ok(()),
            Some(_) => Err(ConfigurationError::new(
                "FromEnvironment::execution_api",
                "the program",
                "the server side does not ask the Execution API, which is its own: add \
                 `FromEnvironment::worker`",
            )),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").finish_non_exhaustive()
    }
}

impl FromEnvironment {
    /// Asks the Execution API last, as a task of Airflow 3 does through its supervisor. Airflow's settings
    /// fill the builder, as [`ExecutionApiBuilder::from_settings`] says; `change` gives the token, which
    /// Airflow has no setting for.
    ///
    /// ```
    /// # use airflow_secrets::{Environment, Resolver};
    /// use airflow_secrets::backends::execution_api::ExecutionApiCredential;
    ///
    /// let from = Resolver::from_environment(Environment::process())
    ///     .worker()
    ///     .execution_api(|api| api.credential(ExecutionApiCredential::file("/run/airflow/token")));
    /// ```
    #[must_use]
    pub fn execution_api(
        mut self,
        change: impl Fn(ExecutionApiBuilder) -> ExecutionApiBuilder + Send + Sync + 'static,
    ) -> Self {
        self.execution_api = Options {
            change: Some(Box::new(change)),
        };
        self
    }
}
