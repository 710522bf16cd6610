//! Connections, variables and configuration entries from local files.

mod builder;

use std::sync::Arc;

use async_trait::async_trait;

pub use builder::LocalFilesystemBuilder;

use crate::{
    BackendSetup, ConfigurationError, Connection, Dialect, Failure, FailureKind, Lookup, Secret,
    SecretsBackend, SkipReason,
};

/// Connections, variables and configuration entries from `.env`, `.json`, `.yaml` and `.yml`
/// files; Airflow's `LocalFilesystemBackend`.
#[derive(Debug, Clone)]
pub struct LocalFilesystemBackend {
    options: LocalFilesystemBuilder,
}

impl LocalFilesystemBackend {
    /// The name of this backend in reports and logs.
    pub const NAME: &'static str = "local_filesystem";

    /// Options for a new backend, with no file of any kind.
    #[must_use]
    pub fn builder() -> LocalFilesystemBuilder {
        LocalFilesystemBuilder::default()
    }

    /// The backend that settings name, with the arguments that Airflow's takes.
    ///
    /// # Errors
    /// As [`LocalFilesystemBuilder::from_kwargs`].
    pub fn from_setup(
        setup: BackendSetup<'_>,
    ) -> Result<Arc<dyn SecretsBackend>, ConfigurationError> {
        Ok(Arc::new(
            LocalFilesystemBuilder::from_kwargs(setup.kwargs)?.build(),
        ))
    }

    fn with_options(options: LocalFilesystemBuilder) -> Self {
        Self { options }
    }
}

fn unready() -> Failure {
    Failure::new(FailureKind::Configuration, "local files are not read yet")
}

#[async_trait]
impl SecretsBackend for LocalFilesystemBackend {
    fn name(&self) -> &str {
        Self::NAME
    }

    async fn get_conn_value(&self, _: &str, _: Option<&str>) -> Result<Lookup<Secret>, Failure> {
        Ok(Lookup::skipped(SkipReason::NotOffered))
    }

    async fn get_connection(
        &self,
        _conn_id: &str,
        _team: Option<&str>,
        _dialect: Dialect,
    ) -> Result<Lookup<Connection>, Failure> {
        let _ = &self.options.connections;
        Err(unready())
    }

    async fn get_variable(
        &self,
        _key: &str,
        _team: Option<&str>,
    ) -> Result<Lookup<Secret>, Failure> {
        let _ = &self.options.variables;
        Err(unready())
    }

    async fn get_config(&self, _key: &str) -> Result<Lookup<Secret>, Failure> {
        let _ = &self.options.configs;
        Err(unready())
    }
}
