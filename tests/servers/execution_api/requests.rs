//! What is sent, and how often.

use std::time::Duration;

use airflow_secrets::{
    Resolver, Secret, SecretsBackend,
    backend::VariableStore,
    backends::{
        HttpOptions, RetryOptions,
        execution_api::{ExecutionApiBackend, ExecutionApiCredential, TaskStart},
    },
};
use serde_json::{Value, json};

use crate::{
    TASK, api_at, options, server,
    support::{
        execution_api::token,
        served::Served,
        wire::{Answer, CountingProxy, Queued},
    },
    variable,
};

fn found() -> Answer {
    Answer::new(200, json!({"key": "colour", "value": "blue"}).to_string())
}

fn denied() -> Answer {
    Answer::new(403, json!({"detail": "Invalid auth token"}).to_string())
}

/// A backend that repeats at once, and this often.
fn eager(url: &str, retries: u32) -> ExecutionApiBackend {
    let moment = Duration::from_millis(1);
    api_at(&format!("{url}/execution"))
        .credential(ExecutionApiCredential::token("t-1"))
        .retries(
            RetryOptions::new()
                .with_max_retries(retries)
                .with_first_pause(moment)
                .with_longest_pause(moment),
        )
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_lookup_is_one_get_with_token_and_version() {
    let server = Queued::with([found()]).await;
    assert_eq!(
        variable(&eager(&server.url, 4), "colour").await,
        Ok("blue".to_owned())
    );
    let [request] = server.seen.all().try_into().unwrap();
    assert_eq!(
        (&*request.method, &*request.path),
        ("GET", "/execution/variables/colour")
    );
    assert_eq!(request.header("authorization"), Some("Bearer t-1"));
    assert_eq!(request.header("airflow-api-version"), Some("2026-06-30"));
    assert_eq!(request.header("content-type"), None);
    assert_eq!(request.body, "");
}

#[tokio::test]
async fn a_change_sends_its_json() {
    let changed = [
        Answer::new(201, "{}"),
        Answer::new(201, "{}"),
        Answer::new(204, ""),
        Answer::new(200, "{}"),
    ];
    let server = Queued::with(changed).await;
    let backend = eager(&server.url, 0);
    let (value, options) = (Secret::from("é\"\\"), options());
    backend
        .set_variable("a b/c", &value, Some("why"), &options)
        .await
        .unwrap();
    backend
        .set_variable("a", &value, None, &options)
        .await
        .unwrap();
    backend.delete_variable("a b/c", &options).await.unwrap();
    let mut start = TaskStart::now("host", "user", 7);
    start.start_date = std::time::UNIX_EPOCH + Duration::from_millis(1500);
    backend
        .run_task_instance(TASK, &start, &options)
        .await
        .unwrap();

    let requests = server.seen.all();
    let lines = server.seen.lines();
    let run = format!("PATCH /execution/task-instances/{TASK}/run");
    assert_eq!(
        lines,
        [
            "PUT /execution/variables/a%20b/c",
            "PUT /execution/variables/a",
            "DELETE /execution/variables/a%20b/c",
            &run,
        ]
    );
    let body = |n: usize| serde_json::from_str::<Value>(&requests[n].body).unwrap();
    assert_eq!(body(0), json!({"val": "é\"\\", "description": "why"}));
    assert_eq!(body(1), json!({"val": "é\"\\", "description": null}));
    assert_eq!(requests[2].body, "");
    let run = json!({"state": "running", "hostname": "host", "unixname": "user", "pid": 7, "start_date": 1.5});
    assert_eq!(body(3), run);
    assert_eq!(requests[0].header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn only_5xx_and_broken_connections_are_repeated() {
    for (answer, expected) in [
        (Answer::new(500, "{}"), 3),
        (Answer::new(502, "<html>"), 3),
        (Answer::new(503, ""), 3),
        (Answer::new(599, ""), 3),
        (Answer::new(429, "{}"), 1),
        (Answer::new(404, "{}"), 1),
        (Answer::new(400, "{}"), 1),
        (Answer::new(408, ""), 1),
        (Answer::new(422, "{}"), 1),
        (Answer::new(307, ""), 1),
        (Answer::new(200, "{}"), 1),
        (denied(), 1),
    ] {
        let text = answer.text();
        let server = Served::by(move |_| answer.clone()).await;
        variable(&eager(&server.url, 2), "colour")
            .await
            .unwrap_err();
        assert_eq!(server.seen.lines().len(), expected, "{text}");
    }
    let busy = [Answer::new(503, ""), Answer::new(500, ""), found()];
    let server = Queued::with(busy).await;
    assert_eq!(
        variable(&eager(&server.url, 2), "colour").await,
        Ok("blue".to_owned())
    );
    assert_eq!(server.seen.lines().len(), 3);
}

#[tokio::test]
async fn a_check_is_one_request_whatever_the_answer() {
    for (answer, is_reachable) in [
        (Answer::new(503, ""), false),
        (
            Answer::new(404, json!({"detail": {"reason": "not_found"}}).to_string()),
            true,
        ),
    ] {
        let server = Served::by(move |_| answer.clone()).await;
        let checked = eager(&server.url, 4).check(&options()).await;
        assert_eq!(checked.is_ok(), is_reachable, "{checked:?}");
        let asked = "GET /execution/connections/airflow-secrets-check";
        assert_eq!(server.seen.lines(), [asked]);
    }
}

#[tokio::test]
async fn a_denied_token_that_cannot_change_causes_no_second_request() {
    let server = Queued::with([denied(), denied()]).await;
    variable(&eager(&server.url, 4), "colour")
        .await
        .unwrap_err();
    assert_eq!(server.seen.lines().len(), 1);
}

#[tokio::test]
async fn a_callback_that_gives_the_same_again_is_asked_once_a_second() {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };
    let asked = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&asked);
    let server = Served::by(|_| denied()).await;
    let backend = api_at(&format!("{}/execution", server.url))
        .credential(ExecutionApiCredential::callback(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            async { Ok(Secret::from("the-same")) }
        }))
        .build()
        .unwrap();
    for _ in 0..5 {
        variable(&backend, "colour").await.unwrap_err();
    }
    assert_eq!(
        (asked.load(Ordering::Relaxed), server.seen.lines().len()),
        (2, 5)
    );
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(2)).await;
    tokio::time::resume();
    variable(&backend, "colour").await.unwrap_err();
    assert_eq!(
        (asked.load(Ordering::Relaxed), server.seen.lines().len()),
        (3, 6)
    );
}

