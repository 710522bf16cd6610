//! The credentials of a machine of AWS's own: EC2's metadata service, in version 2, and in
//! version 1 where there is no token to be had, as in a container that is one hop too far away.

use std::time::{Duration, SystemTime};

use aws_credential_types::{
    Credentials,
    provider::{self, ProvideCredentials, error::CredentialsError, future},
};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use serde_json::Value;
use url::Url;

use super::ask::{self, Method, NoAnswer, Patience, Question};
use crate::{
    Failure, Secret,
    backends::aws::{
        http::{self, Wire},
        proxy::Proxies,
        shared_config::SharedConfig,
        tls::{self, Trust},
    },
};

const WHOM: &str = "this machine's metadata service, asked for AWS credentials,";
const TOKEN: &str = "latest/api/token";
const ROLES: &str = "latest/meta-data/iam/security-credentials/";
/// How long a token may be used, in seconds: as long as may be.
const TOKEN_LIFE: &str = "21600";

/// What is as good as expired, and by how much its life is extended: the service gives what has
/// expired when it cannot renew it, and AWS takes it then.
const REFRESH_WINDOW: Duration = Duration::from_secs(10 * 60);
const EXTENSION: Duration = Duration::from_secs(15 * 60);

/// Asks the machine's metadata service.
#[derive(Debug)]
pub(super) struct Instance {
    base: Url,
    is_version_1_disabled: bool,
    patience: Patience,
    wire: Wire,
}

impl Instance {
    /// As the environment and the profile say; `None` where they forbid it.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub(super) fn new(shared: &SharedConfig<'_>) -> Result<Option<Self>, Failure> {
        let is_disabled = shared.variable("AWS_EC2_METADATA_DISABLED");
        if is_disabled.is_some_and(|text| text.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        let timeout = number(
            shared,
            "AWS_METADATA_SERVICE_TIMEOUT",
            "metadata_service_timeout",
        )?;
        let attempts = number(
            shared,
            "AWS_METADATA_SERVICE_NUM_ATTEMPTS",
            "metadata_service_num_attempts",
        )?;
        let options = shared.options;
        let proxies = Proxies::Environment(options.environment.clone());
        Ok(Some(Self {
            base: base(shared)?,
            is_version_1_disabled: shared.switch(
                None,
                "AWS_EC2_METADATA_V1_DISABLED",
                "ec2_metadata_v1_disabled",
            ) == Some(true),
            patience: Patience {
                timeout: Duration::from_secs(timeout.unwrap_or(1).into()),
                max_attempts: attempts.unwrap_or(3).max(1),
                // Most machines have no such service.
                with_silence: attempts.is_some(),
            },
            wire: options.wire.through(proxies),
        }))
    }

    async fn fetch(&self) -> provider::Result {
        let tls = tls::config(&Trust::Mozilla, None).await;
        let http_client = http::client(&self.wire, tls.map_err(CredentialsError::provider_error)?);
        let token = self.token(&http_client).await?;
        let role = match self.get(ROLES, token.as_ref(), &http_client).await {
            Ok(role) if !role.is_empty() => role,
            // There is no role, or no such service.
            Ok(_) | Err(NoAnswer::Refused(404)) => {
                return Err(CredentialsError::not_loaded_no_source());
            }
            Err(NoAnswer::TimedOut | NoAnswer::NotReached) if token.is_none() => {
                return Err(CredentialsError::not_loaded_no_source());
            }
            Err(why) => return Err(failed(&why)),
        };
        let path = format!("{ROLES}{}", role.expose());
        let answer = self.get(&path, token.as_ref(), &http_client).await;
        let answer = answer.map_err(|why| failed(&why))?;
        let credentials = ask::credentials(&answer, "instance")
            .ok_or_else(|| CredentialsError::provider_error(not_given(&answer)))?;
        Ok(extended(credentials))
    }

