//! From a backend's class path, as settings name it, to the backend.

use std::sync::Arc;

use crate::{
    ConfigurationError, SecretsBackend,
    config::{Environment, Kwargs, Warning},
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

impl<'a> BackendSetup<'a> {
    /// What a backend is made from, outside of a multi-team deployment.
    pub fn new(
        kwargs: Kwargs,
        environment: &'a Environment,
        warnings: &'a mut Vec<Warning>,
    ) -> Self {
        Self {
            kwargs,
            environment,
            multi_team: false,
            warnings,
        }
    }
}

/// Makes a backend from settings. It connects to nothing: that waits for the first lookup.
pub type BackendFactory = Arc<
    dyn Fn(BackendSetup<'_>) -> Result<Arc<dyn SecretsBackend>, ConfigurationError> + Send + Sync,
>;