#[tokio::test]
async fn a_late_answer_to_an_older_token_does_not_bring_it_back() {
    let refreshed = |token: &str| found().header("Refreshed-API-Token", token);
    let server = Queued::with([
        refreshed("t-2"),
        refreshed("no token at all"),
        refreshed(""),
        found(),
    ])
    .await;
    let backend = eager(&server.url, 0);
    for _ in 0..4 {
        assert_eq!(variable(&backend, "colour").await, Ok("blue".to_owned()));
    }
    let carried = server.seen.all();
    let carried = carried
        .iter()
        .map(|request| request.header("authorization").unwrap());
    let expected = ["Bearer t-1", "Bearer t-2", "Bearer t-2", "Bearer t-2"];
    assert_eq!(carried.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn no_more_requests_are_under_way_than_allowed() {
    let proxy = CountingProxy::before(&format!("http://{}", server().await.address())).await;
    let backend = api_at(&format!("{}/execution/", proxy.url))
        .credential(ExecutionApiCredential::token(token(TASK)))
        .http(HttpOptions::new().with_max_concurrent_requests(3))
        .build()
        .unwrap();
    let keys = vec!["colour"; 40];
    for found in backend.get_variables(&keys, &options()).await {
        assert_eq!(crate::outcome(found), Ok("a-blue-marker".to_owned()));
    }
    assert_eq!(proxy.seen.lines().len(), 40);
    assert!(proxy.connections() <= 3, "{}", proxy.connections());
}

#[tokio::test]
async fn a_thousand_lookups_of_a_hundred_ids_are_a_hundred_requests() {
    let server = Served::by(|request| {
        let key = request.path.rsplit('/').next().unwrap();
        let value = format!("value of {key}");
        Answer::new(200, json!({"key": key, "value": value}).to_string())
    })
    .await;
    let resolver = Resolver::builder().backend(eager(&server.url, 0)).build();
    let lookups = (0..1000).map(|n| {
        let (resolver, key) = (resolver.clone(), format!("key_{}", n % 100));
        async move {
            let found = resolver.get_variable(&key).await.unwrap();
            assert_eq!(found.expose(), format!("value of {key}"));
        }
    });
    futures_util::future::join_all(lookups).await;
    assert_eq!(server.seen.lines().len(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_as_long_as_airflows_settings_say_and_no_lookup_takes_longer_than_its_limit() {
    let server = Served::by(|_| Answer::new(503, "")).await;
    let backend = api_at(&format!("{}/execution", server.url))
        .retries(
            RetryOptions::new()
                .with_max_retries(4)
                .with_first_pause(Duration::from_secs(1))
                .with_longest_pause(Duration::from_secs(90)),
        )
        .http(HttpOptions::new().with_timeout(Duration::from_secs(10)))
        .build()
        .unwrap();
    let start = tokio::time::Instant::now();
    let found = variable(&backend, "colour").await.unwrap_err();
    assert!(found.contains("cannot answer (HTTP 503)"), "{found}");
    // After pauses of 1 s and of 2 s and a little, one of 4 s or more may come, and none beyond that.
    let requests = server.seen.lines().len();
    assert!((3..=4).contains(&requests), "{requests}");
    assert!(start.elapsed() <= Duration::from_secs(10));
}
