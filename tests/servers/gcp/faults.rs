//! Faults, and what is made of them.

use std::{sync::Arc, time::Duration};

use airflow_secrets::{
    ErrorKind, Resolver,
    backend::{FailureKind, LookupOptions},
    backends::{HttpOptions, RetryOptions, gcp::CloudSecretManagerBackend, memory::MemoryBackend},
};
use serde_json::json;

use crate::{
    SecretsBackend, outcome, secret_manager,
    support::{
        google::{payload, payload_with_sum, refusal},
        https,
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
async fn a_lookup_that_waits_for_its_retry_holds_no_slot() {
    let busy = refusal(429, "RESOURCE_EXHAUSTED", "").header("retry-after", "1");
    let server = Queued::with([busy, payload("v"), payload("v")]).await;
    let one_at_a_time = HttpOptions::new().with_max_concurrent_requests(1);
    let backend = secret_manager(&server.url).http(one_at_a_time);
    let backend = backend.build().unwrap();
    let found = tokio::join!(variable(&backend, "a"), variable(&backend, "b"));
    assert_eq!(found, (Ok("v".into()), Ok("v".into())));
    let [first, second, third] = <[_; 3]>::try_from(server.seen.lines()).unwrap();
    assert_ne!(first, second);
    assert_eq!(first, third);
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
            "Secret Manager cannot answer (UNAVAILABLE)",
        ),
        (
            Answer::new(502, "<html>"),
            "Secret Manager cannot answer (HTTP 502)",
        ),
        (
            payload_with_sum("v", 1),
            "the payload was damaged on its way: its checksum does not match (GCP-20)",
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

    let server = Queued::with([busy().header("retry-after", "5"), payload("v")]).await;
    let deadline = tokio::time::Instant::now().into_std() + Duration::from_secs(4);
    let options = LookupOptions::new().with_deadline(deadline);
    let failure = backend(&server).get_variable("x", &options).await;
    let failure = failure.unwrap_err();
    assert_eq!(failure.retry_after(), Some(Duration::from_secs(5)));
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
async fn only_what_google_says_is_not_found_is_missing() {
    let server = Queued::with([refusal(404, "NOT_FOUND", "Secret not found")]).await;
    let expected = "missing: the secret does not exist, or has no enabled version";
    assert_eq!(variable(&backend(&server), "x").await, Err(expected.into()));
}

/// An answer that gives this reason for the denial, in the words of AIP-193.
fn denied_because(reason: &str) -> Answer {
    let details = json!([{
        "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason,
        "domain": "googleapis.com",
    }]);
    let error = json!({
        "code": 403, "message": "m", "status": "PERMISSION_DENIED", "details": details,
    });
    Answer::new(403, json!({ "error": error }).to_string())
}

/// And `strict()` does not pass over it.
#[tokio::test]
async fn a_denial_is_no_missing_secret() {
    for (answer, message) in [
        (
            refusal(403, "PERMISSION_DENIED", "denied"),
            "denied: this account may not read the secret, which may not exist: give it the role \
             Secret Manager Secret Accessor (secretmanager.versions.access)",
        ),
        (
            denied_because("SERVICE_DISABLED"),
            "denied: the Secret Manager API is not enabled in this project: enable it",
        ),
        (
            denied_because("ACCESS_TOKEN_SCOPE_INSUFFICIENT"),
            "denied: the token's scopes do not include cloud-platform: check \"gcp_scopes\", or the \
             access scopes of the machine",
        ),
        (
            denied_because("CONSUMER_INVALID"),
            "denied: there is no such project: check \"project_id\"",
        ),
        (
            denied_because("SECURITY_POLICY_VIOLATED"),
            "denied: a perimeter of VPC Service Controls blocks the request",
        ),
    ] {
        let server = Queued::with([answer.clone(), answer]).await;
        let backend = backend(&server);
        let outcome = variable(&backend, "x").await;
        assert_eq!(outcome, Err(format!("AccessDenied: {message}")));
        assert_eq!(server.seen.lines().len(), 1);

        let resolver = Resolver::builder()
            .custom_backend(backend)
            .backend(MemoryBackend::new("later").with_variable("x", "another's"))
            .build();
        let error = resolver.strict().get_variable("x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AccessDenied);
        assert_eq!(server.seen.lines().len(), 2);
    }
}

#[tokio::test]
async fn a_denial_of_the_teams_own_secret_is_not_forgotten_where_nothing_is_found() {
    let answers = [
        refusal(403, "PERMISSION_DENIED", "denied"),
        refusal(404, "NOT_FOUND", "no"),
    ];
    let server = Queued::with(answers).await;
    let backend = secret_manager(&server.url).multi_team(true);
    let backend = backend.build().unwrap();
    let red = LookupOptions::new().with_team("red");
    let failure = backend.get_variable("x", &red).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::AccessDenied);
    let denied = "projects/p/secrets/airflow-variables-red--x";
    assert_eq!(failure.native_key(), Some(denied));
    assert_eq!(server.seen.lines().len(), 2);
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
    let found = outcome(
        backend
            .get_variable("x", &LookupOptions::new().with_team("red"))
            .await,
    );
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
            refusal(
                400,
                "FAILED_PRECONDITION",
                "Cloud KMS key projects/p/…/cryptoKeys/k is disabled",
            ),
            "AccessDenied: denied by the encryption key: check that the key in Cloud KMS is enabled, \
             and that Secret Manager's service agent may decrypt with it",
        ),
        (
            refusal(
                400,
                "FAILED_PRECONDITION",
                "Constraint constraints/gcp.x violated for p",
            ),
            "AccessDenied: denied by a policy of the organization: check its constraints",
        ),
        (
            refusal(400, "FAILED_PRECONDITION", "something else"),
            "Unavailable: Secret Manager cannot give the secret in its present state \
             (FAILED_PRECONDITION): check its versions, its encryption key and the organization's \
             policies",
        ),
        (
            refusal(400, "INVALID_ARGUMENT", "bad"),
            "Configuration: Secret Manager refused the request as invalid: check \"project_id\" and \
             the location",
        ),
        (
            unauthenticated(),
            "AccessDenied: Google refused the token: check that the key is neither deleted nor \
             disabled, and belongs to the account that the credential file names",
        ),
        (
            refusal(501, "UNIMPLEMENTED", ""),
            "Unavailable: Secret Manager refused the request (HTTP 501, UNIMPLEMENTED)",
        ),
    ] {
        let server = Queued::with([answer]).await;
        let outcome = variable(&backend(&server), "x").await;
        assert_eq!(outcome, Err(expected.to_owned()));
        assert_eq!(server.seen.lines().len(), 1);
    }
}

#[tokio::test]
async fn what_is_no_answer_of_secret_manager_is_an_outage() {
    for (status, body) in [
        (404, "<html>"),
        (404, r#"{"message":"no Route matched with those values"}"#),
        (404, r#"{"error": {"code": 404}}"#),
        (404, r#"{"error": {"status": "GONE FISHING"}}"#),
        (403, "<html>"),
        (200, "<html>"),
        (200, "{}"),
        (200, ""),
        (200, r#"{"payload": null}"#),
        (200, r#"{"payload": {"data": "?"}}"#),
        (204, ""),
        (302, ""),
    ] {
        let server = Queued::with([Answer::new(status, body)]).await;
        let expected = format!(
            "Unavailable: the answer is not one of Secret Manager's (HTTP {status}): check the \
             endpoint and the proxy"
        );
        assert_eq!(variable(&backend(&server), "x").await, Err(expected));
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
    let backend = secret_manager(&url)
        .retries(RetryOptions::new().with_max_retries(0))
        .build()
        .unwrap();
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
    let builder = secret_manager(&url).retries(RetryOptions::new().with_max_retries(1));
    let soon = Duration::from_millis(50);
    let backend = builder.clone().attempt_timeout(soon).build().unwrap();
    assert_eq!(
        variable(&backend, "x").await,
        Err("Unavailable: no answer from Secret Manager in time".into())
    );
    let backend = builder
        .http(HttpOptions::new().with_timeout(soon))
        .attempt_timeout(soon * 100);
    let failure = backend
        .build()
        .unwrap()
        .get_variable("x", &LookupOptions::new())
        .await;
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
    let expected = "Unavailable: the TLS certificate of Secret Manager is not trusted (invalid peer certificate: \
                    UnknownIssuer): name its authority in SSL_CERT_FILE or REQUESTS_CA_BUNDLE";
    assert_eq!(outcome, expected);
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
