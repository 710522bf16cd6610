//! AWS's two files, as Python's `ConfigParser` reads them.

use airflow_secrets::backend::LookupOptions;
use std::{path::Path, process::Command};

use airflow_secrets::SecretsBackend as _;
use serde_json::json;

use crate::{
    SECRETS_MANAGER,
    credentials::{signed, value},
    environment,
    faults::quick,
    outcome,
    profiles::{ask, home},
    support::wire::{Queued, Request},
};

/// Access key, region and session's token of a request that was signed with the profile `p`.
async fn seen(config: &str, credentials: &str) -> (String, String, Option<String>) {
    let home = home(config, credentials);
    let service = Queued::with([value()]).await;
    let kwargs = json!({"endpoint_url": service.url});
    let found = ask(SECRETS_MANAGER, "p", &kwargs, home.path(), &[]).await;
    assert_eq!(found, Ok("v".to_owned()), "{config}{credentials}");
    let requests = service.seen.all();
    let (key, region) = signed(&requests[0]);
    let token = Request::header(&requests[0], "x-amz-security-token");
    (key, region, token.map(str::to_owned))
}

const CONFIG: &str = "[profile p]\nregion = eu-west-1\n";
const CREDENTIALS: &str = "[p]\naws_access_key_id = AKIAFILE\naws_secret_access_key = s\n";

#[tokio::test]
async fn lines_may_be_indented_and_have_colons() {
    let expected = ("AKIAFILE".to_owned(), "eu-west-1".to_owned(), None);
    for (config, credentials) in [
        (CONFIG, CREDENTIALS),
        (
            "[profile p]\n  region = eu-west-1\n  output = json\n",
            CREDENTIALS,
        ),
        ("  [profile p]\n\tregion: eu-west-1\n", CREDENTIALS),
        (
            "[profile p]\n# a\n  ; b\nregion=eu-west-1\n  # c\n",
            CREDENTIALS,
        ),
        (
            CONFIG,
            "[p] # mine\nAWS_Access_Key_Id: AKIAFILE\naws_secret_access_key: s\n",
        ),
        (
            "[default]\noutput =\n   a = b\n\n   c = d\n[profile p]\r\nregion = eu-west-1\r\n",
            CREDENTIALS,
        ),
    ] {
        assert_eq!(seen(config, credentials).await, expected, "{config}");
    }
}

#[tokio::test]
async fn a_profile_may_have_any_name() {
    for name in ["größe", "a]b", "a#b", "a b;c"] {
        let home = home(
            &format!("[profile '{name}']\nregion = eu-west-1\n"),
            &CREDENTIALS.replace("[p]", &format!("[{name}]")),
        );
        let service = Queued::with([value()]).await;
        let kwargs = json!({"endpoint_url": service.url});
        let found = ask(SECRETS_MANAGER, name, &kwargs, home.path(), &[]).await;
        assert_eq!(found, Ok("v".to_owned()), "{name}");
    }
    let bare = CONFIG.replace("profile p", "profile größe");
    let home = home(&bare, &CREDENTIALS.replace("[p]", "[größe]"));
    let service = Queued::with([value()]).await;
    let kwargs = json!({"endpoint_url": service.url});
    let found = ask(SECRETS_MANAGER, "größe", &kwargs, home.path(), &[]).await;
    assert_eq!(found, Ok("v".to_owned()));
}

#[tokio::test]
async fn what_stands_in_default_is_every_profiles() {
    let expected = ("AKIAFILE".to_owned(), "eu-west-1".to_owned(), None);
    let config = "[profile p]\n[DEFAULT]\nregion = eu-west-1\n";
    assert_eq!(seen(config, CREDENTIALS).await, expected);
    let credentials = "[DEFAULT]\naws_secret_access_key = s\n[p]\naws_access_key_id = AKIAFILE\n";
    assert_eq!(seen(CONFIG, credentials).await, expected);
}

#[tokio::test]
async fn a_profiles_services_have_endpoints_of_their_own() {
    let service = Queued::with([value()]).await;
    let url = &service.url;
    for (services, found) in [
        (
            format!("[services x]\nsecrets_manager =\n  endpoint_url = {url}\n"),
            Ok("v".to_owned()),
        ),
        (
            "[services y]\nsecrets_manager =\n  endpoint_url = http://h\n".to_owned(),
            Err(
                "Configuration: the AWS profile \"p\" names services = x, but ~/.aws/config has no \
                 section [services x], or it is empty"
                    .to_owned(),
            ),
        ),
        (
            format!("[services x]\nsecrets_manager = {url}\n"),
            Err(
                "Configuration: the AWS profile \"p\" names services = x, where \
                 secrets_manager must have its endpoint_url on an indented line below it"
                    .to_owned(),
            ),
        ),
    ] {
        let home = home(&format!("{CONFIG}services = x\n{services}"), CREDENTIALS);
        let answer = ask(SECRETS_MANAGER, "p", &json!({}), home.path(), &[]).await;
        assert_eq!(answer, found, "{services}");
    }
}

#[tokio::test]
async fn the_older_name_of_a_sessions_token_comes_first() {
    for tokens in [
        "aws_security_token = old\naws_session_token = new\n",
        "aws_session_token = new\naws_security_token: old\n",
    ] {
        let (_, _, token) = seen(CONFIG, &format!("{CREDENTIALS}{tokens}")).await;
        assert_eq!(token.as_deref(), Some("old"), "{tokens}");
    }
}

#[tokio::test]
async fn variables_in_a_files_path_are_expanded() {
    for path in ["$HOME/keys", "${HOME}/keys", "~/keys", "$FOLDER/keys"] {
        let home = home(CONFIG, "");
        let keys = home.path().join("keys");
        std::fs::write(keys, CREDENTIALS).unwrap();
        let service = Queued::with([value()]).await;
        let kwargs = json!({"endpoint_url": service.url});
        let more = [
            ("AWS_SHARED_CREDENTIALS_FILE", path),
            ("FOLDER", home.path().to_str().unwrap()),
            ("AWS_ACCESS_KEY_ID", ""),
            ("AWS_SECRET_ACCESS_KEY", ""),
        ];
        let found = ask(SECRETS_MANAGER, "p", &kwargs, home.path(), &more).await;
        assert_eq!(found, Ok("v".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn what_is_not_a_regular_file_is_as_in_boto3_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let service = Queued::with([value(), value(), value()]).await;
    for path in [pipe.as_path(), folder.path(), Path::new("/dev/zero")] {
        let path = path.to_str().unwrap();
        let files = [
            ("AWS_CONFIG_FILE", path),
            ("AWS_SHARED_CREDENTIALS_FILE", path),
        ];
        let backend = quick(&service.url).environment(&environment(&files));
        let backend = backend.build().unwrap();
        let found = backend.get_variable("x", &LookupOptions::new()).await;
        assert_eq!(outcome(found), Ok("v".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn a_file_that_is_too_large_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    std::fs::File::create(&path)
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    let variables = environment(&[("AWS_CONFIG_FILE", path.to_str().unwrap())]);
    let backend = quick("http://127.0.0.1:1").environment(&variables);
    let found = backend.build().unwrap();
    let found = outcome(found.get_variable("x", &LookupOptions::new()).await);
    let expected = format!(
        "Configuration: the AWS profile file {} cannot be read: it is larger than 16 MiB, the most \
         that is read",
        path.display()
    );
    assert_eq!(found, Err(expected));
}
