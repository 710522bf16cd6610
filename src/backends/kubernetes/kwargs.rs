//! Options from the keyword arguments of Airflow's `KubernetesSecretsBackend`.

use super::builder::KubernetesSecretsBuilder;
use crate::{ConfigurationError, backends::registry::BackendSetup};

/// The builder that `setup` describes.
pub(super) fn builder(
    setup: BackendSetup<'_>,
) -> Result<KubernetesSecretsBuilder, ConfigurationError> {
    let BackendSetup {
        mut kwargs,
        environment,
        ..
    } = setup;
    let mut builder = KubernetesSecretsBuilder::default().environment(environment);
    builder.namespace = kwargs.non_empty("namespace")?;
    for (name, label) in [
        ("connections_label", &mut builder.connections_label),
        ("variables_label", &mut builder.variables_label),
        ("config_label", &mut builder.config_label),
        ("team_label", &mut builder.team_label),
    ] {
        if let Some(given) = kwargs.text_or_null(name)? {
            *label = given;
        }
    }
    for (name, key) in [
        ("connections_data_key", &mut builder.connections_data_key),
        ("variables_data_key", &mut builder.variables_data_key),
        ("config_data_key", &mut builder.config_data_key),
    ] {
        if let Some(given) = kwargs.take(name) {
            *key = given.text()?;
        }
    }
    // For Airflow's logging; it changes no answer.
    kwargs.ignore(&["context"]);
    kwargs.deny_unknown()?;
    Ok(builder)
}
