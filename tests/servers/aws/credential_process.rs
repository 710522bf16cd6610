//! `credential_process` in a profile: a program that prints credentials.

use airflow_secrets::backend::LookupOptions;
use std::{path::Path, time::Duration};

use airflow_secrets::SecretsBackend as _;
use airflow_secrets::backends::HttpOptions;
use serde_json::{Value, json};

use crate::{
    SECRETS_MANAGER,
    credentials::{FAR, in_seconds, signed, value},
    environment,
    faults::quick,
    make, outcome,
    profiles::{ask, home},
    support::wire::{Queued, Request},
};

/// What runs a shell script, whose path has a blank in it.
fn script(folder: &Path, body: &str) -> String {
    let path = folder.join("give credentials");
    std::fs::write(&path, body).unwrap();
    // What was just written cannot be run itself while another test starts a program.
    format!("sh \"{}\"", path.display())
}

fn printed(expiration: &str) -> Value {
    json!({
        "Version": 1, "AccessKeyId": "ASIAPROCESS", "SecretAccessKey": "s",
        "SessionToken": "printed-token", "Expiration": expiration,
    })
}

fn config(command: &str) -> String {
    format!(
        "[profile program]\nregion = us-west-2\ncredential_process = {command} --for a-friend\n"
    )
}

#[tokio::test]
async fn a_program_gives_credentials_until_they_expire() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    // The first run's credentials are soon of no use.
    let body = format!(
        "echo \"$@\" >> '{runs}'\nif [ $(wc -l < '{runs}') = 1 ]; then echo '{}'; else echo '{}'; fi",
        printed(&in_seconds(30)),
        printed(FAR),
        runs = runs.display()
    );
    let home = home(&config(&script(folder.path(), &body)), "");
    let service = Queued::with([value(), value(), value()]).await;
    let variables = [
        ("HOME", home.path().to_str().unwrap()),
        ("AWS_DEFAULT_REGION", ""),
    ];
    let kwargs = json!({"endpoint_url": service.url, "profile_name": "program"});
    let made = make(SECRETS_MANAGER, kwargs, &environment(&variables), false).await;
    let (backend, _) = made.unwrap();
    assert!(!runs.exists(), "nothing is run before a lookup");
    for expected in [1, 2, 2] {
        let found = backend.get_variable("x", &LookupOptions::new()).await;
        assert_eq!(outcome(found), Ok("v".to_owned()));
        let runs = std::fs::read_to_string(&runs).unwrap();
        assert_eq!(runs, "--for a-friend\n".repeat(expected));
    }
    let shown = format!("{backend:?}");
    assert!(!shown.contains("a-friend"), "{shown}");
    for request in service.seen.all() {
        let sent = |name| Request::header(&request, name);
        assert_eq!(sent("x-amz-security-token"), Some("printed-token"));
        let expected = ("ASIAPROCESS".to_owned(), "us-west-2".to_owned());
        assert_eq!(signed(&request), expected);
    }
}

#[tokio::test]
async fn a_program_is_run_without_a_shell() {
    let folder = tempfile::tempdir().unwrap();
    let told = folder.path().join("told");
    let body = format!(
        "printf '%s\\n' \"$@\" > '{}'; echo '{}'",
        told.display(),
        printed(FAR)
    );
    let program = script(folder.path(), &body);
    for (arguments, expected) in [
        ("a&b $HOME *", "a&b\n$HOME\n*\n"),
        ("'a b' \"it's\" \\'", "a b\nit's\n'\n"),
        ("#a ; touch x", "#a\n;\ntouch\nx\n"),
        ("\"a ; b # c\" `id` | cat", "a ; b # c\n`id`\n|\ncat\n"),
    ] {
        let home = home(&config(&format!("{program} {arguments}")), "");
        let service = Queued::with([value()]).await;
        let kwargs = json!({"endpoint_url": service.url});
        let found = ask(SECRETS_MANAGER, "program", &kwargs, home.path(), &[]).await;
        assert_eq!(found, Ok("v".to_owned()), "{arguments}");
        let told = std::fs::read_to_string(&told).unwrap();
        assert_eq!(told, format!("{expected}--for\na-friend\n"));
    }
    let home = home(&config("marker 'a"), "");
    let found = ask(SECRETS_MANAGER, "program", &json!({}), home.path(), &[]).await;
    let expected = "Configuration: the credential_process of the AWS profile \"program\" is invalid: it has a quote that is not closed";
    assert_eq!(found, Err(expected.to_owned()));
}

