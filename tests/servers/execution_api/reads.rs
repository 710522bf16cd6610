//! What the real server answers to a task that may ask.

use airflow_secrets::{Lookup, Secret, SecretsBackend};

use crate::{URI, api, connection, options, server, variable};

#[tokio::test]
async fn what_the_server_defines_is_found_under_its_address() {
    let backend = api().await.build().unwrap();
    assert_eq!(connection(&backend, "pg").await, Ok(URI.to_owned()));
    assert_eq!(connection(&backend, "bare").await, Ok("fs://".to_owned()));
    let found = backend.get_variable("colour", &options()).await.unwrap();
    let native_key = format!("{}variables/colour", server().await.url);
    assert_eq!(found, Lookup::found("a-blue-marker".into(), native_key));
}

#[tokio::test]
async fn a_connection_has_all_its_fields_but_the_description() {
    let backend = api().await.build().unwrap();
    let found = backend.get_connection("pg", &options()).await.unwrap();
    let pg = found.value().unwrap();
    assert_eq!(pg.conn_id(), "pg");
    assert_eq!(pg.conn_type(), Some("postgres"));
    assert_eq!((pg.host(), pg.port()), (Some("db"), Some(5432)));
    assert_eq!((pg.login(), pg.schema()), (Some("app"), Some("orders")));
    assert_eq!(pg.password().unwrap().expose(), "hunter2-marker");
    assert_eq!(pg.extra().unwrap().expose(), r#"{"sslmode": "require"}"#);
    assert_eq!(pg.description(), None);
}

#[tokio::test]
async fn what_the_server_does_not_define_is_missing() {
    let backend = api().await.build().unwrap();
    let missing = Err("missing: ".to_owned());
    assert_eq!(connection(&backend, "nowhere").await, missing);
    assert_eq!(variable(&backend, "nowhere").await, missing);
    let found = backend.get_variable("nowhere", &options()).await.unwrap();
    let native_key = format!("{}variables/nowhere", server().await.url);
    assert_eq!(found, Lookup::missing(native_key));
}

#[tokio::test]
async fn keys_with_slashes_and_odd_characters_are_found_as_they_are() {
    let backend = api().await.build().unwrap();
    for (key, value) in [
        ("a/b", "slash"),
        ("one//two", "two slashes"),
        ("/leading", "leading"),
        ("trailing/", "trailing"),
        ("keys/", "no list"),
        ("odd ?#%25&+é", "odd"),
        ("empty", ""),
        ("json", r#"{"a": 1}"#),
    ] {
        assert_eq!(variable(&backend, key).await, Ok(value.to_owned()), "{key}");
    }
    let odd = connection(&backend, "odd ?#%25&+é").await;
    assert_eq!(odd, Ok("http://".to_owned()));
}

#[tokio::test]
async fn what_the_api_has_no_path_for_is_skipped() {
    let backend = api().await.build().unwrap();
    for (found, why) in [
        (
            connection(&backend, "a/b").await,
            "the Execution API takes no \"/\" in the id of a connection",
        ),
        (
            variable(&backend, "keys").await,
            "in the Execution API, the path of a variable \"keys\" is that of the list of keys",
        ),
        (
            variable(&backend, "x/../colour").await,
            "a \".\" or \"..\" between slashes leaves its path",
        ),
        (
            connection(&backend, "..").await,
            "a \".\" or \"..\" between slashes leaves its path",
        ),
        (
            variable(&backend, "a\nb").await,
            "it contains a control character",
        ),
        (connection(&backend, "").await, "it is empty"),
    ] {
        assert_eq!(found, Err(format!("skipped: invalid id: {why}")));
    }
}

#[tokio::test]
async fn what_the_server_cannot_read_itself_it_calls_missing() {
    let backend = api().await.build().unwrap();
    // Airflow's server answers so (EXEC-6): its log alone says why.
    for conn_id in ["cipher", "no_json"] {
        let found = connection(&backend, conn_id).await;
        assert_eq!(found, Err("missing: ".to_owned()), "{conn_id}");
    }
    let port = "InvalidValue: `port` is not a whole number from 0 to 65535 (CODEC-1)";
    assert_eq!(connection(&backend, "far_port").await, Err(port.to_owned()));
}

#[tokio::test]
async fn an_empty_password_stays_as_the_server_has_it() {
    let backend = api().await.build().unwrap();
    let found = backend.get_connection("empty_password", &options()).await;
    let found = found.unwrap();
    let password = found.value().unwrap().password();
    assert_eq!(password.map(Secret::expose), Some(""));
    assert_eq!(found.value().unwrap().host(), Some(""));
}

#[tokio::test]
async fn many_ids_at_once_come_in_their_order() {
    let backend = api().await.build().unwrap();
    let keys = ["colour", "nowhere", "keys", "a/b"];
    let found = backend.get_variables(&keys, &options()).await;
    let found = found.into_iter().map(crate::outcome).collect::<Vec<_>>();
    for (key, found) in keys.iter().zip(found) {
        assert_eq!(found, variable(&backend, key).await, "{key}");
    }
}

#[tokio::test]
async fn a_newer_version_is_answered_by_the_newest_that_the_server_knows() {
    let backend = api().await.api_version("2099-01-01").build().unwrap();
    assert_eq!(
        variable(&backend, "colour").await,
        Ok("a-blue-marker".to_owned())
    );
}

#[tokio::test]
async fn a_version_that_the_server_does_not_know_is_a_failure() {
    let backend = api().await.api_version("2024-01-01").build().unwrap();
    let why = "Unavailable: API does not know the path (HTTP 404): check the URL, which ends in \
               \"/execution/\", and that the server knows Airflow-API-Version 2024-01-01";
    let why = why.replace("API does", "the Execution API at API does");
    assert_eq!(variable(&backend, "colour").await, Err(why.clone()));
    assert_eq!(connection(&backend, "nowhere").await, Err(why));
    let backend = api().await.api_version("nonsense").build().unwrap();
    let why = "Unavailable: the Execution API at API refused the request as invalid (HTTP 422): \
               check its Airflow version";
    assert_eq!(variable(&backend, "colour").await, Err(why.to_owned()));
}

#[tokio::test]
async fn a_wrong_url_is_a_failure_and_never_missing() {
    let url = &server().await.url;
    for wrong in ["", "other/", "connections/"] {
        let wrong = crate::api_at(&format!("{url}{wrong}other/"))
            .build()
            .unwrap();
        let found = variable(&wrong, "colour").await.unwrap_err();
        assert!(
            found.starts_with("Unavailable: the Execution API at API"),
            "{found}"
        );
        assert!(
            found.contains("does not know the path (HTTP 404)"),
            "{found}"
        );
    }
    let root = url.strip_suffix("execution/").unwrap();
    let found = variable(&crate::api_at(root).build().unwrap(), "colour").await;
    let found = found.unwrap_err();
    assert!(found.starts_with("Unavailable: "), "{found}");
}
