//! The class paths that Airflow and its providers ship, and the backend for each.

use std::sync::Arc;

use super::{
    environment::EnvironmentVariablesBackend, local_filesystem::LocalFilesystemBackend,
    registry::BackendSetup,
};
use crate::{ConfigurationError, SecretsBackend};

/// Makes a backend from settings.
pub(super) type Factory =
    fn(BackendSetup<'_>) -> Result<Arc<dyn SecretsBackend>, ConfigurationError>;

/// What this build offers for a class path.
#[allow(dead_code, reason = "which of them occur depends on the features")]
pub(super) enum Offer {
    /// A backend.
    Backend(Factory),
    /// One behind a cargo feature that is off.
    Feature(&'static str),
    /// The metadata DB, which `[database]` configures instead of keyword arguments.
    MetadataDb,
    /// A task's last source: the supervisor, or the Execution API.
    LastSource,
    /// A backend that a later version brings.
    NotYet,
}

/// A backend that a feature adds.
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

/// All of them. A line here adds a backend: `Offer::Backend(from_settings)`, or
/// `in_feature!("vault", super::vault::from_settings)`.
#[rustfmt::skip]
pub(super) const BACKENDS: &[(&str, Offer)] = &[
    ("airflow.secrets.environment_variables.EnvironmentVariablesBackend", Offer::Backend(|setup| Ok(Arc::new(EnvironmentVariablesBackend::from_setup(setup)?)))),
    ("airflow.secrets.local_filesystem.LocalFilesystemBackend", Offer::Backend(|setup| Ok(Arc::new(LocalFilesystemBackend::from_setup(setup)?)))),
    ("airflow.secrets.metastore.MetastoreBackend", Offer::MetadataDb),
    ("airflow.sdk.execution_time.secrets.execution_api.ExecutionAPISecretsBackend", Offer::LastSource),
    ("airflow.providers.hashicorp.secrets.vault.VaultBackend", in_feature!("vault", |setup| Ok(Arc::new(super::vault::VaultBackend::from_setup(setup)?)))),
    ("airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend", in_feature!("aws-secrets-manager", |setup| Ok(Arc::new(super::aws::SecretsManagerBackend::from_setup(setup)?)))),
    ("airflow.providers.amazon.aws.secrets.systems_manager.SystemsManagerParameterStoreBackend", in_feature!("aws-parameter-store", |setup| Ok(Arc::new(super::aws::SystemsManagerParameterStoreBackend::from_setup(setup)?)))),
    ("airflow.providers.google.cloud.secrets.secret_manager.CloudSecretManagerBackend", in_feature!("gcp", |setup| Ok(Arc::new(super::gcp::CloudSecretManagerBackend::from_setup(setup)?)))),
    ("airflow.providers.microsoft.azure.secrets.key_vault.AzureKeyVaultBackend", in_feature!("azure", |setup| Ok(Arc::new(super::azure::AzureKeyVaultBackend::from_setup(setup)?)))),
    ("airflow.providers.cncf.kubernetes.secrets.kubernetes_secrets_backend.KubernetesSecretsBackend", in_feature!("kubernetes", |setup| Ok(Arc::new(super::kubernetes::KubernetesSecretsBackend::from_setup(setup)?)))),
    ("airflow.providers.yandex.secrets.lockbox.LockboxSecretBackend", Offer::NotYet),
];

/// Classes that Airflow 1.10 and early providers had under another name: that, and today's.
#[rustfmt::skip]
pub(super) const RENAMED: &[(&str, &str)] = &[
    ("CloudSecretsManagerBackend", "CloudSecretManagerBackend"),
];