#[tokio::test]
async fn a_program_is_found_and_run_with_the_environment_that_was_given() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("only-on-the-given-path");
    let body = format!(
        "#!/bin/sh\n[ \"$GIVEN\" = yes ] && [ -z \"$CARGO_MANIFEST_DIR\" ] && echo '{}'\n",
        printed(FAR)
    );
    std::fs::write(&program, body).unwrap();
    let mode = std::process::Command::new("chmod")
        .arg("+x")
        .arg(&program)
        .status();
    assert!(mode.unwrap().success());
    assert!(std::env::var("CARGO_MANIFEST_DIR").is_ok());
    let home = home(&config("only-on-the-given-path"), "");
    let service = Queued::with([value()]).await;
    let kwargs = json!({"endpoint_url": service.url});
    let path = folder.path().to_str().unwrap();
    let given = [("PATH", path), ("GIVEN", "yes")];
    let found = ask(SECRETS_MANAGER, "program", &kwargs, home.path(), &given).await;
    assert_eq!(found, Ok("v".to_owned()));
}

#[tokio::test]
async fn a_program_that_prints_without_end_has_failed() {
    let home = home(&config("sh -c 'exec yes'"), "");
    let found = ask(SECRETS_MANAGER, "program", &json!({}), home.path(), &[]).await;
    let expected = "Unavailable: the credential_process of the AWS profile \"program\" failed, or \
                    printed no credentials: run it in a terminal to see why";
    assert_eq!(found, Err(expected.to_owned()));
}

#[tokio::test]
async fn a_program_that_fails_is_told_without_what_it_said() {
    let folder = tempfile::tempdir().unwrap();
    let no_version = json!({"AccessKeyId": "marker", "SecretAccessKey": "marker"});
    for body in [
        "echo marker; echo marker >&2; exit 3".to_owned(),
        "echo marker".to_owned(),
        format!("echo '{no_version}'"),
        "exit 0".to_owned(),
        format!("echo '{}'", printed("2001-01-01T00:00:00Z")),
        format!("echo '{}'", printed("soon")),
    ] {
        let home = home(&config(&script(folder.path(), &body)), "");
        let found = ask(SECRETS_MANAGER, "program", &json!({}), home.path(), &[]).await;
        let expected = "Unavailable: the credential_process of the AWS profile \"program\" \
                        failed, or printed no credentials: run it in a terminal to see why";
        assert_eq!(found, Err(expected.to_owned()), "{body}");
    }
}

#[tokio::test]
async fn a_program_that_never_ends_ends_with_the_lookup() {
    let folder = tempfile::tempdir().unwrap();
    let id = folder.path().join("id");
    let body = format!("echo $$ > '{}'; exec sleep 600", id.display());
    let home = home(&config(&script(folder.path(), &body)), "");
    let variables = environment(&[
        ("HOME", home.path().to_str().unwrap()),
        ("AWS_PROFILE", "program"),
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_SECRET_ACCESS_KEY", ""),
    ]);
    let backend = quick("http://127.0.0.1:1").environment(&variables);
    let backend = backend
        .http(HttpOptions::new().with_timeout(Duration::from_secs(1)))
        .build()
        .unwrap();
    let found = outcome(backend.get_variable("x", &LookupOptions::new()).await);
    let message = found.unwrap_err();
    assert!(message.contains("in time"), "{message}");
    let id = std::fs::read_to_string(&id).unwrap();
    let gone = async {
        // What is left of it is for the runtime to collect.
        while std::fs::read_to_string(format!("/proc/{}/cmdline", id.trim()))
            .is_ok_and(|command| !command.is_empty())
        {
            tokio::task::yield_now().await;
        }
    };
    let gone = tokio::time::timeout(Duration::from_secs(10), gone).await;
    assert!(gone.is_ok(), "it is still there");
}
