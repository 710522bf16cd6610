//! What goes wrong with AWS, in words of our own: neither an answer's text nor the SDK's errors
//! are shown, since a secret could be in them.

use std::{error::Error, fmt, time::Duration};

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::{
    client::{orchestrator::HttpResponse, result::SdkError},
    http::StatusCode,
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use rustls::AlertDescription;

use crate::{Failure, SkipReason, backends::http_client};

/// What went wrong with a call.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Known already, in words of our own.
    Known(Failure),
    /// The service said so.
    Service(Code),
    /// No answer in time.
    TimedOut,
    /// No connection, or one that broke.
    NotReached,
    /// What came back is no answer of AWS's.
    NotUnderstood,
    /// The server ended the handshake over our own certificate, or over our having none.
    ClientCertificate {
        is_missing: bool,
    },
    /// The call could not be made at all.
    NotSent,
    NoCredentials,
}

/// A service's error.
#[derive(Debug)]
pub(super) struct Code {
    name: String,
    status: u16,
    /// Whether it is about an encryption key.
    is_about_key: bool,
}

impl Code {
    pub(super) fn new(code: Option<&str>, message: Option<&str>) -> Self {
        // Some services put a namespace before it, or an address behind.
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

impl Trouble {
    /// The service's name for it.
    pub(super) fn code(&self) -> Option<&str> {
        match self {
            Self::Service(Code { name, .. }) => Some(name),
            _ => None,
        }
    }
}

/// What `error` is.
pub(super) fn trouble<E>(error: &SdkError<E, HttpResponse>) -> Trouble
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
            Trouble::Service(code)
        }
        SdkError::TimeoutError(_) => Trouble::TimedOut,
        SdkError::DispatchFailure(failure) if failure.is_timeout() => Trouble::TimedOut,
        SdkError::DispatchFailure(failure) if failure.is_io() => {
            about_client_certificate(error).unwrap_or(Trouble::NotReached)
        }
        SdkError::ResponseError(_) => Trouble::NotUnderstood,
        _ => Trouble::NotSent,
    }
}

