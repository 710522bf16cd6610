//! Answers that no Vault gives: they are not read to their end, and Vault is not asked again.

use std::time::Duration;

use airflow_secrets::backends::{
    HttpOptions, RetryOptions,
    vault::{VaultBackend, VaultCredential},
};

use crate::{
    support::hostile::{ATTACKS, Attack, Hostile, MOST_SENT},
    variable, vault,
};

/// With little time for an answer that comes slowly.
fn hurried(url: &str, login: VaultCredential) -> VaultBackend {
    let builder = vault(url, login).retries(RetryOptions::new().with_max_retries(2));
    let timeout = HttpOptions::new().with_timeout(Duration::from_secs(3));
    builder.http(timeout).build().unwrap()
}

#[tokio::test]
async fn neither_documents_nor_logins_are_read_without_end() {
    let logins = [
        VaultCredential::token("t"),
        VaultCredential::approle("role", Some("secret")),
    ];
    for (attack, login) in ATTACKS
        .into_iter()
        .flat_map(|attack| logins.clone().map(|login| (attack, login)))
    {
        let server = Hostile::with(attack).await;
        let outcome = variable(&hurried(&server.url, login.clone()), "x").await;
        let outcome = outcome.unwrap_err();
        let what = format!("{attack:?} of {login:?}: {outcome}");
        assert!(outcome.starts_with("Unavailable: "), "{what}");
        assert!(server.sent() < MOST_SENT, "{what}: {} bytes", server.sent());
        let (words, requests) = match attack {
            Attack::EndlessBody | Attack::EndlessErrorBody => ("is longer than", 1),
            Attack::DeepBody => ("nests deeper than", 1),
            Attack::SlowBody => ("did not answer within 3 s", 1),
            // A broken connection may pass.
            Attack::EndlessHeader => ("no answer from Vault", 3),
        };
        assert!(outcome.contains(words), "{what}");
        assert_eq!(server.requests(), requests, "{what}");
    }
}
