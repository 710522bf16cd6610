//! Failures of AWS. Messages are written here: neither an answer's text nor the SDK's errors are
//! shown, since they could contain a secret.

#[cfg(feature = "aws-secrets-manager")]
mod document;
pub(super) mod words;

use std::{error::Error, fmt, time::Duration};

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::{
    client::{orchestrator::HttpResponse, result::SdkError},
    http::StatusCode,
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use rustls::AlertDescription;

use crate::{
    Failure,
    backend::SkipReason,
    backends::{
        aws::client::http::NoAnswer,
        causes::{cause, causes, is_about_own_certificate},
        http_client::SendError,
    },
};

/// Why a call failed.
#[derive(Debug)]
pub(super) enum CallError {
    /// A failure of our own code below the SDK.
    Known(Failure),
    /// An error that the service returned.
    Service(Code),
    NoAnswer(NoAnswer),
    /// The time for the call ended.
    TimedOut,
    /// The answer is not one of AWS's.
    NotUnderstood,
    /// The request could not be made.
    NotSent,
    NoCredentials,
}

/// An error code of a service.
#[derive(Debug)]
pub(super) struct Code {
    name: String,
    status: u16,
    /// Whether it is about an encryption key.
    is_about_key: bool,
}

impl Code {
    pub(super) fn new(code: Option<&str>, message: Option<&str>) -> Self {
        // Some services put a namespace before the code, or a URL after it.
        let code = code.unwrap_or_default();
        let code = code.rsplit('#').next().unwrap_or_default();
        let code = code.split(':').next().unwrap_or_default();
        Self {
            name: code.to_owned(),
            status: 0,
            is_about_key: message.is_some_and(|message| {
                message.contains("KMS")
                    || message.contains("kms:")
                    || message.contains("ciphertext")
            }),
        }
    }
}

impl CallError {
    /// Whether the service may answer if it is asked again.
    #[cfg(feature = "aws-secrets-manager")]
    pub(super) fn is_transient(&self) -> bool {
        matches!(self, Self::Service(code) if is_transient(code))
    }

    /// The service's error code.
    pub(super) fn code(&self) -> Option<&str> {
        match self {
            Self::Service(Code { name, .. }) => Some(name),
            _ => None,
        }
    }
}

/// Classifies `error`.
pub(super) fn call_error<E>(error: &SdkError<E, HttpResponse>) -> CallError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    if let Some(known) = known(error) {
        return known;
    }
    match error {
        SdkError::ServiceError(service) => {
            let error = service.err();
            let status: StatusCode = service.raw().status();
            let mut code = Code::new(error.code(), error.message());
            code.status = status.as_u16();
            CallError::Service(code)
        }
        SdkError::TimeoutError(_) => CallError::TimedOut,
        SdkError::ResponseError(_) => CallError::NotUnderstood,
        _ => CallError::NotSent,
    }
}

