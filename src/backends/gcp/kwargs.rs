//! Options from the keyword arguments of Airflow's `CloudSecretManagerBackend`, read as Python
//! reads them.

use std::path::Path;

use serde_json::Value;

use super::{builder::CloudSecretManagerBuilder, credential::GcpCredential};
use crate::{
    ConfigurationError,
    backends::registry::BackendSetup,
    config::{Kwargs, Setting},
};

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
    names(&mut kwargs, &mut builder)?;
    builder.credential = credentials(&mut kwargs)?;
    // Beyond Airflow, one text with commas.
    builder.scopes = scopes(&mut kwargs)?;
    if let Some(project_id) = kwargs.truthy("project_id") {
        builder.project_id = Some(project_id.text_or_number()?);
    }
    if let Some(accounts) = kwargs.truthy("impersonation_chain") {
        builder.impersonation_chain = accounts.list()?;
    }
    // For Airflow's logging; it changes no answer.
    kwargs.ignore(&["context"]);
    kwargs.deny_unknown()?;
    Ok(builder)
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
        if let Some(given) = kwargs.text_or_null(name)? {
            *prefix = given;
        }
    }
    if let Some(sep) = kwargs.take("sep") {
        builder.sep = sep.text()?;
    }
    Ok(())
}

/// The scopes in one text with commas; `None` where there are none.
pub(crate) fn scopes(kwargs: &mut Kwargs) -> Result<Option<Vec<String>>, ConfigurationError> {
    let Some(scopes) = kwargs.truthy("gcp_scopes") else {
        return Ok(None);
    };
    let scopes = scopes.list()?.value;
    let scopes = scopes.iter().flat_map(|scopes| scopes.split(','));
    let scopes = scopes.map(str::trim).filter(|scope| !scope.is_empty());
    let scopes = scopes.map(str::to_owned).collect::<Vec<_>>();
    Ok(Some(scopes).filter(|scopes| !scopes.is_empty()))
}

/// An argument that gives credentials: its name, how it is read, and what it must be.
type Argument = (
    &'static str,
    fn(&Value) -> Option<GcpCredential>,
    &'static str,
);

/// The key of a service account.
const KEYS: [Argument; 2] = [
    ("gcp_key_path", key_path, "must be the path of a key file"),
    (
        "gcp_keyfile_dict",
        keyfile_dict,
        "must be what a key file holds, as an object or as its JSON text",
    ),
];

const CONFIG_FILE: Argument = (
    "gcp_credential_config_file",
    config_file,
    "must be the path of a credential configuration, or what it holds, as an object or as its JSON \
     text",
);

fn credentials(kwargs: &mut Kwargs) -> Result<Setting<GcpCredential>, ConfigurationError> {
    let [key_path, keyfile_dict] = KEYS;
    one_of(kwargs, &[key_path, keyfile_dict, CONFIG_FILE])
}

/// The key of a service account, else the default credentials.
#[cfg(feature = "vault")]
pub(crate) fn key(kwargs: &mut Kwargs) -> Result<Setting<GcpCredential>, ConfigurationError> {
    one_of(kwargs, &KEYS)
}

/// At most one of the arguments may be set; Airflow treats what Python counts as false as not set.
fn one_of(
    kwargs: &mut Kwargs,
    arguments: &[Argument],
) -> Result<Setting<GcpCredential>, ConfigurationError> {
    let mut found: Option<Setting<GcpCredential>> = None;
    for (name, read, expected) in arguments {
        let Some(given) = kwargs.truthy(name) else {
            continue;
        };
        if let Some(other) = found {
            let names = arguments.iter().map(|(name, ..)| format!("{name:?}"));
            return Err(given.error(format!(
                "is set as well as {}: set one of {}",
                other.name(),
                names.collect::<Vec<_>>().join(", ")
            )));
        }
        let credentials = read(&given.value).ok_or_else(|| given.error(*expected))?;
        found = Some(given.with(credentials));
    }
    let default = GcpCredential::application_default;
    Ok(found.unwrap_or_else(|| Setting::new("gcp_key_path", "not given", default())))
}

fn key_path(given: &Value) -> Option<GcpCredential> {
    given.as_str().map(GcpCredential::key_path)
}

fn keyfile_dict(given: &Value) -> Option<GcpCredential> {
    match given {
        Value::Object(_) => Some(GcpCredential::key(given.to_string())),
        // Beyond Airflow: the text that the key file holds.
        Value::String(json) => Some(GcpCredential::key(json.as_str())),
        _ => None,
    }
}

/// A path where there is such a file, else what such a file holds.
fn config_file(given: &Value) -> Option<GcpCredential> {
    match given {
        Value::Object(_) => Some(GcpCredential::config(given.to_string())),
        Value::String(text) if text.trim_start().starts_with('{') && !Path::new(text).exists() => {
            Some(GcpCredential::config(text.as_str()))
        }
        Value::String(path) => Some(GcpCredential::config_path(path)),
        _ => None,
    }
}
