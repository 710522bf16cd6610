//! What stands between us and AWS.

use airflow_secrets::backend::LookupOptions;
use std::sync::{Arc, Mutex};

use airflow_secrets::SecretsBackend as _;
use serde_json::{Value, json};

use crate::{
    SECRETS_MANAGER,
    client_certificates::strict_server,
    credentials::value,
    environment,
    faults::quick,
    make, outcome, secrets_manager,
    support::{
        https::{Reply, Request, serve},
        wire::{Answer, Queued},
    },
    variable,
};

#[tokio::test]
async fn a_proxy_is_asked_where_one_is_given() {
    let proxy = Queued::with([value(), value()]).await;
    let target = "http://secrets.example.com";
    let kwargs = json!({"config_kwargs": {"proxies": {"http": proxy.url}}});
    let backend = secrets_manager(target, kwargs).await;
    assert_eq!(variable(&backend, "x").await, Ok("v".to_owned()));
    let variables = environment(&[("http_proxy", &proxy.url)]);
    let backend = quick(target).environment(&variables).build().unwrap();
    assert_eq!(
        outcome(backend.get_variable("x", &LookupOptions::new()).await),
        Ok("v".to_owned())
    );
    assert_eq!(proxy.seen.lines(), ["POST http://secrets.example.com/"; 2]);
    let bypassed = environment(&[
        ("http_proxy", "http://127.0.0.1:1"),
        ("no_proxy", "127.0.0.1"),
    ]);
    let direct = Queued::with([value()]).await;
    let backend = quick(&direct.url).environment(&bypassed).build().unwrap();
    assert_eq!(
        outcome(backend.get_variable("x", &LookupOptions::new()).await),
        Ok("v".to_owned())
    );
}

#[tokio::test]
async fn a_proxy_with_tls_is_trusted_as_the_ca_bundle_says() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    let seen = Arc::<Mutex<Vec<Request>>>::default();
    let noted = Arc::clone(&seen);
    let proxy = serve(
        &["127.0.0.1"],
        &ca,
        Arc::new(move |request: &Request| {
            noted.lock().unwrap().push(request.clone());
            Reply::json(200, &json!({"SecretString": "v"}))
        }),
    );
    let ask = async |variables: &[(&str, &str)]| {
        let kwargs = json!({
            "endpoint_url": "http://secrets.example.com",
            "config_kwargs": {"proxies": {"http": format!("https://{}", proxy.address)}},
        });
        let made = make(SECRETS_MANAGER, kwargs, &environment(variables), false).await;
        outcome(
            made.unwrap()
                .0
                .get_variable("x", &LookupOptions::new())
                .await,
        )
    };
    let trusted = ask(&[("AWS_CA_BUNDLE", ca.to_str().unwrap())]).await;
    assert_eq!(trusted, Ok("v".to_owned()));
    let error = ask(&[]).await.unwrap_err();
    assert!(
        error.contains("is not trusted (invalid peer certificate: UnknownIssuer)"),
        "{error}"
    );
    let seen = seen.lock().unwrap();
    let [request] = seen.as_slice() else {
        panic!("{seen:?}")
    };
    let whole = (request.path.as_str(), request.is_tls);
    assert_eq!(whole, ("http://secrets.example.com/", true));
}

