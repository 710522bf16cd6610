//! A check is one request after the login, whatever comes of it. The vault's challenge, which names the
//! audience, is part of the login.

use airflow_secrets::{Resolver, backends::azure::AzureKeyVaultBackend};

use crate::{
    reader,
    support::{
        key_vault::{Azure, throttled},
        observed::Observed,
    },
};

const NAME: &str = "airflow-connections-airflow-secrets-check";

fn resolver(backend: AzureKeyVaultBackend) -> (Resolver, Observed) {
    let observed = Observed::default();
    let builder = Resolver::builder().backend(backend);
    (builder.observer(observed.clone()).build(), observed)
}

#[tokio::test]
async fn a_secret_that_does_not_exist_proves_that_the_vault_answers() {
    let azure = Azure::start();
    let (resolver, observed) = resolver(reader(&azure));
    let well = format!("azure_key_vault ({NAME}) reachable");
    for requests in [2, 3, 4] {
        assert_eq!(resolver.check().await[0].to_string(), well);
        assert_eq!(azure.vault.requests().len(), requests);
    }
    let requests = azure.vault.requests();
    assert_eq!(requests[0].header("authorization"), "");
    assert_eq!(observed.take(), ["azure_key_vault: login ok"]);
}

#[tokio::test]
async fn a_denial_and_an_outage_are_told_without_a_second_request() {
    let azure = Azure::start();
    let (resolver, _) = resolver(reader(&azure));
    resolver.check().await;
    let before = azure.vault.requests().len();
    azure.vault.answer_first([throttled(0), throttled(0)]);
    let said = resolver.check().await[0].to_string();
    assert!(said.contains(" unavailable: "), "{said}");
    assert_eq!(azure.vault.requests().len(), before + 1);
    resolver.check().await;
    azure.vault.deny(NAME);
    let said = resolver.check().await[0].to_string();
    assert!(said.contains(" access_denied: "), "{said}");
    assert_eq!(azure.vault.requests().len(), before + 3);
}
