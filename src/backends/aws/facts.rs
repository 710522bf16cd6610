//! What is true of one of the two services.

/// In what the services differ, besides their calls.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    /// The backend's name in reports.
    pub(super) name: &'static str,
    /// The name of Airflow's class.
    pub(super) class: &'static str,
    /// The name of the service, as the SDKs have it.
    pub(super) service_id: &'static str,
    /// The one version of the API there is.
    pub(super) api_version: &'static str,
    /// Airflow's default prefixes for connections, variables and configuration entries.
    pub(super) prefixes: [&'static str; 3],
    /// Whether every name begins with a slash, the prefix may be empty before a team's name, and
    /// the separator is always a slash.
    pub(super) is_path: bool,
    /// The permission that a read needs.
    pub(super) action: &'static str,
    /// The permission that a batch needs.
    pub(super) batch_action: &'static str,
    /// How many names go into a batch.
    pub(super) batch_size: usize,
}
