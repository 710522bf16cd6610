//! The token's life at the real server: the file and the callback that give it, and what the server gives
//! in its place.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use airflow_secrets::{
    Failure, Secret,
    backends::execution_api::{ExecutionApiBackend, ExecutionApiCredential},
};

use crate::{
    TASK, api, server,
    support::{
        execution_api::{claims, signed, token},
        wire::CountingProxy,
    },
    variable,
};

const FOUND: &str = "a-blue-marker";

/// A backend behind a proxy that sees its requests.
async fn watched(credential: ExecutionApiCredential) -> (ExecutionApiBackend, CountingProxy) {
    let server = format!("http://{}", server().await.address());
    let proxy = CountingProxy::before(&server).await;
    let api = crate::api_at(&format!("{}/execution/", proxy.url)).credential(credential);
    (api.build().unwrap(), proxy)
}

/// The tokens that requests carried, in order.
fn carried(proxy: &CountingProxy) -> Vec<String> {
    let of = |request: &crate::support::wire::Request| {
        let bearer = request.header("authorization").unwrap();
        bearer.strip_prefix("Bearer ").unwrap().to_owned()
    };
    proxy.seen.all().iter().map(of).collect()
}

#[tokio::test]
async fn a_token_in_its_last_fifth_is_replaced_by_what_the_server_gives() {
    // Half a minute at least.
    server().await;
    let first = signed(&claims(TASK, 29));
    let (backend, proxy) = watched(ExecutionApiCredential::token(first.as_str())).await;
    assert_eq!(variable(&backend, "colour").await, Ok(FOUND.to_owned()));
    assert_eq!(variable(&backend, "colour").await, Ok(FOUND.to_owned()));
    assert_eq!(variable(&backend, "colour").await, Ok(FOUND.to_owned()));
    let carried = carried(&proxy);
    assert_eq!(carried[0], first);
    assert_ne!(carried[1], first);
    // The new one lives for ten minutes.
    assert_eq!(carried[1], carried[2]);
}

#[tokio::test]
async fn not_found_brings_a_new_token_too_and_so_does_a_wrong_path() {
    for key in ["nowhere", "a"] {
        server().await;
        let first = signed(&claims(TASK, 29));
        let (backend, proxy) = watched(ExecutionApiCredential::token(first.as_str())).await;
        let _ = variable(&backend, key).await;
        assert_eq!(variable(&backend, "colour").await, Ok(FOUND.to_owned()));
        let carried = carried(&proxy);
        assert_eq!((carried.len(), &carried[0]), (2, &first));
        assert_ne!(carried[1], first);
    }
}

#[tokio::test]
async fn a_file_is_read_again_where_its_token_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let (old, new) = (signed(&claims(TASK, -60)), token(TASK));
    std::fs::write(&file, format!("{old}\n")).unwrap();
    let (backend, proxy) = watched(ExecutionApiCredential::file(&file)).await;
    let denied = variable(&backend, "colour").await.unwrap_err();
    let in_file = format!(
        "FinalDenial: denied: the token in {} ended ",
        file.display()
    );
    assert!(denied.starts_with(&in_file), "{denied}");
    assert_eq!(carried(&proxy), [old.as_str()]);

    std::fs::write(&file, format!(" {new}\n")).unwrap();
    // The file that gave the same token again is not read for a second.
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(2)).await;
    tokio::time::resume();
    assert_eq!(variable(&backend, "colour").await, Ok(FOUND.to_owned()));
    assert_eq!(carried(&proxy), [&*old, &old, &new]);
    assert_eq!(variable(&backend, "colour").await, Ok(FOUND.to_owned()));
    assert_eq!(carried(&proxy).len(), 4);
}

#[tokio::test]
async fn a_callback_is_asked_again_once_where_its_token_is_denied() {
    let asked = Arc::<AtomicUsize>::default();
    let (counted, new) = (Arc::clone(&asked), token(TASK));
    let old = signed(&claims(TASK, -60));
    let credential = ExecutionApiCredential::callback(move || {
        let given = match counted.fetch_add(1, Ordering::Relaxed) {
            0 => old.clone(),
            _ => new.clone(),
        };
        async move { Ok::<_, Failure>(Secret::from(given)) }
    });
    let (backend, proxy) = watched(credential).await;
    assert_eq!(variable(&backend, "colour").await, Ok(FOUND.to_owned()));
    assert_eq!(
        (asked.load(Ordering::Relaxed), carried(&proxy).len()),
        (2, 2)
    );
    assert_eq!(variable(&backend, "a/b").await, Ok("slash".to_owned()));
    assert_eq!(
        (asked.load(Ordering::Relaxed), carried(&proxy).len()),
        (2, 3)
    );
}

#[tokio::test]
async fn many_lookups_share_one_reading_of_the_source() {
    let asked = Arc::<AtomicUsize>::default();
    let (counted, token) = (Arc::clone(&asked), token(TASK));
    let credential = ExecutionApiCredential::callback(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        let token = Secret::from(token.as_str());
        async move { Ok(token) }
    });
    let backend = api().await.credential(credential).build().unwrap();
    let lookups = (0..32).map(|_| variable(&backend, "colour"));
    for found in futures_util::future::join_all(lookups).await {
        assert_eq!(found, Ok(FOUND.to_owned()));
    }
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_source_without_a_token_is_a_configuration_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let at = file.display();
    let found = |backend: ExecutionApiBackend| async move { variable(&backend, "colour").await };
    let backend = || api_of(ExecutionApiCredential::file(&file));
    let why = "No such file or directory (os error 2)";
    let message = |why: &str| {
        format!("Configuration: the file of the Execution API's token, {at}, cannot be used: {why}")
    };
    assert_eq!(found(backend()).await, Err(message(why)));
    std::fs::write(&file, " \n").unwrap();
    assert_eq!(found(backend()).await, Err(message("it is empty")));
    std::fs::write(&file, "two words").unwrap();
    let unusable = "Configuration: the Execution API's token is empty, or contains a character that no \
                    token has";
    assert_eq!(found(backend()).await, Err(unusable.to_owned()));
    let backend = api_of(ExecutionApiCredential::callback(|| async {
        Err(Failure::unavailable("no token today"))
    }));
    assert_eq!(
        found(backend).await,
        Err("Unavailable: no token today".to_owned())
    );
}

#[tokio::test]
async fn a_file_that_is_gone_is_why_a_denial_is_not_repeated() {
    use std::error::Error as _;

    use airflow_secrets::SecretsBackend as _;

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, signed(&claims(TASK, -60))).unwrap();
    let (backend, proxy) = watched(ExecutionApiCredential::file(&file)).await;
    variable(&backend, "colour").await.unwrap_err();
    std::fs::remove_file(&file).unwrap();
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(2)).await;
    tokio::time::resume();
    let denied = backend.get_variable("colour", &crate::options()).await;
    let denied = denied.unwrap_err();
    assert!(
        denied.message().starts_with("denied: the token in "),
        "{denied}"
    );
    let why = denied.source().unwrap().to_string();
    assert!(
        why.ends_with("No such file or directory (os error 2)"),
        "{why}"
    );
    assert_eq!(carried(&proxy).len(), 2);
}

/// A backend that asks nobody before it has a token.
fn api_of(credential: ExecutionApiCredential) -> ExecutionApiBackend {
    let api = crate::api_at("http://127.0.0.1:9/execution/");
    api.credential(credential).build().unwrap()
}
