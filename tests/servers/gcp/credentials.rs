//! Credentials: what is sent to whom, checked by local endpoints.

use airflow_secrets::backend::LookupOptions;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use airflow_secrets::backends::gcp::{
    CloudSecretManagerBackend, CloudSecretManagerBuilder, GcpCredential,
};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use crate::{
    Environment, SecretsBackend,
    impersonation::impersonated,
    outcome,
    support::{
        google::{ACCOUNT, bearer, key_file, payload, token, verified_claims},
        served::Served,
        wire::{Answer, Request},
    },
    variable,
};

pub(crate) const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

pub(crate) fn builder(url: &str) -> CloudSecretManagerBuilder {
    CloudSecretManagerBackend::builder()
        .endpoint(url)
        .project_id("p")
}

/// A Secret Manager that gives the token that it was asked with.
pub(crate) fn echo(request: &Request) -> Answer {
    payload(bearer(request))
}

pub(crate) fn is_read(request: &Request) -> bool {
    request.path.contains(":access")
}

fn form(request: &Request) -> Vec<(String, String)> {
    let pairs = url::form_urlencoded::parse(request.body.as_bytes());
    pairs.into_owned().collect()
}

fn field<'a>(form: &'a [(String, String)], name: &str) -> &'a str {
    &form.iter().find(|(n, _)| n == name).expect(name).1
}

#[tokio::test]
async fn a_read_carries_a_jwt_that_the_key_files_key_signed() {
    let server = Served::by(|_| payload("v")).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.json");
    std::fs::write(&path, key_file().to_string()).unwrap();
    for credentials in [
        GcpCredential::key(key_file().to_string()),
        GcpCredential::key_path(&path),
        GcpCredential::config(key_file().to_string()),
        GcpCredential::config_path(&path),
    ] {
        server.seen.clear();
        let backend = builder(&server.url).credential(credentials);
        let backend = backend.build().unwrap();
        assert_eq!(variable(&backend, "x").await, Ok("v".into()));
        let claims = verified_claims(&server.seen.all()[0]);
        assert_eq!(claims["iss"], ACCOUNT);
        assert_eq!(claims["sub"], ACCOUNT);
        assert_eq!(claims["scope"], SCOPE);
        let (issued, expires) = (claims["iat"].as_i64(), claims["exp"].as_i64());
        let now = std::time::SystemTime::UNIX_EPOCH
            .elapsed()
            .unwrap()
            .as_secs();
        let now = i64::try_from(now).unwrap();
        assert!((now - 60..=now).contains(&issued.unwrap()));
        assert!((now + 3000..=now + 3700).contains(&expires.unwrap()));
    }
}

#[tokio::test]
async fn scopes_go_into_the_token() {
    let server = Served::by(|_| payload("v")).await;
    let backend = builder(&server.url)
        .credential(GcpCredential::key(key_file().to_string()))
        .scopes(["one", "two"])
        .build()
        .unwrap();
    assert_eq!(variable(&backend, "x").await, Ok("v".into()));
    assert_eq!(verified_claims(&server.seen.all()[0])["scope"], "one two");
}

#[tokio::test]
async fn a_key_whose_line_ends_were_escaped_twice_is_read() {
    let server = Served::by(|_| payload("v")).await;
    let mut key = key_file();
    key["private_key"] = key["private_key"]
        .as_str()
        .unwrap()
        .replace('\n', "\\n")
        .into();
    let backend = builder(&server.url).credential(GcpCredential::key(key.to_string()));
    assert_eq!(
        variable(&backend.build().unwrap(), "x").await,
        Ok("v".into())
    );
    verified_claims(&server.seen.all()[0]);
}

#[tokio::test]
async fn a_key_that_names_no_token_endpoint_is_enough() {
    let server = Served::by(|_| payload("v")).await;
    let mut key = key_file();
    key.as_object_mut().unwrap().remove("token_uri");
    let backend = builder(&server.url).credential(GcpCredential::key(key.to_string()));
    let backend = backend.build().unwrap();
    assert_eq!(variable(&backend, "x").await, Ok("v".into()));
    assert_eq!(verified_claims(&server.seen.all()[0])["iss"], ACCOUNT);
}

pub(crate) fn user(url: &str) -> Value {
    json!({
        "type": "authorized_user", "client_id": "the client", "client_secret": "its secret",
        "refresh_token": "the refresh token", "token_uri": format!("{url}/token"),
        "quota_project_id": "payer",
    })
}

