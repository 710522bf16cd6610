//! Faults, and what is made of them.

use std::{sync::Arc, time::Duration};

use airflow_secrets::backends::gcp::CloudSecretManagerBackend;

use crate::{
    SecretsBackend, outcome, secret_manager,
    support::{
        google::{payload, payload_with_sum, refusal},
        https,
        log::Log,
        ports::free_port,
        served::Served,
        wire::{Answer, Queued},
    },
    variable,
};

fn backend(server: &Queued) -> CloudSecretManagerBackend {
    secret_manager(&server.url).build().unwrap()
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    for busy in [
        refusal(429, "RESOURCE_EXHAUSTED", ""),
        refusal(503, "UNAVAILABLE", ""),
        refusal(500, "INTERNAL", ""),
        refusal(504, "DEADLINE_EXCEEDED", ""),
        Answer::new(429, "slow down"),
        Answer::new(500, ""),
        Answer::new(502, "<html>"),
        payload_with_sum("v", 1),
    ] {
        let server = Queued::with([busy.clone(), busy, payload("v")]).await;
        let found = variable(&backend(&server), "x").await;
        assert_eq!(found, Ok("v".into()));
        assert_eq!(server.seen.lines().len(), 3);
    }
}

#[tokio::test]
async fn after_three_repeats_it_is_an_outage() {
    for (busy, message) in [
        (
            refusal(429, "RESOURCE_EXHAUSTED", ""),
            "Secret Manager throttles: a quota is used up",
        ),
        (
            refusal(503, "UNAVAILABLE", ""),
            "Secret Manager is not able to answer (UNAVAILABLE)",
        ),
        (
            Answer::new(502, "<html>"),
            "Secret Manager is not able to answer (HTTP 502)",
        ),
        (
            payload_with_sum("v", 1),
            "the payload was damaged on its way: its checksum is another",
        ),
    ] {
        let server = Queued::with(vec![busy; 9]).await;
        let outcome = variable(&backend(&server), "x").await;
        assert_eq!(outcome, Err(format!("Unavailable: {message}")));
        assert_eq!(server.seen.lines().len(), 4);
    }
}

/// The time that is waited is that of Tokio's clock, which jumps ahead where all wait.
#[tokio::test(start_paused = true)]
async fn a_wait_that_google_asks_for_is_kept_where_there_is_time_for_it() {
    let busy = || refusal(429, "RESOURCE_EXHAUSTED", "");
    let server = Queued::with([busy().header("retry-after", "5"), payload("v")]).await;
    let start = tokio::time::Instant::now();
    assert_eq!(variable(&backend(&server), "x").await, Ok("v".into()));
    assert!(start.elapsed() >= Duration::from_secs(5));

    let server = Queued::with([busy().header("retry-after", "3600"), payload("v")]).await;
    let outcome = variable(&backend(&server), "x").await.unwrap_err();
    assert!(outcome.starts_with("Unavailable: "), "{outcome}");
    assert_eq!(server.seen.lines().len(), 1);
}

/// The date is that of the machine's clock, in whole seconds.
#[tokio::test(start_paused = true)]
async fn a_wait_may_be_told_as_a_date() {
    let busy = |wait| {
        let until = std::time::SystemTime::now() + Duration::from_secs(wait);
        let until = httpdate::fmt_http_date(until);
        refusal(503, "UNAVAILABLE", "").header("retry-after", &until)
    };
    let server = Queued::with([busy(10), payload("v")]).await;
    let start = tokio::time::Instant::now();
    assert_eq!(variable(&backend(&server), "x").await, Ok("v".into()));
    assert!(start.elapsed() >= Duration::from_secs(5));

    let server = Queued::with([busy(3600), payload("v")]).await;
    let outcome = variable(&backend(&server), "x").await.unwrap_err();
    assert!(outcome.starts_with("Unavailable: "), "{outcome}");
    assert_eq!(server.seen.lines().len(), 1);
}

#[tokio::test]
async fn what_airflow_calls_absent_is_missing_with_its_reason() {
    let disabled = r#"{"error": {"code": 403, "message": "m", "status": "PERMISSION_DENIED",
        "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo",
                     "reason": "SERVICE_DISABLED", "domain": "googleapis.com"}]}}"#;
    for (answer, reason) in [
        (refusal(404, "NOT_FOUND", "Secret not found"), ""),
        (
            refusal(403, "PERMISSION_DENIED", "denied"),
            "permission denied: without secretmanager.versions.access (the role Secret Manager \
             Secret Accessor) there is no telling whether it exists",
        ),
        (
            Answer::new(403, disabled),
            "permission denied: the Secret Manager API is not enabled in this project",
        ),
        (
            refusal(400, "INVALID_ARGUMENT", "bad"),
            "invalid argument: no secret can have this name, or no project this id",
        ),
    ] {
        let server = Queued::with([answer]).await;
        let outcome = variable(&backend(&server), "x").await;
        assert_eq!(outcome, Err(format!("missing: {reason}")));
        assert_eq!(server.seen.lines().len(), 1);
    }
}

#[tokio::test]
async fn a_team_that_is_denied_its_own_still_reads_the_global_one() {
    let answers = [
        refusal(403, "PERMISSION_DENIED", "denied"),
        payload("global"),
    ];
    let server = Queued::with(answers).await;
    let backend = secret_manager(&server.url)
        .multi_team(true)
        .build()
        .unwrap();
    let found = outcome(backend.get_variable("x", Some("red")).await);
    assert_eq!(found, Ok("global".into()));
}