/// The failure of our own among the causes of `error`.
fn known(error: &(dyn Error + 'static)) -> Option<CallError> {
    if let Some(failure) = cause::<Failure>(error) {
        return Some(CallError::Known(failure.clone()));
    }
    if let Some(error) = cause::<NoAnswer>(error) {
        return Some(CallError::NoAnswer(error.clone()));
    }
    let of_credentials = causes(error).filter_map(|cause| cause.downcast_ref());
    of_credentials.last().map(credentials_error)
}

fn credentials_error(error: &CredentialsError) -> CallError {
    CallError::Known(match error {
        CredentialsError::CredentialsNotLoaded(_) => return CallError::NoCredentials,
        CredentialsError::ProviderTimedOut(_) => {
            Failure::unavailable("the source of AWS credentials did not answer in time")
        }
        CredentialsError::InvalidConfiguration(_) => Failure::configuration(
            "the AWS profile, or the environment variables for AWS credentials, are invalid",
        ),
        _ => Failure::unavailable("AWS credentials could not be loaded from their source"),
    })
}

/// The failure where `whom` gave no answer.
pub(super) fn no_answer(whom: &str, error: &NoAnswer) -> Failure {
    let error = match error {
        NoAnswer::NotSent(error) => error,
        NoAnswer::TimedOut => {
            return Failure::unavailable(format!("{whom} did not answer in time"));
        }
        NoAnswer::BadCredentials => {
            return Failure::configuration(
                "the AWS credentials contain a character that no request can contain: check the \
                 access key and the session token",
            );
        }
    };
    Failure::unavailable(match error {
        SendError::Proxy(failure) => return failure.clone(),
        SendError::Untrusted(why) if why.remedy().is_some() => {
            let remedy = why.remedy().unwrap_or_default();
            format!("the TLS certificate of {whom} is not valid ({why}): {remedy}")
        }
        SendError::Untrusted(why) => format!(
            "the TLS certificate of {whom} is not trusted ({why}): check the endpoint, or set \
             \"verify\" in backend_kwargs or AWS_CA_BUNDLE to the PEM file of its authority; for a \
             proxy's certificate, \"proxy_ca_bundle\" in the \"proxies_config\" of config_kwargs"
        ),
        SendError::Alert(
            AlertDescription::CertificateRequired | AlertDescription::NoCertificate,
        ) => {
            format!(
                "{whom} requires a client certificate: set \"client_cert\" in config_kwargs, or, if \
                 a proxy requires it, \"proxy_client_cert\" in its \"proxies_config\""
            )
        }
        SendError::Alert(alert) if is_about_own_certificate(*alert) => {
            format!("{whom} refused the client certificate: check \"client_cert\" in config_kwargs")
        }
        SendError::ConnectTimedOut => format!(
            "no connection to {whom} in time: check the region, the endpoint, the firewall and the \
             proxy"
        ),
        SendError::NoTls => format!(
            "{whom} does not speak TLS: check the port, or begin the endpoint's URL with http://"
        ),
        SendError::OutOfBounds(why) => {
            format!(
                "{}: check the endpoint and the proxy (AWS-14)",
                not_aws(whom, why)
            )
        }
        SendError::ProxyDenied => proxy_denied(whom),
        SendError::NoProxy(why) => {
            format!(
                "no connection to {whom} through the proxy: {why}: check the proxy and no_proxy"
            )
        }
        SendError::Alert(_) | SendError::NoAnswer(_) => {
            format!("no answer from {whom}: {error}: check the region, the endpoint and the proxy")
        }
    })
}

fn proxy_denied(whom: &str) -> String {
    format!(
        "the proxy before {whom} requires a user name and password: add them to the proxy's URL"
    )
}

/// That an answer comes from something else.
fn not_aws(whom: &str, why: impl fmt::Display) -> String {
    format!("not an answer of {whom} ({why})")
}

/// Why a batch has no result.
#[derive(Debug)]
pub(crate) enum BatchError {
    /// The permission for the batch action may be missing.
    Denied,
    /// One of the names makes AWS refuse the whole batch.
    NotAsBatch,
    Failed(Failure),
}

/// Writes the failures of one client.
#[derive(Debug, Clone)]
pub(crate) struct Explain {
    /// The service, with its endpoint or region.
    pub(super) whom: String,
    /// The permission that the call needs.
    pub(super) action: &'static str,
    /// The limit for one call.
    pub(super) timeout: Duration,
}

impl Explain {
    /// The error of a whole batch.
    pub(super) fn batch(&self, trouble: &CallError) -> BatchError {
        match trouble {
            CallError::Service(code) if is_denial(code) => BatchError::Denied,
            CallError::Service(code)
                if code.status < 500 && !is_throttling(code) && !is_unknown_caller(code) =>
            {
                BatchError::NotAsBatch
            }
            trouble => BatchError::Failed(self.failure(trouble)),
        }
    }

    /// The failure for `trouble`.
    pub(super) fn failure(&self, trouble: &CallError) -> Failure {
        let Self {
            whom,
            action,
            timeout,
        } = self;
        match trouble {
            CallError::Known(failure) => failure.clone(),
            CallError::Service(code) => self.service_failure(code),
            CallError::NoAnswer(error) if !matches!(error, NoAnswer::TimedOut) => {
                no_answer(whom, error)
            }
            CallError::NoAnswer(_) | CallError::TimedOut => Failure::unavailable(format!(
                "{whom} did not answer in time ({} s for a call with its retries, AWS-5)",
                timeout.as_secs_f64()
            )),
            CallError::NotUnderstood => self.not_aws("it has none of the members that AWS sends"),
            CallError::NotSent => Failure::unavailable(format!(
                "{action} could not be sent to {whom}: check the certificates, the proxy and the \
                 endpoint"
            )),
            CallError::NoCredentials => Failure::configuration(
                "no AWS credentials were found: set \"aws_access_key_id\" and \
                 \"aws_secret_access_key\" in backend_kwargs (for Vault \"key_id\" and \
                 \"secret_id\"), or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment; \
                 or use a profile, or a machine that has a role",
            ),
        }
    }

    /// The failure where the answer is not one of the service's.
    pub(super) fn not_aws(&self, why: &str) -> Failure {
        let problem = not_aws(&self.whom, why);
        Failure::unavailable(format!(
            "{problem}: check the endpoint and the proxy (AWS-10)"
        ))
    }

    fn service_failure(&self, code: &Code) -> Failure {
        let Self { whom, action, .. } = self;
        match code.name.as_str() {
            _ if is_throttling(code) => Failure::unavailable(format!(
                "{whom} throttles requests: the retries were throttled too; look up many ids in one \
                 call, or ask AWS for a higher quota"
            )),
            "ExpiredTokenException" | "ExpiredToken" | "RequestExpired" => {
                Failure::access_denied(format!(
                    "the AWS credentials have expired ({whom}): renew them, or correct this \
                     machine's clock"
                ))
            }
            _ if is_unknown_caller(code) => Failure::access_denied(format!(
                "{whom} does not accept these AWS credentials: check the access key, the secret \
                 key, the session token and this machine's clock"
            )),
            _ if is_denial(code) && code.is_about_key => Failure::access_denied(format!(
                "the KMS key of this secret denies its use ({whom}): allow kms:Decrypt on that key, \
                 besides {action}"
            )),
            _ if is_denial(code) => Failure::access_denied(format!(
                "denied: the policies of the AWS credentials do not allow {action} on this name \
                 ({whom})"
            )),
            "" if code.status == 407 => Failure::unavailable(proxy_denied(whom)),
            "" if code.status < 500 => self.not_aws(&format!("status {}", code.status)),
            _ if code.status >= 500 => Failure::unavailable(format!(
                "{whom} reports an internal error ({})",
                code.status
            )),
            _ => Failure::unavailable(format!("{whom} refused the request{code}")),
        }
    }
}

/// The code in parentheses if it looks like one, else the status.
impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_name = self.name.len() <= 64
            && !self.name.is_empty()
            && self.name.chars().all(|c| c.is_ascii_alphabetic());
        if is_name {
            write!(f, " ({})", self.name)
        } else {
            write!(f, " ({})", self.status)
        }
    }
}

