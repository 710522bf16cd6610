//! Reads from a real drongo.

use airflow_secrets::backends::HttpOptions;
use airflow_secrets::{Resolver, backend::LookupOptions};
use serde_json::json;

use crate::{
    Environment, SecretsBackend, outcome, secret_manager,
    support::{drongo::Drongo, google::payload, served::Served, wire::CountingProxy},
    variable,
};

/// An environment whose secrets backend is the server's, with these kwargs.
pub(crate) fn emulated(drongo: &Drongo, kwargs: serde_json::Value) -> Environment {
    [
        ("AIRFLOW_HOME", "/nowhere"),
        (
            "AIRFLOW__SECRETS__BACKEND",
            "airflow.providers.google.cloud.secrets.secret_manager.CloudSecretManagerBackend",
        ),
        ("AIRFLOW__SECRETS__BACKEND_KWARGS", &kwargs.to_string()),
        ("SECRET_MANAGER_EMULATOR_HOST", &drongo.host),
    ]
    .into_iter()
    .collect()
}

#[tokio::test]
async fn an_emulator_is_read_from_airflows_settings_alone() {
    let drongo = Drongo::start().await;
    let uri = "postgres://u:p%2Fw@h:5432/s?sslmode=require";
    drongo.put("p", "airflow-connections-pg", uri).await;
    drongo.put("p", "airflow-variables-colour", "blue").await;
    drongo.put("p", "airflow-config-sql", "sqlite://").await;

    let environment = emulated(&drongo, json!({"project_id": "p"}));
    let resolver = Resolver::from_environment(environment)
        .build()
        .await
        .unwrap();
    let pg = resolver.get_connection("pg").await.unwrap();
    assert_eq!(
        pg.get_uri().expose(),
        "postgres://u:p%2Fw@h:5432/s?sslmode=require"
    );
    assert_eq!(
        pg.source().to_string(),
        "gcp_secret_manager: projects/p/secrets/airflow-connections-pg"
    );
    let colour = resolver.get_variable("colour").await.unwrap();
    assert_eq!(colour.expose(), "blue");
    let sql = resolver.get_config("sql").await.unwrap();
    assert_eq!(sql.expose(), "sqlite://");
    let error = resolver.get_variable("shape").await.unwrap_err();
    assert_eq!(error.kind().as_str(), "not_found");
    assert!(
        error
            .to_string()
            .contains("projects/p/secrets/airflow-variables-shape"),
        "{error}"
    );
}

#[tokio::test]
async fn the_latest_version_that_is_enabled_is_read() {
    let drongo = Drongo::start().await;
    let backend = secret_manager(&drongo.url).build().unwrap();
    for (version, payload) in ["first", "second", "third"].into_iter().enumerate() {
        drongo.put("p", "airflow-variables-x", payload).await;
        assert_eq!(
            variable(&backend, "x").await,
            Ok(payload.into()),
            "{version}"
        );
    }
    drongo
        .change("p", "airflow-variables-x", 3, "disable")
        .await;
    assert_eq!(variable(&backend, "x").await, Ok("second".into()));
    drongo
        .change("p", "airflow-variables-x", 2, "destroy")
        .await;
    assert_eq!(variable(&backend, "x").await, Ok("first".into()));
    drongo
        .change("p", "airflow-variables-x", 1, "disable")
        .await;
    let expected = "missing: the secret does not exist, or has no enabled version";
    assert_eq!(variable(&backend, "x").await, Err(expected.into()));
}

#[tokio::test]
async fn a_payload_is_taken_as_it_is() {
    let drongo = Drongo::start().await;
    let backend = secret_manager(&drongo.url).build().unwrap();
    for text in ["", " white \n", "größe 日本 \u{0}", "\u{feff}x"] {
        drongo.put("p", "airflow-variables-x", text).await;
        assert_eq!(variable(&backend, "x").await, Ok(text.into()));
    }
    drongo.put("p", "airflow-variables-x", b"\xff\xfe").await;
    assert_eq!(
        variable(&backend, "x").await,
        Err("InvalidValue: the payload is not UTF-8".into())
    );
}

#[tokio::test]
async fn a_team_reads_its_own_before_the_global_one() {
    let drongo = Drongo::start().await;
    drongo.put("p", "airflow-variables-x", "global").await;
    drongo.put("p", "airflow-variables-red--x", "red's").await;
    let backend = secret_manager(&drongo.url).multi_team(true);
    let backend = backend.build().unwrap();
    for (team, expected) in [
        (None, "global"),
        (Some("red"), "red's"),
        (Some("blue"), "global"),
        (Some("a/b"), "global"),
    ] {
        let found = outcome(
            backend
                .get_variable("x", &LookupOptions::new().with_team(team))
                .await,
        );
        assert_eq!(found, Ok(expected.to_owned()), "{team:?}");
    }
    let refused = outcome(backend.get_variable("red--x", &LookupOptions::new()).await).unwrap_err();
    assert!(
        refused.starts_with("skipped: refused for teams"),
        "{refused}"
    );
}

