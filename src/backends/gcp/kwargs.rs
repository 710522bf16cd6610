//! Options from the keyword arguments of Airflow's `CloudSecretManagerBackend`, read as Python
//! reads them.

use std::path::Path;

use serde_json::Value;

use super::{builder::CloudSecretManagerBuilder, credential::GcpCredentials};
use crate::{
    BackendSetup, ConfigurationError,
    backends::given::Given,
    config::is_truthy,
    config::{GivenKwarg, Kwargs},
};

/// All that is known, for the error about what is not.
const KNOWN: &[&str] = &[
    "connections_prefix",
    "variables_prefix",
    "config_prefix",
    "gcp_keyfile_dict",
    "gcp_key_path",
    "gcp_credential_config_file",
    "gcp_scopes",
    "project_id",
    "sep",
    "impersonation_chain",
];

/// The builder that `setup` describes.
pub(super) fn builder(
    setup: BackendSetup<'_>,
) -> Result<CloudSecretManagerBuilder, ConfigurationError> {
    let BackendSetup {
        mut kwargs,
        environment,
        multi_team,
        ..
    } = setup;
    let mut builder = CloudSecretManagerBuilder::default()
        .environment(environment)
        .multi_team(multi_team);
    let default = GcpCredentials::application_default();
    builder.credentials = Given::new("gcp_key_path", "not given", default);
    names(&mut kwargs, &mut builder)?;
    if let Some(credentials) = credentials(&mut kwargs)? {
        builder.credentials = credentials;
    }
    if let Some(kwarg) = kwargs.take("gcp_scopes") {
        builder.scopes = scopes(&kwarg)?;
    }
    if let Some(kwarg) = kwargs.take("project_id") {
        builder.project_id = project_id(&kwarg)?;
    }
    if let Some(kwarg) = kwargs.take("impersonation_chain") {
        builder.impersonation_chain = Given::by(&kwarg, impersonation_chain(&kwarg)?);
    }
    // For Airflow's logging; it changes no answer.
    kwargs.take("context");
    kwargs.unknown(KNOWN).next().map_or(Ok(builder), Err)
}

fn names(
    kwargs: &mut Kwargs,
    builder: &mut CloudSecretManagerBuilder,
) -> Result<(), ConfigurationError> {
    for (name, prefix) in [
        ("connections_prefix", &mut builder.connections_prefix),
        ("variables_prefix", &mut builder.variables_prefix),
        ("config_prefix", &mut builder.config_prefix),
    ] {
        if let Some(kwarg) = kwargs.take(name) {
            *prefix = Given::by(&kwarg, kwarg.text_or_null()?);
        }
    }
    if let Some(kwarg) = kwargs.take("sep") {
        let sep = kwarg.text_or_null()?;
        builder.sep = Given::by(&kwarg, sep.ok_or_else(|| kwarg.error("must be a text"))?);
    }
    Ok(())
}

/// One of the three, at most; what Python takes for false is none.
fn credentials(kwargs: &mut Kwargs) -> Result<Option<Given<GcpCredentials>>, ConfigurationError> {
    let mut found: Option<Given<GcpCredentials>> = None;
    for (name, read) in [
        ("gcp_key_path", key_path as fn(&GivenKwarg) -> _),
        ("gcp_keyfile_dict", keyfile_dict),
        ("gcp_credential_config_file", config_file),
    ] {
        let Some(kwarg) = kwargs.take(name).filter(|kwarg| is_truthy(kwarg.value())) else {
            continue;
        };
        if let Some(other) = found {
            return Err(kwarg.error(format!(
                "is given besides {}: at most one of \"gcp_keyfile_dict\", \"gcp_key_path\" and \
                 \"gcp_credential_config_file\" may be",
                other.setting
            )));
        }
        found = Some(Given::by(&kwarg, read(&kwarg)?));
    }
    Ok(found)
}

fn key_path(kwarg: &GivenKwarg) -> Result<GcpCredentials, ConfigurationError> {
    let path = kwarg.value().as_str();
    path.map(GcpCredentials::key_path)
        .ok_or_else(|| kwarg.error("must be the path of a key file"))
}

fn keyfile_dict(kwarg: &GivenKwarg) -> Result<GcpCredentials, ConfigurationError> {
    match kwarg.value() {
        Value::Object(_) => Ok(GcpCredentials::key(kwarg.value().to_string())),
        // Beyond Airflow: the text that the key file holds.
        Value::String(json) => Ok(GcpCredentials::key(json.as_str())),
        _ => Err(kwarg.error("must be what a key file holds, as an object or as its JSON text")),
    }
}

/// A path where there is such a file, else what such a file holds.
fn config_file(kwarg: &GivenKwarg) -> Result<GcpCredentials, ConfigurationError> {
    match kwarg.value() {
        Value::Object(_) => Ok(GcpCredentials::config(kwarg.value().to_string())),
        Value::String(text) if text.trim_start().starts_with('{') && !Path::new(text).exists() => {
            Ok(GcpCredentials::config(text.as_str()))
        }
        Value::String(path) => Ok(GcpCredentials::config_path(path)),
        _ => Err(kwarg.error(
            "must be the path of a credential configuration, or what it holds, as an object or as \
             its JSON text",
        )),
    }
}

/// A list, or beyond Airflow a text with commas.
fn scopes(kwarg: &GivenKwarg) -> Result<Option<Vec<String>>, ConfigurationError> {
    if !is_truthy(kwarg.value()) {
        return Ok(None);
    }
    let scopes = match kwarg.value() {
        Value::String(text) => {
            let scopes = text.split(',').map(|scope| scope.trim().to_owned());
            Some(scopes.filter(|scope| !scope.is_empty()).collect())
        }
        value => texts(value),
    };
    let scopes =
        scopes.ok_or_else(|| kwarg.error("must be a list of texts, or one with commas"))?;
    Ok(Some(scopes).filter(|scopes| !scopes.is_empty()))
}

/// A text; a project's number counts as one.
fn project_id(kwarg: &GivenKwarg) -> Result<Option<Given<String>>, ConfigurationError> {
    let project = match kwarg.value() {
        value if !is_truthy(value) => return Ok(None),
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return Err(kwarg.error("must be a text")),
    };
    Ok(Some(Given::by(kwarg, project)))
}

fn impersonation_chain(kwarg: &GivenKwarg) -> Result<Vec<String>, ConfigurationError> {
    let chain = match kwarg.value() {
        value if !is_truthy(value) => Some(Vec::new()),
        Value::String(account) => Some(vec![account.clone()]),
        value => texts(value),
    };
    chain.ok_or_else(|| kwarg.error("must be the email of a service account, or a list of them"))
}

fn texts(value: &Value) -> Option<Vec<String>> {
    let texts = value.as_array()?.iter();
    texts.map(|text| text.as_str().map(str::to_owned)).collect()
}
