//! The supervisor is told of each secret before the program has it; and no secret goes elsewhere.

#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[path = "support/log.rs"]
mod log;
#[allow(dead_code)]
#[path = "support/supervisor.rs"]
mod supervisor;

use std::{fmt::Debug, time::Duration};

use airflow_secrets::{
    Connection, Dialect, Failure, Resolver, SecretsBackend,
    backend::{LookupOptions, async_trait},
    backends::{
        memory::MemoryBackend,
        supervisor::{Answer, Body, SupervisorBackend, TcpTransport, Transport},
    },
    testing::Conformance,
};
use log::Log;
use serde_json::{Value, json};
use supervisor::{Requests, connect, holds_all, start};

fn masks(requests: &Requests) -> Vec<Value> {
    let requests = std::mem::take(&mut *requests.lock().unwrap());
    let masks = requests
        .into_iter()
        .filter(|request| request["type"] == "MaskSecret");
    masks
        .map(|request| json!([request["value"], request["name"]]))
        .collect()
}

fn elsewhere() -> MemoryBackend {
    MemoryBackend::new("elsewhere")
        .with_conn_value("pg", "postgres://me:the-password@db/?token=the-token")
        .with_conn_value("text", "")
        .with_variable("my_secret", "the-variable")
        .with_config("key", "the-config")
}

#[tokio::test]
async fn it_is_told_of_what_each_source_gives_by_airflows_rules() {
    let (address, requests) = start(|socket| socket.serve(holds_all));
    let environment = [
        ("AIRFLOW_HOME", "/nowhere"),
        ("AIRFLOW__WORKERS__SECRETS_BACKEND", "acme.Secrets"),
        ("AIRFLOW_VAR_COLOUR", "blue"),
    ];
    let resolver = Resolver::from_environment(environment.into_iter().collect())
        .worker()
        .register("acme.Secrets", |_| Ok(elsewhere()))
        .then(MemoryBackend::new("further").with_variable("absent further", "the-further"))
        .supervisor(connect(address).await)
        .build()
        .await
        .unwrap();
    resolver.get_connection("pg").await.unwrap();
    let extra = r#"{"token": "the-token"}"#;
    assert_eq!(
        masks(&requests),
        [json!([["the-password", extra, {"token": ["the-token"]}], null])]
    );
    resolver.get_variable("my_secret").await.unwrap();
    assert_eq!(masks(&requests), [json!(["the-variable", "my_secret"])]);
    resolver.get_variable("colour").await.unwrap();
    assert_eq!(masks(&requests), [json!(["blue", "colour"])]);
    resolver.get_config("key").await.unwrap();
    assert_eq!(masks(&requests), [json!(["the-config", null])]);
    resolver.get_variable("absent further").await.unwrap();
    assert_eq!(masks(&requests), [json!(["the-further", "absent further"])]);
    // It hides by itself what it gives; and once is enough.
    resolver.get_variable("of the supervisor").await.unwrap();
    resolver.get_connection("pg").await.unwrap();
    assert_eq!(masks(&requests), Vec::<Value>::new());
}

#[tokio::test]
async fn many_ids_are_one_message() {
    let (address, requests) = start(|socket| socket.serve(holds_all));
    let source = MemoryBackend::new("elsewhere")
        .with_variable("a", "1st")
        .with_variable("b", "2nd");
    let masked = connect(address).await.masked(source);
    let options = LookupOptions::new();
    let found = masked.get_variables(&["a", "absent", "b"], &options).await;
    assert_eq!(found.len(), 3);
    assert_eq!(
        masks(&requests),
        [json!([[{"a": ["1st"], "b": ["2nd"]}], null])]
    );
}

#[tokio::test]
async fn a_builder_method_turns_it_off() {
    let (address, requests) = start(|socket| socket.serve(holds_all));
    let (transport, _) = TcpTransport::connect(address).await.unwrap();
    let supervisor = SupervisorBackend::builder(transport)
        .mask_secrets(false)
        .build();
    let masked = supervisor.masked(elsewhere());
    let options = LookupOptions::new();
    assert!(
        masked
            .get_connection("pg", &options)
            .await
            .unwrap()
            .value()
            .is_some()
    );
    assert!(
        supervisor
            .get_variable("colour", &options)
            .await
            .unwrap()
            .value()
            .is_some()
    );
    assert_eq!(masks(&requests), Vec::<Value>::new());
}

