//! The credentials that STS issues for a role: `AssumeRole` and `AssumeRoleWithWebIdentity`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_config::SdkConfig;
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_sdk_sts::{
    Client,
    config::{BehaviorVersion, Builder},
    error::ProvideErrorMetadata,
    types::{PolicyDescriptorType, ProvidedContext, Tag},
};
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_types::region::Region;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{google, source::Source};
use crate::{
    Environment, Failure, Secret,
    backends::aws::{
        answer::{self, Explain},
        client::{
            http::Wire,
            retries::retry_partition,
            session,
            signing::{HiddenSecrets, SignedBelow},
        },
        credential::assume_role::{AssumeRole, WebIdentityToken},
        shared_config::SharedConfig,
    },
    config::Setting,
    files,
};

/// How STS is called.
#[derive(Debug)]
pub(super) enum Caller {
    Credentials(SharedCredentialsProvider),
    /// Without credentials: a web identity token is part of the request.
    WebIdentity,
}

/// A client of STS.
#[derive(Debug)]
pub(super) struct Sts {
    client: Client,
    explain: Explain,
}

/// The regions for which `legacy` means the global STS endpoint.
const LEGACY_REGIONS: &[&str] = &[
    "ap-northeast-1",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

impl Sts {
    /// The client for a region, at `endpoint`, else at the endpoint of environment or profile, else
    /// at AWS's own.
    ///
    /// # Errors
    /// When an endpoint is invalid.
    pub(super) fn new(
        shared: &SharedConfig<'_>,
        sdk: &SdkConfig,
        region: &str,
        endpoint: Option<&Setting<Secret>>,
        caller: Caller,
    ) -> Result<Self, Failure> {
        let endpoint = shared.endpoint(endpoint, "STS")?;
        let is_plain = endpoint.is_none()
            && !sdk.use_fips().unwrap_or_default()
            && !sdk.use_dual_stack().unwrap_or_default();
        let kind = shared
            .variable("AWS_STS_REGIONAL_ENDPOINTS")
            .or_else(|| shared.in_profile("sts_regional_endpoints"));
        let is_legacy = kind.is_some_and(|kind| kind.eq_ignore_ascii_case("legacy"));
        let (region, endpoint) = if is_plain && is_legacy && LEGACY_REGIONS.contains(&region) {
            ("us-east-1", Some("https://sts.amazonaws.com".to_owned()))
        } else {
            (region, endpoint)
        };
        let mut config = Builder::from(sdk)
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.to_owned()))
            .retry_partition(retry_partition());
        if endpoint.is_some() {
            // They apply to AWS's own endpoints alone.
            config.set_use_fips(None).set_use_dual_stack(None);
        }
        let whom = session::whom("STS", endpoint.as_deref(), region);
        config.set_endpoint_url(endpoint);
        let action = match caller {
            Caller::Credentials(credentials) => {
                config.set_credentials_provider(Some(credentials));
                config = config.push_auth_scheme(SignedBelow);
                "sts:AssumeRole"
            }
            Caller::WebIdentity => "sts:AssumeRoleWithWebIdentity",
        };
        Ok(Self {
            client: Client::from_conf(config.build()),
            explain: Explain {
                whom,
                action,
                timeout: shared.options.timeout,
            },
        })
    }
}

/// Gets a role's credentials from STS, each time.
#[derive(Debug)]
pub(super) struct LentRole {
    pub(super) sts: Sts,
    pub(super) role: AssumeRole,
    /// `None`: botocore's.
    pub(super) default_session_name: Option<String>,
    pub(super) environment: Environment,
    pub(super) wire: Wire,
}

impl LentRole {
    async fn ask(&self) -> Result<Credentials, Failure> {
        let credentials = match &self.role.web_identity {
            None => self.assume_role().await?,
            Some(token) => self.with_web_identity(token).await?,
        };
        let Some(credentials) = credentials else {
            return Err(self.sts.explain.failure(&answer::CallError::NotUnderstood));
        };
        let not_understood = |_| self.sts.explain.failure(&answer::CallError::NotUnderstood);
        let expiry = SystemTime::try_from(credentials.expiration).map_err(not_understood)?;
        Ok(Credentials::new(
            credentials.access_key_id,
            credentials.secret_access_key,
            Some(credentials.session_token),
            Some(expiry),
            "sts",
        ))
    }

