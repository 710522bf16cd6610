//! No token and no secret in `Debug`, errors or logs, whatever happens.

use airflow_secrets::{SecretsBackend, backend::LookupOptions};
use serde_json::json;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::{
    builder,
    support::{
        astro_platform::{ORGANIZATION, Platform, Role, jwt, own, problem},
        https::Reply,
        log::Log,
    },
};

const MARKER: &str = "MARKER-7f3a";

#[tokio::test]
async fn debug_errors_and_logs_hold_no_secret() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    // Of the whole process, `log`'s records too: tasks on other threads, and libraries below.
    subscriber.init();

    let platform = Platform::start(vec![
        own(
            "d1",
            "pg",
            "CONNECTION",
            json!({"type": "postgres", "host": "db", "password": MARKER, "extra": {"k": MARKER}}),
        ),
        own(
            "d1",
            "port",
            "CONNECTION",
            json!({"type": "postgres", "password": MARKER, "port": 99_999_999}),
        ),
        own(
            "d1",
            "odd",
            "CONNECTION",
            json!({"type": [MARKER], "password": MARKER, "extra": {"k": MARKER}}),
        ),
        own(
            "d1",
            "v",
            "AIRFLOW_VARIABLE",
            json!({"value": MARKER, "isSecret": true}),
        ),
        own(
            "d1",
            "AIRFLOW_VAR_E",
            "ENVIRONMENT_VARIABLE",
            json!({"value": MARKER, "isSecret": true}),
        ),
    ]);
    // The token's own text holds the marker in no encoding but its third part.
    let mut token = jwt(&json!({"permissions": [format!("organizationId:{ORGANIZATION}")]}));
    token.push_str(MARKER);
    platform.world().tokens.insert(token.clone(), Role::Reader);
    let mut variables = platform.reach(Some("d1"));
    variables.insert("ASTRO_API_TOKEN".to_owned(), token.clone());
    let of_token = builder(variables.clone());
    let mut shown = format!("{of_token:?}");
    variables.remove("ASTRO_API_TOKEN");
    let of_key = builder(variables)
        .organization_id(ORGANIZATION)
        .deployment_api_key("key", MARKER);
    shown += &format!("{of_key:?}");
    let mut found = 0;
    for backend in [of_token.build().unwrap(), of_key.build().unwrap()] {
        let environment = backend.environment_variables(false);
        let answers = [
            Reply::json(200, &json!({"environmentObjects": MARKER})),
            problem(400, MARKER),
            problem(401, MARKER),
            problem(403, MARKER),
            problem(404, MARKER),
            problem(500, MARKER),
            Reply::json(302, &json!({})).with("Location", format!("https://{MARKER}.example.com/")),
            Reply::json(418, &json!({"message": MARKER})),
        ];
        for first in [None].into_iter().chain(answers.map(Some)) {
            platform.world().first.extend(first);
            backend.invalidate();
            let options = LookupOptions::new();
            let connection = backend.get_connection("pg", &options).await;
            found += usize::from(
                connection
                    .as_ref()
                    .is_ok_and(|lookup| lookup.value().is_some()),
            );
            shown += &format!("{connection:?}");
            shown += &format!("{:?}", backend.get_connection("port", &options).await);
            shown += &format!("{:?}", backend.get_connection("odd", &options).await);
            shown += &format!("{:?}", backend.get_variable("v", &options).await);
            shown += &format!("{:?}", environment.get_variable("e", &options).await);
            shown += &format!("{:?}", backend.check(&options).await);
            shown += &format!("{backend:?} {environment:?}");
            platform.world().first.clear();
        }
    }
    assert!(found > 0);
    let log = log.text();
    assert!(!log.is_empty());
    for (what, text) in [("shown", &shown), ("logged", &log)] {
        assert!(
            !text.contains(MARKER) && !text.contains(&token),
            "{what}: {text}"
        );
    }
}