fn is_denial(code: &Code) -> bool {
    matches!(
        code.name.as_str(),
        "AccessDeniedException" | "AccessDenied" | "UnauthorizedOperation" | "NotAuthorized"
    )
}

fn is_unknown_caller(code: &Code) -> bool {
    matches!(
        code.name.as_str(),
        "UnrecognizedClientException"
            | "InvalidClientTokenId"
            | "InvalidSignatureException"
            | "SignatureDoesNotMatch"
            | "IncompleteSignature"
            | "IncompleteSignatureException"
            | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException"
            | "AuthFailure"
            | "OptInRequired"
            | "ExpiredTokenException"
            | "ExpiredToken"
            | "RequestExpired"
    )
}

/// Whether a retry may help.
#[cfg(feature = "aws-secrets-manager")]
fn is_transient(code: &Code) -> bool {
    const INTERNAL: [&str; 5] = [
        "InternalServiceError",
        "InternalServerError",
        "InternalFailure",
        "InternalError",
        "ServiceUnavailable",
    ];
    is_throttling(code) || code.status >= 500 || INTERNAL.contains(&&*code.name)
}

fn is_throttling(code: &Code) -> bool {
    code.status == 429
        || matches!(
            code.name.as_str(),
            "Throttling"
                | "ThrottlingException"
                | "ThrottledException"
                | "RequestThrottled"
                | "RequestThrottledException"
                | "TooManyRequestsException"
                | "TooManyUpdates"
                | "RequestLimitExceeded"
                | "BandwidthLimitExceeded"
                | "LimitExceededException"
                | "SlowDown"
                | "PriorRequestNotComplete"
        )
}

/// The reason for a name that AWS does not accept.
pub(super) fn no_such_name() -> SkipReason {
    SkipReason::InvalidId("AWS does not accept it as a name (AWS-9)".into())
}

/// Classifies an error of the credentials.
pub(super) fn of_credentials(error: &CredentialsError) -> CallError {
    known(error).unwrap_or_else(|| credentials_error(error))
}
