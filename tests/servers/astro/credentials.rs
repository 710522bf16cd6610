//! Tokens and the older keys: what is read from them, when they are refused, and where they go.

use std::collections::BTreeMap;

use airflow_secrets::{SecretsBackend as _, backends::HttpOptions};
use serde_json::json;

use crate::{
    builder, connection,
    support::astro_platform::{ORGANIZATION, Platform, WORKSPACE, jwt, own, token},
    variable,
};

fn platform() -> Platform {
    Platform::start(vec![own(
        "d1",
        "x",
        "AIRFLOW_VARIABLE",
        json!({"value": "found", "isSecret": true}),
    )])
}

/// What is wrong with these variables.
fn refusal(variables: &[(&str, &str)]) -> String {
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    builder(variables.collect::<BTreeMap<_, _>>())
        .build()
        .unwrap_err()
        .to_string()
}

#[test]
fn what_is_no_api_token_or_names_no_scope_is_refused_at_the_start() {
    let permissions = |permissions: &[&str]| jwt(&json!({"permissions": permissions}));
    let not_one = "ASTRO_API_TOKEN (the environment): is not an API token of Astro: paste the whole token of a \
                   Deployment, Workspace or Organization, without quotes or blanks";
    for text in ["m4rk3r", "a.b", "a.b.c", "a.b.c.d", "e30.bnVsbA.c"] {
        assert_eq!(refusal(&[("ASTRO_API_TOKEN", text)]), not_one, "{text}");
    }
    for (variables, expected) in [
        (
            vec![],
            "ASTRO_API_TOKEN (the environment): is not set: make an API token of the Deployment, Workspace or \
             Organization, and set it",
        ),
        (
            vec![("ASTRO_API_TOKEN", jwt(&json!({"exp": 1})))],
            "ASTRO_API_TOKEN (the environment): is a token without permissions, such as that of a login: give \
             an API token of a Deployment, Workspace or Organization",
        ),
        (
            vec![("ASTRO_API_TOKEN", permissions(&["a:b"]))],
            "ASTRO_ORGANIZATION_ID (the environment): is not set: the token names no Organization, or \
             several, so set its id",
        ),
        (
            vec![("ASTRO_API_TOKEN", permissions(&["organizationId:o"]))],
            "ASTRO_DEPLOYMENT_ID (the environment): is not set: set the id of the Deployment, or that of a \
             Workspace in ASTRO_WORKSPACE_ID",
        ),
        (
            vec![(
                "ASTRO_API_TOKEN",
                permissions(&["organizationId:o", "workspaceId:a", "workspaceId:b"]),
            )],
            "ASTRO_DEPLOYMENT_ID (the environment): is not set: set the id of the Deployment, or that of a \
             Workspace in ASTRO_WORKSPACE_ID",
        ),
        (
            vec![
                ("ASTRO_API_TOKEN", permissions(&["organizationId:o"])),
                ("ASTRO_DEPLOYMENT_ID", "d/../x".to_owned()),
            ],
            "ASTRO_DEPLOYMENT_ID (the environment): is not an id: copy the one in the address of Astro's user \
             interface",
        ),
        (
            vec![
                ("ASTRO_API_TOKEN", token(None)),
                ("ASTRO_DOMAIN", "http://astronomer.io".to_owned()),
            ],
            "ASTRO_DOMAIN (the environment): is not a domain: write the one of Astro's user interface, such as \
             astronomer.io",
        ),
    ] {
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| (*name, &**value))
            .collect();
        assert_eq!(refusal(&variables), expected);
    }
}

#[tokio::test]
async fn the_tokens_permissions_are_the_defaults_of_the_scope() {
    let platform = platform();
    let of_deployment = jwt(&json!({"permissions": [
        format!("organizationId:{ORGANIZATION}"), format!("workspaceId:{WORKSPACE}"), "deploymentId:d1",
    ]}));
    platform.world().tokens.insert(
        of_deployment.clone(),
        crate::support::astro_platform::Role::Reader,
    );
    let mut variables = platform.reach(None);
    variables.insert("ASTRO_API_TOKEN".to_owned(), of_deployment);
    variables.insert(
        "ASTRO_DOMAIN".to_owned(),
        "https://cloud.astronomer.io/".to_owned(),
    );
    let astro = builder(variables).build().unwrap();
    assert_eq!(variable(&astro, "x").await, Ok("found".to_owned()));
    let astro = builder(platform.reach(None)).build().unwrap();
    assert_eq!(variable(&astro, "x").await, Err("missing".to_owned()));
    let requests = platform.take_requests();
    assert_eq!(requests[0].parameter("deploymentId"), "d1");
    assert_eq!(requests[1].parameter("workspaceId"), WORKSPACE);
}

