//! What is read, under which name, and how often is asked.

use airflow_secrets::{Lookup, SecretsBackend, backend::LookupOptions};
use futures_util::future::join_all;

use crate::{
    builder, outcome, reader,
    support::{
        key_vault::Azure,
        token_authority::{AUDIENCE, now},
    },
    variable,
};

#[tokio::test]
async fn connections_variables_and_config_are_read_under_their_prefixes() {
    let azure = Azure::start();
    azure
        .vault
        .put("airflow-connections-my-pg", "postgres://u:p@h:5432/s");
    azure.vault.put("airflow-variables-colour", "blue");
    azure
        .vault
        .put("airflow-config-sql-alchemy-conn", "sqlite://");
    let vault = reader(&azure);

    let connection = vault.get_connection("my_pg", &LookupOptions::new()).await;
    let Ok(Lookup::Found {
        value, native_key, ..
    }) = connection
    else {
        panic!("{connection:?}");
    };
    assert_eq!((value.host(), value.port()), (Some("h"), Some(5432)));
    assert_eq!(native_key, "airflow-connections-my-pg");
    assert_eq!(variable(&vault, "colour").await, Ok("blue".to_owned()));
    assert_eq!(
        outcome(
            vault
                .get_config("sql_alchemy_conn", &LookupOptions::new())
                .await
        ),
        Ok("sqlite://".to_owned())
    );
    assert_eq!(
        variable(&vault, "absent").await,
        Err("missing: ".to_owned())
    );
}

#[tokio::test]
async fn the_first_request_has_no_token_and_every_other_is_one_round_trip() {
    let azure = Azure::start();
    azure.vault.put("airflow-variables-colour", "blue");
    let vault = reader(&azure);
    for _ in 0..5 {
        assert_eq!(variable(&vault, "colour").await, Ok("blue".to_owned()));
    }
    let requests = azure.vault.requests();
    assert_eq!(requests.len(), 6);
    assert_eq!(requests[0].header("authorization"), "");
    assert!(
        requests
            .iter()
            .skip(1)
            .all(|r| r.header("authorization").starts_with("Bearer "))
    );
    let token_request = &azure.authority.requests()[0];
    assert_eq!(
        token_request.form()["scope"],
        format!("{AUDIENCE}/.default")
    );
    assert_eq!(azure.authority.tokens_given(), 1);
}

#[tokio::test]
async fn a_thousand_cold_lookups_ask_for_one_token() {
    let azure = Azure::start();
    let keys = (0..1000).map(|n| format!("key-{n}")).collect::<Vec<_>>();
    for key in &keys {
        azure.vault.put(&format!("airflow-variables-{key}"), key);
    }
    let vault = reader(&azure);
    let values = join_all(keys.iter().map(|key| variable(&vault, key))).await;
    let expected = keys.iter().map(|key| Ok(key.clone())).collect::<Vec<_>>();
    assert_eq!(values, expected);
    assert_eq!(azure.authority.tokens_given(), 1);
    assert_eq!(azure.authority.requests().len(), 1);
    // One each, and a challenge for each of those that were first under way.
    let requests = azure.vault.requests().len();
    assert!((1001..=1016).contains(&requests), "{requests}");
}

#[tokio::test]
async fn the_latest_version_counts() {
    let azure = Azure::start();
    azure.vault.put("airflow-variables-colour", "red");
    azure.vault.put("airflow-variables-colour", "blue");
    assert_eq!(
        variable(&reader(&azure), "colour").await,
        Ok("blue".to_owned())
    );
}

#[tokio::test]
async fn an_expired_secret_is_read_as_key_vault_gives_it() {
    let azure = Azure::start();
    azure
        .vault
        .version("airflow-variables-colour", "blue", true, Some(now() - 100));
    assert_eq!(
        variable(&reader(&azure), "colour").await,
        Ok("blue".to_owned())
    );
}

#[tokio::test]
async fn a_disabled_secret_is_denied_and_says_so() {
    let azure = Azure::start();
    azure.vault.put("airflow-variables-colour", "red");
    azure
        .vault
        .version("airflow-variables-colour", "blue", false, None);
    assert_eq!(
        variable(&reader(&azure), "colour").await,
        Err(
            "AccessDenied: denied: the secret, or its latest version, is disabled: enable it"
                .to_owned()
        )
    );
}

#[tokio::test]
async fn a_deleted_secret_is_missing_and_says_why_where_it_is_asked_to() {
    let azure = Azure::start();
    azure.vault.put("airflow-variables-colour", "blue");
    azure.vault.delete("airflow-variables-colour");
    assert_eq!(
        variable(&reader(&azure), "colour").await,
        Err("missing: ".to_owned())
    );

    let curious = builder(&azure.environment(&Azure::principal()))
        .look_for_deleted(true)
        .build()
        .unwrap();
    assert_eq!(
        variable(&curious, "colour").await,
        Err(
            "missing: it is deleted and can be recovered until it is purged (az keyvault secret \
             recover)"
                .to_owned()
        )
    );
    assert_eq!(
        variable(&curious, "never").await,
        Err("missing: ".to_owned())
    );
}
