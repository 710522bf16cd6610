//! A resolver made from an environment asks whom Airflow would ask.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/log.rs"]
mod log;

use airflow_secrets::{
    ConfigurationError, Environment, Error, Resolver, backends::memory::MemoryBackend,
    settings::BackendSetup,
};

use log::Log;

/// An Airflow home that is not there, and these variables beside it.
fn environment<const N: usize>(variables: [(&str, &str); N]) -> Environment {
    let home = [("AIRFLOW_HOME", "/nowhere")];
    home.into_iter().chain(variables).collect()
}

async fn resolver<const N: usize>(variables: [(&str, &str); N]) -> Result<Resolver, Error> {
    Resolver::from_environment(environment(variables))
        .build()
        .await
}

fn mine(setup: BackendSetup<'_>) -> Result<MemoryBackend, ConfigurationError> {
    let mut kwargs = setup.kwargs;
    let colour = kwargs.text("colour")?.map(|colour| colour.value);
    Ok(MemoryBackend::new("mine").with_variable("colour", colour.unwrap_or_default()))
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
        .register("acme.Secrets", mine)
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
    assert_eq!(error.kind().as_str(), "not_found");
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
    let asked = error.report().unwrap().attempts().iter();
    let asked = asked.map(|attempt| (attempt.backend(), attempt.outcome().as_str()));
    assert_eq!(
        asked.collect::<Vec<_>>(),
        [
            ("environment_variables", "missing"),
            ("execution_api", "skipped")
        ]
    );
}

#[tokio::test]
async fn a_backend_nobody_knows_is_an_error_that_lists_the_known_ones() {
    let error = resolver([("AIRFLOW__SECRETS__BACKEND", "acme.Secrets")])
        .await
        .unwrap_err();
    assert_eq!(error.kind().as_str(), "configuration");
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
        worker.for_team("red").unwrap_err().kind().as_str(),
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
    assert_eq!(error.kind().as_str(), "not_found");
}

#[tokio::test]
async fn what_airflow_passes_over_stands_in_every_report() {
    let resolver = Resolver::from_environment(environment([
        ("AIRFLOW__SECRETS__BACKEND", "acme.Secrets"),
        ("AIRFLOW__SECRETS__BACKEND_KWARGS", "marker-not-json"),
        ("AIRFLOW_VAR_SHAPE", "round"),
    ]))
    .register("acme.Secrets", mine)
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
    assert_eq!(error.kind().as_str(), "configuration");
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
    assert_eq!(error.kind().as_str(), "configuration");
    let message = error.to_string();
    assert!(
        message.contains("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"),
        "{message}"
    );
    assert!(!message.contains("marker"), "{message}");
}

#[tokio::test]
async fn a_relative_sqlite_path_is_refused_as_airflow_refuses_it() {
    for url in [
        "sqlite:///airflow.db",
        "sqlite:///$UNSET/airflow.db",
        "sqlite+pysqlite:////tmp/airflow.db",
        "sqlite:///:memory:",
    ] {
        let error = resolver([("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", url)])
            .await
            .unwrap_err();
        assert_eq!(error.kind().as_str(), "configuration", "{url}");
        assert!(error.to_string().contains("absolute"), "{error}");
    }
    let relative_home = [("AIRFLOW_HOME", "relative")];
    assert!(
        Resolver::from_environment(Environment::from_iter(relative_home))
            .build()
            .await
            .is_err()
    );
}

#[cfg(not(feature = "cache"))]
#[tokio::test]
async fn a_cache_that_is_not_built_in_is_a_warning() {
    let settings = [
        ("AIRFLOW_HOME", "/nowhere"),
        ("AIRFLOW__SECRETS__USE_CACHE", "True"),
    ];
    let resolver = Resolver::from_environment(Environment::from_iter(settings));
    let resolver = resolver.build().await.unwrap();
    let warnings: Vec<_> = resolver
        .warnings()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        warnings,
        [
            "[secrets] use_cache (AIRFLOW__SECRETS__USE_CACHE): no answer is cached: enable \
          airflow-secrets' cargo feature \"cache\""
        ]
    );
}

#[tokio::test]
async fn the_text_that_airflow_sets_for_its_tasks_names_the_worker_side() {
    let error = resolver([(
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
        "airflow-db-not-allowed:///",
    )])
    .await
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "[database] sql_alchemy_conn (AIRFLOW__DATABASE__SQL_ALCHEMY_CONN): Airflow sets this text \
         for its tasks, which must not read the metadata DB: make the resolver with \
         `Resolver::for_worker()`"
    );
}