/// What one of the error's causes knows already.
fn known(error: &(dyn Error + 'static)) -> Option<Trouble> {
    let mut cause = Some(error);
    let mut found = None;
    while let Some(error) = cause {
        if let Some(failure) = error.downcast_ref::<Failure>() {
            return Some(Trouble::Known(failure.clone()));
        }
        if let Some(error) = error.downcast_ref::<CredentialsError>() {
            found = Some(credentials_trouble(error));
        }
        cause = error.source();
    }
    found
}

/// What the server's TLS alert, if it sent one, says about our own certificate.
fn about_client_certificate(error: &(dyn Error + 'static)) -> Option<Trouble> {
    let Some(http_client::Trouble::Alert(alert)) = error.downcast_ref() else {
        return about_client_certificate(error.source()?);
    };
    let is_missing = match alert {
        AlertDescription::CertificateRequired | AlertDescription::NoCertificate => true,
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied
        | AlertDescription::DecryptError => false,
        _ => return None,
    };
    Some(Trouble::ClientCertificate { is_missing })
}

fn credentials_trouble(error: &CredentialsError) -> Trouble {
    Trouble::Known(match error {
        CredentialsError::CredentialsNotLoaded(_) => return Trouble::NoCredentials,
        CredentialsError::ProviderTimedOut(_) => {
            Failure::unavailable("no AWS credentials came in time from where they are to come from")
        }
        CredentialsError::InvalidConfiguration(_) => Failure::configuration(
            "the profile or the variables that say where AWS credentials come from cannot be used",
        ),
        _ => Failure::unavailable(
            "AWS credentials could not be loaded from where they are to come from",
        ),
    })
}

/// Why a batch gave nothing.
#[derive(Debug)]
pub(crate) enum BatchTrouble {
    /// The permission for batches is missing, perhaps.
    Denied,
    /// One of the names spoils it for all.
    NotAsBatch,
    Failed(Failure),
}

/// Says what is the matter, for one client.
#[derive(Debug, Clone)]
pub(super) struct Explain {
    /// What is asked: the service's address and region.
    pub(super) whom: String,
    /// The permission that is needed.
    pub(super) action: &'static str,
    /// How long a call may take.
    pub(super) timeout: Duration,
}

impl Explain {
    /// What a batch's trouble means for its names.
    pub(super) fn batch(&self, trouble: &Trouble) -> BatchTrouble {
        match trouble {
            Trouble::Service(code) if is_denial(code) => BatchTrouble::Denied,
            Trouble::Service(code)
                if code.status < 500 && !is_throttling(code) && !is_unknown_caller(code) =>
            {
                BatchTrouble::NotAsBatch
            }
            trouble => BatchTrouble::Failed(self.failure(trouble)),
        }
    }

    /// The trouble as a failure.
    pub(super) fn failure(&self, trouble: &Trouble) -> Failure {
        let Self {
            whom,
            action,
            timeout,
        } = self;
        match trouble {
            Trouble::Known(failure) => failure.clone(),
            Trouble::Service(code) => self.service_failure(code),
            Trouble::TimedOut => Failure::unavailable(format!(
                "{whom} did not answer in time ({} s for a call with its retries)",
                timeout.as_secs_f64()
            )),
            Trouble::NotReached => Failure::unavailable(format!(
                "{whom} could not be reached, or broke the connection"
            )),
            Trouble::ClientCertificate { is_missing: true } => Failure::unavailable(format!(
                "{whom} asks for a client certificate: give \"client_cert\" in config_kwargs, or \
                 \"proxy_client_cert\" in its \"proxies_config\" where it is a proxy that asks"
            )),
            Trouble::ClientCertificate { is_missing: false } => Failure::unavailable(format!(
                "{whom} does not take the client certificate: see to \"client_cert\" in \
                 config_kwargs"
            )),
            Trouble::NotUnderstood => Failure::unavailable(format!(
                "{whom} answered with what is no answer of AWS's; see whether it is the endpoint"
            )),
            Trouble::NotSent => Failure::unavailable(format!(
                "{action} could not be sent to {whom}: see to the certificates, the proxy and the \
                 endpoint"
            )),
            Trouble::NoCredentials => Failure::configuration(
                "there are no AWS credentials: give \"aws_access_key_id\" and \
                 \"aws_secret_access_key\" in backend_kwargs, AWS_ACCESS_KEY_ID and \
                 AWS_SECRET_ACCESS_KEY in the environment, a profile, or a role to the machine",
            ),
        }
    }

    fn service_failure(&self, code: &Code) -> Failure {
        let Self { whom, action, .. } = self;
        match code.name.as_str() {
            _ if is_throttling(code) => Failure::unavailable(format!(
                "{whom} throttles: there were too many requests, and the retries were too"
            )),
            "ExpiredTokenException" | "ExpiredToken" | "RequestExpired" => {
                Failure::access_denied(format!(
                    "the AWS credentials have expired ({whom}): renew them, or see to this machine's \
                 clock"
                ))
            }
            _ if is_unknown_caller(code) => Failure::access_denied(format!(
                "{whom} does not know these AWS credentials, or takes their signature for wrong: \
                 see to the access key, its secret and its session token"
            )),
            _ if is_denial(code) && code.is_about_key => Failure::access_denied(format!(
                "denied by the encryption key: allow kms:Decrypt for it besides {action}"
            )),
            _ if is_denial(code) => Failure::access_denied(format!(
                "denied: the AWS credentials' policies do not allow {action} for it ({whom})"
            )),
            _ if code.status >= 500 => {
                Failure::unavailable(format!("{whom} has an error of its own ({})", code.status))
            }
            _ => Failure::unavailable(format!("{whom} refused the request{code}")),
        }
    }
}

/// In parentheses, where it looks like a name.
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

/// For a name that AWS takes for none.
pub(super) fn no_such_name() -> SkipReason {
    SkipReason::InvalidId("AWS takes it for no name".into())
}

/// What is the matter with credentials.
pub(super) fn of_credentials(error: &CredentialsError) -> Trouble {
    known(error).unwrap_or_else(|| credentials_trouble(error))
}
