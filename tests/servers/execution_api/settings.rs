//! Airflow's settings fill the builder: where the API is, whom it trusts, how often it asks.

use std::{path::Path, sync::Arc, time::Duration};

use airflow_secrets::{
    ConfigurationError, Environment, Resolver, SecretsBackend,
    backends::execution_api::{ExecutionApiBackend, ExecutionApiBuilder, ExecutionApiCredential},
    settings::Settings,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use serde_json::json;

use crate::{
    options,
    support::{
        https::{self, Reply, Request},
        served::Served,
        wire::Answer,
    },
    variable,
};

/// A builder as the settings of these variables fill it, and a token.
fn filled(variables: &[(&str, &str)]) -> Result<ExecutionApiBuilder, ConfigurationError> {
    let home = [("AIRFLOW_HOME", "/nowhere")];
    let environment = home.iter().chain(variables).copied();
    let settings = Settings::load(&environment.collect::<Environment>())?;
    let builder = ExecutionApiBuilder::from_settings(&settings)?;
    Ok(builder.credential(ExecutionApiCredential::token("token")))
}

fn built(variables: &[(&str, &str)]) -> Result<ExecutionApiBackend, String> {
    let builder = filled(variables).map_err(|error| error.to_string())?;
    builder.build().map_err(|error| error.to_string())
}

/// Where `variables` send a lookup.
async fn address(variables: &[(&str, &str)]) -> String {
    let builder = filled(variables).unwrap();
    let limits = airflow_secrets::backends::HttpOptions::new();
    let nobody = limits
        .with_proxy("http://127.0.0.1:9")
        .with_timeout(Duration::from_millis(500));
    let backend = builder.http(nobody).build().unwrap();
    let failure = backend.get_variable("x", &options()).await.unwrap_err();
    let key = failure.native_key().unwrap();
    key.strip_suffix("/variables/x").unwrap().to_owned()
}

const URL: &str = "AIRFLOW__CORE__EXECUTION_API_SERVER_URL";
const BASE: &str = "AIRFLOW__API__BASE_URL";

#[tokio::test]
async fn the_url_is_the_settings_or_below_the_base_url() {
    let default = "http://localhost:8080/execution";
    for (variables, expected) in [
        (vec![], default),
        (vec![(BASE, "")], default),
        (vec![(BASE, "/")], default),
        (
            vec![(BASE, "/team/a/")],
            "http://localhost:8080/team/a/execution",
        ),
        (
            vec![(BASE, "http://api:9000//")],
            "http://api:9000/execution",
        ),
        (vec![(BASE, "https://api/air")], "https://api/air/execution"),
        (
            vec![("AIRFLOW__WEBSERVER__BASE_URL", "http://former")],
            "http://former/execution",
        ),
        (
            vec![
                (BASE, "http://new"),
                ("AIRFLOW__WEBSERVER__BASE_URL", "http://former"),
            ],
            "http://new/execution",
        ),
        (
            vec![(URL, "http://other/x/"), (BASE, "http://api")],
            "http://other/x",
        ),
        (vec![(URL, "http://other")], "http://other"),
        (
            vec![(
                "AIRFLOW__WORKERS__EXECUTION_API_SERVER_URL",
                "http://former/e/",
            )],
            "http://former/e",
        ),
    ] {
        assert_eq!(address(&variables).await, expected, "{variables:?}");
    }
}

#[test]
fn what_cannot_be_used_is_an_error_that_names_the_setting() {
    let url = "must be a URL such as https://host/execution/, without user name, query or fragment";
    for (name, value, setting, why) in [
        (URL, "", "[core] execution_api_server_url", url),
        (URL, "ftp://host/", "[core] execution_api_server_url", url),
        (URL, "host:8080", "[core] execution_api_server_url", url),
        (
            URL,
            "http://u:p@host/",
            "[core] execution_api_server_url",
            url,
        ),
        (BASE, "host/x", "[api] base_url", url),
        (
            "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT",
            "0",
            "[workers] execution_api_timeout",
            "must be a number of seconds above 0",
        ),
        (
            "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT",
            "nan",
            "[workers] execution_api_timeout",
            "must be a number of seconds above 0",
        ),
        (
            "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT",
            "5 s",
            "[workers] execution_api_timeout",
            "must be a number",
        ),
        (
            "AIRFLOW__WORKERS__EXECUTION_API_RETRIES",
            "many",
            "[workers] execution_api_retries",
            "must be a whole number",
        ),
        (
            "AIRFLOW__WORKERS__EXECUTION_API_RETRY_WAIT_MIN",
            "nan",
            "[workers] execution_api_retry_wait_min",
            "must be a number of seconds",
        ),
        (
            "AIRFLOW__API__CLIENT_USE_PUBLIC_CERTS",
            "maybe",
            "[api] client_use_public_certs",
            "must be True or False",
        ),
        (
            "AIRFLOW__API__CLIENT_SSL_CERT",
            "/cert.pem",
            "[api] client_ssl_cert",
            "needs [api] client_ssl_key, which is not set",
        ),
        (
            "AIRFLOW__API__CLIENT_SSL_KEY",
            "/key.pem",
            "[api] client_ssl_key",
            "needs [api] client_ssl_cert, which is not set",
        ),
    ] {
        let error = built(&[(name, value)]).unwrap_err();
        assert_eq!(error, format!("{setting} ({name}): {why}"));
    }
}

#[tokio::test]
async fn requests_are_sent_as_often_as_the_setting_says() {
    for (retries, expected) in [("5", 5), ("2.0", 2), ("1", 1), ("0", 1), ("-3", 1)] {
        let server = Served::by(|_| Answer::new(503, "")).await;
        let backend = built(&[
            (URL, &format!("{}/execution/", server.url)),
            ("AIRFLOW__WORKERS__EXECUTION_API_RETRIES", retries),
            ("AIRFLOW__WORKERS__EXECUTION_API_RETRY_WAIT_MIN", "0"),
            ("AIRFLOW__WORKERS__EXECUTION_API_RETRY_WAIT_MAX", "0.001"),
        ]);
        variable(&backend.unwrap(), "x").await.unwrap_err();
        assert_eq!(server.seen.lines().len(), expected, "{retries}");
    }
}

#[tokio::test]
async fn a_proxy_of_the_environment_is_used() {
    let proxy =
        Served::by(|_| Answer::new(200, json!({"key": "x", "value": "by proxy"}).to_string()))
            .await;
    let backend = built(&[
        (URL, "http://nowhere.invalid/e/"),
        ("http_proxy", &proxy.url),
    ]);
    let found = variable(&backend.unwrap(), "x").await;
    assert_eq!(found, Ok("by proxy".to_owned()));
    let line = "GET http://nowhere.invalid/e/variables/x";
    assert_eq!(proxy.seen.lines(), [line]);
}

/// A server for `localhost` whose certificate is signed by itself, and may sign others, as `openssl req
/// -x509` makes it; the certificate is in `file`.
fn self_signed(file: &Path) -> ServerConfig {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    std::fs::write(file, certificate.pem()).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap()
}

fn serve(config: ServerConfig) -> https::Server {
    let handler = |_: &Request| Reply::json(200, &json!({"key": "x", "value": "by TLS"}));
    https::serve_by(config, Arc::new(handler))
}

#[tokio::test]
async fn a_certificate_that_signed_itself_is_trusted_where_ssl_cert_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.pem");
    let path = file.to_str().unwrap();
    let server = serve(self_signed(&file));
    let url = format!("https://localhost:{}/execution/", server.address.port());
    let found = async |more: &[(&str, &str)], url: &str| {
        let variables = [&[(URL, url)], more].concat();
        variable(&built(&variables).unwrap(), "x").await
    };
    let by_tls = Ok("by TLS".to_owned());
    let public = ("AIRFLOW__API__CLIENT_USE_PUBLIC_CERTS", "False");
    for more in [
        vec![("AIRFLOW__API__SSL_CERT", path)],
        vec![("AIRFLOW__WEBSERVER__WEB_SERVER_SSL_CERT", path)],
        vec![("AIRFLOW__API__SSL_CERT", path), public],
        vec![("AIRFLOW__API__SSL_CA_FILE", path)],
        vec![("AIRFLOW__API__SSL_CA_FILE", path), public],
        vec![("SSL_CERT_FILE", path)],
        vec![("SSL_CERT_FILE", path), public],
    ] {
        assert_eq!(found(&more, &url).await, by_tls, "{more:?}");
    }

    // Another one, for the same name, that nobody names.
    let other = serve(self_signed(&folder.path().join("other.pem")));
    let other = format!("https://localhost:{}/execution/", other.address.port());
    for more in [vec![("AIRFLOW__API__SSL_CERT", path)], vec![], vec![public]] {
        let refused = found(&more, &other).await.unwrap_err();
        assert!(refused.contains("is not trusted"), "{more:?}: {refused}");
        let remedy =
            "name its authority in [api] ssl_ca_file, or the certificate itself in [api] ssl_cert";
        assert!(refused.ends_with(remedy), "{refused}");
    }
    // The right one, for another name.
    let by_address = url.replace("localhost", "127.0.0.1");
    let refused = found(&[("AIRFLOW__API__SSL_CERT", path)], &by_address).await;
    let refused = refused.unwrap_err();
    assert!(
        refused.contains("use a name that the certificate contains"),
        "{refused}"
    );
    // A file that is not there.
    let absent = found(&[("AIRFLOW__API__SSL_CERT", "/nowhere.pem")], &url).await;
    let why = "Configuration: [api] ssl_cert (AIRFLOW__API__SSL_CERT): /nowhere.pem cannot be used for \
               TLS: No such file or directory (os error 2)";
    assert_eq!(absent, Err(why.to_owned()));
}