#[tokio::test]
async fn no_prefix_is_never_asked_and_an_empty_one_is_a_separator() {
    let drongo = Drongo::start().await;
    drongo.put("p", "-x", "with").await;
    drongo.put("p", "x", "without").await;
    let wire = CountingProxy::before(&drongo.url).await;
    let never = secret_manager(&wire.url)
        .connections_prefix(None)
        .variables_prefix(None)
        .config_prefix(None)
        .build()
        .unwrap();
    let skipped = |setting: &str| Err(format!("skipped: not configured: {setting:?} is not set"));
    assert_eq!(
        outcome(never.get_conn_value("x", &LookupOptions::new()).await),
        skipped("connections_prefix")
    );
    assert_eq!(
        outcome(never.get_variable("x", &LookupOptions::new()).await),
        skipped("variables_prefix")
    );
    assert_eq!(
        outcome(never.get_config("x", &LookupOptions::new()).await),
        skipped("config_prefix")
    );
    assert_eq!(wire.seen.lines(), Vec::<String>::new());

    let empty = secret_manager(&wire.url).variables_prefix("");
    let bare = empty.clone().connections_prefix("").sep("");
    assert_eq!(
        variable(&empty.build().unwrap(), "x").await,
        Ok("with".into())
    );
    assert_eq!(
        variable(&bare.build().unwrap(), "x").await,
        Ok("without".into())
    );
}

#[tokio::test]
async fn an_id_that_no_secret_can_have_is_not_sent() {
    let wire = Served::by(|_| payload("v")).await;
    let backend = secret_manager(&wire.url).build().unwrap();
    let long = "x".repeat(255);
    for id in ["a/b", "../x", "a.b", "é", "a b", "x?y", "%2e", &long] {
        let outcome = variable(&backend, id).await.unwrap_err();
        assert!(
            outcome.starts_with("skipped: invalid id"),
            "{id}: {outcome}"
        );
    }
    assert_eq!(wire.seen.lines(), Vec::<String>::new());
}

#[tokio::test]
async fn many_ids_are_asked_at_once_within_bounds_and_answered_in_order() {
    let drongo = Drongo::start().await;
    let ids = (0..40).map(|n| format!("v{n}")).collect::<Vec<_>>();
    for id in &ids {
        let uri = format!("http://{id}");
        drongo
            .put("p", &format!("airflow-connections-{id}"), uri)
            .await;
    }
    let wire = CountingProxy::before(&drongo.url).await;
    let backend =
        secret_manager(&wire.url).http(HttpOptions::new().with_max_concurrent_requests(4));
    let backend = backend.build().unwrap();
    let ids = ids.iter().map(String::as_str).collect::<Vec<_>>();
    let found = backend.get_connections(&ids, &LookupOptions::new()).await;
    let hosts = found.into_iter().map(|found| match found {
        Ok(airflow_secrets::Lookup::Found { value, .. }) => value.host().map(str::to_owned),
        other => panic!("{other:?}"),
    });
    assert_eq!(
        hosts.collect::<Option<Vec<_>>>(),
        Some(ids.iter().map(|id| (*id).to_owned()).collect())
    );
    assert_eq!(wire.seen.lines().len(), 40);
    assert!(
        wire.connections() <= 4,
        "{} connections",
        wire.connections()
    );
}

#[tokio::test]
async fn lookups_share_one_connection() {
    let wire = Served::by(|_| payload("v")).await;
    let proxy = CountingProxy::before(&wire.url).await;
    let backend = secret_manager(&proxy.url).build().unwrap();
    for _ in 0..5 {
        assert_eq!(variable(&backend, "x").await, Ok("v".into()));
    }
    assert_eq!(proxy.connections(), 1);
    assert_eq!(
        proxy.seen.lines(),
        vec!["GET /v1/projects/p/secrets/airflow-variables-x/versions/latest:access"; 5]
    );
}

#[tokio::test]
async fn a_regional_secret_is_read_under_its_location() {
    let wire = Served::by(|_| payload("v")).await;
    let backend = secret_manager(&wire.url).location("europe-west1");
    let backend = backend.build().unwrap();
    let options = LookupOptions::new();
    let Ok(airflow_secrets::Lookup::Found { native_key, .. }) =
        backend.get_variable("x", &options).await
    else {
        panic!("not found");
    };
    let key = "projects/p/locations/europe-west1/secrets/airflow-variables-x";
    assert_eq!(native_key, key);
    let asked = format!("GET /v1/{key}/versions/latest:access");
    assert_eq!(wire.seen.lines(), vec![asked]);

    for location in ["", "a/b", "Europe", "a.b"] {
        let built = secret_manager(&wire.url).location(location).build();
        assert_eq!(built.unwrap_err().setting(), "location", "{location}");
    }
}
