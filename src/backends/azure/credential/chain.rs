//! The chain of Python's `DefaultAzureCredential`.

use std::sync::atomic::{AtomicUsize, Ordering};

use azure_core::credentials::AccessToken;

use super::{
    NoToken, Reach, Source, developer_tools::Tool, environment, managed_identity::ManagedIdentity,
};
use crate::{ConfigurationError, Environment, Failure, FailureKind};

/// A user-assigned identity, where settings name one.
#[derive(Debug, Clone, Default)]
pub(in crate::backends::azure) struct Identity {
    pub(in crate::backends::azure) client_id: Option<String>,
    pub(in crate::backends::azure) tenant_id: Option<String>,
}

/// Ways to come by a token, tried in order until one gives one; that one is kept.
#[derive(Debug)]
pub(in crate::backends::azure) struct Chain {
    sources: Vec<Source>,
    /// The index of the one that gave a token; beyond the last while none has.
    proven: AtomicUsize,
}

/// What `AZURE_TOKEN_CREDENTIALS` leaves of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Selection {
    All,
    Production,
    Development,
    Environment,
    WorkloadIdentity,
    ManagedIdentity,
    AzureCli,
    AzureDeveloperCli,
}

impl Selection {
    fn from_environment(environment: &Environment) -> Result<Self, ConfigurationError> {
        let wrong =
            |why: &str| ConfigurationError::new("AZURE_TOKEN_CREDENTIALS", "the environment", why);
        let given = environment.get("AZURE_TOKEN_CREDENTIALS");
        match given.unwrap_or_default().trim().to_lowercase().as_str() {
            "" => Ok(Self::All),
            "prod" => Ok(Self::Production),
            "dev" => Ok(Self::Development),
            "environmentcredential" => Ok(Self::Environment),
            "workloadidentitycredential" => Ok(Self::WorkloadIdentity),
            "managedidentitycredential" => Ok(Self::ManagedIdentity),
            "azureclicredential" => Ok(Self::AzureCli),
            "azuredeveloperclicredential" => Ok(Self::AzureDeveloperCli),
            "azurepowershellcredential"
            | "interactivebrowsercredential"
            | "visualstudiocodecredential" => Err(wrong(
                "this credential is not offered in Rust: use AzureCliCredential, or another that \
                 is",
            )),
            _ => Err(wrong(
                "must be prod, dev, or one of EnvironmentCredential, WorkloadIdentityCredential, \
                 ManagedIdentityCredential, AzureCliCredential and AzureDeveloperCliCredential",
            )),
        }
    }

    fn has(self, one: Self) -> bool {
        match self {
            Self::All => true,
            Self::Production => matches!(
                one,
                Self::Environment | Self::WorkloadIdentity | Self::ManagedIdentity
            ),
            Self::Development => matches!(one, Self::AzureCli | Self::AzureDeveloperCli),
            selected => selected == one,
        }
    }
}

impl Chain {
    pub(super) fn of(sources: Vec<Source>) -> Self {
        Self {
            sources,
            proven: AtomicUsize::new(usize::MAX),
        }
    }

    /// The chain in Python's order.
    ///
    /// # Errors
    /// When `AZURE_TOKEN_CREDENTIALS` names none that is offered.
    pub(super) fn from_environment(
        identity: &Identity,
        environment: &Environment,
    ) -> Result<Self, ConfigurationError> {
        let selection = Selection::from_environment(environment)?;
        let offers = [
            (Selection::Environment, environment::source(environment)),
            (
                Selection::WorkloadIdentity,
                workload_identity(identity, environment),
            ),
            (
                Selection::ManagedIdentity,
                ManagedIdentity::source(
                    identity.client_id.as_deref(),
                    environment,
                    selection != Selection::ManagedIdentity,
                ),
            ),
            (Selection::AzureCli, Source::DeveloperTool(Tool::AzureCli)),
            (
                Selection::AzureDeveloperCli,
                Source::DeveloperTool(Tool::AzureDeveloperCli),
            ),
        ];
        let selected = offers.into_iter().filter(|(one, _)| selection.has(*one));
        Ok(Self::of(selected.map(|(_, source)| source).collect()))
    }

    /// A token from the source that gave one before; else from the first that has one. One that
    /// tries and fails ends it.
    pub(super) async fn token(&self, scope: &str, reach: &Reach) -> Result<AccessToken, Failure> {
        let proven = self.proven.load(Ordering::Relaxed);
        let sources = self.sources.iter().enumerate();
        let sources = sources.filter(|(index, _)| proven == usize::MAX || proven == *index);
        let (mut passed_over, mut worst) = (Vec::new(), FailureKind::Configuration);
        for (index, source) in sources {
            let name = source.name();
            match source.token(scope, reach).await {
                Ok(token) => {
                    tracing::debug!("a token for Key Vault came from: {name}");
                    self.proven.store(index, Ordering::Relaxed);
                    return Ok(token);
                }
                Err(NoToken::NotHere(kind, why)) => {
                    passed_over.push(format!("{name}: {why}"));
                    if worst == FailureKind::Configuration || kind == FailureKind::Unavailable {
                        worst = kind;
                    }
                }
                Err(NoToken::Failed(failure)) => {
                    let message = format!("no token by {name}: {}", failure.message());
                    return Err(Failure::new(failure.kind(), message));
                }
            }
        }
        Err(Failure::new(
            worst,
            format!("nothing gives a token ({})", passed_over.join("; ")),
        ))
    }
}

/// What settings name comes first, then the variables that Kubernetes' webhook sets.
fn workload_identity(identity: &Identity, environment: &Environment) -> Source {
    let variable = |name| environment.non_empty(name);
    let tenant_id = identity.tenant_id.as_deref();
    let tenant_id = tenant_id.or_else(|| variable("AZURE_TENANT_ID"));
    let client_id = identity.client_id.as_deref();
    let client_id = client_id.or_else(|| variable("AZURE_CLIENT_ID"));
    let token_file = variable("AZURE_FEDERATED_TOKEN_FILE");
    match (tenant_id, client_id, token_file) {
        (Some(tenant_id), Some(client_id), Some(token_file)) => Source::WorkloadIdentity {
            tenant_id: tenant_id.to_owned(),
            client_id: client_id.to_owned(),
            token_file: token_file.into(),
        },
        (_, _, None) => not_offered("AZURE_FEDERATED_TOKEN_FILE not set"),
        _ => not_offered("AZURE_TENANT_ID or AZURE_CLIENT_ID not set"),
    }
}

fn not_offered(why: &str) -> Source {
    Source::NotOffered("workload identity", why.to_owned())
}
