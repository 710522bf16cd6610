//! What to tell a user where there was no answer, for the services that have no words of their own.

use std::time::Duration;

use super::SendError;
use crate::Failure;

impl SendError {
    /// The failure where `whom` gave no answer.
    pub(crate) fn no_answer(&self, whom: &str, connect_timeout: Duration) -> Failure {
        let message = match self {
            Self::Proxy(failure) => return failure.clone(),
            Self::ConnectTimedOut => {
                let seconds = connect_timeout.as_secs_f64();
                format!("no connection to {whom} within {seconds} s")
            }
            Self::Untrusted(why) => match why.remedy() {
                Some(remedy) => {
                    format!("the TLS certificate of {whom} is not valid ({why}): {remedy}")
                }
                None => format!(
                    "the TLS certificate of {whom} is not trusted ({why}): name its authority in \
                     SSL_CERT_FILE or REQUESTS_CA_BUNDLE"
                ),
            },
            Self::OutOfBounds(why) => {
                format!("{whom} gave an invalid answer ({why}): check the address and the proxy")
            }
            Self::ProxyDenied => format!(
                "the proxy before {whom} requires a user name and password: add them to the proxy's URL"
            ),
            Self::NoProxy(why) => format!(
                "no connection to {whom} through the proxy: {why}: check the proxy and no_proxy"
            ),
            Self::Alert(_) | Self::NoTls | Self::NoAnswer(_) => {
                format!("no answer from {whom}: {self}")
            }
        };
        let may_pass = matches!(
            self,
            Self::ConnectTimedOut | Self::Alert(_) | Self::NoProxy(_) | Self::NoAnswer(_)
        );
        Failure::unavailable(message).with_transient(may_pass)
    }
}