#[tokio::test]
async fn a_metadata_db_whose_secret_nobody_holds_is_not_called_unset() {
    let secret = ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_SECRET", "db");
    let without_backend = resolver([secret]).await.unwrap();
    let environment = environment([
        secret,
        ("AIRFLOW__SECRETS__BACKEND", "acme.Secrets"),
        ("AIRFLOW__SECRETS__BACKEND_KWARGS", "{}"),
    ]);
    let with_backend = Resolver::from_environment(environment)
        .register("acme.Secrets", mine)
        .build()
        .await
        .unwrap();
    for (resolver, problem) in [
        (
            without_backend,
            "no secrets backend is configured that could hold the entry that it names; set \
             [secrets] backend",
        ),
        (
            with_backend,
            "the secrets backend mine does not hold the configuration entry that it names; add the \
             entry, or correct its name",
        ),
    ] {
        let error = resolver.get_variable("absent").await.unwrap_err();
        assert_eq!(error.kind().as_str(), "configuration");
        let attempt = error.report().unwrap().attempts().last().unwrap();
        assert_eq!(
            attempt.outcome().message().as_deref(),
            Some(
                format!(
                    "[database] sql_alchemy_conn (AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_SECRET): \
                     {problem}"
                )
                .as_str()
            )
        );
    }
}

#[tokio::test]
async fn without_a_metadata_db_the_report_names_the_file_that_was_looked_for() {
    let resolver = resolver([]).await.unwrap();
    let error = resolver.get_variable("absent").await.unwrap_err();
    let attempt = error.report().unwrap().attempts().last().unwrap();
    assert_eq!(
        attempt.outcome().message().as_deref(),
        Some(
            "not configured: [database] sql_alchemy_conn is not set, and /nowhere/airflow.db does \
             not exist"
        )
    );
}

/// What is logged on this thread while the resolver is built, a line each without the time.
async fn logged<const N: usize>(variables: [(&str, &str); N]) -> (Result<Resolver, Error>, String) {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(log.clone())
        .with_ansi(false)
        .without_time()
        .finish();
    let _guard = log::of_this_thread(subscriber);
    let built = resolver(variables).await;
    (built, log.text())
}

#[tokio::test]
async fn a_backend_that_is_refused_says_which_setting_was_ignored_before() {
    let (refused, log) = logged([
        (
            "AIRFLOW__SECRETS__BACKEND",
            "airflow.secrets.local_filesystem.LocalFilesystemBackend",
        ),
        (
            "AIRFLOW__SECRETS__BACKEND_KWARGS",
            "{'connections_file_path': '/c.json'}",
        ),
        (
            "AIRFLOW__SECRETS__BACKEND_KWARG__CONNECTIONS_FILE",
            "/c.json",
        ),
    ])
    .await;
    let ignored = "[secrets] backend_kwargs (AIRFLOW__SECRETS__BACKEND_KWARGS): it is not valid \
                   JSON (line 1, column 2): it looks like a Python dict; JSON needs double quotes, \
                   true, false and null. Going on without them, as Airflow does";
    assert_eq!(
        refused.unwrap_err().to_string(),
        format!(
            "[secrets] backend_kwargs \"connections_file\" \
             (AIRFLOW__SECRETS__BACKEND_KWARG__CONNECTIONS_FILE): unknown argument; known \
             arguments: variables_file_path, connections_file_path, configs_file_path; before \
             that: {ignored}"
        )
    );
    assert_eq!(log.matches(ignored).count(), 1, "{log}");
}

#[tokio::test]
async fn a_setting_that_stops_airflow_alone_is_a_warning() {
    for (setting, variable, value, expected) in [
        (
            "[logging] logging_level",
            "AIRFLOW__LOGGING__LOGGING_LEVEL",
            "",
            "must not be empty",
        ),
        (
            "[logging] fab_logging_level",
            "AIRFLOW__LOGGING__FAB_LOGGING_LEVEL",
            "",
            "must not be empty",
        ),
        (
            "[logging] remote_logging",
            "AIRFLOW__LOGGING__REMOTE_LOGGING",
            "",
            "must be True or False",
        ),
        (
            "[core] lazy_load_plugins",
            "AIRFLOW__CORE__LAZY_LOAD_PLUGINS",
            "x",
            "must be True or False",
        ),
        (
            "[database] sql_alchemy_pool_size",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_POOL_SIZE",
            "",
            "must be a whole number",
        ),
        (
            "[database] sql_alchemy_engine_args",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_ENGINE_ARGS",
            "{'a': 1}",
            "must be JSON",
        ),
        (
            "[database] sql_alchemy_connect_args",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONNECT_ARGS",
            "",
            "must not be empty",
        ),
    ] {
        let (built, log) = logged([(variable, value), ("AIRFLOW_VAR_COLOUR", "blue")]).await;
        let resolver = built.unwrap();
        assert_eq!(
            resolver.get_variable("colour").await.unwrap().expose(),
            "blue"
        );
        let warnings = resolver.warnings().iter().map(ToString::to_string);
        let warning = format!(
            "{setting} ({variable}): {expected}: with this value Airflow does not start; it is \
             ignored here (SET-19)"
        );
        assert_eq!(warnings.collect::<Vec<_>>(), [&*warning]);
        assert_eq!(log.matches(&warning).count(), 1, "{log}");
    }
    let (built, log) = logged([("AIRFLOW__LOGGING__REMOTE_LOGGING", "True")]).await;
    assert_eq!(built.unwrap().warnings(), []);
    assert_eq!(log, "");
}
