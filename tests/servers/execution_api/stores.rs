//! Variables that are listed, set and deleted at the real server.

use airflow_secrets::{
    Secret, backend::VariableStore, backends::execution_api::ExecutionApiBackend,
};

use crate::{TASK, api, options, said, support::execution_api::claims, variable};

/// What the keys of this test begin with.
const OWN: &str = "stores/é &";

async fn set(
    backend: &ExecutionApiBackend,
    key: &str,
    value: &str,
    description: Option<&str>,
) -> Result<(), String> {
    let (value, options) = (Secret::from(value), options());
    let set = backend.set_variable(key, &value, description, &options);
    set.await.map_err(|failure| said(&failure))
}

async fn delete(backend: &ExecutionApiBackend, key: &str) -> Result<(), String> {
    let deleted = backend.delete_variable(key, &options()).await;
    deleted.map_err(|failure| said(&failure))
}

async fn keys(backend: &ExecutionApiBackend, prefix: &str) -> Result<Vec<String>, String> {
    let keys = backend.variable_keys(prefix, &options()).await;
    keys.map_err(|failure| said(&failure))
}

#[tokio::test]
async fn a_variable_is_set_read_listed_and_deleted() {
    let backend = api().await.build().unwrap();
    let key = |name: &str| format!("{OWN}_{name}");
    for (name, value) in [("one", "1"), ("two", ""), ("three", "{\"a\": \"é\\\"\"}")] {
        set(&backend, &key(name), value, Some("one of three"))
            .await
            .unwrap();
        assert_eq!(variable(&backend, &key(name)).await, Ok(value.to_owned()));
    }
    let listed = [key("one"), key("three"), key("two")].to_vec();
    assert_eq!(keys(&backend, OWN).await, Ok(listed));

    set(&backend, &key("one"), "11", None).await.unwrap();
    assert_eq!(variable(&backend, &key("one")).await, Ok("11".to_owned()));
    for name in ["one", "two", "three", "three"] {
        assert_eq!(delete(&backend, &key(name)).await, Ok(()), "{name}");
    }
    assert_eq!(keys(&backend, OWN).await, Ok(Vec::new()));
    let gone = variable(&backend, &key("one")).await;
    assert_eq!(gone, Err("missing: ".to_owned()));
}

#[tokio::test]
async fn a_variable_of_16_mib_is_read() {
    let backend = api().await.build().unwrap();
    let long = "\u{e9}".repeat(8 * 1024 * 1024);
    set(&backend, "a long one", &long, None).await.unwrap();
    let read = variable(&backend, "a long one").await;
    delete(&backend, "a long one").await.unwrap();
    // Not shown where they differ.
    assert!(read.as_deref() == Ok(&*long));
    let too_long = "x".repeat(17 * 1024 * 1024);
    set(&backend, "too long", &too_long, None).await.unwrap();
    let refused = variable(&backend, "too long").await;
    delete(&backend, "too long").await.unwrap();
    let why = "Unavailable: the Execution API at API gave an invalid answer (the answer is longer than \
               17825792 bytes): check the address and the proxy";
    assert_eq!(refused, Err(why.to_owned()));
}

#[tokio::test]
async fn all_keys_are_listed_in_ascending_order() {
    let backend = api().await.build().unwrap();
    let all = keys(&backend, "").await.unwrap();
    assert!(all.is_sorted(), "{all:?}");
    for key in ["colour", "a/b", "keys", "of_red"] {
        assert!(all.contains(&key.to_owned()), "{key}");
    }
    let prefixed = vec!["one//two".to_owned()];
    assert_eq!(keys(&backend, "one/").await, Ok(prefixed));
    // They are no patterns.
    assert_eq!(keys(&backend, "one_").await, Ok(Vec::new()));
}

#[tokio::test]
async fn what_has_no_path_cannot_be_stored() {
    let backend = api().await.build().unwrap();
    for (key, why) in [
        ("", "it is empty"),
        (
            "a/../b",
            "a \".\" or \"..\" between slashes leaves its path",
        ),
        ("a\nb", "it contains a control character"),
    ] {
        let refused = Err(format!("InvalidValue: invalid id: {why}"));
        assert_eq!(set(&backend, key, "value", None).await, refused);
        assert_eq!(delete(&backend, key).await, refused);
    }
}

#[tokio::test]
async fn a_token_that_has_ended_stores_nothing() {
    let ended = crate::support::execution_api::signed(&claims(TASK, -60));
    let backend = crate::with_token(&ended).await;
    for refused in [
        set(&backend, "stores_never", "value", None).await,
        delete(&backend, "colour").await,
        keys(&backend, "").await.map(drop),
    ] {
        let why = refused.unwrap_err();
        assert!(
            why.starts_with("FinalDenial: denied: the token ended"),
            "{why}"
        );
    }
    let untouched = variable(&api().await.build().unwrap(), "colour").await;
    assert_eq!(untouched, Ok("a-blue-marker".to_owned()));
}
