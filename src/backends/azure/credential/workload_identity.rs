//! A login with a token that Kubernetes keeps fresh in a file.

use std::path::PathBuf;

use async_trait::async_trait;
use azure_core::{Error, error::ErrorKind, http::ClientMethodOptions};
use azure_identity::ClientAssertion;

use crate::{Failure, Secret, files};

/// The token in a file, read anew for each login.
#[derive(Debug)]
pub(super) struct FederatedToken {
    path: PathBuf,
}

impl FederatedToken {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }
}

#[async_trait]
impl ClientAssertion for FederatedToken {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        let token = files::read_text_in_background(&self.path).await;
        token.map(Secret::into_exposed).map_err(|error| {
            let file = self.path.display();
            let failure = Failure::configuration(format!(
                "the token file {file} (AZURE_FEDERATED_TOKEN_FILE) cannot be read: {error}"
            ));
            Error::new(ErrorKind::Credential, failure)
        })
    }
}
