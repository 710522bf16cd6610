//! Where the first token comes from: what was given, or what Google's libraries find by default.

use std::path::{Path, PathBuf};

use super::{
    GcpCredentials, Given as GivenCredentials,
    file::{CredentialFile, Role},
    identity::Source,
};
use crate::{
    ConfigurationError, Environment, backends::gcp::metadata::MetadataServer,
    backends::given::Given,
};

const VARIABLE: &str = "GOOGLE_APPLICATION_CREDENTIALS";

/// Reads what was `given`, or what `environment` leads to. An emulator needs nothing there.
///
/// # Errors
/// When a file is not good, or there is nothing at all.
pub(in crate::backends::gcp) fn read(
    given: &Given<GcpCredentials>,
    environment: &Environment,
    is_emulated: bool,
) -> Result<Source, ConfigurationError> {
    let file = match &given.value.0 {
        GivenCredentials::Anonymous => return Ok(Source::Anonymous),
        GivenCredentials::ApplicationDefault => {
            return application_default(given, environment, is_emulated);
        }
        GivenCredentials::Key(json) => CredentialFile::parse(json.expose(), Role::Key),
        GivenCredentials::Config(json) => CredentialFile::parse(json.expose(), Role::Config),
        GivenCredentials::ConfigPath(path) => CredentialFile::at(path, Role::Config),
        GivenCredentials::KeyPath(path) => {
            if !path.as_os_str().as_encoded_bytes().ends_with(b".json") {
                return Err(given.error("must be the path of a JSON file, ending in .json"));
            }
            CredentialFile::at(path, Role::Key)
        }
    };
    from_file(file, &given.setting, &given.origin)
}

/// The credentials of a file that knows which setting led to it.
fn from_file(
    file: Result<CredentialFile, String>,
    setting: &str,
    origin: &str,
) -> Result<Source, ConfigurationError> {
    let mut file = file.map_err(|why| ConfigurationError::new(setting, origin, why))?;
    file.given_by = format!("{setting} ({origin})");
    Ok(Source::File(Box::new(file)))
}

/// Google's Application Default Credentials.
fn application_default(
    given: &Given<GcpCredentials>,
    environment: &Environment,
    is_emulated: bool,
) -> Result<Source, ConfigurationError> {
    let file = |path: &Path, setting: &str, origin: &str| {
        from_file(CredentialFile::at(path, Role::Default), setting, origin)
    };
    let of_gcloud = gcloud_path(environment);
    let named = environment.non_empty(VARIABLE).map(PathBuf::from);
    if let Some(path) = named.filter(|path| Some(path) != of_gcloud.as_ref()) {
        return file(&path, VARIABLE, "the environment");
    }
    if let Some(path) = of_gcloud.filter(|path| path.is_file()) {
        return file(&path, "Application Default Credentials", "gcloud's file");
    }
    match MetadataServer::in_environment(environment) {
        _ if is_emulated => Ok(Source::Anonymous),
        Some(server) => Ok(Source::MetadataServer(server)),
        None => Err(given.error(
            "there are none: neither settings nor GOOGLE_APPLICATION_CREDENTIALS nor gcloud give \
             any, and NO_GCE_CHECK says that there is no metadata server",
        )),
    }
}

/// What `gcloud auth application-default login` writes.
fn gcloud_path(environment: &Environment) -> Option<PathBuf> {
    let folder = match environment.get("CLOUDSDK_CONFIG") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(environment.non_empty("HOME")?).join(".config/gcloud"),
    };
    Some(folder.join("application_default_credentials.json"))
}
