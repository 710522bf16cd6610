//! Credentials: one login gives the token for all callers.

mod authority;
mod certificate;
mod chain;
mod developer_tools;
mod environment;
mod managed_identity;
#[cfg(feature = "vault")]
pub(crate) mod proof;
mod workload_identity;

use std::{
    panic::AssertUnwindSafe,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use azure_core::{
    Error,
    credentials::{AccessToken, TokenCredential, TokenRequestOptions},
    error::ErrorKind,
    time::OffsetDateTime,
};
use azure_identity::{ClientSecretCredential, ClientSecretCredentialOptions};
use futures_util::FutureExt as _;
use tokio::time::Instant;

pub(super) use self::{
    authority::Authority,
    chain::{Chain, Identity},
};
use self::{
    certificate::Certificate, developer_tools::Tool, managed_identity::ManagedIdentity,
    workload_identity::FederatedToken,
};
use super::client::wire::Wire;
use crate::{
    ConfigurationError, Environment, Failure, Secret,
    backend::FailureKind,
    backends::{
        deadline::Deadline,
        keeper::{Keeper, Login},
    },
};

/// How long a token counts as new: a vault that asks for another one later has refused it.
const NEW: Duration = Duration::from_secs(30);

/// How to log in to Key Vault. `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct AzureCredential(pub(super) Choice);

#[derive(Debug, Clone)]
pub(super) enum Choice {
    /// What the environment offers.
    Default(Identity),
    One(Source),
}

impl AzureCredential {
    /// The chain of Python's `DefaultAzureCredential`, in its order, from the builder's
    /// environment: a service principal in `AZURE_…` variables (a secret, or a certificate in PEM),
    /// workload identity, managed identity (App Service, or IMDS after a short probe), the Azure
    /// CLI and the Azure Developer CLI. The source that gave the first token is asked from then on.
    /// `AZURE_TOKEN_CREDENTIALS`
    /// narrows the chain: `prod`, `dev`, or one credential by its name.
    #[must_use]
    pub fn default_chain() -> Self {
        Self(Choice::Default(Identity::default()))
    }

    /// The same with a user-assigned identity: its client id for managed and workload identity,
    /// and the tenant for workload identity. Airflow's `managed_identity_client_id` and
    /// `workload_identity_tenant_id`.
    #[must_use]
    pub fn default_chain_as(
        managed_identity_client_id: impl Into<String>,
        workload_identity_tenant_id: impl Into<String>,
    ) -> Self {
        Self(Choice::Default(Identity {
            client_id: Some(managed_identity_client_id.into()),
            tenant_id: Some(workload_identity_tenant_id.into()),
        }))
    }

    /// A service principal with a client secret: Airflow's `tenant_id`, `client_id` and
    /// `client_secret`.
    #[must_use]
    pub fn client_secret(
        tenant_id: impl Into<String>,
        client_id: impl Into<String>,
        client_secret: impl Into<Secret>,
    ) -> Self {
        Self(Choice::One(Source::ClientSecret {
            tenant_id: tenant_id.into(),
            client_id: client_id.into(),
            secret: client_secret.into(),
        }))
    }

    /// A service principal with a certificate: a PEM file that holds it and its RSA key.
    #[must_use]
    pub fn client_certificate(
        tenant_id: impl Into<String>,
        client_id: impl Into<String>,
        path: impl Into<PathBuf>,
    ) -> Self {
        Self(Choice::One(Source::Certificate {
            tenant_id: tenant_id.into(),
            client_id: client_id.into(),
            path: path.into(),
            sends_chain: false,
        }))
    }

    /// A Kubernetes service account whose token, in a file, the tenant trusts.
    #[must_use]
    pub fn workload_identity(
        tenant_id: impl Into<String>,
        client_id: impl Into<String>,
        token_file: impl Into<PathBuf>,
    ) -> Self {
        Self(Choice::One(Source::WorkloadIdentity {
            tenant_id: tenant_id.into(),
            client_id: client_id.into(),
            token_file: token_file.into(),
        }))
    }

    /// The chain of sources in `environment`.
    pub(super) fn chain(&self, environment: &Environment) -> Result<Chain, ConfigurationError> {
        match &self.0 {
            Choice::Default(identity) => Chain::from_environment(identity, environment),
            Choice::One(source) => Ok(Chain::of(vec![source.clone()])),
        }
    }
}

/// A source of a token.
#[derive(Debug, Clone)]
pub(super) enum Source {
    ClientSecret {
        tenant_id: String,
        client_id: String,
        secret: Secret,
    },
    Certificate {
        tenant_id: String,
        client_id: String,
        path: PathBuf,
        sends_chain: bool,
    },
    WorkloadIdentity {
        tenant_id: String,
        client_id: String,
        token_file: PathBuf,
    },
    ManagedIdentity(ManagedIdentity),
    DeveloperTool(Tool),
    /// A source that the environment does not configure: its name and the reason.
    NotOffered(&'static str, String),
    /// A source that the environment asks for and that cannot be used: its name and the reason.
    Broken(&'static str, String),
}

/// Why a source gave no token.
#[derive(Debug)]
pub(super) enum NoToken {
    /// The source does not apply here: the next one is tried.
    NotHere(FailureKind, String),
    /// The source tried and failed: no other is tried.
    Failed(Failure),
}

/// What every source needs.
#[derive(Debug, Clone)]
pub(super) struct Reach {
    pub(super) wire: Arc<Wire>,
    pub(super) authority: Authority,
    pub(super) environment: Environment,
}

impl Source {
    fn name(&self) -> &'static str {
        match self {
            Self::ClientSecret { .. } => "client secret",
            Self::Certificate { .. } => "client certificate",
            Self::WorkloadIdentity { .. } => "workload identity",
            Self::ManagedIdentity(_) => "managed identity",
            Self::DeveloperTool(tool) => tool.name(),
            Self::NotOffered(name, _) | Self::Broken(name, _) => name,
        }
    }

    /// Asks for a new token. Nothing is kept from one call to the next, so that a refused token is
    /// not given out again.
    async fn token(&self, scope: &str, reach: &Reach) -> Result<AccessToken, NoToken> {
        let credential: Arc<dyn TokenCredential> = match self {
            Self::NotOffered(_, why) => {
                return Err(NoToken::NotHere(FailureKind::Configuration, why.clone()));
            }
            Self::Broken(_, why) => {
                let failure = Failure::configuration(why.clone());
                return Err(NoToken::Failed(failure));
            }
            Self::ManagedIdentity(identity) => return identity.token(scope, reach).await,
            Self::DeveloperTool(tool) => return tool.token(scope, reach).await,
            Self::ClientSecret {
                tenant_id,
                client_id,
                secret,
            } => ClientSecretCredential::new(
                tenant_id,
                client_id.clone(),
                secret.expose().to_owned().into(),
                Some(ClientSecretCredentialOptions {
                    client_options: reach.authority.options(&reach.wire),
                }),
            )
            .map_err(|_| not_usable("secret"))?,
            Self::Certificate {
                tenant_id,
                client_id,
                path,
                sends_chain,
            } => {
                let certificate = Certificate::read(path, *sends_chain).await;
                let certificate = certificate.map_err(NoToken::Failed)?;
                let audience = reach.authority.token_endpoint(tenant_id);
                let assertion = certificate.assertion(&audience, client_id);
                reach.asserting(tenant_id, client_id, assertion)?
            }
            Self::WorkloadIdentity {
                tenant_id,
                client_id,
                token_file,
            } => {
                let token = FederatedToken::new(token_file.clone());
                reach.asserting(tenant_id, client_id, token)?
            }
        };
        // The SDK panics at an expiry that no calendar can hold; the credential is not used again
        // after that.
        let scopes = [scope];
        let token = AssertUnwindSafe(credential.get_token(&scopes, None));
        match token.catch_unwind().await {
            Ok(token) => token.map_err(|error| reach.authority.refusal(&error)),
            Err(_) => Err(reach.authority.unreadable()),
        }
        .map_err(NoToken::Failed)
    }
}

impl Reach {
    /// A credential that logs in with `assertion`.
    fn asserting<C: azure_identity::ClientAssertion + 'static>(
        &self,
        tenant_id: &str,
        client_id: &str,
        assertion: C,
    ) -> Result<Arc<dyn TokenCredential>, NoToken> {
        let options = azure_identity::ClientAssertionCredentialOptions {
            client_options: self.authority.options(&self.wire),
        };
        let credential = azure_identity::ClientAssertionCredential::new(
            tenant_id.to_owned(),
            client_id.to_owned(),
            assertion,
            Some(options),
        );
        Ok(credential.map_err(|_| not_usable("assertion"))?)
    }
}

fn not_usable(what: &str) -> NoToken {
    NoToken::Failed(Failure::configuration(format!(
        "the tenant id, client id or {what} is empty, or the tenant id contains a character other than \
         letters, digits, '.' and '-'"
    )))
}

/// Gives the SDK its token: one for all callers. If a vault refuses a token, the SDK asks again and
/// gets a new one.
#[derive(Debug)]
pub(super) struct TokenKeeper {
    chain: Arc<Chain>,
    reach: Reach,
    /// For the scope that was asked for last: a vault has only one.
    keeper: Mutex<Option<Keeper<Logins>>>,
}

impl TokenKeeper {
    pub(super) fn new(chain: Chain, reach: Reach) -> Self {
        Self {
            chain: Arc::new(chain),
            reach,
            keeper: Mutex::default(),
        }
    }

    /// Whether a login has ever given a token.
    pub(super) fn has_token(&self) -> bool {
        let keeper = self.keeper();
        keeper
            .as_ref()
            .is_some_and(|keeper| keeper.kept().is_some())
    }

    /// Whether a login is under way.
    pub(super) fn is_being_asked(&self) -> bool {
        self.keeper().as_ref().is_some_and(Keeper::is_logging_in)
    }

    fn keeper(&self) -> MutexGuard<'_, Option<Keeper<Logins>>> {
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keeper_for(&self, scope: &str) -> Keeper<Logins> {
        let mut keeper = self.keeper();
        let current = keeper.take_if(|keeper| keeper.login().scope == scope);
        let current = current.unwrap_or_else(|| {
            Keeper::new(Logins {
                scope: scope.to_owned(),
                chain: Arc::clone(&self.chain),
                reach: self.reach.clone(),
            })
        });
        keeper.insert(current).clone()
    }
}

#[async_trait]
impl TokenCredential for TokenKeeper {
    async fn get_token(
        &self,
        scopes: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let scope = scopes.first().copied().unwrap_or_default();
        match self.keeper_for(scope).get().await {
            Ok(held) => Ok(held.token.clone()),
            Err(failure) => Err(Error::new(ErrorKind::Credential, failure)),
        }
    }
}

/// Asks for tokens for one scope.
#[derive(Debug)]
struct Logins {
    scope: String,
    chain: Arc<Chain>,
    reach: Reach,
}

struct Held {
    token: AccessToken,
    since: Instant,
}

impl Login for Logins {
    type Kept = Held;

    async fn log_in(&self) -> Result<Held, Failure> {
        let deadline = Deadline::after(self.reach.wire.timeout());
        let token = deadline.wait_for(self.chain.token(&self.scope, &self.reach));
        let token = token.await;
        let token = token.unwrap_or_else(|| Err(no_token_in_time("", deadline)))?;
        if token.token.secret().is_empty() {
            return Err(Failure::unavailable(
                "the token that came with a login is empty",
            ));
        }
        let since = Instant::now();
        Ok(Held { token, since })
    }

    fn is_good(&self, held: &Held) -> bool {
        held.since.elapsed() < NEW && held.token.expires_on > OffsetDateTime::now_utc()
    }
}

/// The failure for a login that took too long. `for_whom` says what the token was for.
pub(super) fn no_token_in_time(for_whom: &str, deadline: Deadline) -> Failure {
    Failure::unavailable(format!(
        "no token{for_whom} within {deadline}: check the connection to the authority \
         (AZURE_AUTHORITY_HOST, or the managed identity's endpoint)"
    ))
}
