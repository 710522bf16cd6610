//! The switch that adds Astro's Environment Manager to the sources of an environment.

use crate::{ConfigurationError, Environment};

/// Airflow has no setting for Astro: this one is ours.
const SWITCH: &str = "AIRFLOW_SECRETS_ASTRO";

/// Whether `environment` asks for it; read as Airflow reads its boolean settings.
///
/// # Errors
/// When the value is neither true nor false.
pub(crate) fn is_on(environment: &Environment) -> Result<bool, ConfigurationError> {
    let Some(value) = environment.non_empty(SWITCH) else {
        return Ok(false);
    };
    match value.to_ascii_lowercase().as_str() {
        "t" | "true" | "1" => Ok(true),
        "f" | "false" | "0" => Ok(false),
        _ => Err(ConfigurationError::new(
            SWITCH,
            "the environment",
            "is neither true nor false",
        )),
    }
}

/// The error where it is on, and the build has no such source.
///
/// # Errors
/// Always then.
#[cfg(not(feature = "astro"))]
pub(crate) fn check_off(environment: &Environment) -> Result<(), ConfigurationError> {
    if is_on(environment)? {
        return Err(ConfigurationError::new(
            SWITCH,
            "the environment",
            "Astro's Environment Manager is not in this build of airflow-secrets: enable its cargo \
             feature \"astro\"",
        ));
    }
    Ok(())
}
