//! Credentials that are kept until shortly before they expire, and used until then if no new ones can
//! be loaded.

use std::time::{Duration, SystemTime};

use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials as _, SharedCredentialsProvider},
};
use tokio::time::timeout;

use super::source::{Source, shared};
use crate::{
    Failure,
    backends::{
        aws::answer::{self, CallError, Explain},
        keeper::{Keeper, Login},
        subscriber::silently,
    },
};

/// How long before they expire credentials are renewed.
pub(crate) const RENEWAL_MARGIN: Duration = Duration::from_secs(60);

/// The credentials of `provider`, loaded once for all callers.
pub(super) fn kept(
    provider: SharedCredentialsProvider,
    explain: Explain,
) -> SharedCredentialsProvider {
    shared(Kept(Keeper::new(Loads { provider, explain })))
}

#[derive(Debug)]
struct Kept(Keeper<Loads>);

impl Source for Kept {
    async fn credentials(&self) -> Result<Option<Credentials>, Failure> {
        match self.0.get().await {
            Ok(credentials) => Ok(Some(credentials.as_ref().clone())),
            Err(failure) => {
                let old = self.0.kept().filter(|old| lasts(old, Duration::ZERO));
                old.map_or(Err(failure), |old| Ok(Some(old.as_ref().clone())))
            }
        }
    }
}

#[derive(Debug)]
struct Loads {
    provider: SharedCredentialsProvider,
    explain: Explain,
}

impl Login for Loads {
    type Kept = Credentials;

    async fn log_in(&self) -> Result<Credentials, Failure> {
        let loading = silently(self.provider.provide_credentials());
        let loaded = timeout(self.explain.timeout, loading).await;
        let error = match loaded {
            Ok(Ok(credentials)) => return Ok(credentials),
            Ok(Err(error)) => answer::of_credentials(&error),
            Err(_) => CallError::TimedOut,
        };
        Err(self.explain.failure(&error))
    }

    fn is_good(&self, credentials: &Credentials) -> bool {
        lasts(credentials, RENEWAL_MARGIN)
    }
}

/// Whether `credentials` are valid for longer than `time`.
fn lasts(credentials: &Credentials, time: Duration) -> bool {
    let end = credentials.expiry();
    end.is_none_or(|end| SystemTime::now() + time < end)
}
