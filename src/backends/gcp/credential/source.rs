//! Where the first token comes from: what was given, or what Google's libraries find by default.

use std::path::{Path, PathBuf};

use super::{
    Choice, GcpCredential,
    file::{CredentialFile, Role},
    identity::Source,
};
use crate::{
    ConfigurationError, Environment,
    backends::{gcp::credential::metadata::MetadataServer, google},
    config::Setting,
};

/// Reads what was `given`, or what `environment` names. An emulator needs no credentials.
///
/// # Errors
/// When a file is invalid, or nothing is configured.
pub(crate) fn read(
    given: &Setting<GcpCredential>,
    environment: &Environment,
    is_emulated: bool,
) -> Result<Source, ConfigurationError> {
    let file = match &given.value.0 {
        Choice::Anonymous => return Ok(Source::Anonymous),
        Choice::ApplicationDefault => {
            return application_default(given, environment, is_emulated);
        }
        Choice::Key(json) => CredentialFile::parse(json.expose(), Role::Key),
        Choice::Config(json) => CredentialFile::parse(json.expose(), Role::Config),
        Choice::ConfigPath(path) => CredentialFile::at(path, Role::Config),
        Choice::KeyPath(path) => {
            if !path.as_os_str().as_encoded_bytes().ends_with(b".json") {
                return Err(given.error("must be the path of a JSON file, ending in .json"));
            }
            CredentialFile::at(path, Role::Key)
        }
    };
    from_file(file, given.name(), given.origin())
}

/// The credentials of a file, with the setting that named it.
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
    given: &Setting<GcpCredential>,
    environment: &Environment,
    is_emulated: bool,
) -> Result<Source, ConfigurationError> {
    let file = |path: &Path, setting: &str, origin: &str| {
        from_file(CredentialFile::at(path, Role::Default), setting, origin)
    };
    let of_gcloud = google::gcloud_file(environment);
    let named = environment.non_empty(google::VARIABLE).map(PathBuf::from);
    if let Some(path) = named.filter(|path| Some(path) != of_gcloud.as_ref()) {
        return file(&path, google::VARIABLE, "the environment");
    }
    if let Some(path) = of_gcloud.filter(|path| path.is_file()) {
        return file(&path, "Application Default Credentials", "gcloud's file");
    }
    match MetadataServer::in_environment(environment) {
        _ if is_emulated => Ok(Source::Anonymous),
        Some(server) => Ok(Source::MetadataServer(server)),
        None => Err(given.error(
            "no credentials were found: neither settings nor GOOGLE_APPLICATION_CREDENTIALS nor gcloud give \
             any, and NO_GCE_CHECK rules out a metadata server (GCP-1)",
        )),
    }
}
