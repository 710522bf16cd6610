//! Who we are: keys that are given, the SDK's default chain, and a role that STS lends.

mod google;
mod role;

use std::{fmt, sync::Mutex, time::Duration};

use aws_config::{
    SdkConfig,
    ecs::EcsCredentialsProvider,
    imds::{self, credentials::ImdsCredentialsProvider},
    meta::credentials::CredentialsProviderChain,
    profile::ProfileFileCredentialsProvider,
    provider_config::ProviderConfig,
};
use aws_credential_types::{
    Credentials,
    provider::{
        self, ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future,
    },
};
use aws_types::region::Region;
use tokio::time::Instant;

use self::role::{Caller, LentRole};
use super::{
    assume_role::{AssumeRole, WebIdentityToken},
    service::Calls,
    session::{Shared, misconfigured},
    trouble::{self, Explain},
};
use crate::{Environment, Failure, Secret};

/// How long a failure stands before another try.
const PAUSE: Duration = Duration::from_secs(1);

/// An access key, its secret, and the token of a session.
#[derive(Debug, Clone)]
pub(super) struct StaticKeys {
    pub(super) access_key_id: String,
    pub(super) secret_access_key: Secret,
    pub(super) session_token: Option<Secret>,
}

impl StaticKeys {
    fn credentials(&self, provider: &'static str) -> Credentials {
        let token = self.session_token.as_ref();
        Credentials::new(
            &self.access_key_id,
            self.secret_access_key.expose(),
            token.map(|token| token.expose().to_owned()),
            None,
            provider,
        )
    }
}

/// What gives credentials to the client of service `S`; `sdk` is for the calls that this takes.
///
/// # Errors
/// When a setting cannot be used.
pub(super) fn provider<S: Calls>(
    shared: &Shared<'_>,
    sdk: &SdkConfig,
    region: &str,
) -> Result<SharedCredentialsProvider, Failure> {
    let options = shared.options;
    let sts_region = options.sts_region.as_deref().unwrap_or(region);
    let sts_endpoint = shared.endpoint(options.sts_endpoint_url.as_ref(), "STS")?;
    let sts = |caller| role::Sts::new(sdk, sts_region, sts_endpoint.as_deref(), options, caller);
    let explain = Explain::new::<S>("the source of AWS credentials".to_owned(), options.timeout);
    let base = || -> Result<SharedCredentialsProvider, Failure> {
        Ok(match &options.keys {
            Some(keys) => SharedCredentialsProvider::new(keys.credentials("kwargs")),
            None => SharedCredentialsProvider::new(chain(shared, sdk, region, &sts)?),
        })
    };
    let Some(role) = &options.role else {
        return Ok(SharedCredentialsProvider::new(Patient::new(
            base()?,
            explain,
        )));
    };
    let caller = match role.value.web_identity {
        Some(_) => Caller::WebIdentity,
        None => Caller::Credentials(base()?),
    };
    let lent = LentRole {
        sts: sts(caller),
        role: role.value.clone(),
        default_session_name: format!("airflow_{}__connection", S::CLASS.to_lowercase()),
        environment: options.environment.clone(),
    };
    Ok(SharedCredentialsProvider::new(Patient::new(lent, explain)))
}

/// The SDK's default chain, in boto3's order.
fn chain(
    shared: &Shared<'_>,
    sdk: &SdkConfig,
    region: &str,
    sts: &impl Fn(Caller) -> role::Sts,
) -> Result<CredentialsProviderChain, Failure> {
    let options = shared.options;
    let mut config =
        ProviderConfig::without_region().with_region(Some(Region::new(region.to_owned())));
    if let Some(http_client) = sdk.http_client() {
        config = config.with_http_client(http_client);
    }
    let keys = EnvironmentKeys(options.environment.clone());
    let profile = ProfileFileCredentialsProvider::builder()
        .configure(&config)
        .profile_files(shared.files.clone())
        .profile_name(shared.profile_name())
        .with_custom_provider("Environment", EnvironmentKeys(options.environment.clone()))
        .build();
    // A profile that code or settings name comes before the environment's keys, which boto3 then
    // does not read.
    let mut chain = if options.profile_name.is_some() {
        CredentialsProviderChain::first_try("Profile", profile)
    } else {
        let chain = CredentialsProviderChain::first_try("Environment", keys);
        match web_identity(shared, sts)? {
            Some(lent) if shared.in_profile("role_arn").is_none() => chain
                .or_else("WebIdentityToken", lent)
                .or_else("Profile", profile),
            Some(lent) => chain
                .or_else("Profile", profile)
                .or_else("WebIdentityToken", lent),
            None => chain.or_else("Profile", profile),
        }
    };
    let is_container = shared
        .variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
        .is_some()
        || shared
            .variable("AWS_CONTAINER_CREDENTIALS_FULL_URI")
            .is_some();
    if is_container {
        let container = EcsCredentialsProvider::builder().configure(&config).build();
        chain = chain.or_else("EcsContainer", container);
    }
    let is_disabled = shared.variable("AWS_EC2_METADATA_DISABLED");
    if !is_disabled.is_some_and(|text| text.eq_ignore_ascii_case("true")) {
        chain = chain.or_else("Ec2InstanceMetadata", instance(shared, &config)?);
    }
    Ok(chain)
}

/// What the machine's own metadata give.
fn instance(
    shared: &Shared<'_>,
    config: &ProviderConfig,
) -> Result<ImdsCredentialsProvider, Failure> {
    let mut client = imds::Client::builder().configure(config);
    if let Some(endpoint) = shared.variable("AWS_EC2_METADATA_SERVICE_ENDPOINT") {
        client = client.endpoint(endpoint).map_err(|_| {
            misconfigured("AWS_EC2_METADATA_SERVICE_ENDPOINT in the environment is no address")
        })?;
    }
    let provider = ImdsCredentialsProvider::builder().configure(config);
    Ok(provider.imds_client(client.build()).build())
}

/// The role that `AWS_WEB_IDENTITY_TOKEN_FILE` is for.
fn web_identity(
    shared: &Shared<'_>,
    sts: &impl Fn(Caller) -> role::Sts,
) -> Result<Option<LentRole>, Failure> {
    let Some(file) = shared.variable("AWS_WEB_IDENTITY_TOKEN_FILE") else {
        return Ok(None);
    };
    let Some(arn) = shared.variable("AWS_ROLE_ARN") else {
        if shared.variable("AWS_ACCESS_KEY_ID").is_some() {
            // Those keys come first.
            return Ok(None);
        }
        return Err(misconfigured(
            "AWS_WEB_IDENTITY_TOKEN_FILE is set in the environment, but not AWS_ROLE_ARN",
        ));
    };
    let mut role = AssumeRole::new(arn).web_identity(WebIdentityToken::File(file.into()));
    if let Some(name) = shared.variable("AWS_ROLE_SESSION_NAME") {
        role = role.session_name(name);
    }
    Ok(Some(LentRole {
        sts: sts(Caller::WebIdentity),
        role,
        default_session_name: String::new(),
        environment: shared.options.environment.clone(),
    }))
}

/// The keys in the environment.
#[derive(Debug)]
struct EnvironmentKeys(Environment);

impl EnvironmentKeys {
    fn credentials(&self) -> provider::Result {
        let get = |name: &str| self.0.get(name).filter(|value| !value.is_empty());
        let Some(access_key_id) = get("AWS_ACCESS_KEY_ID") else {
            return Err(CredentialsError::not_loaded_no_source());
        };
        let Some(secret) = get("AWS_SECRET_ACCESS_KEY") else {
            return Err(CredentialsError::provider_error(misconfigured(
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
