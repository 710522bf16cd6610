//! A real API server over TLS: whom Airflow's settings trust, and who asks, as Airflow's own client has it.

use std::{collections::BTreeMap, path::Path};

use airflow_secrets::{
    Environment, Resolver, backends::execution_api::ExecutionApiCredential, settings::Settings,
};
use airflow_secrets::{
    SecretsBackend as _,
    backends::{RetryOptions, execution_api::ExecutionApiBuilder},
};
use serde_json::{Value, json};

use crate::{
    TASK, options, rows,
    side_by_side::{airflow, ours},
    support::{
        authority::{Authority, Files, authority},
        execution_api::{ExecutionApi, SSL_CERT, token},
    },
};

const CA_FILE: &str = "AIRFLOW__API__SSL_CA_FILE";
const PUBLIC: &str = "AIRFLOW__API__CLIENT_USE_PUBLIC_CERTS";
const CLIENT_CERT: &str = "AIRFLOW__API__CLIENT_SSL_CERT";
const CLIENT_KEY: &str = "AIRFLOW__API__CLIENT_SSL_KEY";

type Variables = BTreeMap<String, String>;

/// A file's path as settings have it.
fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A server with a certificate by `authority`, and further settings.
async fn server(authority: &Authority, folder: &Path, more: &[(&str, &str)]) -> ExecutionApi {
    let Files { certificate, key } = authority.issue("server", folder);
    let settings = [
        (SSL_CERT, text(&certificate)),
        ("AIRFLOW__API__SSL_KEY", text(&key)),
    ];
    ExecutionApi::start(rows(), &[&settings, more].concat()).await
}

/// A worker's environment, which asks `server` once.
fn worker(server: &ExecutionApi, home: &Path, more: &[(&str, &str)]) -> Variables {
    let home = text(home);
    let settings = [
        ("AIRFLOW_HOME", home),
        ("HOME", home),
        ("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", &server.url),
        ("AIRFLOW__WORKERS__EXECUTION_API_RETRIES", "1"),
        ("AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT", "60"),
    ];
    let all = settings.iter().chain(more);
    all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// What a task in Python gets in each of these environments, and what we give.
async fn both(workers: &[Variables]) -> (Vec<Value>, Vec<Value>) {
    let question = [("variable", "colour".to_owned())];
    let token = token(TASK);
    let theirs = workers.iter().map(|worker| {
        let (worker, token, question) = (worker.clone(), token.clone(), question.clone());
        tokio::task::spawn_blocking(move || airflow(&worker, &token, &question).remove(0))
    });
    let theirs = theirs.collect::<Vec<_>>();
    let mut found = (Vec::new(), Vec::new());
    for worker in workers {
        let ours = ours(worker, &token, &question).await.remove(0);
        found.1.push(ours);
    }
    for theirs in theirs {
        found.0.push(theirs.await.unwrap());
    }
    found
}

/// What our backend says in this environment.
async fn refused(worker: &Variables) -> String {
    let environment = worker.clone().into_iter().collect::<Environment>();
    let settings = Settings::load(&environment).unwrap();
    let backend = ExecutionApiBuilder::from_settings(&settings).unwrap();
    let backend = backend
        .credential(ExecutionApiCredential::token(token(TASK)))
        .retries(RetryOptions::new().with_max_retries(0));
    let asked = backend
        .build()
        .unwrap()
        .get_variable("colour", &options())
        .await;
    let failure = asked.unwrap_err();
    format!("{:?}: {failure}", failure.kind())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_is_trusted_where_airflows_client_trusts_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (ours_ca, foreign) = (authority(), authority());
    ours_ca.write(&at("ca.pem"));
    foreign.write(&at("foreign.pem"));
    let server = server(&ours_ca, folder.path(), &[]).await;
    let (ca, foreign) = (at("ca.pem"), at("foreign.pem"));
    let (ca, foreign) = (text(&ca), text(&foreign));
    let certificate = at("server.pem");
    let (found, nothing) = (json!("a-blue-marker"), Value::Null);
    let cases = [
        (vec![(CA_FILE, ca)], &found),
        (vec![], &nothing),
        (vec![(CA_FILE, foreign), (PUBLIC, "False")], &nothing),
        (vec![(CA_FILE, foreign), (SSL_CERT, ca)], &found),
        // Of what it names only an authority is trusted.
        (vec![(SSL_CERT, text(&certificate))], &nothing),
        (vec![("SSL_CERT_FILE", ca), (PUBLIC, "False")], &found),
    ];
    let workers = cases
        .iter()
        .map(|(more, _)| worker(&server, folder.path(), more));
    let workers = workers.collect::<Vec<_>>();
    let expected = cases.iter().map(|(_, expected)| (*expected).clone());
    let expected = expected.collect::<Vec<_>>();
    let (theirs, ours) = both(&workers).await;
    assert_eq!(theirs, expected, "Airflow: {}", server.log());
    assert_eq!(ours, expected, "{}", server.log());

    let why = refused(&workers[1]).await;
    assert_eq!(
        why,
        format!(
            "Unavailable: the TLS certificate of the Execution API at {} is not trusted (invalid peer \
             certificate: UnknownIssuer): \
             name its authority in [api] ssl_ca_file, or the certificate itself in [api] ssl_cert",
            server.url.trim_end_matches('/')
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_wants_a_client_certificate_is_shown_that_of_the_settings() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (ca, foreign) = (authority(), authority());
    ca.write(&at("ca.pem"));
    let ca_file = at("ca.pem");
    let ca_file = text(&ca_file);
    let wants = [
        (CA_FILE, ca_file),
        ("AIRFLOW__API__SSL_CERT_REQS", "required"),
    ];
    let server = server(&ca, folder.path(), &wants).await;
    let (client, stranger) = (
        ca.issue("client", folder.path()),
        foreign.issue("stranger", folder.path()),
    );
    let shown = |files: &Files| {
        let of_client = [
            (CA_FILE, ca_file),
            (CLIENT_CERT, text(&files.certificate)),
            (CLIENT_KEY, text(&files.key)),
        ];
        worker(&server, folder.path(), &of_client)
    };
    let workers = [
        shown(&client),
        shown(&stranger),
        worker(&server, folder.path(), &[(CA_FILE, ca_file)]),
    ];
    let (theirs, ours) = both(&workers).await;
    let expected = [json!("a-blue-marker"), Value::Null, Value::Null];
    assert_eq!(theirs, expected, "Airflow: {}", server.log());
    assert_eq!(ours, expected, "{}", server.log());
    for worker in &workers[1..] {
        let why = refused(worker).await;
        let begins = format!(
            "Unavailable: no answer from the Execution API at {}",
            server.url.trim_end_matches('/')
        );
        assert!(why.starts_with(&begins), "{why}");
    }

    // A program that builds its resolver in code, with a new token in each answer.
    let environment = workers[0].clone().into_iter().collect::<Environment>();
    let resolver = Resolver::from_environment(environment)
        .worker()
        .execution_api(|api| {
            api.credential(ExecutionApiCredential::token(token(TASK)))
                .keep_alive(true)
        });
    let resolver = resolver.build().await.unwrap();
    let pg = resolver.get_connection("pg").await.unwrap();
    assert_eq!(pg.password().unwrap().expose(), "hunter2-marker");
}