/// A supervisor that fails to hide anything.
#[derive(Debug)]
struct Failing(fn() -> Result<Answer, Failure>);

#[async_trait]
impl Transport for Failing {
    async fn exchange(&self, _: Body) -> Result<Answer, Failure> {
        self.0()
    }
}

#[tokio::test]
async fn a_secret_that_it_could_not_be_told_of_is_not_given() {
    let broken = || Err(Failure::unavailable("the plug was pulled"));
    let refusing = || {
        let error = r#"{"error": "API_SERVER_ERROR", "detail": {"status_code": 400}}"#;
        Ok(Answer::error(Body::from_json(error)?))
    };
    let odd = || Ok(Answer::body(Body::from_json("{}")?));
    let options = LookupOptions::new();
    for (failing, why) in [
        (Failing(broken), "the plug was pulled"),
        (Failing(refusing), "refused the request (HTTP 400)"),
        (Failing(odd), "is not a OKResponse"),
    ] {
        let masked = SupervisorBackend::new(failing).masked(elsewhere());
        let failure = masked
            .get_variable("my_secret", &options)
            .await
            .unwrap_err();
        assert_eq!(
            (failure.kind().as_str(), failure.native_key()),
            ("unavailable", Some("variable my_secret"))
        );
        let start = "it was found, but not given: the supervisor could not be told to hide it in the \
                     task's log: ";
        assert!(
            failure.message().starts_with(start) && failure.message().contains(why),
            "{failure}"
        );
        // What is not found needs no hiding.
        assert!(
            masked
                .get_variable("absent", &options)
                .await
                .unwrap()
                .value()
                .is_none()
        );
        let many = masked
            .get_variables(&["absent", "my_secret"], &options)
            .await;
        assert_eq!([many[0].is_ok(), many[1].is_ok()], [true, false]);
    }
}

#[tokio::test]
async fn of_many_those_are_given_that_the_supervisor_was_told_of_in_time() {
    let (address, requests) = start(|mut socket| {
        let (id, _) = socket.request().unwrap();
        socket.answer(id, &Value::Null);
        // It takes its time for the next message.
        while socket.request().is_some() {}
    });
    let ids = (0..100).map(|number| format!("id_{number}"));
    let ids = ids.collect::<Vec<_>>();
    let source = ids.iter().fold(MemoryBackend::new("many"), |source, id| {
        source.with_variable(id, format!("value of {id}"))
    });
    let supervisor = SupervisorBackend::builder(TcpTransport::connect(address).await.unwrap().0)
        .timeout(Duration::from_millis(300))
        .build();
    let masked = supervisor.masked(source);
    let ids = ids.iter().map(String::as_str).collect::<Vec<_>>();
    let found = masked.get_variables(&ids, &LookupOptions::new()).await;
    let (given, withheld) = found.split_at(32);
    for (id, given) in ids.iter().zip(given) {
        let value = given.as_ref().unwrap().value().unwrap();
        assert_eq!(value.expose(), format!("value of {id}"));
    }
    for (id, withheld) in ids.iter().skip(32).zip(withheld) {
        let failure = withheld.as_ref().unwrap_err();
        assert_eq!(failure.kind().as_str(), "unavailable");
        let native_key = format!("variable {id}");
        assert_eq!(failure.native_key(), Some(&*native_key));
    }
    // What could not be told in time is not sent after it.
    assert_eq!(masks(&requests).len(), 2);
}

#[tokio::test]
async fn a_masked_source_passes_on_what_the_source_says() {
    let (address, _) = start(|socket| socket.serve(holds_all));
    let masked = connect(address).await.masked(elsewhere());
    let options = LookupOptions::new().with_dialect(Dialect::TaskSdk);
    assert_eq!(masked.name(), "elsewhere");
    assert_eq!(masked.warnings(), []);
    let text = masked.get_conn_value("pg", &options).await.unwrap();
    assert!(text.value().unwrap().expose().contains("the-password"));
    assert!(
        masked
            .get_conn_value("absent", &options)
            .await
            .unwrap()
            .value()
            .is_none()
    );
    assert_eq!(
        masked.check(&options).await,
        elsewhere().check(&options).await
    );
    let many = masked.get_connections(&["pg", "absent"], &options).await;
    assert_eq!(
        many[0].as_ref().unwrap().value().map(Connection::conn_id),
        Some("pg")
    );
    assert_eq!(masked.get_configs(&["key"], &options).await.len(), 1);
}