    async fn assume_role(&self) -> Result<Option<aws_sdk_sts::types::Credentials>, Failure> {
        let role = &self.role;
        let mut call = self
            .sts
            .client
            .assume_role()
            .role_arn(&role.arn)
            .role_session_name(self.session_name())
            .set_policy_arns(policies(role))
            .set_policy(role.policy.clone())
            .set_duration_seconds(seconds(role.duration))
            .set_external_id(role.external_id.clone())
            .set_serial_number(role.serial_number.clone())
            .set_source_identity(role.source_identity.clone());
        let mut hidden = HiddenSecrets::default();
        if let Some(code) = &role.token_code {
            call = call.token_code(hidden.hide("HiddenTokenCode", in_form(code)));
        }
        for (key, value) in &role.tags {
            let tag = Tag::builder().key(key).value(value).build();
            call = call.tags(tag.map_err(|_| Failure::configuration("a session tag has no key"))?);
        }
        for key in &role.transitive_tag_keys {
            call = call.transitive_tag_keys(key);
        }
        for (provider, assertion) in &role.provided_contexts {
            let context = ProvidedContext::builder();
            let context = context.provider_arn(provider).context_assertion(assertion);
            call = call.provided_contexts(context.build());
        }
        let call = call.customize().mutate_request(hidden.attach());
        let answer = call.send().await.map_err(|error| self.refused(&error))?;
        Ok(answer.credentials)
    }

    async fn with_web_identity(
        &self,
        token: &WebIdentityToken,
    ) -> Result<Option<aws_sdk_sts::types::Credentials>, Failure> {
        let role = &self.role;
        let token = match token {
            WebIdentityToken::File(path) => {
                let token = files::read_text_in_background(path).await;
                token.map_err(|error| {
                    Failure::configuration(format!(
                        "the web identity token file {} cannot be read: {error}",
                        path.display()
                    ))
                })?
            }
            WebIdentityToken::Google { audience } => {
                let audience = audience.as_deref();
                google::id_token(audience, &self.environment, &self.wire).await?
            }
        };
        let mut hidden = HiddenSecrets::default();
        let call = self
            .sts
            .client
            .assume_role_with_web_identity()
            .role_arn(&role.arn)
            .role_session_name(self.session_name())
            .web_identity_token(hidden.hide("HiddenWebIdentityToken", in_form(token.expose())))
            .set_provider_id(role.provider_id.clone())
            .set_policy_arns(policies(role))
            .set_policy(role.policy.clone())
            .set_duration_seconds(seconds(role.duration));
        let call = call.customize().mutate_request(hidden.attach());
        let answer = call.send().await.map_err(|error| self.refused(&error))?;
        Ok(answer.credentials)
    }

    fn session_name(&self) -> String {
        let given = self.role.session_name.as_ref();
        let name = given.or(self.default_session_name.as_ref()).cloned();
        name.unwrap_or_else(|| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            format!("botocore-session-{}", now.unwrap_or_default().as_secs())
        })
    }

    fn refused<E>(&self, error: &SdkError<E, HttpResponse>) -> Failure
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let Self { sts, role, .. } = self;
        let trouble = answer::call_error(error);
        let about_token = role.web_identity.is_some();
        let message = match trouble.code() {
            Some("AccessDenied" | "AccessDeniedException") => format!(
                "STS refused the role {}: allow {} in the caller's policies, and check that the \
                 role's trust policy trusts the caller, and which external id it requires",
                role.arn, sts.explain.action
            ),
            Some("InvalidIdentityToken" | "IDPRejectedClaim" | "ExpiredTokenException")
                if about_token =>
            {
                format!(
                    "STS refused the web identity token for the role {}: the token is malformed, has \
                     expired, or comes from a provider that the role does not trust",
                    role.arn
                )
            }
            Some("ValidationError" | "MalformedPolicyDocument" | "PackedPolicyTooLarge") => {
                return Failure::configuration(format!(
                    "STS rejects \"role_arn\" ({}) or an argument in \"assume_role_kwargs\" as \
                     malformed",
                    role.arn
                ));
            }
            _ => return sts.explain.failure(&trouble),
        };
        Failure::access_denied(message)
    }
}

/// `secret` as the SDK writes it into a form.
fn in_form(secret: &str) -> Secret {
    const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~');
    utf8_percent_encode(secret, ENCODED).to_string().into()
}

fn policies(role: &AssumeRole) -> Option<Vec<PolicyDescriptorType>> {
    let policies = role.policy_arns.iter();
    let policies = policies.map(|arn| PolicyDescriptorType::builder().arn(arn).build());
    Some(policies.collect::<Vec<_>>()).filter(|policies| !policies.is_empty())
}

/// A duration too long for the field is sent as the longest, which STS refuses.
fn seconds(duration: Option<Duration>) -> Option<i32> {
    Some(i32::try_from(duration?.as_secs()).unwrap_or(i32::MAX))
}

impl Source for LentRole {
    async fn credentials(&self) -> Result<Option<Credentials>, Failure> {
        self.ask().await.map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_duration_is_left_out_for_its_length() {
        let asked = |secs| seconds(Some(Duration::from_secs(secs)));
        assert_eq!(asked(900), Some(900));
        assert_eq!(asked(3_000_000_000), Some(i32::MAX));
        assert_eq!(seconds(None), None);
    }
}
