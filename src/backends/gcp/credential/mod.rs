//! Credentials: from settings and files to a token.

mod aws;
mod external_account;
mod file;
pub(super) mod identity;
pub(super) mod metadata;
pub(super) mod project;
#[cfg(feature = "vault")]
pub(crate) mod proof;
mod service_account;
pub(super) mod source;
pub(super) mod token;

use std::{fmt, path::PathBuf};

use crate::Secret;

/// How to log in to Google Cloud.
///
/// `Debug` shows no secret.
#[derive(Clone)]
pub struct GcpCredential(pub(super) Choice);

/// As it was given, before a file is read.
#[derive(Clone)]
pub(super) enum Choice {
    ApplicationDefault,
    Anonymous,
    /// The key of a service account, as JSON.
    Key(Secret),
    KeyPath(PathBuf),
    /// Any of the types of file that Google's libraries read, as JSON.
    Config(Secret),
    ConfigPath(PathBuf),
}

impl GcpCredential {
    /// Google's Application Default Credentials: the file that `GOOGLE_APPLICATION_CREDENTIALS`
    /// names, the one that `gcloud auth application-default login` writes, the metadata server of
    /// Google's machines. The variables are those of the builder's
    /// [`environment`](super::CloudSecretManagerBuilder::environment).
    #[must_use]
    pub fn application_default() -> Self {
        Self(Choice::ApplicationDefault)
    }

    /// No credential: requests carry no token. For emulators.
    #[must_use]
    pub fn anonymous() -> Self {
        Self(Choice::Anonymous)
    }

    /// The key file of a service account, as the JSON that it holds: Airflow's
    /// `gcp_keyfile_dict`.
    #[must_use]
    pub fn key(json: impl Into<Secret>) -> Self {
        Self(Choice::Key(json.into()))
    }

    /// The key file of a service account: Airflow's `gcp_key_path`. It must end in `.json`.
    #[must_use]
    pub fn key_path(path: impl Into<PathBuf>) -> Self {
        Self(Choice::KeyPath(path.into()))
    }

    /// A credential configuration, as the JSON that it holds: Airflow's
    /// `gcp_credential_config_file`. Its type may be `service_account`, `authorized_user`,
    /// `external_account` (workload identity federation) or `impersonated_service_account`.
    #[must_use]
    pub fn config(json: impl Into<Secret>) -> Self {
        Self(Choice::Config(json.into()))
    }

    /// The same in a file.
    #[must_use]
    pub fn config_path(path: impl Into<PathBuf>) -> Self {
        Self(Choice::ConfigPath(path.into()))
    }
}

impl fmt::Debug for GcpCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Choice::ApplicationDefault => "GcpCredential(application default)",
            Choice::Anonymous => "GcpCredential(anonymous)",
            Choice::Key(_) | Choice::KeyPath(_) => "GcpCredential(key of a service account)",
            Choice::Config(_) | Choice::ConfigPath(_) => "GcpCredential(configuration)",
        })
    }
}
