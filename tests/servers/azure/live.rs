//! What any Key Vault must do, real or emulated: the one that `AZURE_KEYVAULT_URL` names, with the
//! `AZURE_…` variables of a service principal that may set, get and delete its secrets; without
//! it, our own. `tests/README.md` says how.

use airflow_secrets::{Environment, Resolver};
use reqwest::{Certificate, Method, Proxy};
use serde_json::{Value, json};

use crate::{
    settings::CLASS,
    support::{
        key_vault::{Azure, VAULT},
        side_by_side::{Question, Variables, assert_same, settings},
    },
};

/// Variables that a live run takes from the process.
const TAKEN: &[&str] = &[
    "AZURE_TENANT_ID",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_AUTHORITY_HOST",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "https_proxy",
    "no_proxy",
];

/// A vault, and somebody who may change its secrets.
struct Owner {
    /// Alive for as long as it is asked.
    _own: Option<Azure>,
    url: String,
    variables: Variables,
    http: reqwest::Client,
    token: String,
}

impl Owner {
    async fn of_the_vault_at_hand() -> Self {
        let process = Environment::process();
        if let Some(url) = process.get("AZURE_KEYVAULT_URL") {
            let taken = TAKEN.iter().filter_map(|name| {
                let value = process.get(name)?.to_owned();
                Some(((*name).to_owned(), value))
            });
            return Self::login(None, url.to_owned(), taken.collect()).await;
        }
        let own = Azure::start();
        let mut variables = own.reach();
        let principal = Azure::principal();
        variables.extend(principal.map(|(n, v)| (n.to_owned(), v.to_owned())));
        Self::login(Some(own), VAULT.to_owned(), variables).await
    }

    async fn login(own: Option<Azure>, url: String, variables: Variables) -> Self {
        let variable = |name: &str| variables.get(name).cloned();
        let mut http = reqwest::Client::builder().no_proxy();
        let ca = variable("SSL_CERT_FILE").or_else(|| variable("REQUESTS_CA_BUNDLE"));
        if let Some(ca) = ca {
            let pem = std::fs::read(ca).unwrap();
            http = http.tls_certs_merge(Certificate::from_pem_bundle(&pem).unwrap());
        }
        if let Some(proxy) = variable("https_proxy") {
            http = http.proxy(Proxy::https(proxy).unwrap());
        }
        let http = http.build().unwrap();
        let host = variable("AZURE_AUTHORITY_HOST");
        let host = host.unwrap_or_else(|| "https://login.microsoftonline.com".to_owned());
        let tenant = &variables["AZURE_TENANT_ID"];
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &variables["AZURE_CLIENT_ID"])
            .append_pair("client_secret", &variables["AZURE_CLIENT_SECRET"])
            .append_pair("scope", "https://vault.azure.net/.default")
            .finish();
        let request = http
            .post(format!("{host}/{tenant}/oauth2/v2.0/token"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form);
        let answer = request.send().await.unwrap().bytes().await.unwrap();
        let answer = serde_json::from_slice::<Value>(&answer).unwrap();
        let token = answer["access_token"].as_str().expect("a token").to_owned();
        Self {
            _own: own,
            url: url.trim_end_matches('/').to_owned(),
            variables,
            http,
            token,
        }
    }

    async fn send(&self, method: Method, name: &str, body: Option<Value>) {
        let url = format!("{}/secrets/{name}?api-version=7.4", self.url);
        let mut request = self
            .http
            .request(method, url)
            .bearer_auth(&self.token)
            .header("content-type", "application/json");
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        let status = request.send().await.unwrap().status();
        assert!(status.is_success(), "{name}: {status}");
    }

    async fn put(&self, name: &str, value: &str) {
        self.send(Method::PUT, name, Some(json!({"value": value})))
            .await;
    }
}

#[tokio::test]
async fn the_same_answers_as_airflow_from_any_vault() {
    let owner = Owner::of_the_vault_at_hand().await;
    // A run has names of its own: a deleted secret's name is not free for a while.
    let run = format!("airflow-secrets-{}", crate::support::token_authority::now());
    let named = |kind: &str, name: &str| format!("{run}-{kind}-{name}");
    let uri = "postgres://u:p%2Fw@h:5432/s?sslmode=require";
    let mut questions: Vec<Question> = Vec::new();
    for (kind, plural) in [
        ("connection", "connections"),
        ("variable", "variables"),
        ("config", "config"),
    ] {
        owner.put(&named(plural, "uri"), uri).await;
        owner.put(&named(plural, "my-own"), "http://old").await;
        owner.put(&named(plural, "my-own"), "http://new").await;
        owner
            .put(&named(plural, "umlaut"), "http://größe/日本")
            .await;
        let off = json!({"value": "http://off", "attributes": {"enabled": false}});
        owner
            .send(Method::PUT, &named(plural, "off"), Some(off))
            .await;
        owner.put(&named(plural, "deleted"), "http://deleted").await;
        owner
            .send(Method::DELETE, &named(plural, "deleted"), None)
            .await;
        for id in [
            "uri", "my_own", "my-own", "umlaut", "off", "deleted", "absent", "a.b",
        ] {
            questions.push((kind, id.to_owned(), None));
        }
    }
    let kwargs = json!({
        "vault_url": owner.url, "connections_prefix": format!("{run}-connections"),
        "variables_prefix": format!("{run}_variables"), "config_prefix": format!("{run}-config-"),
    });
    let mut variables = owner.variables.clone();
    variables.extend(settings(CLASS, &kwargs, &[]));
    // Four of each kind are there.
    assert_eq!(assert_same(&variables, &questions).await, 12);

    let home = ("AIRFLOW_HOME".to_owned(), "/nowhere".to_owned());
    let outcome = async |variables: &Variables, key: &str| {
        let environment = variables.clone().into_iter().chain([home.clone()]);
        let environment = environment.collect::<Environment>();
        let resolver = Resolver::from_environment(environment)
            .build()
            .await
            .unwrap();
        match resolver.get_variable(key).await {
            Ok(value) => value.expose().to_owned(),
            Err(error) => error.report().unwrap().attempts()[0]
                .outcome()
                .as_str()
                .to_owned(),
        }
    };
    assert_eq!(outcome(&variables, "off").await, "access_denied");
    assert_eq!(outcome(&variables, "deleted").await, "missing");
    assert_eq!(outcome(&variables, "absent").await, "missing");
    assert_eq!(outcome(&variables, "my_own").await, "http://new");
    variables.insert("AZURE_CLIENT_SECRET".to_owned(), "wrong".to_owned());
    assert_eq!(outcome(&variables, "my_own").await, "access_denied");
    variables.insert("AZURE_TENANT_ID".to_owned(), "unknown.invalid".to_owned());
    assert_eq!(outcome(&variables, "my_own").await, "access_denied");
}
