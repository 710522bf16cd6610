//! Reading one secret: the SDK's client, with one token for all.

use std::{pin::pin, sync::Arc};

use azure_core::credentials::TokenCredential;
use azure_security_keyvault_secrets::{SecretClient, SecretClientOptions};
use tokio::{sync::Semaphore, time::timeout};

use super::{
    answer::{self, Answer},
    credential::TokenKeeper,
    wire::Wire,
};
use crate::{Failure, backends::slots::slots};

/// How often a lookup is begun anew because others were challenged meanwhile.
const MOST_LOST_TOKENS: u32 = 5;

/// Which vault, and how it is asked.
#[derive(Debug, Clone)]
pub(super) struct VaultSettings {
    pub(super) vault_url: String,
    /// `None` for the SDK's default.
    pub(super) api_version: Option<String>,
    pub(super) verify_challenge_resource: bool,
    pub(super) max_concurrent_requests: usize,
    pub(super) look_for_deleted: bool,
}

/// Reads secrets of one vault. It connects at the first of them.
pub(super) struct Client {
    vault: String,
    secrets: SecretClient,
    tokens: Arc<TokenKeeper>,
    wire: Arc<Wire>,
    slots: Semaphore,
    look_for_deleted: bool,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("vault", &self.vault)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client that has not connected yet.
    ///
    /// # Errors
    /// When the URL is none.
    pub(super) fn new(
        settings: VaultSettings,
        wire: Arc<Wire>,
        tokens: TokenKeeper,
    ) -> Result<Self, &'static str> {
        let mut options = SecretClientOptions {
            client_options: Wire::options(&wire),
            verify_challenge_resource: Some(settings.verify_challenge_resource),
            ..SecretClientOptions::default()
        };
        if let Some(api_version) = settings.api_version {
            options.api_version = api_version;
        }
        let tokens = Arc::new(tokens);
        let credential = Arc::clone(&tokens) as Arc<dyn TokenCredential>;
        let secrets = SecretClient::new(&settings.vault_url, credential, Some(options))
            .map_err(|_| "is no URL; one looks like https://NAME.vault.azure.net")?;
        let host = secrets.endpoint().host_str().unwrap_or_default().to_owned();
        Ok(Self {
            vault: host,
            secrets,
            tokens,
            wire,
            slots: slots(settings.max_concurrent_requests),
            look_for_deleted: settings.look_for_deleted,
        })
    }

    /// The latest version of secret `name`.
    pub(super) async fn get(&self, name: &str) -> Result<Answer, Failure> {
        let limit = self.wire.timeout();
        // It lives on until it is told what it was waiting for.
        let mut answer = pin!(self.ask(name));
        let answer = timeout(limit, &mut answer).await;
        answer.unwrap_or_else(|_| {
            let (vault, seconds) = (&self.vault, limit.as_secs_f64());
            Err(Failure::unavailable(if self.tokens.is_being_asked() {
                format!(
                    "no token for the Key Vault {vault} within {seconds} s: check the way to who \
                     gives it (AZURE_AUTHORITY_HOST, or the managed identity's endpoint)"
                )
            } else {
                format!("the Key Vault {vault} did not answer within {seconds} s")
            }))
        })
    }

    async fn ask(&self, name: &str) -> Result<Answer, Failure> {
        // The semaphore is never closed.
        let _slot = self.slots.acquire().await;
        let error = match keep_asking(|| self.secrets.get_secret(name, None)).await {
            Ok(response) => match response.into_model() {
                Ok(secret) => return Ok(answer::value(secret.value)),
                Err(_) => return Err(answer::unreadable()),
            },
            Err(error) => error,
        };
        let failure = match answer::classify(&error, &self.vault) {
            answer::Problem::NotFound => None,
            answer::Problem::Failed(failure) => Some(failure),
        };
        match failure {
            Some(failure) => Err(failure),
            None if self.look_for_deleted => Ok(Answer::Missing(self.look_closer(name).await)),
            None => Ok(Answer::Missing(None)),
        }
    }

    /// Whether the secret is one that was deleted and can be recovered.
    async fn look_closer(&self, name: &str) -> Option<&'static str> {
        let deleted = self.secrets.get_deleted_secret(name, None).await;
        deleted.is_ok().then_some(
            "it is deleted and can be recovered until it is purged (az keyvault secret recover)",
        )
    }
}

/// Asks, and begins anew where the SDK lost its token to another lookup.
async fn keep_asking<T, F>(mut ask: impl FnMut() -> F) -> azure_core::Result<T>
where
    F: Future<Output = azure_core::Result<T>>,
{
    let mut answer = ask().await;
    for _ in 0..MOST_LOST_TOKENS {
        if !answer.as_ref().is_err_and(answer::has_lost_its_token) {
            break;
        }
        answer = ask().await;
    }
    answer
}

#[cfg(test)]
mod tests {
    use azure_core::{Error, error::ErrorKind};

    use super::*;
    use crate::FailureKind;

    /// What comes of answers that are given in turn, and how many were asked for.
    async fn ask(
        answers: impl IntoIterator<Item = azure_core::Result<u8>>,
    ) -> (Result<u8, Failure>, u32) {
        let (mut answers, mut asked) = (answers.into_iter(), 0);
        let answer = keep_asking(|| {
            asked += 1;
            std::future::ready(answers.next().unwrap())
        });
        let answer = answer.await.map_err(|error| {
            let answer::Problem::Failed(failure) = answer::classify(&error, "v") else {
                panic!("{error}");
            };
            failure
        });
        (answer, asked)
    }

    /// As the SDK says it where a challenge to another lookup came between.
    fn lost() -> azure_core::Result<u8> {
        let message = "The request failed due to an error while fetching the access token.";
        Err(Error::with_message(ErrorKind::Credential, message).with_context("not retried"))
    }

    #[tokio::test]
    async fn a_token_that_was_lost_to_another_lookup_is_asked_for_again() {
        assert_eq!(ask([lost(), lost(), Ok(1)]).await, (Ok(1), 3));
        let (failure, asked) = ask(std::iter::repeat_with(lost)).await;
        assert_eq!(failure.unwrap_err().kind(), FailureKind::Unavailable);
        assert_eq!(asked, 6);
    }

    #[tokio::test]
    async fn a_token_that_is_refused_is_not() {
        let refused = Failure::access_denied("refused");
        let error = Error::new(ErrorKind::Credential, refused.clone());
        let answers = [Err(error.with_context("not retried")), Ok(1)];
        assert_eq!(ask(answers).await, (Err(refused), 1));
    }
}
