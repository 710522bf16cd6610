//! Options of the local filesystem backend: from kwargs, as Airflow takes them, and from code.

use super::LocalFilesystemBackend;
use crate::{ConfigurationError, Kwargs};

const VARIABLES: &str = "variables_file_path";
const CONNECTIONS: &str = "connections_file_path";
const CONFIGS: &str = "configs_file_path";

/// Options of a [`LocalFilesystemBackend`]. By default there is no file of any kind.
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
        let mut take = |name| {
            let given = kwargs.take(name);
            given.map_or(Ok(None), |given| given.text_or_null())
        };
        let builder = Self {
            variables: take(VARIABLES)?,
            connections: take(CONNECTIONS)?,
            configs: take(CONFIGS)?,
        };
        match kwargs.unknown(&[VARIABLES, CONNECTIONS, CONFIGS]).next() {
            Some(unknown) => Err(unknown),
            None => Ok(builder),
        }
    }

    /// The file that holds variables; an empty path is no file.
    #[must_use]
    pub fn variables_file_path(mut self, path: impl Into<String>) -> Self {
        self.variables = Some(path.into());
        self
    }

    /// The file that holds connections; an empty path is no file.
    #[must_use]
    pub fn connections_file_path(mut self, path: impl Into<String>) -> Self {
        self.connections = Some(path.into());
        self
    }

    /// The file that holds configuration entries; an empty path is no file.
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
