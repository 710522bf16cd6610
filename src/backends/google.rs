//! Google's default credentials: where Google's libraries look for them, for Google's own backend and
//! for AWS roles that trust Google.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::{Environment, files};

/// The variable that names a credential file.
pub(super) const VARIABLE: &str = "GOOGLE_APPLICATION_CREDENTIALS";

/// Where the metadata server of Google's machines is, unless the environment names another place.
const METADATA_HOST: &str = "metadata.google.internal";

/// The file of what `gcloud auth application-default login` writes, whether it exists or not.
pub(super) fn gcloud_file(environment: &Environment) -> Option<PathBuf> {
    let folder = match environment.get("CLOUDSDK_CONFIG") {
        Some(folder) => PathBuf::from(folder),
        None if cfg!(windows) => Path::new(environment.non_empty("APPDATA")?).join("gcloud"),
        None => Path::new(environment.non_empty("HOME")?).join(".config/gcloud"),
    };
    Some(folder.join("application_default_credentials.json"))
}

/// The host of the metadata server.
pub(super) fn metadata_host(environment: &Environment) -> &str {
    ["GCE_METADATA_HOST", "GCE_METADATA_ROOT"]
        .iter()
        .find_map(|name| environment.non_empty(name))
        .unwrap_or(METADATA_HOST)
}

/// The fields of the credential file at `path`.
///
/// # Errors
/// With what is wrong with it, and nothing of what it holds.
pub(super) fn read(path: &Path) -> Result<Map<String, Value>, String> {
    let text = files::read_text(path);
    parse(
        text.map_err(|error| format!("cannot be read: {error}"))?
            .expose(),
    )
}

/// The fields of a credential file that holds `text`.
///
/// # Errors
/// As those of [`read`].
pub(super) fn parse(text: &str) -> Result<Map<String, Value>, String> {
    // The error of the parser would hold a piece of the text.
    match serde_json::from_str(text) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err("is JSON, but no object: it must be a whole credential file".to_owned()),
        Err(error) => Err(format!(
            "is not JSON (line {}, column {})",
            error.line(),
            error.column()
        )),
    }
}