#[tokio::test]
async fn the_client_certificate_of_the_settings_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.pem");
    let client = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["client".to_owned()]).unwrap();
    let certificate = certificate.self_signed(&client).unwrap();
    let (cert, key) = (
        folder.path().join("client.pem"),
        folder.path().join("client.key"),
    );
    std::fs::write(&cert, certificate.pem()).unwrap();
    std::fs::write(&key, client.serialize_pem()).unwrap();

    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let server_key = KeyPair::generate().unwrap();
    let server = params.self_signed(&server_key).unwrap();
    std::fs::write(&file, server.pem()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.der().clone()).unwrap();
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
        Arc::new(roots),
        Arc::clone(&provider),
    );
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(
            vec![server.der().clone()],
            PrivateKeyDer::from(PrivatePkcs8KeyDer::from(server_key.serialize_der())),
        )
        .unwrap();
    let server = serve(config);
    let url = format!("https://localhost:{}/execution/", server.address.port());
    let trusted = [
        (URL, &*url),
        ("AIRFLOW__API__SSL_CERT", file.to_str().unwrap()),
    ];
    let shown = [
        ("AIRFLOW__API__CLIENT_SSL_CERT", cert.to_str().unwrap()),
        ("AIRFLOW__API__CLIENT_SSL_KEY", key.to_str().unwrap()),
    ];
    let found = variable(&built(&[trusted, shown].concat()).unwrap(), "x").await;
    assert_eq!(found, Ok("by TLS".to_owned()));
    let anonymous = filled(&trusted).unwrap();
    let anonymous =
        anonymous.retries(airflow_secrets::backends::RetryOptions::new().with_max_retries(0));
    let refused = variable(&anonymous.build().unwrap(), "x")
        .await
        .unwrap_err();
    assert!(refused.starts_with("Unavailable: no answer"), "{refused}");
}

