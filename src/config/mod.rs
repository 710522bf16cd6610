//! Airflow's settings: where they come from, and which class paths they name.

mod command;
mod custom_backend;
mod dotenv;
mod environment;
mod expand;
mod kwargs;
mod kwargs_text;
mod options;
mod setting;
mod settings;
mod start_checks;
mod typed;
mod warning;

pub use custom_backend::{BackendSpec, Side};
pub use environment::Environment;
pub(crate) use environment::HOME;
#[cfg(feature = "clients")]
pub(crate) use environment::environment_variable;
pub use kwargs::Kwargs;
pub use setting::Setting;
pub(crate) use setting::set;
pub(crate) use settings::DEFAULT_ORIGIN;
pub use settings::{RawSetting, Settings};
pub use warning::Warning;
