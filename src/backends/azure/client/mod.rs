//! Reading one secret: the SDK's client, with one token for all.

pub(super) mod wire;

use std::sync::Arc;

use azure_core::{credentials::TokenCredential, http::RetryOptions};
use azure_security_keyvault_secrets::{SecretClient, SecretClientOptions};
use tokio::sync::{Semaphore, SemaphorePermit};

use self::wire::{LOOKUP, UnderWay, Wire};
use super::{
    answer::{self, Reading},
    credential::{self, TokenKeeper},
};
use crate::{
    Failure,
    backend::LookupOptions,
    backends::{deadline::Deadline, runtime, slots::Waited},
};

/// How often a lookup starts again because another one was challenged meanwhile.
const MOST_LOST_TOKENS: u32 = 5;

/// Which vault, and how it is asked.
#[derive(Debug, Clone)]
pub(super) struct VaultSettings {
    pub(super) vault_url: String,
    /// `None` for the SDK's default.
    pub(super) api_version: Option<String>,
    pub(super) verify_challenge_resource: bool,
    pub(super) look_for_deleted: bool,
}

/// Reads secrets of one vault. It connects at the first of them.
pub(super) struct Client {
    vault: String,
    secrets: SecretClient,
    /// The same without retries. Like the other, it has to be challenged once for itself.
    once: SecretClient,
    tokens: Arc<TokenKeeper>,
    wire: Arc<Wire>,
    cold_slots: Semaphore,
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
    /// When the URL is invalid.
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
        let client = |options| {
            let credential = Arc::clone(&tokens) as Arc<dyn TokenCredential>;
            SecretClient::new(&settings.vault_url, credential, Some(options))
                .map_err(|_| "is not a URL such as https://NAME.vault.azure.net")
        };
        let mut once = options.clone();
        once.client_options.retry = RetryOptions::none();
        let (secrets, once) = (client(options)?, client(once)?);
        let host = secrets.endpoint().host_str().unwrap_or_default().to_owned();
        Ok(Self {
            vault: host,
            secrets,
            once,
            tokens,
            cold_slots: wire.slots(),
            wire,
            look_for_deleted: settings.look_for_deleted,
        })
    }

    /// The latest version of secret `name`.
    pub(super) async fn get(
        &self,
        name: &str,
        options: &LookupOptions,
    ) -> Result<Reading, Failure> {
        self.in_time(options, async |waited| {
            Ok(match self.ask(&self.secrets, name, waited).await? {
                Reading::Missing(None) if self.look_for_deleted => {
                    Reading::Missing(self.look_closer(name).await)
                }
                reading => reading,
            })
        })
        .await
    }

    /// The same, asked once.
    pub(super) async fn get_once(
        &self,
        name: &str,
        options: &LookupOptions,
    ) -> Result<Reading, Failure> {
        self.in_time(options, async |waited| {
            self.ask(&self.once, name, waited).await
        })
        .await
    }

    async fn in_time(
        &self,
        options: &LookupOptions,
        ask: impl AsyncFnOnce(&Waited) -> Result<Reading, Failure>,
    ) -> Result<Reading, Failure> {
        runtime::check().map_err(Failure::configuration)?;
        let deadline = Deadline::new(self.wire.timeout(), options);
        let lookup = Arc::new(UnderWay {
            deadline,
            waited: Waited::default(),
        });
        let asking = LOOKUP.scope(Arc::clone(&lookup), ask(&lookup.waited));
        deadline.wait_for(asking).await.unwrap_or_else(|| {
            let vault = &self.vault;
            Err(if self.tokens.is_being_asked() {
                credential::no_token_in_time(&format!(" for the Key Vault {vault}"), deadline)
            } else if lookup.waited.was_most_of(deadline.limit()) {
                let most = self.wire.most_requests();
                Failure::unavailable(format!(
                    "most of the {deadline} of this lookup passed in the wait for one of the {most} \
                     requests to the Key Vault {vault} that may be under way at once: look up fewer ids \
                     at once, or raise `HttpOptions::with_max_concurrent_requests`"
                ))
            } else {
                let message = format!("the Key Vault {vault} did not answer within {deadline}");
                Failure::unavailable(message)
            })
        })
    }

    async fn ask(
        &self,
        secrets: &SecretClient,
        name: &str,
        waited: &Waited,
    ) -> Result<Reading, Failure> {
        let _cold = self.cold_slot(waited).await;
        let error = match keep_asking(|| secrets.get_secret(name, None)).await {
            Ok(response) => return answer::read(response.into_model()),
            Err(error) => error,
        };
        match answer::classify(&error, &self.vault) {
            answer::Problem::NotFound => Ok(Reading::Missing(None)),
            answer::Problem::Failed(failure) => Err(failure),
        }
    }

    /// Before there is a token, the vault challenges each lookup: no more of them begin than may
    /// send requests at once. With a token, nobody holds one of these slots.
    async fn cold_slot(&self, waited: &Waited) -> Option<SemaphorePermit<'_>> {
        if self.tokens.has_token() {
            return None;
        }
        let slot = waited.for_slot(&self.cold_slots).await;
        slot.filter(|_| !self.tokens.has_token())
    }

    /// Whether the secret is one that was deleted and can be recovered.
    async fn look_closer(&self, name: &str) -> Option<&'static str> {
        let deleted = self.secrets.get_deleted_secret(name, None).await;
        deleted.is_ok().then_some(
            "it is deleted and can be recovered until it is purged (az keyvault secret recover)",
        )
    }
}

/// Asks, and asks again where the SDK lost its token to another lookup.
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
    use crate::backend::FailureKind;

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