#[tokio::test]
async fn a_workers_resolver_asks_it_last_where_it_has_a_token() {
    let server = Served::by(|request| {
        let id = request.path.rsplit('/').next().unwrap();
        Answer::new(200, json!({"key": id, "value": "of the API"}).to_string())
    })
    .await;
    let environment = || {
        Environment::from_iter([
            ("AIRFLOW_HOME", "/nowhere"),
            (URL, &format!("{}/execution/", server.url)),
            ("AIRFLOW_VAR_COLOUR", "of the environment"),
        ])
    };
    let token = |api: ExecutionApiBuilder| api.credential(ExecutionApiCredential::token("t"));
    let resolver = Resolver::from_environment(environment())
        .worker()
        .execution_api(token)
        .build()
        .await
        .unwrap();
    let of_environment = resolver.get_variable("colour").await.unwrap();
    assert_eq!(of_environment.expose(), "of the environment");
    let of_api = resolver.get_variable("shape").await.unwrap();
    assert_eq!(of_api.expose(), "of the API");
    let source = format!("execution_api: {}/execution/variables/shape", server.url);
    assert_eq!(of_api.source().to_string(), source);

    let without = Resolver::from_environment(environment())
        .worker()
        .build()
        .await
        .unwrap();
    assert!(without.get_variable("shape").await.is_err());
    let server_side = Resolver::from_environment(environment())
        .execution_api(token)
        .build()
        .await;
    let why = "FromEnvironment::execution_api (the program): only tasks have this source, and this is \
               the server side: call `worker()`, or begin with `Resolver::for_worker`";
    assert_eq!(server_side.unwrap_err().to_string(), why);
    let no_token = Resolver::from_environment(environment())
        .worker()
        .execution_api(|api| api)
        .build()
        .await;
    let no_token = no_token.unwrap_err().to_string();
    assert!(
        no_token.contains("no token is given, and Airflow has no setting for it"),
        "{no_token}"
    );
}
