//! Who we are: from what settings say to what signs requests.

pub(super) mod file;
pub(super) mod identity;
pub(super) mod renewing;
pub(super) mod source;

use std::{fmt, path::PathBuf};

use crate::Secret;

/// Whose word Google takes for us.
///
/// `Debug` shows no secret.
#[derive(Clone)]
pub struct GcpCredentials(pub(super) Given);

/// As it was given, before anything is read.
#[derive(Clone)]
pub(super) enum Given {
    ApplicationDefault,
    Anonymous,
    /// The key of a service account, as JSON.
    Key(Secret),
    KeyPath(PathBuf),
    /// Any of the types of file that Google's libraries read, as JSON.
    Config(Secret),
    ConfigPath(PathBuf),
}

impl GcpCredentials {
    /// Google's Application Default Credentials: the file that `GOOGLE_APPLICATION_CREDENTIALS`
    /// names, the one that `gcloud auth application-default login` writes, the metadata server of
    /// Google's machines. The variables are those of the builder's
    /// [`environment`](super::CloudSecretManagerBuilder::environment).
    #[must_use]
    pub fn application_default() -> Self {
        Self(Given::ApplicationDefault)
    }

    /// Nobody: requests carry no token. For emulators.
    #[must_use]
    pub fn anonymous() -> Self {
        Self(Given::Anonymous)
    }

    /// The key file of a service account, as the JSON that it holds: Airflow's
    /// `gcp_keyfile_dict`.
    #[must_use]
    pub fn key(json: impl Into<Secret>) -> Self {
        Self(Given::Key(json.into()))
    }

    /// The key file of a service account: Airflow's `gcp_key_path`. It must end in `.json`.
    #[must_use]
    pub fn key_path(path: impl Into<PathBuf>) -> Self {
        Self(Given::KeyPath(path.into()))
    }

    /// A credential configuration, as the JSON that it holds: Airflow's
    /// `gcp_credential_config_file`. Its type may be `service_account`, `authorized_user`,
    /// `external_account` (workload identity federation) or `impersonated_service_account`.
    #[must_use]
    pub fn config(json: impl Into<Secret>) -> Self {
        Self(Given::Config(json.into()))
    }

    /// The same in a file.
    #[must_use]
    pub fn config_path(path: impl Into<PathBuf>) -> Self {
        Self(Given::ConfigPath(path.into()))
    }
}

impl fmt::Debug for GcpCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Given::ApplicationDefault => "GcpCredentials(application default)",
            Given::Anonymous => "GcpCredentials(anonymous)",
            Given::Key(_) | Given::KeyPath(_) => "GcpCredentials(key of a service account)",
            Given::Config(_) | Given::ConfigPath(_) => "GcpCredentials(configuration)",
        })
    }
}
