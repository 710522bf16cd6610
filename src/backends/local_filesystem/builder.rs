//! Options of the local filesystem backend: from Airflow's keyword arguments, and from code.

use super::LocalFilesystemBackend;
use crate::{
    ConfigurationError,
    config::{Kwargs, set},
};

/// The argument that names the file of variables.
pub(super) const VARIABLES: &str = "variables_file_path";
/// The argument that names the file of connections.
pub(super) const CONNECTIONS: &str = "connections_file_path";
/// The argument that names the file of configuration entries.
pub(super) const CONFIGS: &str = "configs_file_path";

/// Options of a [`LocalFilesystemBackend`]. By default no file is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LocalFilesystemBuilder {
    pub(super) variables: Option<String>,
    pub(super) connections: Option<String>,
    pub(super) configs: Option<String>,
}

impl LocalFilesystemBuilder {
    /// The options that `kwargs` give: `variables_file_path`, `connections_file_path`,
    /// `configs_file_path`, each a text or `null`.
    ///
    /// # Errors
    /// When one of them is neither text nor `null`, and when there is any other argument.
    pub fn from_kwargs(mut kwargs: Kwargs) -> Result<Self, ConfigurationError> {
        let mut builder = Self::default();
        for (name, path) in [
            (VARIABLES, &mut builder.variables),
            (CONNECTIONS, &mut builder.connections),
            (CONFIGS, &mut builder.configs),
        ] {
            set(path, kwargs.text_or_null(name)?);
        }
        kwargs.deny_unknown()?;
        Ok(builder)
    }

    /// The file that holds variables; an empty path is treated as not set.
    #[must_use]
    pub fn variables_file_path(mut self, path: impl Into<String>) -> Self {
        self.variables = Some(path.into());
        self
    }

    /// The file that holds connections; an empty path is treated as not set.
    #[must_use]
    pub fn connections_file_path(mut self, path: impl Into<String>) -> Self {
        self.connections = Some(path.into());
        self
    }

    /// The file that holds configuration entries; an empty path is treated as not set.
    #[must_use]
    pub fn configs_file_path(mut self, path: impl Into<String>) -> Self {
        self.configs = Some(path.into());
        self
    }

    /// The backend. No file is opened before the first lookup.
    #[must_use]
    pub fn build(self) -> LocalFilesystemBackend {
        LocalFilesystemBackend::with_options(self)
    }
}