#[tokio::test]
async fn the_supervisor_conforms() {
    let (address, _) = start(|socket| {
        socket.serve(|request| {
            let id = |name: &str| request[name].as_str().unwrap_or_default().to_owned();
            let missing = |what: &str| json!({"type": "ErrorResponse", "error": what, "detail": null});
            match (request["type"].as_str().unwrap(), &*id("conn_id"), &*id("key")) {
                ("GetConnection", "pg", _) => json!({
                    "type": "ConnectionResult", "conn_id": "pg", "conn_type": "postgres", "host": "db",
                    "login": "app", "password": "s3cret-password", "schema": "orders", "extra": null,
                }),
                ("GetVariable", _, "colour") => {
                    json!({"type": "VariableResult", "key": "colour", "value": "a-blue-marker"})
                }
                ("GetConnection", ..) => missing("CONNECTION_NOT_FOUND"),
                ("GetVariable", ..) => missing("VARIABLE_NOT_FOUND"),
                _ => Value::Null,
            }
        });
    });
    let supervisor = connect(address).await;
    let (gone, _) = start(|socket| socket.close());
    Conformance::of(supervisor)
        .connection("pg", "postgres://app:s3cret-password@db/orders")
        .variable("colour", "a-blue-marker")
        .unreachable(connect(gone).await)
        .run()
        .await
        .unwrap();
    let (address, _) = start(|socket| socket.serve(holds_all));
    Conformance::of(connect(address).await.masked(elsewhere()))
        .connection("pg", "postgres://me:the-password@db/?token=the-token")
        .variable("my_secret", "the-variable")
        .config("key", "the-config")
        .run()
        .await
        .unwrap();
}

/// All that is shown of this holds no marker.
fn assert_hidden(shown: &impl Debug) {
    let shown = format!("{shown:?} {shown:#?}");
    assert!(!shown.contains("marker"), "{shown}");
}

#[test]
fn no_secret_shows_in_debug_errors_or_the_log() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    let _guard = log::of_this_thread(subscriber);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (address, _) = start(|mut socket| {
            for _ in 0..2 {
                let (id, request) = socket.request().unwrap();
                socket.answer(id, &holds_all(&request));
            }
            let error = json!({"error": "API_SERVER_ERROR", "detail": {"message": "marker"}});
            while let Some((id, request)) = socket.request() {
                match request["key"].as_str() {
                    Some("other") => {
                        let other =
                            json!({"type": "VariableResult", "key": "x", "value": "marker"});
                        socket.answer(id, &other);
                    }
                    Some("garbage") => socket.send(b"marker"),
                    _ => socket.send(&supervisor::response(id, &Value::Null, &error)),
                }
            }
        });
        let (transport, startup) = TcpTransport::connect(address).await.unwrap();
        assert_hidden(&(&transport, &startup, startup.body()));
        let supervisor = SupervisorBackend::builder(transport)
            .timeout(Duration::from_secs(9))
            .build();
        let resolver = Resolver::builder()
            .dialect(Dialect::TaskSdk)
            .backend(supervisor.clone())
            .build();
        let found = resolver
            .get_variable("a marker is in its value")
            .await
            .unwrap();
        assert!(found.expose().contains("marker"));
        let found = resolver.get_connection("pg").await.unwrap();
        assert_hidden(&(&resolver, &supervisor, &*found));
        for key in ["refused", "other", "garbage", "ended"] {
            let error = resolver.get_variable(key).await.unwrap_err();
            assert_hidden(&error);
            assert_hidden(&error.to_string());
        }
    });
    let text = log.text();
    assert!(text.contains("refused"), "{text}");
    // The id is of the program's own making.
    let text = text.replace("a marker is in its value", "");
    assert!(!text.contains("marker"), "{text}");
}
