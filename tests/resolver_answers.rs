//! What a resolver gives besides an answer: `None`, its sources, JSON, errors with a cause.

// A test may panic: so it fails.
#![allow(clippy::panic, clippy::unwrap_used)]

#[path = "support/folder.rs"]
mod folder;

use std::error::Error as _;

use airflow_secrets::{
    ConfigurationError, Environment, ErrorKind, Failure, JsonError, Resolver,
    backend::{FailureKind, Freshness},
    backends::memory::MemoryBackend,
};
use folder::Folder;

fn down(name: &str, failure: Failure) -> MemoryBackend {
    let backend = MemoryBackend::new(name);
    backend.go_down(failure);
    backend
}

#[tokio::test]
async fn what_no_source_defines_is_none_and_what_could_not_be_asked_is_an_error() {
    let resolver = Resolver::builder()
        .custom_backend(MemoryBackend::new("mine").with_variable("colour", "blue"))
        .build();
    let colour = resolver.find_variable("colour").await.unwrap().unwrap();
    assert_eq!(colour.expose(), "blue");
    assert_eq!(*colour.freshness(), Freshness::Live);
    assert!(resolver.find_variable("shape").await.unwrap().is_none());
    assert!(resolver.find_connection("pg").await.unwrap().is_none());
    assert!(resolver.find_config("key").await.unwrap().is_none());

    let resolver = Resolver::builder()
        .backend(down("vault", Failure::unavailable("no route")))
        .build();
    let error = resolver.find_variable("colour").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_variable_is_read_as_json_and_an_error_quotes_none_of_it() {
    let resolver = Resolver::builder()
        .backend(MemoryBackend::new("mine").with_variable("ports", "[5432, \"hunter2\"]"))
        .build();
    let ports = resolver.get_variable("ports").await.unwrap();
    assert!(ports.json::<serde_json::Value>().is_ok());
    let error = ports.json::<Vec<u16>>().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidValue);
    assert_eq!(error.asked().unwrap().id(), "ports");
    assert_eq!(error.report().unwrap().attempts().len(), 1);
    let place = error.source().unwrap().downcast_ref::<JsonError>().unwrap();
    assert_eq!((place.line(), place.column()), (1, 16));
    assert_eq!(
        error.to_string(),
        "the value of variable \"ports\" is invalid: mine (variable ports): the value is JSON, but not of \
         the expected type (line 1, column 16)"
    );
    assert!(!format!("{error:?}").contains("hunter2"));
}

#[tokio::test]
async fn an_error_prints_for_people_and_knows_the_failure_that_decided() {
    let denied = Failure::access_denied("403").with_source(std::io::Error::other("the cause"));
    let resolver = Resolver::builder()
        .backend(down("first", Failure::invalid_value("no JSON")))
        .backend(down("second", denied))
        .backend(MemoryBackend::new("third"))
        .build();
    let error = resolver.get_variable("colour").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AccessDenied);
    assert_eq!(
        format!("{error:?}"),
        "access to variable \"colour\" was denied: first (variable colour) invalid_value: no JSON; \
         second (variable colour) access_denied: 403; third (variable colour) missing"
    );
    let kinds: Vec<_> = error.failures().map(Failure::kind).collect();
    assert_eq!(
        kinds,
        [FailureKind::InvalidValue, FailureKind::AccessDenied]
    );
    let decided = error.source().unwrap();
    assert_eq!(decided.to_string(), "403");
    assert_eq!(decided.source().unwrap().to_string(), "the cause");
}

#[tokio::test]
async fn a_handle_does_not_change_the_resolver_it_came_from() {
    let resolver = Resolver::builder()
        .multi_team(true)
        .backend(down("vault", Failure::unavailable("no route")))
        .backend(
            MemoryBackend::new("mine")
                .with_variable("colour", "blue")
                .with_team_variable("red", "colour", "red"),
        )
        .build();
    let red = resolver.for_team("red").unwrap();
    assert_eq!(red.get_variable("colour").await.unwrap().expose(), "red");
    let strict = resolver.strict();
    let error = strict.get_variable("colour").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let colour = resolver.get_variable("colour").await.unwrap();
    assert_eq!(colour.expose(), "blue");
}

#[tokio::test]
async fn the_sources_are_listed_and_a_further_one_comes_last() {
    let home = Folder::new();
    std::fs::write(home.path().join("airflow.cfg"), "[core]\n").unwrap();
    let path = home.path().to_str().unwrap();
    let resolver = Resolver::from_environment(Environment::from_iter([("AIRFLOW_HOME", path)]))
        .then(MemoryBackend::new("mine").with_variable("colour", "blue"))
        .build()
        .await
        .unwrap();
    assert_eq!(
        resolver.sources().to_string(),
        format!(
            "environment_variables, metastore, mine (Airflow home {path}, settings from \
             {path}/airflow.cfg)"
        )
    );
    assert_eq!(
        resolver.get_variable("colour").await.unwrap().expose(),
        "blue"
    );
}

