//! The chain of Python's `DefaultAzureCredential`.

use std::sync::atomic::{AtomicUsize, Ordering};

use azure_core::credentials::AccessToken;

use super::{
    NoToken, Reach, Source, developer_tools::Tool, environment, managed_identity::ManagedIdentity,
};
use crate::{ConfigurationError, Environment, Failure, backend::FailureKind};

/// A user-assigned identity, where settings name one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Identity {
    pub(crate) client_id: Option<String>,
    pub(crate) tenant_id: Option<String>,
}

/// Sources of a token, tried in order. The first that gives one is asked from then on.
#[derive(Debug)]
pub(crate) struct Chain {
    sources: Vec<Source>,
    /// The index of the source that gave a token; `usize::MAX` until one did.
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
                "this credential is not offered here: use AzureCliCredential, or another that is (AZURE-6)",
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

    /// A token from the source that gave one before, else from the first source that gives one. A
    /// source that tries and fails ends the search.
    pub(super) async fn token(&self, scope: &str, reach: &Reach) -> Result<AccessToken, Failure> {
        let proven = self.proven.load(Ordering::Relaxed);
        let sources = self.sources.iter().enumerate();
        let sources = sources.filter(|(index, _)| proven == usize::MAX || proven == *index);
        let (mut passed_over, mut worst) = (Vec::new(), FailureKind::Configuration);
        for (index, source) in sources {
            let name = source.name();
            match source.token(scope, reach).await {
                Ok(token) => {
                    tracing::debug!("a token for {scope} came from: {name}");
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
                    let message = format!("the {name} gave no token: {}", failure.message());
                    return Err(Failure::new(failure.kind(), message));
                }
            }
        }
        Err(Failure::new(
            worst,
            format!("no credential gives a token ({})", passed_over.join("; ")),
        ))
    }
}

#[cfg(feature = "vault")]
impl Chain {
    /// The managed identity, if that gave the last token.
    pub(super) fn proven_identity(&self) -> Option<&ManagedIdentity> {
        match self.sources.get(self.proven.load(Ordering::Relaxed))? {
            Source::ManagedIdentity(identity) => Some(identity),
            _ => None,
        }
    }
}

/// Settings come first, then the variables that Kubernetes' webhook sets.
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
