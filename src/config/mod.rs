//! Airflow's settings: where they come from, and which backends they name.

mod airflow_cfg;
mod command;
mod custom_backend;
mod environment;
mod expand;
mod known;
mod kwargs;
mod kwargs_text;
mod options;
mod python_text;
mod registry;
mod settings;
mod start_checks;
mod typed;
mod warning;

#[cfg(feature = "_aws")]
pub(crate) use command::split as split_command;
pub use custom_backend::{BackendSpec, Side};
pub use environment::Environment;
#[cfg(feature = "_aws")]
pub(crate) use expand::expand;
#[cfg(any(
    feature = "vault",
    feature = "_aws",
    feature = "gcp",
    feature = "azure"
))]
pub(crate) use kwargs::is_truthy;
pub use kwargs::{GivenKwarg, Kwargs};
pub use registry::{BackendFactory, BackendSetup, Registry};
pub(crate) use settings::DEFAULT_ORIGIN;
pub use settings::{Given, Setting, Settings};
pub use warning::Warning;
