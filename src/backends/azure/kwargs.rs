//! Options from the keyword arguments of Airflow's `AzureKeyVaultBackend` and of the `SecretClient`
//! that it passes the rest on to.

use super::{AzureCredential, builder::AzureKeyVaultBuilder};
use crate::{
    ConfigurationError, Secret,
    backends::http_options::Roots,
    backends::registry::BackendSetup,
    config::{Kwargs, Setting, set},
};

/// Arguments that only Python code can set.
const PYTHON_ONLY: &[&str] = &["credential", "generated_client", "pipeline", "transport"];

/// The builder that `setup` describes.
pub(super) fn builder(setup: BackendSetup<'_>) -> Result<AzureKeyVaultBuilder, ConfigurationError> {
    let BackendSetup {
        mut kwargs,
        environment,
        multi_team,
        ..
    } = setup;
    let mut builder = AzureKeyVaultBuilder::default()
        .environment(environment)
        .multi_team(multi_team);
    builder.vault_url = Setting::new("vault_url", "not given", Secret::default());
    names(&mut kwargs, &mut builder)?;
    vault(&mut kwargs, &mut builder)?;
    wire(&mut kwargs, &mut builder)?;
    builder.credential = credential(&mut kwargs)?;
    kwargs.refuse(PYTHON_ONLY, "only Python code can set this: remove it")?;
    builder.warnings.extend(kwargs.unknown_as_warnings());
    Ok(builder)
}

fn names(
    kwargs: &mut Kwargs,
    builder: &mut AzureKeyVaultBuilder,
) -> Result<(), ConfigurationError> {
    for (name, prefix) in [
        ("connections_prefix", &mut builder.connections_prefix),
        ("variables_prefix", &mut builder.variables_prefix),
        ("config_prefix", &mut builder.config_prefix),
    ] {
        if let Some(given) = kwargs.text_or_null(name)? {
            *prefix = given;
        }
    }
    if let Some(sep) = kwargs.take("sep") {
        builder.sep = sep.text()?;
    }
    Ok(())
}

fn vault(
    kwargs: &mut Kwargs,
    builder: &mut AzureKeyVaultBuilder,
) -> Result<(), ConfigurationError> {
    if let Some(url) = kwargs.text_or_null("vault_url")? {
        builder.vault_url = url.map(|url| url.unwrap_or_default().into());
    }
    set(
        &mut builder.api_version,
        kwargs.text_or_null("api_version")?,
    );
    set(
        &mut builder.verify_challenge_resource,
        kwargs.truth("verify_challenge_resource"),
    );
    Ok(())
}

fn wire(kwargs: &mut Kwargs, builder: &mut AzureKeyVaultBuilder) -> Result<(), ConfigurationError> {
    builder.http.connect_timeout = kwargs.seconds("connection_timeout")?;
    let retries = kwargs.count("retry_total", 0)?;
    builder.retries.max_retries = retries.map(|retries| retries.value);
    let roots = kwargs.any("connection_verify").map(Setting::roots);
    // With "true" the environment still counts.
    builder.http.roots = roots
        .transpose()?
        .filter(|roots| roots.value != Roots::Mozilla);
    Ok(())
}

/// A client secret needs the first three; a user-assigned identity needs the last two.
fn credential(kwargs: &mut Kwargs) -> Result<AzureCredential, ConfigurationError> {
    let mut text = |name| {
        kwargs
            .non_empty(name)
            .map(|text| text.map(|text| text.value))
    };
    let tenant_id = text("tenant_id")?;
    let client_id = text("client_id")?;
    let client_secret = text("client_secret")?;
    let managed = text("managed_identity_client_id")?;
    let workload = text("workload_identity_tenant_id")?;
    if let (Some(tenant_id), Some(client_id), Some(secret)) = (tenant_id, client_id, client_secret)
    {
        return Ok(AzureCredential::client_secret(tenant_id, client_id, secret));
    }
    Ok(match (managed, workload) {
        (Some(client_id), Some(tenant_id)) => {
            AzureCredential::default_chain_as(client_id, tenant_id)
        }
        _ => AzureCredential::default_chain(),
    })
}
