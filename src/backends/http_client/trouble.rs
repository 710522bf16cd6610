//! Why there was no answer.

use std::{error::Error, fmt, io};

use hyper_util::client::legacy;
use rustls::AlertDescription;

use crate::Failure;

/// Why there was no answer. Nothing of it is the other side's own text, or a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::backends) enum Trouble {
    /// The proxy before the other side is none that can be asked.
    Proxy(Failure),
    /// TLS does not trust the other side: why, in its words.
    Untrusted(String),
    /// The other side ended TLS, and this is its reason.
    Alert(AlertDescription),
    /// No connection within the time for it.
    ConnectTimedOut,
    /// No connection, or none that lasted: why, in the words of the system, HTTP or TLS.
    NoAnswer(String),
}

impl Trouble {
    /// The trouble of a request.
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

    /// The trouble of a connection that there is.
    pub(super) fn of(error: &(dyn Error + 'static)) -> Self {
        for cause in causes(error) {
            if let Some(failure) = cause.downcast_ref::<Failure>() {
                return Self::Proxy(failure.clone());
            }
            match cause.downcast_ref::<rustls::Error>() {
                Some(rustls::Error::InvalidCertificate(_)) => {
                    return Self::Untrusted(cause.to_string());
                }
                Some(rustls::Error::AlertReceived(alert)) => return Self::Alert(*alert),
                _ => {}
            }
        }
        Self::NoAnswer(causes(error).last().unwrap_or(error).to_string())
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Proxy(failure) => failure.fmt(f),
            Self::Untrusted(why) | Self::NoAnswer(why) => f.write_str(why),
            Self::Alert(alert) => rustls::Error::AlertReceived(*alert).fmt(f),
            Self::ConnectTimedOut => ConnectTimedOut.fmt(f),
        }
    }
}

impl Error for Trouble {}

/// `error` and what caused it, in turn. What an I/O error holds is among them: its own `source` is
/// that of what it holds.
fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error: &&'e (dyn Error + 'static)| {
        let held = error.downcast_ref::<io::Error>();
        match held.and_then(io::Error::get_ref) {
            Some(held) => Some(held as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}

/// There was no connection in time.
#[derive(Debug)]
pub(super) struct ConnectTimedOut;

impl fmt::Display for ConnectTimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no connection in time")
    }
}

impl Error for ConnectTimedOut {}
