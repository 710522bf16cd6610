//! Where Astro stands among Airflow's sources, and the example.

use airflow_secrets::{Environment, Resolver, backends::astro::AstroBackend};
use serde_json::json;

use crate::support::{
    astro_platform::{Platform, own},
    example::{Run, run},
};

fn platform() -> Platform {
    let variable = |key: &str, kind: &str, value: &str| {
        own("d1", key, kind, json!({"value": value, "isSecret": true}))
    };
    Platform::start(vec![
        variable("all", "AIRFLOW_VARIABLE", "astro"),
        variable(
            "AIRFLOW_VAR_ALL",
            "ENVIRONMENT_VARIABLE",
            "astro's environment",
        ),
        variable(
            "AIRFLOW_VAR_BOTH",
            "ENVIRONMENT_VARIABLE",
            "astro's environment",
        ),
        variable(
            "AIRFLOW_VAR_LAST",
            "ENVIRONMENT_VARIABLE",
            "astro's environment",
        ),
        own(
            "d1",
            "pg",
            "CONNECTION",
            json!({"type": "postgres", "host": "db.example.com", "password": "MARKER"}),
        ),
    ])
}

#[tokio::test]
async fn astro_stands_before_the_environment_and_its_variables_after_it() {
    let platform = platform();
    let mut variables = platform.reach(Some("d1"));
    for (name, value) in [
        ("AIRFLOW_HOME", "/nonexistent"),
        ("AIRFLOW_VAR_ALL", "process"),
        ("AIRFLOW_VAR_BOTH", "process"),
        ("AIRFLOW_SECRETS_ASTRO", "true"),
    ] {
        variables.insert(name.to_owned(), value.to_owned());
    }
    let environment = variables.clone().into_iter().collect::<Environment>();
    let switched_on = Resolver::from_environment(environment)
        .build()
        .await
        .unwrap();
    variables.insert("AIRFLOW_SECRETS_ASTRO".to_owned(), "False".to_owned());
    let environment = variables.clone().into_iter().collect::<Environment>();
    let switched_off = Resolver::from_environment(environment.clone())
        .build()
        .await
        .unwrap();
    let astro = AstroBackend::from_environment(&environment).unwrap();
    let from_code = Resolver::from_environment(environment)
        .astro(astro)
        .build()
        .await
        .unwrap();
    for resolver in [switched_on, from_code] {
        let names: Vec<_> = resolver.sources().names().collect();
        assert_eq!(
            names,
            [
                "astro",
                "environment_variables",
                "astro_environment_variables",
                "metastore"
            ]
        );
        for (key, expected, source) in [
            ("all", "astro", "astro"),
            ("both", "process", "environment_variables"),
            ("last", "astro's environment", "astro_environment_variables"),
        ] {
            let value = resolver.get_variable(key).await.unwrap();
            assert_eq!(
                (value.expose(), value.source().backend()),
                (expected, source)
            );
        }
    }
    let names: Vec<_> = switched_off.sources().names().collect();
    assert_eq!(names, ["environment_variables", "metastore"]);
    variables.insert("AIRFLOW_SECRETS_ASTRO".to_owned(), "yes".to_owned());
    let environment = variables.into_iter().collect::<Environment>();
    let error = Resolver::from_environment(environment)
        .build()
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("AIRFLOW_SECRETS_ASTRO"),
        "{error}"
    );
}

#[test]
fn the_example_reads_a_connection_of_a_deployment() {
    let platform = platform();
    assert_eq!(
        run("astro", &["pg"], &platform.reach(Some("d1"))),
        Run {
            code: Some(0),
            stdout: "pg: Some(\"postgres\") at Some(\"db.example.com\"), from astro: --deployment-id=d1 \
                     connection pg (Deployment d1)\n"
                .to_owned(),
            stderr: String::new(),
        }
    );
}
