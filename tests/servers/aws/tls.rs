//! Whom the service must be known to.

use std::sync::Arc;

use airflow_secrets::backend::LookupOptions;
use serde_json::{Value, json};

use crate::{
    SECRETS_MANAGER, environment, make, outcome,
    support::{
        authority::authority,
        https::{Reply, Request, serve_by},
        moto::Moto,
    },
};

#[tokio::test]
async fn the_service_is_trusted_as_verify_and_the_environment_say() {
    let (authority, files) = (authority(), tempfile::tempdir().unwrap());
    let bundle = files.path().join("ca.pem");
    authority.write(&bundle);
    let bundle = bundle.to_str().unwrap();
    let server = authority.issue("server", files.path());
    let (certificate, key) = (
        server.certificate.to_str().unwrap(),
        server.key.to_str().unwrap(),
    );
    let trusted = reqwest::Certificate::from_pem(authority.certificate_pem().as_bytes()).unwrap();
    let http = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([trusted]);
    let moto = Moto::start(
        "https",
        &["-c", certificate, "-k", key],
        http.build().unwrap(),
    )
    .await;
    moto.secret("airflow/variables/x", "v").await;

    let ask = async |verify: Value, variables: &[(&str, &str)]| {
        let kwargs = json!({"endpoint_url": moto.url, "verify": verify});
        let made = make(SECRETS_MANAGER, kwargs, &environment(variables), false).await;
        outcome(
            made.unwrap()
                .0
                .get_variable("x", &LookupOptions::new())
                .await,
        )
    };
    let found = Ok("v".to_owned());
    assert_eq!(ask(json!(bundle), &[]).await, found);
    assert_eq!(ask(json!(false), &[]).await, found);
    assert_eq!(ask(json!(null), &[("AWS_CA_BUNDLE", bundle)]).await, found);
    assert_eq!(
        ask(json!(null), &[("REQUESTS_CA_BUNDLE", bundle)]).await,
        found
    );

    let error = ask(json!(null), &[]).await.unwrap_err();
    assert!(
        error.starts_with(&format!(
            "Unavailable: the TLS certificate of Secrets Manager at {} is not trusted (invalid peer \
             certificate: UnknownIssuer): check the endpoint, or set \"verify\"",
            moto.url
        )),
        "{error}"
    );
    // `true` is for the authorities that everybody trusts, as there.
    let error = ask(json!(true), &[("AWS_CA_BUNDLE", bundle)])
        .await
        .unwrap_err();
    assert!(error.contains("is not trusted"), "{error}");
    let error = ask(json!("/nowhere/ca.pem"), &[]).await.unwrap_err();
    assert!(
        error.contains("\"verify\" (AIRFLOW__SECRETS__BACKEND_KWARGS)")
            && error.contains("/nowhere/ca.pem cannot be used"),
        "{error}"
    );
    let error = ask(json!(null), &[("AWS_CA_BUNDLE", key)])
        .await
        .unwrap_err();
    assert!(
        error.contains("AWS_CA_BUNDLE") && error.contains("no PEM certificate"),
        "{error}"
    );
}

/// What the service's certificate for `host`, of the years before `end`, comes to.
async fn with_certificate(host: &str, end: i32) -> String {
    let (authority, files) = (authority(), tempfile::tempdir().unwrap());
    let ca = files.path().join("ca.pem");
    authority.write(&ca);
    let server = serve_by(
        authority.server(host, end),
        Arc::new(|_: &Request| Reply::json(200, &json!({"SecretString": "v"}))),
    );
    let kwargs = json!({"endpoint_url": format!("https://{}", server.address), "verify": ca});
    let made = make(SECRETS_MANAGER, kwargs, &environment(&[]), false).await;
    let found = made
        .unwrap()
        .0
        .get_variable("x", &LookupOptions::new())
        .await;
    outcome(found).unwrap_or_else(|error| error)
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_is_told() {
    assert_eq!(with_certificate("127.0.0.1", 4000).await, "v");
    for (host, end, what, remedy) in [
        (
            "other.example.com",
            4000,
            "certificate not valid for name",
            "use a name that the certificate contains",
        ),
        (
            "127.0.0.1",
            2020,
            "certificate expired",
            "renew it, or set this machine's clock",
        ),
    ] {
        let outcome = with_certificate(host, end).await;
        let what = format!("is not valid (invalid peer certificate: {what}");
        assert!(
            outcome.contains(&what) && outcome.ends_with(remedy),
            "{outcome}"
        );
    }
}

#[tokio::test]
async fn a_broken_certificate_in_verify_is_told_with_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.pem");
    let pem = "-----BEGIN CERTIFICATE-----\nbm90IG9uZQ==\n-----END CERTIFICATE-----\n";
    std::fs::write(&broken, pem).unwrap();
    let kwargs = json!({"endpoint_url": "https://127.0.0.1:1", "verify": broken});
    let made = make(SECRETS_MANAGER, kwargs, &environment(&[]), false).await;
    let found = made
        .unwrap()
        .0
        .get_variable("x", &LookupOptions::new())
        .await;
    let error = outcome(found).unwrap_err();
    let start =
        "Configuration: [secrets] backend_kwargs \"verify\" (AIRFLOW__SECRETS__BACKEND_KWARGS): ";
    assert!(error.starts_with(start), "{error}");
    assert!(error.contains(broken.to_str().unwrap()), "{error}");
}
