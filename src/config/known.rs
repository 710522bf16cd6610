//! The class paths that Airflow and its providers ship, and what stands behind each here.

use std::sync::Arc;

use super::BackendSetup;
use crate::{
    ConfigurationError, SecretsBackend,
    backends::{EnvironmentVariablesBackend, LocalFilesystemBackend},
};

/// Makes a backend; see [`BackendFactory`](super::BackendFactory).
type Factory = fn(BackendSetup<'_>) -> Result<Arc<dyn SecretsBackend>, ConfigurationError>;

/// What this build has for a class path.
#[allow(dead_code, reason = "which of them occur depends on the features")]
pub(super) enum Offer {
    /// A backend.
    Backend(Factory),
    /// One behind a cargo feature that is off.
    Feature(&'static str),
    /// None yet.
    NotYet,
}

/// A backend that is there when a feature is on.
#[allow(unused_macros, reason = "used once there is a feature with a backend")]
macro_rules! in_feature {
    ($feature:literal, $factory:expr) => {{
        #[cfg(feature = $feature)]
        let offer = Offer::Backend($factory);
        #[cfg(not(feature = $feature))]
        let offer = Offer::Feature($feature);
        offer
    }};
}

/// All of them. A backend is plugged in by its line here: `Offer::Backend(from_settings)`, or
/// `in_feature!("vault", crate::backends::vault::from_settings)`.
#[rustfmt::skip]
pub(super) const BACKENDS: &[(&str, Offer)] = &[
    ("airflow.secrets.environment_variables.EnvironmentVariablesBackend", Offer::Backend(EnvironmentVariablesBackend::from_setup)),
    ("airflow.secrets.local_filesystem.LocalFilesystemBackend", Offer::Backend(LocalFilesystemBackend::from_setup)),
    ("airflow.secrets.metastore.MetastoreBackend", Offer::NotYet),
    ("airflow.sdk.execution_time.secrets.execution_api.ExecutionAPISecretsBackend", Offer::NotYet),
    ("airflow.providers.hashicorp.secrets.vault.VaultBackend", in_feature!("vault", |setup| Ok(Arc::new(crate::backends::vault::VaultBackend::from_setup(setup)?)))),
    ("airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend", in_feature!("aws-secrets-manager", |setup| Ok(Arc::new(crate::backends::aws::SecretsManagerBackend::from_setup(setup)?)))),
    ("airflow.providers.amazon.aws.secrets.systems_manager.SystemsManagerParameterStoreBackend", in_feature!("aws-parameter-store", |setup| Ok(Arc::new(crate::backends::aws::SystemsManagerParameterStoreBackend::from_setup(setup)?)))),
    ("airflow.providers.google.cloud.secrets.secret_manager.CloudSecretManagerBackend", in_feature!("gcp", |setup| Ok(Arc::new(crate::backends::gcp::CloudSecretManagerBackend::from_setup(setup)?)))),
    ("airflow.providers.microsoft.azure.secrets.key_vault.AzureKeyVaultBackend", in_feature!("azure", |setup| Ok(Arc::new(crate::backends::azure::AzureKeyVaultBackend::from_setup(setup)?)))),
    ("airflow.providers.cncf.kubernetes.secrets.kubernetes_secrets_backend.KubernetesSecretsBackend", Offer::NotYet),
    ("airflow.providers.yandex.secrets.lockbox.LockboxSecretBackend", Offer::NotYet),
];

/// Classes that Airflow 1.10 and early providers had under another name: that, and today's.
#[rustfmt::skip]
pub(super) const RENAMED: &[(&str, &str)] = &[
    ("CloudSecretsManagerBackend", "CloudSecretManagerBackend"),
];

impl Offer {
    /// What makes the backend; or why there is none here, and what to do.
    pub(super) fn factory(&self) -> Result<Factory, String> {
        match self {
            Self::Backend(factory) => Ok(*factory),
            Self::Feature(feature) => Err(format!(
                "it is not in this build of airflow-secrets: enable its cargo feature {feature:?}"
            )),
            Self::NotYet => Err("it is not in this version of airflow-secrets yet".to_owned()),
        }
    }
}
