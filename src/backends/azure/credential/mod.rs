//! Who we are: coming by a token, once for all who ask at the same time.

mod authority;
mod certificate;
mod chain;
mod developer_tools;
mod environment;
mod managed_identity;
mod workload_identity;

use std::{panic::AssertUnwindSafe, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use azure_core::{
    Error,
    credentials::{AccessToken, TokenCredential, TokenRequestOptions},
    error::ErrorKind,
    time::OffsetDateTime,
};
use azure_identity::{ClientSecretCredential, ClientSecretCredentialOptions};
use futures_util::FutureExt as _;
use tokio::{sync::Mutex, time::Instant};

pub(super) use self::{
    authority::Authority,
    chain::{Chain, Identity},
};
use self::{
    certificate::Certificate, developer_tools::Tool, managed_identity::ManagedIdentity,
    workload_identity::FederatedToken,
};
use super::wire::Wire;
use crate::{ConfigurationError, Environment, Failure, FailureKind, Secret};

/// How long a token counts as new: a vault that makes us ask again later has refused it.
const NEW: Duration = Duration::from_secs(30);

/// A refusal is remembered for this long, and twice as long each time, up to a minute.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How to come by a token for Key Vault. `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct AzureCredential(pub(super) Kind);

#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// What the environment offers.
    Default(Identity),
    One(Source),
}

impl AzureCredential {
    /// The chain of Python's `DefaultAzureCredential`, in its order, from the builder's
    /// environment: a service principal in `AZURE_…` variables (a secret, or a certificate in PEM),
    /// workload identity, managed identity (App Service, or IMDS after a short probe), the Azure
    /// CLI and the Azure Developer CLI. What gave a token once is kept. `AZURE_TOKEN_CREDENTIALS`
    /// narrows the chain: `prod`, `dev`, or one credential by its name.
    #[must_use]
    pub fn default_chain() -> Self {
        Self(Kind::Default(Identity::default()))
    }

    /// The same with a user-assigned identity: its client id for managed and workload identity,
    /// and the tenant for workload identity. Airflow's `managed_identity_client_id` and
    /// `workload_identity_tenant_id`.
    #[must_use]
    pub fn default_chain_as(
        managed_identity_client_id: impl Into<String>,
        workload_identity_tenant_id: impl Into<String>,
    ) -> Self {
        Self(Kind::Default(Identity {
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
        Self(Kind::One(Source::ClientSecret {
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
        Self(Kind::One(Source::Certificate {
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
        Self(Kind::One(Source::WorkloadIdentity {
            tenant_id: tenant_id.into(),
            client_id: client_id.into(),
            token_file: token_file.into(),
        }))
    }

    /// The chain that this stands for in `environment`.
    pub(super) fn chain(&self, environment: &Environment) -> Result<Chain, ConfigurationError> {
        match &self.0 {
            Kind::Default(identity) => Chain::from_environment(identity, environment),
            Kind::One(source) => Ok(Chain::of(vec![source.clone()])),
        }
    }
}

/// One way to come by a token.
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
    /// One that the environment does not offer: its name, and why not.
    NotOffered(&'static str, String),
    /// One that the environment asks for and that cannot be: its name, and why.
    Broken(&'static str, String),
}

/// There is no token.
#[derive(Debug)]
pub(super) enum NoToken {
    /// It has none here: the next one may.
    NotHere(FailureKind, String),
    /// It tried and failed: no other is tried.
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

    /// Asks for a new token. Nothing is kept from one time to the next, so that a refused token
    /// is not given out again.
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
        // The SDK panics at a token whose end no calendar has; it is not used again then.
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
    /// A login with what `assertion` says of us.
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
        "the tenant id, client id or {what} is empty, or the tenant id holds more than \
             letters, digits, '.' and '-'"
    )))
}

/// Gives the SDK its token: one for all, kept until shortly before its end. A vault that refuses a
/// token makes the SDK ask again, and gets a new one.
#[derive(Debug)]
pub(super) struct TokenKeeper {
    chain: Chain,
    reach: Reach,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    held: Option<Held>,
    refusal: Option<Refusal>,
}

#[derive(Debug)]
struct Held {
    scope: String,
    token: AccessToken,
    since: Instant,
}

#[derive(Debug)]
struct Refusal {
    failure: Failure,
    since: Instant,
    pause: Duration,
}

impl Held {
    fn is_good_for(&self, scope: &str) -> bool {
        self.scope == scope
            && self.since.elapsed() < NEW
            && self.token.expires_on > OffsetDateTime::now_utc()
    }
}

impl TokenKeeper {
    pub(super) fn new(chain: Chain, reach: Reach) -> Self {
        Self {
            chain,
            reach,
            state: Mutex::default(),
        }
    }

    /// Whether somebody waits for a token just now.
    pub(super) fn is_being_asked(&self) -> bool {
        self.state.try_lock().is_err()
    }

    async fn token(&self, scope: &str) -> Result<AccessToken, Failure> {
        let mut state = self.state.lock().await;
        if let Some(held) = state.held.as_ref().filter(|held| held.is_good_for(scope)) {
            return Ok(held.token.clone());
        }
        let last_pause = match &state.refusal {
            Some(refusal) if refusal.since.elapsed() < refusal.pause => {
                return Err(refusal.failure.clone());
            }
            refusal => refusal.as_ref().map(|refusal| refusal.pause),
        };
        match self.chain.token(scope, &self.reach).await {
            Ok(token) => {
                state.refusal = None;
                state.held = Some(Held {
                    scope: scope.to_owned(),
                    token: token.clone(),
                    since: Instant::now(),
                });
                Ok(token)
            }
            Err(failure) => {
                let longer = last_pause.map(|pause| (pause * 2).min(LONGEST_PAUSE));
                state.refusal = Some(Refusal {
                    failure: failure.clone(),
                    since: Instant::now(),
                    pause: longer
                        // An authority that is down may be up soon.
                        .filter(|_| failure.kind() != FailureKind::Unavailable)
                        .unwrap_or(SHORTEST_PAUSE),
                });
                Err(failure)
            }
        }
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
        let token = self.token(scope).await;
        token.map_err(|failure| Error::new(ErrorKind::Credential, failure))
    }
}
