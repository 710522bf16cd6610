//! Faults, and what is made of them; what is sent, and how often.

use std::time::Duration;

use airflow_secrets::{
    ErrorKind, Lookup, Resolver, SecretsBackend,
    backend::{FailureKind, LookupOptions},
    backends::{
        HttpOptions, RetryOptions, kubernetes::KubernetesSecretsBackend, memory::MemoryBackend,
    },
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::{
    at, outcome,
    support::{
        kubernetes::{CONNECTION, VARIABLE},
        ports::free_port,
        served::Served,
        wire::{Answer, CountingProxy, Queued},
    },
    variable,
};

/// A refusal in the words of the API server.
pub(crate) fn status(code: u16, message: &str) -> Answer {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": message, "code": code,
    });
    Answer::new(code, status.to_string())
}

/// A list of the secrets that have these labels.
pub(crate) fn secrets(label: &str, ids_and_texts: &[(&str, &str)]) -> Answer {
    let items = ids_and_texts.iter().map(|(id, text)| {
        let text = BASE64_STANDARD.encode(text);
        json!({"metadata": {"name": id, "labels": {label: id}}, "data": {"value": text}})
    });
    let items = items.collect::<Value>();
    let list = json!({"kind": "SecretList", "apiVersion": "v1", "metadata": {}, "items": items});
    Answer::new(200, list.to_string())
}

fn found() -> Answer {
    secrets(VARIABLE, &[("x", "v")])
}

fn backend(server: &Queued) -> KubernetesSecretsBackend {
    at(&server.url).build().unwrap()
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    for busy in [
        status(410, "Expired"),
        status(429, "TooManyRequests"),
        status(500, "InternalError"),
        status(503, "ServiceUnavailable"),
        status(504, "Timeout"),
        Answer::new(429, "slow down"),
        Answer::new(502, "<html>"),
    ] {
        let server = Queued::with([busy.clone(), busy, found()]).await;
        assert_eq!(variable(&backend(&server), "x").await, Ok("v".into()));
        assert_eq!(server.seen.lines().len(), 3);
    }
}

#[tokio::test]
async fn after_three_repeats_it_is_an_outage() {
    for (code, message) in [
        (
            410,
            "the API server no longer holds the state that was asked for (HTTP 410)",
        ),
        (429, "the API server throttles (HTTP 429)"),
        (500, "the API server cannot answer (HTTP 500)"),
        (504, "the API server cannot answer (HTTP 504)"),
    ] {
        let server = Queued::with(vec![status(code, "m4rk3r"); 9]).await;
        let outcome = variable(&backend(&server), "x").await;
        assert_eq!(outcome, Err(format!("Unavailable: {message}")));
        assert_eq!(server.seen.lines().len(), 4);
    }
}

/// The time that is waited is that of Tokio's clock, which jumps ahead where all wait.
#[tokio::test(start_paused = true)]
async fn a_wait_that_the_api_server_asks_for_is_kept_where_there_is_time_for_it() {
    let busy = |seconds| status(429, "busy").header("retry-after", seconds);
    let server = Queued::with([busy("5"), found()]).await;
    let start = tokio::time::Instant::now();
    assert_eq!(variable(&backend(&server), "x").await, Ok("v".into()));
    assert!(start.elapsed() >= Duration::from_secs(5));

    let server = Queued::with([busy("3600"), found()]).await;
    let outcome = variable(&backend(&server), "x").await;
    let throttled = "Unavailable: the API server throttles (HTTP 429)";
    assert_eq!(outcome, Err(throttled.into()));
    assert_eq!(server.seen.lines().len(), 1);
}

