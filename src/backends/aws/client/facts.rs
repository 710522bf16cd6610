//! The constants of a service.

/// The constants in which the two services differ.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    /// The backend's name in reports.
    pub(crate) name: &'static str,
    /// The name of Airflow's class.
    pub(crate) class: &'static str,
    /// The name of the service in the SDKs.
    pub(crate) service_id: &'static str,
    /// The only version of its API.
    pub(crate) api_version: &'static str,
    /// Airflow's default prefixes for connections, variables and configuration entries.
    pub(crate) prefixes: [&'static str; 3],
    /// Whether names are paths: they begin with a slash, the separator is a slash, and a team's name
    /// may follow an empty prefix.
    pub(crate) is_path: bool,
    /// The permission that a read needs.
    pub(crate) action: &'static str,
    /// The permission that a batch needs.
    pub(crate) batch_action: &'static str,
    /// The most names that a batch may have.
    pub(crate) batch_size: usize,
    /// How many requests are sent at once, unless an option says so.
    pub(crate) concurrent_requests: usize,
}