#[tokio::test]
async fn a_token_that_has_ended_is_not_sent() {
    let platform = platform();
    let mut variables = platform.reach(Some("d1"));
    variables.insert("ASTRO_API_TOKEN".to_owned(), token(Some(1_700_000_000)));
    let astro = builder(variables.clone()).build().unwrap();
    let expected = "AccessDenied: the API token ended on Tue, 14 Nov 2023 22:13:20 GMT: make a new one, and set \
                    ASTRO_API_TOKEN to it";
    assert_eq!(connection(&astro, "x").await, Err(expected.to_owned()));
    assert_eq!(platform.take_requests().len(), 0);
    let lasting = token(Some(40_000_000_000));
    platform.world().tokens.insert(
        lasting.clone(),
        crate::support::astro_platform::Role::Reader,
    );
    variables.insert("ASTRO_API_TOKEN".to_owned(), lasting);
    let astro = builder(variables).build().unwrap();
    assert_eq!(variable(&astro, "x").await, Ok("found".to_owned()));
}

fn with_key(platform: &Platform) -> BTreeMap<String, String> {
    let mut variables = platform.reach(Some("d1"));
    variables.remove("ASTRO_API_TOKEN");
    for (name, value) in [
        ("ASTRONOMER_KEY_ID", "key"),
        ("ASTRONOMER_KEY_SECRET", "k3y"),
        ("ASTRO_ORGANIZATION_ID", ORGANIZATION),
    ] {
        variables.insert(name.to_owned(), value.to_owned());
    }
    platform.world().key_secret = Some("k3y".to_owned());
    variables
}

#[tokio::test]
async fn a_deployment_api_key_buys_one_token_for_all() {
    let platform = platform();
    let astro = builder(with_key(&platform)).build().unwrap();
    assert_eq!(variable(&astro, "x").await, Ok("found".to_owned()));
    assert_eq!(connection(&astro, "x").await, Err("missing".to_owned()));
    let requests = platform.take_requests();
    let lines: Vec<_> = requests
        .iter()
        .map(|request| format!("{} {}{}", request.method, request.host, request.path))
        .collect();
    let list = format!("GET api.astronomer.io/v1/organizations/{ORGANIZATION}/environment-objects");
    assert_eq!(
        lines,
        [
            "GET api.astronomer.io/private/v1alpha1/cli/auth-config",
            "POST auth.astronomer.io/oauth/token",
            &list,
            &list,
        ]
    );
    assert!(!requests[0].headers.contains_key("authorization"));

    // A token that is refused is replaced once.
    platform
        .world()
        .first
        .push_back(crate::support::astro_platform::problem(401, "revoked"));
    astro.invalidate();
    assert_eq!(variable(&astro, "x").await, Ok("found".to_owned()));
    assert_eq!(platform.take_requests().len(), 4);
}

#[tokio::test]
async fn a_refused_key_is_told_of_its_successor() {
    let platform = platform();
    let variables = with_key(&platform);
    platform.world().login_status = 401;
    let astro = builder(variables).build().unwrap();
    assert_eq!(
        variable(&astro, "x").await,
        Err("AccessDenied: there is no token: Astro refused the Deployment API key (HTTP 401). Astro ended such \
             keys in June 2024: make an API token, and set ASTRO_API_TOKEN to it"
            .to_owned())
    );
}

#[tokio::test]
async fn an_empty_token_is_none() {
    let platform = platform();
    let variables = with_key(&platform);
    let tokens = std::mem::take(&mut platform.world().tokens);
    let empty = tokens.into_values().map(|role| (" ".to_owned(), role));
    platform.world().tokens = empty.collect();
    let astro = builder(variables).build().unwrap();
    let failure = variable(&astro, "x").await.unwrap_err();
    assert!(
        failure
            .starts_with("Unavailable: there is no token: the answer is not one of Astro's login"),
        "{failure}"
    );
    let requests = platform.take_requests();
    assert!(
        requests
            .iter()
            .all(|request| !request.headers.contains_key("authorization"))
    );
}

#[tokio::test]
async fn a_key_goes_to_no_other_domain() {
    let platform = platform();
    for url in [
        "https://evil.example.com/",
        "http://auth.astronomer.io/",
        "https://astronomer.io.evil.example.com/",
    ] {
        platform.world().domain_url = Some(url.to_owned());
        let astro = builder(with_key(&platform)).build().unwrap();
        let failure = variable(&astro, "x").await.unwrap_err();
        assert!(
            failure.starts_with(
                "Unavailable: there is no token: the answer is not one of Astro's login"
            )
        );
    }
    assert!(
        platform
            .take_requests()
            .iter()
            .all(|request| request.method == "GET")
    );
}

#[tokio::test]
async fn a_socks_proxy_is_an_error_that_names_its_setting() {
    let platform = platform();
    let mut variables = platform.reach(Some("d1"));
    let socks = "socks5://u:m4rk3r@proxy.example:1080";
    variables.insert("https_proxy".to_owned(), socks.to_owned());
    let astro = builder(variables.clone()).build().unwrap();
    let why = "SOCKS proxies are not offered: use an HTTP proxy";
    let expected = format!("Configuration: https_proxy (the environment): {why}");
    assert_eq!(variable(&astro, "x").await, Err(expected));
    let given = HttpOptions::new().with_proxy(socks);
    let error = builder(variables).http(given).build().unwrap_err();
    assert_eq!(error.to_string(), format!("proxy (HttpOptions): {why}"));
}
