//! Credentials: keys in the settings, boto3's default chain, and a role that STS issues them for.

mod ask;
pub(super) mod assume_role;
mod container;
mod google;
mod instance;
mod kept;
mod process;
mod profile;
mod role;
mod source;
mod sso;

use std::time::SystemTime;

use aws_config::{SdkConfig, meta::credentials::CredentialsProviderChain};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_types::date_time::{DateTime, Format};

pub(super) use self::kept::RENEWAL_MARGIN;
use self::{
    assume_role::AssumeRole,
    container::Container,
    instance::Instance,
    kept::kept,
    profile::Profiles,
    role::{Caller, LentRole, Sts},
    source::Source,
};
use super::{answer::Explain, client::facts::Facts, shared_config::SharedConfig};
use crate::{Environment, Failure, Secret};

/// The credentials for requests to AWS. `Debug` shows no secret.
#[derive(Debug, Clone, Default)]
pub struct AwsCredential {
    /// `None`: boto3's default chain.
    pub(super) keys: Option<StaticKeys>,
    pub(super) role: Option<AssumeRole>,
}

impl AwsCredential {
    /// boto3's default chain, in its order, from the builder's environment: keys in variables, the
    /// profile (with roles, web identity, SSO and `credential_process`), the container endpoints of
    /// ECS and EKS, the metadata service of EC2.
    #[must_use]
    pub fn default_chain() -> Self {
        Self::default()
    }

    /// An access key and, if it is temporary, its session token: Airflow's `aws_access_key_id`,
    /// `aws_secret_access_key` and `aws_session_token`.
    #[must_use]
    pub fn access_key(
        access_key_id: impl Into<String>,
        secret_access_key: impl Into<Secret>,
        session_token: Option<Secret>,
    ) -> Self {
        Self {
            keys: Some(StaticKeys {
                access_key_id: access_key_id.into(),
                secret_access_key: secret_access_key.into(),
                session_token,
            }),
            role: None,
        }
    }

    /// The credentials that STS issues for `role`: Airflow's `role_arn`. STS is called with these
    /// credentials or, if the role has one, with a web identity token.
    #[must_use]
    pub fn assume_role(mut self, role: AssumeRole) -> Self {
        self.role = Some(role);
        self
    }
}

/// An access key id, its secret, and a session token.
#[derive(Debug, Clone)]
pub(super) struct StaticKeys {
    pub(super) access_key_id: String,
    pub(super) secret_access_key: Secret,
    pub(super) session_token: Option<Secret>,
}

impl StaticKeys {
    pub(super) fn credentials(&self, provider: &'static str) -> Credentials {
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

/// The source of credentials for the service's client; `sdk` is for the calls that it makes.
///
/// # Errors
/// When a setting is invalid.
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
        Ok(match &options.credential.keys {
            Some(keys) => SharedCredentialsProvider::new(keys.credentials("kwargs")),
            None => SharedCredentialsProvider::new(chain(shared, sdk, region)?),
        })
    };
    let Some(role) = &options.credential.role else {
        return Ok(kept(base()?, explain));
    };
    let (caller, default_session_name) = match role.web_identity {
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
        role: role.clone(),
        default_session_name,
        environment: options.environment.clone(),
        wire: options.wire.clone(),
    };
    Ok(kept(source::shared(lent), explain))
}

/// boto3's default chain: the environment's keys, the profile, the container, the machine.
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
    // If code or settings name a profile, boto3 does not read the environment's keys.
    let mut chain = if options.profile_name.is_some() {
        CredentialsProviderChain::first_try("Profile", profile)
    } else {
        let keys = source::shared(EnvironmentKeys(options.environment.clone()));
        CredentialsProviderChain::first_try("Environment", keys).or_else("Profile", profile)
    };
    if Container::is_one(&options.environment) {
        let container = Container {
            environment: options.environment.clone(),
            wire: options.wire.clone(),
        };
        chain = chain.or_else("EcsContainer", source::shared(container));
    }
    Ok(match Instance::new(shared)? {
        Some(instance) => chain.or_else("Ec2InstanceMetadata", source::shared(instance)),
        None => chain,
    })
}

/// A time, in the form that sources of credentials use.
fn moment(text: &str) -> Option<SystemTime> {
    let moment = DateTime::from_str(text, Format::DateTimeWithOffset).ok()?;
    SystemTime::try_from(moment).ok()
}

/// The keys in the environment.
#[derive(Debug)]
struct EnvironmentKeys(Environment);

impl Source for EnvironmentKeys {
    async fn credentials(&self) -> Result<Option<Credentials>, Failure> {
        let get = |name: &str| self.0.non_empty(name);
        let Some(access_key_id) = get("AWS_ACCESS_KEY_ID") else {
            return Ok(None);
        };
        let Some(secret) = get("AWS_SECRET_ACCESS_KEY") else {
            return Err(Failure::configuration(
                "AWS_ACCESS_KEY_ID is set in the environment, but AWS_SECRET_ACCESS_KEY is not",
            ));
        };
        let token = get("AWS_SECURITY_TOKEN").or_else(|| get("AWS_SESSION_TOKEN"));
        let keys = StaticKeys {
            access_key_id: access_key_id.to_owned(),
            secret_access_key: secret.into(),
            session_token: token.map(Secret::from),
        };
        Ok(Some(keys.credentials("environment")))
    }
}
