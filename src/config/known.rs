//! The class paths that Airflow and its providers ship, and what stands behind each here.

use std::sync::Arc;

use super::BackendSetup;
use crate::{
    ConfigurationError, SecretsBackend,
    backends::{EnvironmentVariablesBackend, LocalFilesystemBackend},
};

/// Makes a backend; see [`BackendFactory`](super::BackendFactory).
type Factory = fn(BackendSetup<'_>) -> Result<Arc<dyn SecretsBackend>, ConfigurationError>;

/// A backend that Airflow or a provider ships.
pub(super) struct Known {
    pub(super) class_path: &'static str,
    /// The cargo feature that brings it, where one does.
    feature: Option<&'static str>,
    /// What makes it, if it is in this build.
    pub(super) factory: Option<Factory>,
}

/// All of them. To plug one in, name its factory here; one behind a feature as
/// `in_feature!("vault", crate::backends::vault::from_settings)`.
pub(super) const BACKENDS: [Known; 10] = [
    Known {
        class_path: "airflow.secrets.environment_variables.EnvironmentVariablesBackend",
        feature: None,
        factory: Some(EnvironmentVariablesBackend::from_setup),
    },
    Known {
        class_path: "airflow.secrets.local_filesystem.LocalFilesystemBackend",
        feature: None,
        factory: Some(LocalFilesystemBackend::from_setup),
    },
    Known {
        class_path: "airflow.secrets.metastore.MetastoreBackend",
        feature: None,
        factory: None,
    },
    Known {
        class_path: "airflow.providers.hashicorp.secrets.vault.VaultBackend",
        feature: None,
        factory: None,
    },
    Known {
        class_path: "airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend",
        feature: None,
        factory: None,
    },
    Known {
        class_path: "airflow.providers.amazon.aws.secrets.systems_manager.SystemsManagerParameterStoreBackend",
        feature: None,
        factory: None,
    },
    Known {
        class_path: "airflow.providers.google.cloud.secrets.secret_manager.CloudSecretManagerBackend",
        feature: None,
        factory: None,
    },
    Known {
        class_path: "airflow.providers.microsoft.azure.secrets.key_vault.AzureKeyVaultBackend",
        feature: None,
        factory: None,
    },
    Known {
        class_path: "airflow.providers.cncf.kubernetes.secrets.kubernetes_secrets_backend.KubernetesSecretsBackend",
        feature: None,
        factory: None,
    },
    Known {
        class_path: "airflow.providers.yandex.secrets.lockbox.LockboxSecretBackend",
        feature: None,
        factory: None,
    },
];

impl Known {
    /// Why it is not in this build, and what to do.
    pub(super) fn absence(&self) -> String {
        match self.feature {
            Some(feature) => format!(
                "not in this build of airflow-secrets: enable its cargo feature {feature:?}"
            ),
            None => "not in this version of airflow-secrets yet".to_owned(),
        }
    }
}
