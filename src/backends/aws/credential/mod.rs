//! Who we are: keys that are given, boto3's default chain, and a role that STS lends.

mod ask;
mod container;
mod google;
mod process;
mod profile;
mod role;
mod sso;

use std::{fmt, sync::Mutex, time::Duration};

use aws_config::{
    SdkConfig,
    imds::{self, credentials::ImdsCredentialsProvider},
    meta::credentials::CredentialsProviderChain,
    provider_config::ProviderConfig,
};
use aws_credential_types::provider::{
    self, ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future,
};
use aws_types::region::Region;
use tokio::time::Instant;

use self::{
    container::Container,
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
    Ok(match instance(shared, sdk, region)? {
        Some(instance) => chain.or_else("Ec2InstanceMetadata", instance),
        None => chain,
    })
}

/// What the machine's own metadata give, unless they are to be left alone.
fn instance(
    shared: &SharedConfig<'_>,
    sdk: &SdkConfig,
    region: &str,
) -> Result<Option<ImdsCredentialsProvider>, Failure> {
    let is_disabled = shared.variable("AWS_EC2_METADATA_DISABLED");
    if is_disabled.is_some_and(|text| text.eq_ignore_ascii_case("true")) {
        return Ok(None);
    }
    let region = Some(Region::new(region.to_owned()));
    let mut config = ProviderConfig::without_region().with_region(region);
    if let Some(http_client) = sdk.http_client() {
        config = config.with_http_client(http_client);
    }
    let setting = |variable, key| shared.variable(variable).or_else(|| shared.in_profile(key));
    let mode = setting(
        "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
        "ec2_metadata_service_endpoint_mode",
    );
    let default = match mode {
        Some(mode) if mode.eq_ignore_ascii_case("ipv6") => "http://[fd00:ec2::254]",
        _ => "http://169.254.169.254",
    };
    let endpoint = setting(
        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
        "ec2_metadata_service_endpoint",
    );
    let client = imds::Client::builder()
        .configure(&config)
        .endpoint(endpoint.unwrap_or(default))
        .map_err(|_| {
            Failure::configuration(
                "AWS_EC2_METADATA_SERVICE_ENDPOINT in the environment, or \
                 ec2_metadata_service_endpoint in the AWS profile, is no address",
            )
        })?;
    let provider = ImdsCredentialsProvider::builder().configure(&config);
    Ok(Some(provider.imds_client(client.build()).build()))
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

/// Gives a failure again for a while, instead of trying anew for each of many callers.
struct Patient<P> {
    provider: P,
    explain: Explain,
    failed: Mutex<Option<(Instant, Failure)>>,
}

impl<P: ProvideCredentials> Patient<P> {
    fn new(provider: P, explain: Explain) -> Self {
        Self {
            provider,
            explain,
            failed: Mutex::new(None),
        }
    }

    async fn load(&self) -> provider::Result {
        if let Some((since, failure)) = self.failed.lock().ok().and_then(|failed| failed.clone())
            && since.elapsed() < PAUSE
        {
            return Err(CredentialsError::provider_error(failure));
        }
        self.provider.provide_credentials().await.map_err(|error| {
            let failure = self.explain.failure(&trouble::of_credentials(&error));
            if let Ok(mut failed) = self.failed.lock() {
                *failed = Some((Instant::now(), failure.clone()));
            }
            CredentialsError::provider_error(failure)
        })
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
