//! Options from the keyword arguments of Airflow's `AzureKeyVaultBackend` and of the `SecretClient`
//! that it passes the rest on to.

use std::time::Duration;

use serde_json::Value;

use super::{AzureCredential, builder::AzureKeyVaultBuilder, wire::Roots};
use crate::{
    BackendSetup, ConfigurationError, Warning,
    backends::given::Given,
    config::is_truthy,
    config::{GivenKwarg, Kwargs},
};

/// All that is known, for the warning about what is not.
const KNOWN: &[&str] = &[
    "connections_prefix",
    "variables_prefix",
    "config_prefix",
    "vault_url",
    "sep",
    "tenant_id",
    "client_id",
    "client_secret",
    "managed_identity_client_id",
    "workload_identity_tenant_id",
    "api_version",
    "verify_challenge_resource",
    "connection_timeout",
    "connection_verify",
    "retry_total",
];

/// What only Python code can give.
const PYTHON_ONLY: &[&str] = &["credential", "generated_client", "pipeline", "transport"];

/// The builder that `setup` describes.
pub(super) fn builder(setup: BackendSetup<'_>) -> Result<AzureKeyVaultBuilder, ConfigurationError> {
    let BackendSetup {
        mut kwargs,
        environment,
        multi_team,
        warnings,
    } = setup;
    let mut builder = AzureKeyVaultBuilder::default()
        .environment(environment)
        .multi_team(multi_team);
    builder.vault_url = Given::new("vault_url", "not given", String::new().into());
    names(&mut kwargs, &mut builder)?;
    vault(&mut kwargs, &mut builder)?;
    wire(&mut kwargs, &mut builder)?;
    builder.credential = credential(&mut kwargs)?;
    for name in PYTHON_ONLY {
        if let Some(kwarg) = kwargs.take(name) {
            return Err(kwarg.error("only Python code can give this: leave it out"));
        }
    }
    warnings.extend(kwargs.unknown(KNOWN).map(|error| {
        let (setting, origin) = (error.setting(), error.origin());
        Warning::new(setting, origin, format!("passed over: {}", error.message()))
    }));
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
        if let Some(kwarg) = kwargs.take(name) {
            *prefix = kwarg.text_or_null()?;
        }
    }
    if let Some(kwarg) = kwargs.take("sep") {
        let sep = kwarg.text_or_null()?;
        builder.sep = sep.ok_or_else(|| kwarg.error("must be a text"))?;
    }
    Ok(())
}

fn vault(
    kwargs: &mut Kwargs,
    builder: &mut AzureKeyVaultBuilder,
) -> Result<(), ConfigurationError> {
    if let Some(kwarg) = kwargs.take("vault_url") {
        let url = kwarg.text_or_null()?.unwrap_or_default();
        builder.vault_url = Given::by(&kwarg, url.into());
    }
    if let Some(kwarg) = kwargs.take("api_version") {
        builder.api_version = kwarg.text_or_null()?;
    }
    if let Some(kwarg) = kwargs.take("verify_challenge_resource") {
        builder.verify_challenge_resource = is_truthy(kwarg.value());
    }
    Ok(())
}

fn wire(kwargs: &mut Kwargs, builder: &mut AzureKeyVaultBuilder) -> Result<(), ConfigurationError> {
    if let Some(kwarg) = kwargs.take("connection_timeout") {
        let seconds = kwarg.value().as_f64().filter(|seconds| *seconds > 0.0);
        builder.connect_timeout = seconds
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .ok_or_else(|| kwarg.error("must be a number of seconds above 0"))?;
    }
    if let Some(kwarg) = kwargs.take("retry_total") {
        let retries = kwarg.value().as_u64();
        builder.max_retries = retries
            .and_then(|retries| retries.try_into().ok())
            .ok_or_else(|| kwarg.error("must be a number of retries"))?;
    }
    if let Some(kwarg) = kwargs.take("connection_verify") {
        builder.roots = match kwarg.value() {
            Value::Null | Value::Bool(true) => Roots::Usual,
            Value::Bool(false) => Roots::Unchecked,
            Value::String(path) if !path.is_empty() => Roots::At(path.into()),
            _ => {
                let message = "must be true, false, or the path of a CA file or folder";
                return Err(kwarg.error(message));
            }
        };
    }
    Ok(())
}

/// The first three count only when all are there, and so do the last two.
fn credential(kwargs: &mut Kwargs) -> Result<AzureCredential, ConfigurationError> {
    let mut text = |name: &str| match kwargs.take(name) {
        Some(kwarg) => text(&kwarg),
        None => Ok(None),
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

/// A text; an empty one is as good as none.
fn text(kwarg: &GivenKwarg) -> Result<Option<String>, ConfigurationError> {
    Ok(kwarg.text_or_null()?.filter(|text| !text.is_empty()))
}
