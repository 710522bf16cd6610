//! Options of the local project backend, from code: Airflow has none of that name.

use super::LocalProjectBackend;

/// The option that names `airflow_settings.yaml`.
pub(super) const AIRFLOW_SETTINGS: &str = "airflow_settings";
/// The option that names the file of exported connections.
pub(super) const CONNECTIONS_EXPORT: &str = "connections_export";
/// The option that names the file of exported variables.
pub(super) const VARIABLES_EXPORT: &str = "variables_export";

/// Options of a [`LocalProjectBackend`]. By default no file is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LocalProjectBuilder {
    pub(super) airflow_settings: Option<String>,
    pub(super) connections_export: Option<String>,
    pub(super) variables_export: Option<String>,
}

impl LocalProjectBuilder {
    /// The settings file of an Astro project, usually `airflow_settings.yaml`; an empty path is treated as
    /// not set.
    #[must_use]
    pub fn airflow_settings(mut self, path: impl Into<String>) -> Self {
        self.airflow_settings = Some(path.into());
        self
    }

    /// The file that `airflow connections export` wrote; an empty path is treated as not set.
    #[must_use]
    pub fn connections_export(mut self, path: impl Into<String>) -> Self {
        self.connections_export = Some(path.into());
        self
    }

    /// The file that `airflow variables export` wrote; an empty path is treated as not set.
    #[must_use]
    pub fn variables_export(mut self, path: impl Into<String>) -> Self {
        self.variables_export = Some(path.into());
        self
    }

    /// The backend. No file is opened before the first lookup.
    #[must_use]
    pub fn build(self) -> LocalProjectBackend {
        LocalProjectBackend::with_options(self)
    }
}
