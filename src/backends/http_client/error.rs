//! Why there was no answer.

use std::{error::Error, fmt, io};

use hyper_util::client::legacy;
use rustls::{AlertDescription, CertificateError};

use crate::{
    Failure,
    backends::{
        bounds::{OutOfBounds, ReadError},
        causes::causes,
    },
};

/// Why there was no answer. It holds no text that the other side sent, and no URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SendError {
    /// The proxy cannot be used.
    Proxy(Failure),
    /// The other side's certificate is not accepted.
    Untrusted(BadCertificate),
    /// The other side ended TLS for this reason.
    Alert(AlertDescription),
    /// The other side does not speak TLS.
    NoTls,
    /// No connection was made within the time for it.
    ConnectTimedOut,
    /// The proxy cannot be reached, or makes no connection: why.
    NoProxy(String),
    /// The proxy requires a user name and password, or others.
    ProxyDenied,
    /// The connection was not made, or broke: why, in the words of the system, HTTP or TLS.
    NoAnswer(String),
    /// The answer is none that a service gives.
    OutOfBounds(OutOfBounds),
}

impl SendError {
    /// Why a request failed.
    pub(super) fn of_request(error: &legacy::Error) -> Self {
        let is_about_time = |cause: &(dyn Error + 'static)| {
            let io = cause.downcast_ref::<io::Error>();
            cause.is::<ConnectTimedOut>()
                || io.is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
        };
        if error.is_connect() && causes(error).any(is_about_time) {
            return Self::ConnectTimedOut;
        }
        Self::of(error)
    }

    /// Why a body was not read.
    pub(super) fn of_body(error: ReadError<hyper::Error>) -> Self {
        match error {
            ReadError::Body(error) => Self::of(&error),
            ReadError::OutOfBounds(error) => Self::OutOfBounds(error),
        }
    }

    fn of(error: &(dyn Error + 'static)) -> Self {
        let mut is_by_proxy = false;
        for cause in causes(error) {
            is_by_proxy |= cause.is::<ProxyError>();
            if let Some(failure) = cause.downcast_ref::<Failure>() {
                return Self::Proxy(failure.clone());
            }
            match cause.downcast_ref::<rustls::Error>() {
                Some(rustls::Error::InvalidCertificate(error)) => {
                    return Self::Untrusted(BadCertificate::new(error));
                }
                Some(rustls::Error::AlertReceived(alert)) => return Self::Alert(*alert),
                Some(rustls::Error::InvalidMessage(_)) => return Self::NoTls,
                _ => {}
            }
        }
        let why = causes(error).last().unwrap_or(error).to_string();
        match &*why {
            _ if !is_by_proxy => Self::NoAnswer(why),
            "tunnel error: proxy authorization required" => Self::ProxyDenied,
            "tunnel error: unsuccessful" => Self::NoProxy("it refuses to connect there".to_owned()),
            _ => Self::NoProxy(why),
        }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Proxy(failure) => failure.fmt(f),
            Self::Untrusted(certificate) => certificate.fmt(f),
            Self::NoProxy(why) => write!(f, "no connection through the proxy: {why}"),
            Self::ProxyDenied => f.write_str("the proxy requires a user name and password"),
            Self::NoAnswer(why) => f.write_str(why),
            Self::Alert(alert) => rustls::Error::AlertReceived(*alert).fmt(f),
            Self::NoTls => f.write_str("the server does not speak TLS"),
            Self::ConnectTimedOut => ConnectTimedOut.fmt(f),
            Self::OutOfBounds(error) => error.fmt(f),
        }
    }
}

impl Error for SendError {}

/// Why a certificate is not accepted; `Display` says it in the words of TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadCertificate {
    why: String,
    remedy: Option<&'static str>,
}

impl BadCertificate {
    fn new(error: &CertificateError) -> Self {
        use CertificateError as E;
        let remedy = match error {
            E::Expired
            | E::ExpiredContext { .. }
            | E::NotValidYet
            | E::NotValidYetContext { .. } => Some("renew it, or set this machine's clock"),
            E::NotValidForName | E::NotValidForNameContext { .. } => {
                Some("use a name that the certificate contains")
            }
            E::Revoked => Some("replace it"),
            _ => None,
        };
        Self {
            why: rustls::Error::InvalidCertificate(error.clone()).to_string(),
            remedy,
        }
    }

    /// What to do; `None` where the authority of the certificate has to be trusted.
    pub(crate) fn remedy(&self) -> Option<&'static str> {
        self.remedy
    }
}

impl fmt::Display for BadCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

/// What went wrong on the way to a proxy, or in its tunnel.
#[derive(Debug)]
pub(super) struct ProxyError(pub(super) Box<dyn Error + Send + Sync>);

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the proxy made no connection")
    }
}

impl Error for ProxyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

/// No connection was made in time.
#[derive(Debug)]
pub(super) struct ConnectTimedOut;

impl fmt::Display for ConnectTimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no connection was made in time")
    }
}

impl Error for ConnectTimedOut {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remedy_for_a_certificate_depends_on_what_is_wrong_with_it() {
        for (error, words) in [
            (CertificateError::Expired, Some("renew it")),
            (CertificateError::NotValidYet, Some("clock")),
            (CertificateError::NotValidForName, Some("use a name")),
            (CertificateError::UnknownIssuer, None),
            (CertificateError::BadSignature, None),
        ] {
            let error = io::Error::other(rustls::Error::InvalidCertificate(error));
            let SendError::Untrusted(certificate) = SendError::of(&error) else {
                panic!("{error}")
            };
            let remedy = certificate.remedy();
            assert_eq!(remedy.is_some(), words.is_some(), "{error}");
            assert!(
                remedy
                    .unwrap_or_default()
                    .contains(words.unwrap_or_default()),
                "{error}"
            );
        }
    }
}