#[tokio::test]
async fn the_metadata_db_can_be_the_custom_backend_and_is_then_asked_once_and_first() {
    let environment = |kwargs: &'static str| {
        Environment::from_iter([
            ("AIRFLOW_HOME", "/nowhere"),
            (
                "AIRFLOW__SECRETS__BACKEND",
                "airflow.secrets.metastore.MetastoreBackend",
            ),
            ("AIRFLOW__SECRETS__BACKEND_KWARGS", kwargs),
        ])
    };
    let resolver = Resolver::from_environment(environment("{}"));
    let resolver = resolver.build().await.unwrap();
    let names: Vec<_> = resolver.sources().names().collect();
    assert_eq!(names, ["metastore", "environment_variables"]);

    let refused = Resolver::from_environment(environment(r#"{"session": 1}"#));
    let error = refused.build().await.unwrap_err();
    assert_eq!(
        error.configuration().map(ConfigurationError::setting),
        Some("[secrets] backend_kwargs \"session\"")
    );
}

#[tokio::test]
async fn what_was_passed_over_is_told_where_the_backend_cannot_be_made_without_it() {
    let environment = Environment::from_iter([
        ("AIRFLOW_HOME", "/nowhere"),
        ("AIRFLOW__SECRETS__BACKEND", "acme.Backend"),
        ("AIRFLOW__SECRETS__BACKEND_KWARGS", "{'url': 'hunter2'}"),
    ]);
    let error = Resolver::from_environment(environment)
        .register("acme.Backend", |_| {
            Err::<MemoryBackend, _>(ConfigurationError::new("url", "acme", "is not set"))
        })
        .build()
        .await
        .unwrap_err();
    let message = error.to_string();
    assert!(
        message.starts_with("url (acme): is not set; before that: [secrets] backend_kwargs ("),
        "{message}"
    );
    assert!(message.contains("it looks like a Python dict"), "{message}");
    assert!(!message.contains("hunter2"), "{message}");
}

#[tokio::test]
async fn a_task_whose_settings_name_the_metadata_db_does_without_it_as_in_airflow() {
    let environment = Environment::from_iter([
        ("AIRFLOW_HOME", "/nowhere"),
        (
            "AIRFLOW__SECRETS__BACKEND",
            "airflow.secrets.metastore.MetastoreBackend",
        ),
        // What Airflow's supervisor puts into a task's environment.
        (
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
            "airflow-db-not-allowed:///",
        ),
        ("AIRFLOW_VAR_COLOUR", "blue"),
    ]);
    let resolver = Resolver::from_environment(environment).worker();
    let resolver = resolver.build().await.unwrap();
    let colour = resolver.get_variable("colour").await.unwrap();
    assert_eq!(colour.expose(), "blue");
    let error = resolver.get_variable("shape").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn an_id_with_line_breaks_stays_on_one_line_of_an_error() {
    let resolver = Resolver::builder()
        .backend(MemoryBackend::new("mine"))
        .build();
    let error = resolver
        .get_variable("a\nforged: \u{1b}[31m")
        .await
        .unwrap_err();
    assert!(
        !format!("{error} {error:?}").contains(char::is_control),
        "{error}"
    );
}

#[test]
fn the_place_of_a_json_error_never_comes_from_the_secret() {
    #[derive(Debug)]
    struct Quoting;
    impl<'de> serde::Deserialize<'de> for Quoting {
        fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            let text = <String as serde::Deserialize>::deserialize(from)?;
            Err(serde::de::Error::custom(text))
        }
    }
    let secret = airflow_secrets::Secret::from("\"hunter2 at line 4711 column 1234\"");
    let error = secret.json::<Quoting>().unwrap_err();
    assert_eq!((error.line(), error.column()), (0, 0));
}

#[test]
fn a_secret_that_cannot_be_read_as_json_says_why() {
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let digits = "1".repeat(400);
    for (text, problem) in [
        ("{'a': 1}", "is not valid JSON (line 1, column 2)"),
        (
            "[1e400]",
            "contains a number beyond the range of a float (CODEC-3) (line 1, column 6)",
        ),
        (
            "[\"\\ud800\"]",
            "contains an unpaired surrogate, such as \\ud800 (CODEC-3) (line 1, column 9)",
        ),
        (&deep, "nests too deeply (line 1, column 128)"),
        (
            &digits,
            "contains an integer beyond the range of a float (line 1, column 400)",
        ),
        ("[1", "is JSON that ends too early (line 1, column 2)"),
    ] {
        let error = airflow_secrets::Secret::from(text)
            .json::<serde_json::Value>()
            .unwrap_err();
        assert_eq!(error.to_string(), format!("the value {problem}"));
    }
}
