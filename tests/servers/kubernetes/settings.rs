//! Airflow's settings: which are taken, which are refused, and with what words.

use airflow_secrets::{Environment, Resolver, backends::HttpOptions};
use serde_json::{Value, json};

use crate::{
    Served, at, faults::secrets, side_by_side::CLASS, support::kubernetes::VARIABLE, variable,
};

const NO_SOCKS: &str = "SOCKS proxies are not offered: use an HTTP proxy";

/// Nobody listens there.
const URL: &str = "http://127.0.0.1:1";

async fn resolver(kwargs: &Value) -> Result<Resolver, String> {
    let environment = [
        ("AIRFLOW_HOME", "/nowhere"),
        ("AIRFLOW__SECRETS__BACKEND", CLASS),
        ("AIRFLOW__SECRETS__BACKEND_KWARGS", &kwargs.to_string()),
    ];
    let environment = environment.into_iter().collect::<Environment>();
    let built = Resolver::from_environment(environment).build().await;
    built.map_err(|error| error.to_string())
}

#[tokio::test]
async fn each_bad_setting_has_its_own_message() {
    const LABEL: &str = "is not the key of a label, such as airflow.apache.org/connection-id (K8S-3); null \
                         turns it off";
    let known = "unknown argument; known arguments: namespace, connections_label, variables_label, \
                 config_label, team_label, connections_data_key, variables_data_key, config_data_key";
    for (kwargs, setting, message) in [
        (json!({"name_space": "x"}), "name_space", known),
        (
            json!({"namespace": 5}),
            "namespace",
            "must be a text or null",
        ),
        (
            json!({"namespace": "a/b"}),
            "namespace",
            "is not a namespace: its name has 1 to 63 of the letters a-z, digits and '-', and a letter or \
             digit at both ends",
        ),
        (json!({"connections_label": ""}), "connections_label", LABEL),
        (
            json!({"connections_label": "a,b"}),
            "connections_label",
            LABEL,
        ),
        (json!({"variables_label": "x=y"}), "variables_label", LABEL),
        (json!({"config_label": "!x"}), "config_label", LABEL),
        (json!({"team_label": "a b"}), "team_label", LABEL),
        (
            json!({"variables_label": false}),
            "variables_label",
            "must be a text",
        ),
        (
            json!({"variables_data_key": null}),
            "variables_data_key",
            "must be a text",
        ),
    ] {
        let error = resolver(&kwargs).await.err().unwrap();
        let start =
            format!("[secrets] backend_kwargs {setting:?} (AIRFLOW__SECRETS__BACKEND_KWARGS): ");
        assert!(error.starts_with(&start), "{error}");
        assert!(error.contains(message), "{message}: {error}");
    }
}

#[tokio::test]
async fn outside_a_pod_a_lookup_says_so_and_the_next_source_answers() {
    let resolver = resolver(&json!({"namespace": "airflow"})).await.unwrap();
    let error = resolver.get_variable("x").await.unwrap_err();
    let message = "KUBERNETES_SERVICE_HOST is not set, so this is not a pod of Kubernetes: run it in one, \
                   or give a kubeconfig from code";
    assert!(error.to_string().contains(message), "{error}");
}

#[tokio::test]
async fn a_socks_proxy_is_an_error_and_one_without_a_scheme_is_an_http_proxy() {
    let server = Served::by(|_| secrets(VARIABLE, &[("x", "v")])).await;
    let through = |variable: &str, proxy: &str| {
        let environment = Environment::from_iter([(variable, proxy)]);
        let backend = at(URL).environment(&environment);
        backend.build().unwrap()
    };
    for scheme in ["socks4", "socks5", "socks5h"] {
        for name in ["https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"] {
            let backend = through(name, &format!("{scheme}://u:m4rk3r@proxy.example:1080"));
            let error = variable(&backend, "x").await.unwrap_err();
            let expected = format!("Configuration: {name} (the environment): {NO_SOCKS}");
            assert_eq!(error, expected, "{scheme}");
        }
    }
    let address = server.url.strip_prefix("http://").unwrap();
    for proxy in [&server.url, address] {
        let backend = through("https_proxy", proxy);
        assert_eq!(variable(&backend, "x").await, Ok("v".into()), "{proxy}");
    }
    let socks = HttpOptions::new().with_proxy("socks5://u:m4rk3r@proxy.example:1080");
    let error = at(URL).http(socks).build().unwrap_err().to_string();
    assert_eq!(error, format!("proxy (HttpOptions): {NO_SOCKS}"));
}
