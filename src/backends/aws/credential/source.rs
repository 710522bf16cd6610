//! A source of credentials, and its adapter for the SDK.

use std::fmt;

use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future},
};

use crate::Failure;

/// A source of credentials.
pub(super) trait Source: fmt::Debug + Send + Sync + 'static {
    /// The credentials; `None` if this source does not apply, and the next one is asked.
    fn credentials(&self) -> impl Future<Output = Result<Option<Credentials>, Failure>> + Send;
}

/// The adapter of `source` for the SDK.
pub(super) fn shared(source: impl Source) -> SharedCredentialsProvider {
    SharedCredentialsProvider::new(Provider(source))
}

#[derive(Debug)]
struct Provider<S>(S);

impl<S: Source> ProvideCredentials for Provider<S> {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let credentials = self.0.credentials().await;
            let credentials = credentials.map_err(CredentialsError::provider_error)?;
            credentials.ok_or_else(CredentialsError::not_loaded_no_source)
        })
    }
}