    /// Version 2's token, `None` where version 1 is to be asked.
    async fn token(
        &self,
        http_client: &SharedHttpClient,
    ) -> Result<Option<Secret>, CredentialsError> {
        let life = ("x-aws-ec2-metadata-token-ttl-seconds", TOKEN_LIFE.into());
        // Who says nothing to this may still give what version 1 has.
        let patience = Patience {
            with_silence: false,
            ..self.patience
        };
        let token = async {
            let question = self.question(TOKEN, Method::Put, vec![life])?;
            question.ask_with(patience, http_client.clone()).await
        };
        match token.await {
            Ok(token) => Ok(Some(token)),
            Err(NoAnswer::NotReached) => Err(CredentialsError::not_loaded_no_source()),
            Err(why @ NoAnswer::Refused(400)) => Err(failed(&why)),
            Err(_) if self.is_version_1_disabled => {
                Err(CredentialsError::provider_error(Failure::unavailable(
                    "this machine's metadata service gives no token, and its version 1, which \
                     wants none, is disabled by AWS_EC2_METADATA_V1_DISABLED in the environment \
                     or ec2_metadata_v1_disabled in the AWS profile",
                )))
            }
            Err(_) => Ok(None),
        }
    }

    async fn get(
        &self,
        path: &str,
        token: Option<&Secret>,
        http_client: &SharedHttpClient,
    ) -> Result<Secret, NoAnswer> {
        let token = token.map(|token| ("x-aws-ec2-metadata-token", token.clone()));
        let question = self.question(path, Method::Get, token.into_iter().collect())?;
        question.ask_with(self.patience, http_client.clone()).await
    }

    fn question(
        &self,
        path: &str,
        method: Method,
        headers: Vec<(&'static str, Secret)>,
    ) -> Result<Question, NoAnswer> {
        Ok(Question {
            whom: WHOM,
            url: self.base.join(path).map_err(|_| NoAnswer::NotReached)?,
            headers,
            method,
        })
    }
}

/// The service's address.
fn base(shared: &SharedConfig<'_>) -> Result<Url, Failure> {
    let endpoint = shared.setting(
        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
        "ec2_metadata_service_endpoint",
    );
    let mode = shared.setting(
        "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
        "ec2_metadata_service_endpoint_mode",
    );
    let is_version_6 = match mode.map(str::to_lowercase).as_deref() {
        Some("ipv6") => true,
        Some("ipv4") => false,
        Some(_) => {
            return Err(Failure::configuration(
                "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE in the environment, or \
                 ec2_metadata_service_endpoint_mode in the AWS profile, must be ipv4 or ipv6",
            ));
        }
        None => shared.switch(None, "IMDS_USE_IPV6", "imds_use_ipv6") == Some(true),
    };
    let default = if is_version_6 {
        "http://[fd00:ec2::254]"
    } else {
        "http://169.254.169.254"
    };
    ask::url(
        "AWS_EC2_METADATA_SERVICE_ENDPOINT in the environment, or ec2_metadata_service_endpoint in \
         the AWS profile,",
        &format!("{}/", endpoint.unwrap_or(default).trim_end_matches('/')),
    )
}

fn number(shared: &SharedConfig<'_>, variable: &str, key: &str) -> Result<Option<u32>, Failure> {
    let number = shared
        .setting(variable, key)
        .map(|text| text.trim().parse());
    number.transpose().map_err(|_| {
        Failure::configuration(format!(
            "{variable} in the environment, or {key} in the AWS profile, must be a number"
        ))
    })
}

fn failed(why: &NoAnswer) -> CredentialsError {
    CredentialsError::provider_error(why.failure(WHOM))
}

/// Why an answer holds no credentials.
fn not_given(answer: &Secret) -> Failure {
    let answer = serde_json::from_str::<Value>(answer.expose()).unwrap_or_default();
    if answer.get("Code").and_then(Value::as_str) == Some("AssumeRoleUnauthorizedAccess") {
        return Failure::configuration(
            "this machine's role does not trust EC2, so that its metadata service gives no AWS \
             credentials: see to the role's trust policy",
        );
    }
    Failure::unavailable(format!("{WHOM} answered with what are none"))
}

fn extended(mut credentials: Credentials) -> Credentials {
    let now = SystemTime::now();
    let is_over = |end| end < now + REFRESH_WINDOW;
    if credentials.expiry().is_some_and(is_over) {
        *credentials.expiry_mut() = Some(now + EXTENSION);
    }
    credentials
}

impl ProvideCredentials for Instance {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.fetch())
    }
}