#[tokio::test]
async fn a_users_refresh_token_becomes_an_access_token() {
    let server = Served::by(|request| {
        if is_read(request) {
            echo(request)
        } else {
            token("the user's")
        }
    })
    .await;
    let backend = builder(&server.url)
        .credential(GcpCredential::config(user(&server.url).to_string()))
        .build()
        .unwrap();
    assert_eq!(variable(&backend, "x").await, Ok("the user's".into()));
    let [refresh, read] = server.seen.all().try_into().unwrap();
    assert_eq!(
        (refresh.method.as_str(), refresh.path.as_str()),
        ("POST", "/token")
    );
    let sent = form(&refresh);
    assert_eq!(field(&sent, "grant_type"), "refresh_token");
    assert_eq!(field(&sent, "client_id"), "the client");
    assert_eq!(field(&sent, "client_secret"), "its secret");
    assert_eq!(field(&sent, "refresh_token"), "the refresh token");
    assert_eq!(read.header("x-goog-user-project"), Some("payer"));
}

#[tokio::test]
async fn a_workload_identity_is_exchanged_and_may_impersonate() {
    let folder = tempfile::tempdir().unwrap();
    let subject = folder.path().join("token");
    std::fs::write(&subject, "the cluster's token").unwrap();
    let server = Served::by(|request| match request.path.as_str() {
        "/sts" => {
            let exchanged = json!({
                "access_token": "federated", "token_type": "Bearer", "expires_in": 3600,
                "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
            });
            Answer::new(200, exchanged.to_string())
        }
        path if path.ends_with(":generateAccessToken") => {
            assert_eq!(bearer(request), "federated");
            impersonated("the account's")
        }
        _ => echo(request),
    })
    .await;
    let audience =
        "//iam.googleapis.com/projects/123/locations/global/workloadIdentityPools/p/providers/k";
    let mut account = json!({
        "type": "external_account",
        "audience": audience,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": format!("{}/sts", server.url),
        "credential_source": {"file": subject},
    });
    let read = async |account: &Value| {
        let backend = builder(&server.url).credential(GcpCredential::config(account.to_string()));
        variable(&backend.build().unwrap(), "x").await
    };
    assert_eq!(read(&account).await, Ok("federated".into()));
    let exchange = form(&server.seen.all()[0]);
    assert_eq!(
        field(&exchange, "grant_type"),
        "urn:ietf:params:oauth:grant-type:token-exchange"
    );
    assert_eq!(field(&exchange, "audience"), audience);
    assert_eq!(field(&exchange, "subject_token"), "the cluster's token");
    assert_eq!(field(&exchange, "scope"), SCOPE);

    account["service_account_impersonation_url"] = format!(
        "{}/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken",
        server.url
    )
    .into();
    assert_eq!(read(&account).await, Ok("the account's".into()));
}

/// A metadata server before a Secret Manager, on one port.
async fn machine(project: &'static str) -> Served {
    Served::by(move |request| {
        if is_read(request) {
            return echo(request);
        }
        assert_eq!(request.header("metadata-flavor"), Some("Google"));
        let answer = match request.path.split('?').next().unwrap() {
            "/computeMetadata/v1/project/project-id" if project.is_empty() => Answer::new(404, ""),
            "/computeMetadata/v1/project/project-id" => Answer::new(200, project),
            "/computeMetadata/v1/universe/universe-domain" => Answer::new(404, ""),
            "/computeMetadata/v1/instance/service-accounts/default/token" => token("the machine's"),
            other => panic!("{other}"),
        };
        answer.header("metadata-flavor", "Google")
    })
    .await
}

fn on(server: &Served) -> Environment {
    let host = server.url.strip_prefix("http://").unwrap().to_owned();
    let home = ("HOME".to_owned(), "/nowhere".to_owned());
    [("GCE_METADATA_HOST".to_owned(), host), home]
        .into_iter()
        .collect()
}

#[tokio::test]
async fn a_machine_of_googles_gives_token_and_project() {
    let server = machine("machine-project").await;
    let backend = CloudSecretManagerBackend::builder()
        .endpoint(&server.url)
        .environment(&on(&server))
        .build()
        .unwrap();
    assert_eq!(variable(&backend, "x").await, Ok("the machine's".into()));
    let reads = server
        .seen
        .count(|line| line.contains("/projects/machine-project/secrets/airflow-variables-x/"));
    assert_eq!(reads, 1);
    let tokens = server.seen.all();
    let token = tokens
        .iter()
        .find(|request| request.path.contains("/token"));
    assert!(!token.unwrap().path.contains("scopes"), "{token:?}");
}

