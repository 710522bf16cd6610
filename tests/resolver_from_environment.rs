//! A resolver made from an environment asks whom Airflow would ask.

use std::sync::Arc;

use airflow_secrets::{
    BackendSetup, ConfigurationError, Environment, Error, Resolver, SecretsBackend,
    backends::MemoryBackend,
};

/// An Airflow home that is not there, and these variables beside it.
fn environment<const N: usize>(variables: [(&str, &str); N]) -> Environment {
    let home = [("AIRFLOW_HOME", "/nowhere")];
    Environment::from_iter(home.into_iter().chain(variables))
}

async fn resolver<const N: usize>(variables: [(&str, &str); N]) -> Result<Resolver, Error> {
    Resolver::from_environment(environment(variables))
        .build()
        .await
}

fn mine(setup: BackendSetup<'_>) -> Result<Arc<dyn SecretsBackend>, ConfigurationError> {
    let mut kwargs = setup.kwargs;
    let colour = kwargs
        .take("colour")
        .map(|given| given.text_or_null())
        .transpose()?
        .flatten();
    Ok(Arc::new(
        MemoryBackend::new("mine").with_variable("colour", colour.unwrap_or_default()),
    ))
}

#[tokio::test]
async fn the_server_side_asks_backend_then_environment_then_metadata_db() {
    let environment = environment([
        ("AIRFLOW__SECRETS__BACKEND", "acme.Secrets"),
        ("AIRFLOW__SECRETS__BACKEND_KWARGS", r#"{"colour": "blue"}"#),
        ("AIRFLOW_VAR_COLOUR", "red"),
        ("AIRFLOW_VAR_SHAPE", "round"),
    ]);
    let resolver = Resolver::from_environment(environment)
        .register("acme.Secrets", Arc::new(mine))
        .build()
        .await
        .unwrap();
    assert_eq!(
        resolver.get_variable("colour").await.unwrap().expose(),
        "blue"
    );
    assert_eq!(
        resolver.get_variable("shape").await.unwrap().expose(),
        "round"
    );
    let error = resolver.get_variable("absent").await.unwrap_err();
    let asked: Vec<_> = error
        .report()
        .unwrap()
        .attempts()
        .iter()
        .map(|attempt| (attempt.backend(), attempt.outcome().as_str()))
        .collect();
    assert_eq!(
        asked,
        [
            ("mine", "missing"),
            ("environment_variables", "missing"),
            ("metastore", "skipped")
        ]
    );
    assert_eq!(error.as_str(), "not_found");
}

#[tokio::test]
async fn the_worker_side_reads_in_the_task_sdks_dialect_and_asks_no_metadata_db() {
    let environment = environment([("AIRFLOW_CONN_API", "http://host/?a=1")]);
    let server = Resolver::from_environment(environment.clone())
        .build()
        .await
        .unwrap();
    let worker = Resolver::from_environment(environment)
        .worker()
        .build()
        .await
        .unwrap();
    let extra = |resolver: Resolver| async move {
        let connection = resolver.get_connection("api").await.unwrap();
        connection.extra().unwrap().expose().to_owned()
    };
    assert_eq!(extra(server).await, r#"{"a": 1}"#);
    assert_eq!(extra(worker.clone()).await, r#"{"a": "1"}"#);
    let error = worker.get_connection("absent").await.unwrap_err();
    assert_eq!(error.report().unwrap().attempts().len(), 1);
}

#[tokio::test]
async fn a_backend_nobody_knows_is_an_error_that_lists_the_known_ones() {
    let error = resolver([("AIRFLOW__SECRETS__BACKEND", "acme.Secrets")])
        .await
        .unwrap_err();
    assert_eq!(error.as_str(), "configuration");
    let message = error.to_string();
    assert!(
        message.starts_with("[secrets] backend (AIRFLOW__SECRETS__BACKEND): "),
        "{message}"
    );
    assert!(
        message.contains("airflow.secrets.local_filesystem.LocalFilesystemBackend"),
        "{message}"
    );
}

#[tokio::test]
async fn a_team_is_refused_where_multi_team_is_off_and_on_the_worker_side() {
    let off = resolver([]).await.unwrap().for_team("red").unwrap_err();
    assert_eq!(
        off.to_string(),
        "[core] multi_team (asked on behalf of team \"red\"): it is off: turn it on, or ask without a team"
    );
    let environment = environment([("AIRFLOW__CORE__MULTI_TEAM", "True")]);
    let worker = Resolver::from_environment(environment)
        .worker()
        .build()
        .await
        .unwrap();
    assert_eq!(
        worker.for_team("red").unwrap_err().as_str(),
        "configuration"
    );
}

#[tokio::test]
async fn a_team_gets_its_own_before_the_global_one() {
    let resolver = resolver([
        ("AIRFLOW__CORE__MULTI_TEAM", "True"),
        ("AIRFLOW_VAR_COLOUR", "everyone's"),
        ("AIRFLOW_VAR__RED___COLOUR", "red's"),
    ])
    .await
    .unwrap();
    let red = resolver.clone().for_team("red").unwrap();
    let blue = resolver.clone().for_team("blue").unwrap();
    assert_eq!(red.get_variable("colour").await.unwrap().expose(), "red's");
    assert_eq!(
        blue.get_variable("colour").await.unwrap().expose(),
        "everyone's"
    );
    assert_eq!(
        resolver.get_variable("colour").await.unwrap().expose(),
        "everyone's"
    );
    let error = blue.get_variable("_red___colour").await.unwrap_err();
    assert_eq!(error.as_str(), "not_found");
}

#[tokio::test]
async fn what_airflow_passes_over_stands_in_every_report() {
    let resolver = Resolver::from_environment(environment([
        ("AIRFLOW__SECRETS__BACKEND", "acme.Secrets"),
        ("AIRFLOW__SECRETS__BACKEND_KWARGS", "marker-not-json"),
        ("AIRFLOW_VAR_SHAPE", "round"),
    ]))
    .register("acme.Secrets", Arc::new(mine))
    .build()
    .await
    .unwrap();
    let shape = resolver.get_variable("shape").await.unwrap();
    let [warning] = shape.report().warnings() else {
        panic!("{:?}", shape.report().warnings())
    };
    assert_eq!(warning.setting(), "[secrets] backend_kwargs");
    let message = warning.to_string();
    assert!(
        message.contains("AIRFLOW__SECRETS__BACKEND_KWARGS"),
        "{message}"
    );
    assert!(!message.contains("marker"), "{message}");
}

#[cfg(not(feature = "postgres"))]
#[tokio::test]
async fn a_metadata_db_this_build_cannot_ask_never_looks_like_not_defined() {
    let resolver = resolver([
        (
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
            "postgresql://u:marker@db/airflow",
        ),
        ("AIRFLOW_VAR_SHAPE", "round"),
    ])
    .await
    .unwrap();
    assert_eq!(
        resolver.get_variable("shape").await.unwrap().expose(),
        "round"
    );
    let error = resolver.get_variable("absent").await.unwrap_err();
    assert_eq!(error.as_str(), "configuration");
    let message = error.to_string();
    assert!(message.contains("cargo feature \"postgres\""), "{message}");
    assert!(!message.contains("marker"), "{message}");
}

#[tokio::test]
async fn a_metadata_db_of_no_kind_that_airflow_knows_is_a_configuration_error() {
    let error = resolver([(
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
        "oracle://u:marker@db/x",
    )])
    .await
    .unwrap_err();
    assert_eq!(error.as_str(), "configuration");
    let message = error.to_string();
    assert!(
        message.contains("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"),
        "{message}"
    );
    assert!(!message.contains("marker"), "{message}");
}
