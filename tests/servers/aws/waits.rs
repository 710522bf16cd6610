//! How long a lookup waits: for answers, for retries, for a free slot.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use airflow_secrets::{
    SecretsBackend,
    backend::LookupOptions,
    backends::{HttpOptions, RetryOptions},
};
use futures_util::future::join_all;
use tokio::net::TcpListener;

use crate::{
    faults::{error, quick, value},
    outcome,
    support::{served::Served, slow::Slow, wire::Queued},
};

#[tokio::test]
async fn a_lookup_that_waits_for_its_retry_holds_no_slot() {
    // The first of the two is served when the second has been.
    let served_one = AtomicBool::new(false);
    let first = Mutex::new(None);
    let server = Served::by(move |request| {
        let mut first = first.lock().unwrap();
        let is_first = *first.get_or_insert_with(|| request.body.clone()) == request.body;
        if is_first && !served_one.load(Ordering::Relaxed) {
            return error(500, "InternalFailure");
        }
        served_one.store(true, Ordering::Relaxed);
        value()
    })
    .await;
    let one_at_a_time = HttpOptions::new().with_max_concurrent_requests(1);
    let retries = RetryOptions::new().with_max_retries(20);
    let backend = quick(&server.url).retries(retries).http(one_at_a_time);
    let backend = backend.build().unwrap();
    let options = LookupOptions::new();
    let (a, b) = tokio::join!(
        backend.get_variable("a", &options),
        backend.get_variable("b", &options)
    );
    assert_eq!([a, b].map(outcome), [Ok("v".into()), Ok("v".into())]);
}

#[tokio::test]
async fn no_pause_is_begun_that_ends_after_the_callers_deadline() {
    let queued = Queued::with(vec![error(503, "ServiceUnavailable"); 9]).await;
    let pauses = RetryOptions::new().with_first_pause(Duration::from_secs(100_000));
    let pauses = pauses.with_longest_pause(Duration::from_secs(100_000));
    let backend = quick(&queued.url).retries(pauses).build().unwrap();
    let start = Instant::now();
    let options = LookupOptions::new().with_deadline(start + Duration::from_secs(20));
    let message = outcome(backend.get_variable("x", &options).await).unwrap_err();
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    let end =
        "for credentials, call and retries, AWS-5); the last attempt: it answered with status 503";
    assert!(
        message.starts_with("Unavailable: AWS did not answer in time (") && message.ends_with(end),
        "{message}"
    );
    assert_eq!(queued.seen.all().len(), 1);
}

#[tokio::test]
async fn a_thousand_callers_at_600_ms_a_read_are_all_served() {
    let server = Slow::serving(r#"{"SecretString":"v"}"#, Duration::from_millis(600)).await;
    let backend = quick(&server.url).build().unwrap();
    let options = LookupOptions::new();
    let ids = (0..1000).map(|n| format!("x{n}")).collect::<Vec<_>>();
    let found = join_all(ids.iter().map(|id| backend.get_variable(id, &options))).await;
    for found in found {
        assert_eq!(outcome(found), Ok("v".to_owned()));
    }
    assert_eq!(server.most_at_once(), 64);
}

#[tokio::test]
async fn a_lookup_that_never_got_a_slot_says_so() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let http = HttpOptions::new()
        .with_timeout(Duration::from_secs(3))
        .with_max_concurrent_requests(1);
    let backend = quick(&url).http(http).build().unwrap();
    let options = LookupOptions::new();
    let (a, b) = tokio::join!(
        backend.get_variable("a", &options),
        backend.get_variable("b", &options)
    );
    let mut messages = [a, b].map(|found| outcome(found).unwrap_err());
    messages.sort();
    assert_eq!(
        messages,
        [
            "Unavailable: AWS did not answer in time (3 s for credentials, call and retries, AWS-5)",
            "Unavailable: most of the 3 s of this lookup passed in the wait for one of 1 concurrent \
             requests: raise \"max_pool_connections\" in config_kwargs, or look up many ids in one \
             call",
        ]
    );
}
