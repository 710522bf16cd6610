//! Settings of Airflow that change what its metadata DB answers, and that only Python can follow.

// A test may panic: so it fails.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use airflow_secrets::{Environment, Error, Resolver};

/// An environment with the database of the quickstart, which a real Airflow wrote, and `setting`.
fn environment(setting: (&'static str, &'static str)) -> Environment {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart/airflow.db");
    [
        ("AIRFLOW_HOME".to_owned(), "/nowhere".to_owned()),
        (
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN".to_owned(),
            format!("sqlite:///{}", path.display()),
        ),
        (
            "AIRFLOW__CORE__FERNET_KEY".to_owned(),
            "cXVpY2tzdGFydC1kZW1vLWtleS1ub3QtYS1zZWNyZXQ=".to_owned(),
        ),
        ("AIRFLOW_VAR_SHAPE".to_owned(), "round".to_owned()),
        (setting.0.to_owned(), setting.1.to_owned()),
    ]
    .into_iter()
    .collect()
}

async fn batch_size(resolver: &Resolver) -> Result<String, Error> {
    let value = resolver.get_variable("batch_size").await?;
    Ok(value.expose().to_owned())
}

#[tokio::test]
async fn a_setting_that_only_python_can_follow_fails_each_lookup_and_says_what_to_do() {
    for (setting, message) in [
        (
            (
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONNECT_ARGS",
                "local_settings.connect_args",
            ),
            "[database] sql_alchemy_connect_args (AIRFLOW__DATABASE__SQL_ALCHEMY_CONNECT_ARGS): \
             names a Python object, which cannot be read here; write its entries into the URL of \
             [database] sql_alchemy_conn (`?sslmode=require`) and remove it, or give them to \
             `FromEnvironment::metastore` with `MetastoreBuilder::connect_args` (DB-15)",
        ),
        (
            (
                "AIRFLOW__DATABASE__SQL_ALCHEMY_SESSION_MAKER",
                "local_settings.session_maker",
            ),
            "[database] sql_alchemy_session_maker (AIRFLOW__DATABASE__SQL_ALCHEMY_SESSION_MAKER): \
             names a Python function, which cannot be called here; remove it for this program if \
             its sessions read the database of [database] sql_alchemy_conn (DB-15)",
        ),
        (
            (
                "AIRFLOW__DATABASE__SQL_ALCHEMY_ENGINE_ARGS",
                r#"{"execution_options": {"schema_translate_map": {"a": "marker"}}}"#,
            ),
            "[database] sql_alchemy_engine_args (AIRFLOW__DATABASE__SQL_ALCHEMY_ENGINE_ARGS): sets \
             \"execution_options\", which only SQLAlchemy can follow; remove it for this program if \
             it changes neither schema nor database (DB-15)",
        ),
        (
            (
                "AIRFLOW__DATABASE__SQL_ALCHEMY_ENGINE_ARGS_CMD",
                r#"echo '{"plugins": ["marker"]}'"#,
            ),
            "[database] sql_alchemy_engine_args (AIRFLOW__DATABASE__SQL_ALCHEMY_ENGINE_ARGS_CMD): \
             sets \"plugins\", which only SQLAlchemy can follow; remove it for this program if it \
             changes neither schema nor database (DB-15)",
        ),
    ] {
        let resolver = Resolver::from_environment(environment(setting))
            .build()
            .await
            .unwrap();
        let error = batch_size(&resolver).await.unwrap_err();
        assert_eq!(error.kind().as_str(), "configuration");
        let report = error.report().unwrap();
        let attempt = report.attempts().last().unwrap();
        assert_eq!(attempt.outcome().message().as_deref(), Some(message));
        // The sources before it answer.
        let shape = resolver.get_variable("shape").await.unwrap();
        assert_eq!(shape.expose(), "round");
    }
}

#[tokio::test]
async fn a_setting_that_changes_no_answer_is_no_matter() {
    for setting in [
        ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONNECT_ARGS", ""),
        (
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONNECT_ARGS_ASYNC",
            "local_settings.connect_args",
        ),
        (
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC",
            "sqlite+aiosqlite:////nowhere.db",
        ),
        (
            "AIRFLOW__DATABASE__SQL_ALCHEMY_ENGINE_ARGS",
            r#"{"pool_timeout": 5}"#,
        ),
        ("AIRFLOW__DATABASE__SQL_ENGINE_ENCODING", "latin-1"),
        ("AIRFLOW__DATABASE__SQL_ALCHEMY_POOL_ENABLED", "False"),
    ] {
        let resolver = Resolver::from_environment(environment(setting))
            .build()
            .await
            .unwrap();
        assert_eq!(batch_size(&resolver).await.unwrap(), "500", "{setting:?}");
    }
}

#[tokio::test]
async fn what_the_program_gives_takes_the_place_of_the_connect_args() {
    let setting = (
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONNECT_ARGS",
        "local_settings.connect_args",
    );
    let resolver = Resolver::from_environment(environment(setting))
        .metastore(|options| options.connect_args([("timeout", "3")]))
        .build()
        .await
        .unwrap();
    assert_eq!(batch_size(&resolver).await.unwrap(), "500");

    let refused = Resolver::from_environment(environment(setting))
        .metastore(|options| options.connect_args([("timeout", "marker")]))
        .build()
        .await
        .unwrap_err();
    assert!(
        refused.to_string().contains("`timeout` must be a number"),
        "{refused}"
    );
    assert!(!refused.to_string().contains("marker"), "{refused}");
}