#[tokio::test]
async fn no_refusal_is_a_missing_secret_and_none_is_repeated() {
    let denied = "denied: this account may not list the secrets of namespace ns: give it a Role with the \
                  verb list on secrets, by a RoleBinding in that namespace";
    let refused = "the API server refused the credentials (HTTP 401): check that the token has not \
                   expired and belongs to this cluster";
    let not_one = |code: u16| {
        format!(
            "the answer is not one of an API server (HTTP {code}): check the address and the proxy"
        )
    };
    for (answer, kind, message) in [
        (status(403, "Forbidden"), ErrorKind::AccessDenied, denied.into()),
        (Answer::new(403, "<html>"), ErrorKind::AccessDenied, denied.into()),
        (status(401, "Unauthorized"), ErrorKind::AccessDenied, refused.into()),
        (
            status(400, "BadRequest"),
            ErrorKind::Configuration,
            "the API server refused the request as invalid (HTTP 400): check the labels".into(),
        ),
        (
            status(404, "NotFound"),
            ErrorKind::Unavailable,
            "the API server has no secrets at this address (HTTP 404): check the server of the kubeconfig"
                .into(),
        ),
        (Answer::new(302, "").header("location", "/"), ErrorKind::Unavailable, not_one(302)),
        (Answer::new(200, "<html>"), ErrorKind::Unavailable, not_one(200)),
        (Answer::new(200, "{}"), ErrorKind::Unavailable, not_one(200)),
        (
            Answer::new(200, r#"{"kind": "PodList", "items": []}"#),
            ErrorKind::Unavailable,
            not_one(200),
        ),
        (
            Answer::new(200, r#"{"kind": "SecretList", "metadata": {"continue": "abc"}, "items": []}"#),
            ErrorKind::Unavailable,
            "the answer is a part of the list of secrets, though all of it was asked for: check the proxy"
                .into(),
        ),
    ] {
        let server = Queued::with([answer.clone(), answer.clone(), answer]).await;
        let resolver = Resolver::builder().custom_backend(backend(&server)).build();
        let error = resolver.get_variable("x").await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(&message), "{message}: {error}");
        assert_eq!(server.seen.lines().len(), 1, "{error}");
        // Airflow goes on to the next source; `strict()` does not.
        let resolver = Resolver::builder()
            .custom_backend(backend(&server))
            .backend(MemoryBackend::new("later").with_variable("x", "another's"))
            .build();
        let next = resolver.get_variable("x").await.unwrap();
        assert_eq!(next.expose(), "another's");
        let error = resolver.strict().get_variable("x").await.unwrap_err();
        assert_eq!(error.kind(), kind);
    }
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_an_outage() {
    let url = format!("http://127.0.0.1:{}", free_port());
    let once = RetryOptions::new().with_max_retries(0);
    let backend = at(&url).retries(once).build().unwrap();
    let outcome = variable(&backend, "x").await.unwrap_err();
    assert_eq!(
        outcome,
        "Unavailable: no answer from the API server: Connection refused (os error 111)"
    );
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_left_after_the_time_for_it() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let moment = HttpOptions::new().with_timeout(Duration::from_millis(100));
    let backend = at(&url).http(moment).build().unwrap();
    let options = LookupOptions::new();
    let failure = backend.get_variable("x", &options).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Unavailable);
    let answers = backend.get_variables(&["a", "b c", "d"], &options).await;
    assert!(answers[0].is_err() && answers[2].is_err(), "{answers:?}");
    assert!(
        matches!(&answers[1], Ok(Lookup::Skipped { .. })),
        "{answers:?}"
    );
}

#[tokio::test]
async fn an_id_or_a_team_that_is_no_label_is_not_sent() {
    let server = Served::by(|_| found()).await;
    let backend = at(&server.url).build().unwrap();
    let long = "x".repeat(64);
    for id in [
        "=pg", "pg ", "pg,!x", "a/b", "../x", "é", "a b", "x_", "%2e", "(a)", "!a", &long,
    ] {
        let refused = variable(&backend, id).await.unwrap_err();
        assert!(
            refused.starts_with("skipped: invalid id"),
            "{id}: {refused}"
        );
    }
    for team in ["red,!x", "red ", "=red", "!x", "a,b=c"] {
        let options = LookupOptions::new().with_team(team);
        let refused = outcome(backend.get_variable("x", &options).await).unwrap_err();
        assert!(
            refused.starts_with("skipped: refused for teams"),
            "{refused}"
        );
    }
    let refused = variable(&backend, "_red___x").await.unwrap_err();
    assert!(
        refused.starts_with("skipped: refused for teams"),
        "{refused}"
    );
    assert_eq!(server.seen.lines(), Vec::<String>::new());
}

#[tokio::test]
async fn a_label_that_is_not_set_is_never_asked_for() {
    let server = Served::by(|_| found()).await;
    let never = at(&server.url)
        .connections_label(None)
        .variables_label(None)
        .config_label(None)
        .build()
        .unwrap();
    let options = LookupOptions::new();
    let skipped = |setting: &str| Err(format!("skipped: not configured: {setting:?} is not set"));
    assert_eq!(
        outcome(never.get_conn_value("x", &options).await),
        skipped("connections_label")
    );
    assert_eq!(
        variable(&never, "_red___x").await,
        skipped("variables_label")
    );
    assert_eq!(
        outcome(never.get_config("x", &options).await),
        skipped("config_label")
    );
    assert_eq!(server.seen.lines(), Vec::<String>::new());
}

#[tokio::test]
async fn requests_are_counted() {
    let server = Served::by(|_| secrets(CONNECTION, &[("pg", "http://h")])).await;
    let proxy = CountingProxy::before(&server.url).await;
    let backend = at(&proxy.url).build().unwrap();
    let options = LookupOptions::new();
    for _ in 0..3 {
        let found = backend.get_connection("pg", &options).await.unwrap();
        assert_eq!(found.value().unwrap().host(), Some("h"));
    }
    assert_eq!(proxy.seen.lines().len(), 3);
    assert_eq!(proxy.connections(), 1);
    let header = |name: &str| proxy.seen.all()[0].header(name).map(str::to_owned);
    assert_eq!(header("authorization"), Some("Bearer token".into()));
    assert_eq!(header("accept"), Some("application/json".into()));

    // A team has one of its own: one request. It has none: two. Many at once: the same.
    let team = options.clone().with_team("red");
    for (ids, requests) in [(&["pg"][..], 1), (&["other"], 2), (&["pg", "other"], 2)] {
        proxy.seen.clear();
        let _ = backend.get_connections(ids, &team).await;
        assert_eq!(proxy.seen.lines().len(), requests, "{ids:?}");
    }
    let ids = (0..1000)
        .map(|number| format!("v{number}"))
        .collect::<Vec<_>>();
    let ids = ids.iter().map(String::as_str).collect::<Vec<_>>();
    proxy.seen.clear();
    let _ = backend.get_connections(&ids, &options).await;
    let lines = proxy.seen.lines();
    assert_eq!(lines.len(), 10);
    let longest = lines.iter().map(String::len).max();
    assert!(longest < Some(8000), "{longest:?}");
}

#[tokio::test]
async fn one_chunk_that_fails_leaves_the_others_their_answers() {
    let server = Served::by(|request| {
        if request.path.contains("v150") {
            status(403, "Forbidden")
        } else {
            secrets(VARIABLE, &[("v1", "one")])
        }
    })
    .await;
    let backend = at(&server.url).build().unwrap();
    let ids = (100..300)
        .map(|number| format!("v{number}"))
        .collect::<Vec<_>>();
    let ids = ids.iter().map(String::as_str).collect::<Vec<_>>();
    let answers = backend.get_variables(&ids, &LookupOptions::new()).await;
    let denied = answers.iter().filter(|answer| answer.is_err()).count();
    let missing = |answer: &&Result<_, _>| matches!(answer, Ok(Lookup::Missing { .. }));
    assert_eq!((denied, answers.iter().filter(missing).count()), (100, 100));
}