#[tokio::test]
async fn a_machine_in_no_project_needs_to_be_told_one() {
    let server = machine("").await;
    let backend = CloudSecretManagerBackend::builder()
        .endpoint(&server.url)
        .environment(&on(&server))
        .build()
        .unwrap();
    let expected = "Configuration: this machine belongs to no project: give \"project_id\" or \
                    GOOGLE_CLOUD_PROJECT";
    assert_eq!(variable(&backend, "x").await, Err(expected.into()));
    let backend = builder(&server.url).environment(&on(&server));
    let found = variable(&backend.build().unwrap(), "x").await;
    assert_eq!(found, Ok("the machine's".into()));
}

/// As on a node of Kubernetes that has just started.
#[tokio::test]
async fn a_metadata_server_that_cannot_answer_yet_is_asked_again() {
    for unready in ["project/project-id", "universe/universe-domain"] {
        let left = std::sync::atomic::AtomicUsize::new(2);
        let server = Served::by(move |request| {
            if is_read(request) {
                return echo(request);
            }
            let is_unready = request.path.ends_with(unready) && {
                let order = std::sync::atomic::Ordering::Relaxed;
                left.fetch_update(order, order, |left| left.checked_sub(1))
                    .is_ok()
            };
            let answer = match request.path.rsplit('/').next().unwrap() {
                _ if is_unready => Answer::new(503, "not ready"),
                "project-id" => Answer::new(200, "machine-project"),
                "universe-domain" => Answer::new(404, ""),
                _ => token("the machine's"),
            };
            answer.header("metadata-flavor", "Google")
        })
        .await;
        let backend = CloudSecretManagerBackend::builder()
            .endpoint(&server.url)
            .environment(&on(&server))
            .build()
            .unwrap();
        assert_eq!(
            variable(&backend, "x").await,
            Ok("the machine's".into()),
            "{unready}"
        );
    }
}

#[tokio::test]
async fn a_machine_without_metadata_server_has_no_credentials_and_says_so_at_once() {
    let server = Served::by(|_| Answer::new(200, "a captive portal")).await;
    let backend = builder(&server.url).environment(&on(&server));
    let backend = backend.build().unwrap();
    for _ in 0..3 {
        let outcome = variable(&backend, "x").await.unwrap_err();
        let expected = "Configuration: there are no Google credentials: give";
        assert!(outcome.starts_with(expected), "{outcome}");
    }
    assert_eq!(server.seen.lines().len(), 1);
}

