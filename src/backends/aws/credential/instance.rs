//! The credentials of an EC2 instance, from its metadata service: version 2, and version 1 where the
//! service issues no token, as in a container that is one hop too far away.

use std::time::{Duration, SystemTime};

use ::http::StatusCode;
use aws_credential_types::Credentials;
use serde_json::Value;
use url::Url;

use super::{
    ask::{self, Method, NotGiven, Patience, Question},
    source::Source,
};
use crate::{
    Failure, Secret,
    backends::{
        aws::{
            client::http::{self, AwsHttp, Wire},
            shared_config::SharedConfig,
        },
        proxies::{Proxies, Rules},
        tls::Tls,
    },
};

const WHOM: &str = "this machine's metadata service (AWS credentials)";
/// What to do where the service refuses, as it does before a container that is a hop too far away.
const REMEDY: &str = "enable the instance's metadata service and, for containers, set its hop limit \
                      to 2: aws ec2 modify-instance-metadata-options --http-endpoint enabled \
                      --http-put-response-hop-limit 2 (AWS-20)";
const TOKEN: &str = "latest/api/token";
const ROLES: &str = "latest/meta-data/iam/security-credentials/";
/// The lifetime of a token, in seconds: the longest that the service allows.
const TOKEN_LIFE: &str = "21600";

/// Credentials that end within the window are used for the extension. The service returns expired
/// credentials while it cannot renew them, and AWS accepts them then.
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
    /// The source that environment and profile describe; `None` where they disable it.
    ///
    /// # Errors
    /// When a setting is invalid.
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
        let proxies = Proxies::new(Rules::Botocore, None, &options.environment);
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
                // Most machines have no metadata service.
                with_silence: attempts.is_some(),
            },
            wire: options.wire.through(proxies),
        }))
    }

    /// The token of version 2.
    async fn token(&self, http: &AwsHttp) -> Result<Secret, NotGiven> {
        let life = ("x-aws-ec2-metadata-token-ttl-seconds", TOKEN_LIFE.into());
        // A service that does not answer this may still answer version 1.
        let patience = Patience {
            with_silence: false,
            ..self.patience
        };
        let question = self.question(TOKEN, Method::Put, vec![life])?;
        question.ask_with(patience, http.clone()).await
    }

    async fn get(
        &self,
        path: &str,
        token: Option<&Secret>,
        http: &AwsHttp,
    ) -> Result<Secret, NotGiven> {
        let token = token.map(|token| ("x-aws-ec2-metadata-token", token.clone()));
        let question = self.question(path, Method::Get, token.into_iter().collect())?;
        question.ask_with(self.patience, http.clone()).await
    }

    fn question(
        &self,
        path: &str,
        method: Method,
        headers: Vec<(&'static str, Secret)>,
    ) -> Result<Question, NotGiven> {
        Ok(Question {
            whom: WHOM,
            url: self.base.join(path).map_err(|_| NotGiven::NotSent)?,
            headers,
            method,
            remedy: REMEDY,
        })
    }
}

/// The URL of the service.
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

/// Why an answer contains no credentials.
fn not_given(answer: &Secret) -> Failure {
    let answer = serde_json::from_str::<Value>(answer.expose()).unwrap_or_default();
    if answer.get("Code").and_then(Value::as_str) == Some("AssumeRoleUnauthorizedAccess") {
        return Failure::configuration(
            "this machine's role does not trust EC2, so its metadata service returns no AWS \
             credentials: correct the role's trust policy",
        );
    }
    Failure::unavailable(format!("{WHOM} answered without credentials (AWS-20)"))
}

fn extended(mut credentials: Credentials) -> Credentials {
    let now = SystemTime::now();
    let is_over = |end| end < now + REFRESH_WINDOW;
    if credentials.expiry().is_some_and(is_over) {
        *credentials.expiry_mut() = Some(now + EXTENSION);
    }
    credentials
}

impl Source for Instance {
    /// `None` where the machine has no metadata service, or no role.
    async fn credentials(&self) -> Result<Option<Credentials>, Failure> {
        let tls = Tls::default().config().await?;
        let http = http::client(&self.wire, tls);
        let token = match self.token(&http).await {
            Ok(token) => Some(token),
            Err(NotGiven::NoAnswer(why)) if !why.is_timeout() => return Ok(None),
            Err(why @ (NotGiven::Refused(StatusCode::BAD_REQUEST) | NotGiven::NotSent)) => {
                return Err(why.failure(WHOM, REMEDY));
            }
            Err(why @ NotGiven::Refused(status))
                if self.is_version_1_disabled && ask::is_refusal(status) =>
            {
                return Err(why.failure(WHOM, REMEDY));
            }
            Err(_) if self.is_version_1_disabled => {
                return Err(Failure::unavailable(
                    "this machine's metadata service issues no token, and its version 1, which \
                     needs none, is disabled by AWS_EC2_METADATA_V1_DISABLED in the environment \
                     or ec2_metadata_v1_disabled in the AWS profile",
                ));
            }
            Err(_) => None,
        };
        let role = match self.get(ROLES, token.as_ref(), &http).await {
            Ok(role) if !role.is_empty() => role,
            Ok(_) | Err(NotGiven::Refused(StatusCode::NOT_FOUND)) => return Ok(None),
            Err(NotGiven::NoAnswer(_)) if token.is_none() => return Ok(None),
            Err(why) => return Err(why.failure(WHOM, REMEDY)),
        };
        let path = format!("{ROLES}{}", role.expose());
        let answer = self.get(&path, token.as_ref(), &http).await;
        let answer = answer.map_err(|why| why.failure(WHOM, REMEDY))?;
        let credentials = ask::credentials(&answer, "instance");
        let credentials = credentials.ok_or_else(|| not_given(&answer))?;
        Ok(Some(extended(credentials)))
    }
}