#[tokio::test]
async fn what_will_not_pass_is_told_as_what_it_is() {
    let unauthenticated = || refusal(401, "UNAUTHENTICATED", "who?");
    for (answer, expected) in [
        (
            refusal(400, "FAILED_PRECONDITION", "… is in DISABLED state."),
            "InvalidValue: its latest version is disabled: enable it, or add a version",
        ),
        (
            refusal(400, "FAILED_PRECONDITION", "… is in DESTROYED state."),
            "InvalidValue: its latest version is destroyed: enable it, or add a version",
        ),
        (
            refusal(400, "FAILED_PRECONDITION", "something else"),
            "InvalidValue: its latest version is disabled or destroyed: enable it, or add a version",
        ),
        (
            unauthenticated(),
            "AccessDenied: the credentials are not taken: the key may be deleted or disabled, or \
             not be of the account that the file names",
        ),
        (
            Answer::new(404, "<html>"),
            "Configuration: the answer is not one of Secret Manager's (HTTP 404): check the \
             endpoint, and what stands before it",
        ),
        (
            Answer::new(200, "<html>"),
            "Unavailable: the answer is not one of Secret Manager's: check the endpoint, and what \
             stands before it",
        ),
        (
            refusal(501, "UNIMPLEMENTED", ""),
            "Unavailable: Secret Manager did not take the request (UNIMPLEMENTED)",
        ),
    ] {
        let server = Queued::with([answer]).await;
        let outcome = variable(&backend(&server), "x").await;
        assert_eq!(outcome, Err(expected.to_owned()));
        assert_eq!(server.seen.lines().len(), 1);
    }
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_named() {
    for (date, expected) in [
        ("Sun, 06 Nov 1994 08:49:37 GMT", "minutes ahead of Google's"),
        ("Fri, 06 Nov 2099 08:49:37 GMT", "minutes behind Google's"),
    ] {
        let refused = refusal(401, "UNAUTHENTICATED", "").header("date", date);
        let server = Queued::with([refused]).await;
        let outcome = variable(&backend(&server), "x").await.unwrap_err();
        assert!(outcome.starts_with("AccessDenied: "), "{outcome}");
        assert!(outcome.ends_with(expected), "{outcome}");
    }
}

#[tokio::test]
async fn nobody_there_is_an_outage() {
    let url = format!("http://127.0.0.1:{}", free_port());
    let backend = secret_manager(&url).max_retries(0).build().unwrap();
    let outcome = variable(&backend, "x").await.unwrap_err();
    assert!(
        outcome.starts_with("Unavailable: no answer from Secret Manager: Connection refused"),
        "{outcome}"
    );
}

#[tokio::test]
async fn a_server_that_says_nothing_is_an_outage() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let builder = secret_manager(&url).max_retries(1);
    let soon = Duration::from_millis(50);
    let backend = builder.clone().attempt_timeout(soon).build().unwrap();
    assert_eq!(
        variable(&backend, "x").await,
        Err("Unavailable: no answer from Secret Manager in time".into())
    );
    let backend = builder.timeout(soon).attempt_timeout(soon * 100);
    let failure = backend.build().unwrap().get_variable("x", None).await;
    let failure = failure.unwrap_err();
    let messages = [
        "no answer from Secret Manager in time",
        "no answer from Secret Manager within 0.05 s",
    ];
    assert!(messages.contains(&failure.message()), "{failure}");
    assert!(failure.native_key().is_some());
}

#[tokio::test]
async fn a_server_that_no_authority_vouches_for_is_not_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let nobody_asks = |request: &https::Request| -> https::Reply { panic!("{request:?}") };
    let ca = folder.path().join("ca.pem");
    let server = https::serve(&["127.0.0.1"], &ca, Arc::new(nobody_asks));
    let address = server.address;
    let backend = secret_manager(&format!("https://{address}"));
    let outcome = variable(&backend.build().unwrap(), "x").await.unwrap_err();
    let expected = "Unavailable: no trust between us and Secret Manager (invalid peer certificate: \
                    UnknownIssuer): check the machine's authorities, or SSL_CERT_FILE";
    assert_eq!(outcome, expected);
}

#[tokio::test]
async fn a_permission_that_is_denied_is_logged_once_for_each_name() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let server = Served::by(|_| refusal(403, "PERMISSION_DENIED", "denied")).await;
    let backend = secret_manager(&server.url).build().unwrap();
    for _ in 0..3 {
        for key in ["x", "y"] {
            variable(&backend, key).await.unwrap_err();
        }
    }
    assert_eq!(server.seen.lines().len(), 6);
    let log = log.text();
    assert_eq!(log.matches("permission denied").count(), 2, "{log}");
    for name in ["airflow-variables-x", "airflow-variables-y"] {
        assert_eq!(log.matches(name).count(), 1, "{log}");
    }
}

#[test]
fn another_runtime_gets_another_client() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let servers = runtime();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        servers.block_on(async {
            let server = Served::by(|_| payload("v")).await;
            sender.send(server.url).unwrap();
            std::future::pending::<()>().await;
        });
    });
    let url = receiver.recv().unwrap();
    let backend = secret_manager(&url).build().unwrap();
    for _ in 0..3 {
        let found = runtime().block_on(variable(&backend, "x"));
        assert_eq!(found, Ok("v".into()));
    }
}