#[tokio::test]
async fn a_proxy_may_have_an_authority_of_its_own_and_want_a_certificate_of_ours() {
    let folder = tempfile::tempdir().unwrap();
    let (proxy, ca, client) = strict_server(folder.path());
    let ask = async |proxies_config: Value| {
        let kwargs = json!({
            "endpoint_url": "http://secrets.example.com",
            "config_kwargs": {
                "proxies": {"http": format!("https://{}", proxy.address)},
                "proxies_config": proxies_config, "retries": {"max_attempts": 0},
            },
        });
        let made = make(SECRETS_MANAGER, kwargs, &environment(&[]), false).await;
        outcome(
            made.unwrap()
                .0
                .get_variable("x", &LookupOptions::new())
                .await,
        )
    };
    let pair = [&client.certificate, &client.key];
    let both = json!({
        "proxy_ca_bundle": ca, "proxy_client_cert": pair,
        "proxy_use_forwarding_for_https": false,
    });
    assert_eq!(ask(both).await, Ok("v".to_owned()));
    for (proxies_config, expected) in [
        (json!({}), "to the PEM file of its authority"),
        (
            json!({"proxy_client_cert": pair}),
            "for a proxy's certificate, \"proxy_ca_bundle\"",
        ),
        (
            json!({"proxy_ca_bundle": ca}),
            "\"proxy_client_cert\" in its \"proxies_config\"",
        ),
        (
            json!({"proxy_ca_bundle": "/nowhere/ca.pem"}),
            "/nowhere/ca.pem cannot be used for TLS: No such file",
        ),
        (
            json!({"proxy_ca_bundle": ca, "proxy_client_cert": "/nowhere/client.pem"}),
            "\"proxy_client_cert\" (AIRFLOW__SECRETS__BACKEND_KWARGS): cannot be used: /nowhere/client.pem",
        ),
    ] {
        let error = ask(proxies_config).await.unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_proxys_authority_is_not_the_servers() {
    let (of_proxy, of_server) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ca = of_server.path().join("ca.pem");
    let server = serve(
        &["127.0.0.1"],
        &ca,
        Arc::new(|_: &Request| Reply::json(200, &json!({"SecretString": "v"}))),
    );
    let (_, ca_of_another, _) = strict_server(of_proxy.path());
    let kwargs = json!({
        "endpoint_url": "https://127.0.0.1:1", "verify": ca,
        "config_kwargs": {
            // It is its own proxy: CONNECT gets a tunnel to itself, over no TLS.
            "proxies": {"https": format!("http://{}", server.address)},
            "proxies_config": {"proxy_ca_bundle": ca_of_another},
        },
    });
    let made = make(SECRETS_MANAGER, kwargs, &environment(&[]), false).await;
    let found = outcome(
        made.unwrap()
            .0
            .get_variable("x", &LookupOptions::new())
            .await,
    );
    assert_eq!(found, Ok("v".to_owned()));
}

#[tokio::test]
async fn a_proxy_that_wants_a_password_is_told() {
    let refused = || Answer::new(407, "marker").header("proxy-authenticate", "Basic");
    let proxy = Queued::with([refused(), refused()]).await;
    for (target, expected) in [
        (
            "http://secrets.example.com",
            "Unavailable: the proxy before Secrets Manager at http://secrets.example.com requires a \
             user name and password: add them to the proxy's URL",
        ),
        (
            "https://secrets.example.com",
            "Unavailable: the proxy before Secrets Manager at https://secrets.example.com requires a \
             user name and password: add them to the proxy's URL",
        ),
    ] {
        let kwargs = json!({"config_kwargs": {
            "proxies": {"http": proxy.url, "https": proxy.url}, "retries": {"max_attempts": 0},
        }});
        let backend = secrets_manager(target, kwargs).await;
        let error = variable(&backend, "x").await.unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[tokio::test]
async fn nothing_goes_around_a_proxy_that_cannot_be_asked() {
    let service = Queued::with([value()]).await;
    let no_url = "a proxy's URL must look like http://proxy.example.com:3128";
    let socks = "SOCKS proxies are not offered: use an HTTP proxy";
    for (variable, proxy, why) in [
        ("http_proxy", "socks5://127.0.0.1:1", socks),
        ("HTTP_PROXY", "http://", no_url),
        ("http_proxy", "http://u:marker@", no_url),
    ] {
        let variables = environment(&[(variable, proxy)]);
        let backend = quick(&service.url).environment(&variables).build().unwrap();
        let expected = format!("Configuration: {variable} (the environment): {why}");
        let found = outcome(backend.get_variable("x", &LookupOptions::new()).await);
        assert_eq!(found, Err(expected), "{proxy}");
    }
    assert!(service.seen.lines().is_empty());
}
