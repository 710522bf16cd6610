//! Who we are: keys that are given, boto3's default chain, and a role that STS lends.

mod ask;
mod container;
mod google;
mod instance;
mod process;
mod profile;
mod role;
mod sso;

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use aws_config::{SdkConfig, meta::credentials::CredentialsProviderChain};
use aws_credential_types::{
    Credentials,
    provider::{
        self, ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future,
    },
};
use aws_smithy_types::date_time::{DateTime, Format};
use tokio::time::Instant;

use self::{
    container::Container,
    instance::Instance,
    profile::Profiles,
    role::{Caller, LentRole, Sts},
};
use super::{
    facts::Facts,
    options::StaticKeys,
    shared_config::SharedConfig,
    trouble::{self, Explain},
};
use crate::{Environment, Failure, Secret};

/// How long a failure stands before another try.
const PAUSE: Duration = Duration::from_secs(1);

/// What gives credentials to the client of the service; `sdk` is for the calls that this takes.
///
/// # Errors
/// When a setting cannot be used.
pub(super) fn provider(
    shared: &SharedConfig<'_>,
    facts: &Facts,
    sdk: &SdkConfig,
    region: &str,
) -> Result<SharedCredentialsProvider, Failure> {
    let options = shared.options;
    let explain = Explain {
        whom: "the source of AWS credentials".to_owned(),
        action: facts.action,
        timeout: options.timeout,
    };
    let base = || -> Result<SharedCredentialsProvider, Failure> {
        Ok(match &options.keys {
            Some(keys) => SharedCredentialsProvider::new(keys.credentials("kwargs")),
            None => SharedCredentialsProvider::new(chain(shared, sdk, region)?),
        })
    };
    let Some(role) = &options.role else {
        return Ok(SharedCredentialsProvider::new(Patient::new(
            base()?,
            explain,
        )));
    };
    let (caller, default_session_name) = match role.value.web_identity {
        Some(_) => (Caller::WebIdentity, None),
        None => (
            Caller::Credentials(base()?),
            Some(format!(
                "airflow_{}__connection",
                facts.class.to_lowercase()
            )),
        ),
    };
    let sts_region = options.sts_region.as_deref().unwrap_or(region);
    let sts_endpoint = options.sts_endpoint_url.as_ref();
    let lent = LentRole {
        sts: Sts::new(shared, sdk, sts_region, sts_endpoint, caller)?,
        role: role.value.clone(),
        default_session_name,
        environment: options.environment.clone(),
        wire: options.wire.clone(),
    };
    Ok(SharedCredentialsProvider::new(Patient::new(lent, explain)))
}

/// boto3's default chain: the environment's keys, the profile, the container's, the machine's.
fn chain(
    shared: &SharedConfig<'_>,
    sdk: &SdkConfig,
    region: &str,
) -> Result<CredentialsProviderChain, Failure> {
    let options = shared.options;
    let profiles = Profiles {
        shared,
        sdk,
        region,
    };
    let profile = profiles.selected();
    // With a profile that code or settings name, boto3 does not read the environment's keys.
    let mut chain = if options.profile_name.is_some() {
        CredentialsProviderChain::first_try("Profile", profile)
    } else {
        let keys = EnvironmentKeys(options.environment.clone());
        CredentialsProviderChain::first_try("Environment", keys).or_else("Profile", profile)
    };
    if Container::is_one(&options.environment) {
        let container = Container {
            environment: options.environment.clone(),
            wire: options.wire.clone(),
        };
        chain = chain.or_else("EcsContainer", container);
    }
    Ok(match Instance::new(shared)? {
        Some(instance) => chain.or_else("Ec2InstanceMetadata", instance),
        None => chain,
    })
}

/// A moment, as those who give credentials write it.
fn moment(text: &str) -> Option<SystemTime> {
    let moment = DateTime::from_str(text, Format::DateTimeWithOffset).ok()?;
    SystemTime::try_from(moment).ok()
}

/// The keys in the environment.
#[derive(Debug)]
struct EnvironmentKeys(Environment);

impl EnvironmentKeys {
    fn credentials(&self) -> provider::Result {
        let get = |name: &str| self.0.non_empty(name);
        let Some(access_key_id) = get("AWS_ACCESS_KEY_ID") else {
            return Err(CredentialsError::not_loaded_no_source());
        };
        let Some(secret) = get("AWS_SECRET_ACCESS_KEY") else {
            return Err(CredentialsError::provider_error(Failure::configuration(
                "AWS_ACCESS_KEY_ID is set in the environment, but not AWS_SECRET_ACCESS_KEY",
            )));
        };
        let token = get("AWS_SECURITY_TOKEN").or_else(|| get("AWS_SESSION_TOKEN"));
        let keys = StaticKeys {
            access_key_id: access_key_id.to_owned(),
            secret_access_key: secret.into(),
            session_token: token.map(Secret::from),
        };
        Ok(keys.credentials("environment"))
    }
}

impl ProvideCredentials for EnvironmentKeys {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(self.credentials())
    }
}

/// Gives what was given last as long as it is good, where there is nothing new; and a failure again
/// for a while, instead of trying anew for each of many callers.
struct Patient<P> {
    provider: P,
    explain: Explain,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    given: Option<Credentials>,
    failed: Option<(Instant, Failure)>,
}

impl State {
    fn instead_of(&self, failure: Failure) -> provider::Result {
        let now = SystemTime::now();
        let is_good = |given: &&Credentials| given.expiry().is_none_or(|end| now < end);
        let given = self.given.as_ref().filter(is_good).cloned();
        given.ok_or_else(|| CredentialsError::provider_error(failure))
    }
}

impl<P: ProvideCredentials> Patient<P> {
    fn new(provider: P, explain: Explain) -> Self {
        Self {
            provider,
            explain,
            state: Mutex::default(),
        }
    }

    async fn load(&self) -> provider::Result {
        let state = || self.state.lock().unwrap_or_else(PoisonError::into_inner);
        {
            let state = state();
            if let Some((since, failure)) = &state.failed
                && since.elapsed() < PAUSE
            {
                return state.instead_of(failure.clone());
            }
        }
        match self.provider.provide_credentials().await {
            Ok(credentials) => {
                state().given = Some(credentials.clone());
                Ok(credentials)
            }
            Err(error) => {
                let failure = self.explain.failure(&trouble::of_credentials(&error));
                let mut state = state();
                state.failed = Some((Instant::now(), failure.clone()));
                state.instead_of(failure)
            }
        }
    }
}

impl<P: ProvideCredentials> ProvideCredentials for Patient<P> {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.load())
    }
}

impl<P: fmt::Debug> fmt::Debug for Patient<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Patient({:?})", self.provider)
    }
}
