//! Airflow's settings: where they come from, and which backends they name.

mod environment;
mod kwargs;
mod registry;
mod warning;

pub use environment::Environment;
pub use kwargs::{GivenKwarg, Kwargs};
pub use registry::{BackendFactory, BackendSetup};
pub use warning::Warning;