/// As Google's Python library does.
#[tokio::test]
async fn a_metadata_server_is_looked_for_as_often_as_the_environment_says() {
    let machine = machine("p").await;
    let upstream = machine.url.strip_prefix("http://").unwrap().to_owned();
    for (tries, is_found) in [("2", false), ("3", true)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let upstream = upstream.clone();
        tokio::spawn(async move {
            for connection in 1.. {
                let (mut client, _) = listener.accept().await.unwrap();
                if connection < 3 {
                    continue;
                }
                let mut server = TcpStream::connect(&upstream).await.unwrap();
                tokio::spawn(async move {
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        let environment = [
            ("GCE_METADATA_HOST", host.as_str()),
            ("GCE_METADATA_DETECT_RETRIES", tries),
            ("HOME", "/nowhere"),
        ];
        let backend = builder(&machine.url).environment(&environment.into_iter().collect());
        let outcome = variable(&backend.build().unwrap(), "x").await;
        assert_eq!(
            outcome == Ok("the machine's".into()),
            is_found,
            "{outcome:?}"
        );
        if let Err(outcome) = outcome {
            let expected = "Configuration: there are no Google credentials: give";
            assert!(outcome.starts_with(expected), "{outcome}");
        }
    }
}

#[tokio::test]
async fn a_thousand_cold_lookups_ask_for_one_token() {
    let server = Served::by(|request| {
        if is_read(request) {
            echo(request)
        } else {
            token("one")
        }
    })
    .await;
    let backend = builder(&server.url)
        .credential(GcpCredential::config(user(&server.url).to_string()))
        .build()
        .unwrap();
    let keys = (0..1000).map(|n| format!("v{n}")).collect::<Vec<_>>();
    let options = LookupOptions::new();
    let found = join_all(keys.iter().map(|key| backend.get_variable(key, &options))).await;
    for found in found {
        assert_eq!(outcome(found), Ok("one".into()));
    }
    assert_eq!(server.seen.count(|line| line.starts_with("POST /token")), 1);
    assert_eq!(server.seen.count(|line| line.contains(":access")), 1000);
}

#[tokio::test]
async fn a_token_endpoint_that_is_busy_is_asked_again() {
    let asked = Arc::new(AtomicUsize::new(0));
    let server = Served::by(move |request| {
        if is_read(request) {
            return echo(request);
        }
        match asked.fetch_add(1, Ordering::Relaxed) {
            0 | 1 => Answer::new(503, "busy"),
            _ => token("at last"),
        }
    })
    .await;
    let credentials = GcpCredential::config(user(&server.url).to_string());
    let backend = builder(&server.url).credential(credentials);
    let found = variable(&backend.build().unwrap(), "x").await;
    assert_eq!(found, Ok("at last".into()));
    assert_eq!(server.seen.count(|line| line.contains("/token")), 3);
}

#[tokio::test]
async fn a_token_endpoint_that_stays_busy_is_an_outage() {
    let server = Served::by(|_| Answer::new(503, "busy")).await;
    let credentials = GcpCredential::config(user(&server.url).to_string());
    let backend = builder(&server.url).credential(credentials);
    let outcome = variable(&backend.build().unwrap(), "x").await;
    assert_eq!(
        outcome,
        Err(
            "Unavailable: there is no token: Google's token endpoint cannot answer (HTTP 503)"
                .into()
        )
    );
    assert_eq!(server.seen.lines().len(), 4);
}

/// A role may be granted later.
#[tokio::test]
async fn a_refused_login_is_not_repeated_at_once_but_later() {
    let asked = Arc::new(AtomicUsize::new(0));
    let server = Served::by(move |request| {
        if is_read(request) {
            return echo(request);
        }
        match asked.fetch_add(1, Ordering::Relaxed) {
            0 => Answer::new(
                400,
                r#"{"error": "invalid_grant", "error_description": "m"}"#,
            ),
            _ => token("granted"),
        }
    })
    .await;
    let credentials = GcpCredential::config(user(&server.url).to_string());
    let backend = builder(&server.url).credential(credentials);
    let backend = backend.build().unwrap();
    for _ in 0..10 {
        let outcome = variable(&backend, "x").await.unwrap_err();
        let expected = "AccessDenied: there is no token: Google's token endpoint refused the \
                        credentials (HTTP 400, invalid_grant): check that they are still valid";
        assert!(outcome.starts_with(expected), "{outcome}");
    }
    assert_eq!(server.seen.lines().len(), 1);
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(2)).await;
    tokio::time::resume();
    assert_eq!(variable(&backend, "x").await, Ok("granted".into()));
}

/// Where Google's libraries look, in their order.
#[tokio::test]
async fn default_credentials_are_found_in_googles_order() {
    let server = Served::by(|request| match request.path.split('/').nth(1).unwrap() {
        "v1" => echo(request),
        user => token(user),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut user = user(&server.url);
        user["token_uri"] = format!("{}/{name}", server.url).into();
        std::fs::write(&path, user.to_string()).unwrap();
        path.display().to_string()
    };
    let named = write("named");
    write("sdk/application_default_credentials.json");
    write("home/.config/gcloud/application_default_credentials.json");
    let machine = machine("p").await;
    let host = machine.url.strip_prefix("http://").unwrap().to_owned();
    let folder = folder.path().display();
    let mut variables = vec![
        ("GOOGLE_APPLICATION_CREDENTIALS", named, "named"),
        ("CLOUDSDK_CONFIG", format!("{folder}/sdk"), "sdk"),
        ("HOME", format!("{folder}/home"), "home"),
        ("GCE_METADATA_HOST", host, "the machine's"),
    ];
    while let Some((_, _, expected)) = variables.first() {
        let environment = variables
            .iter()
            .map(|(name, value, _)| (*name, value.as_str()));
        let environment = environment.chain([("GOOGLE_CLOUD_QUOTA_PROJECT", "the environment's")]);
        let backend = builder(&server.url).environment(&environment.collect());
        let found = variable(&backend.build().unwrap(), "x").await;
        assert_eq!(found, Ok((*expected).to_owned()));
        let read = server.seen.all().pop().unwrap();
        assert_eq!(
            read.header("x-goog-user-project"),
            Some("the environment's")
        );
        variables.remove(0);
    }
}
