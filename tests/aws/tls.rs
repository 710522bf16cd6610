//! Whom the service must be known to.

use serde_json::{Value, json};

use crate::{
    SECRETS_MANAGER, environment, make, outcome,
    support::{authority::authority, moto::Moto},
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
        outcome(made.unwrap().0.get_variable("x", None).await)
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
        error.starts_with("Unavailable: the server's certificate is not trusted"),
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
