//! What is said where Astro refuses, cannot answer, or does not tell: never *missing*, never an empty value.

use std::time::Duration;

use airflow_secrets::backends::RetryOptions;
use serde_json::json;

use crate::{
    builder, connection,
    support::{
        astro_platform::{Platform, Role, own, problem, token},
        https::Reply,
    },
    variable,
};

fn platform() -> Platform {
    Platform::start(vec![
        own(
            "d1",
            "pg",
            "CONNECTION",
            json!({"type": "postgres", "password": "s", "extra": {"secret_key": "k", "open": "o"}}),
        ),
        own(
            "d1",
            "bare",
            "CONNECTION",
            json!({"type": "http", "host": "h"}),
        ),
        own(
            "d1",
            "colour",
            "AIRFLOW_VARIABLE",
            json!({"value": "blue", "isSecret": true}),
        ),
        own(
            "d1",
            "open",
            "AIRFLOW_VARIABLE",
            json!({"value": "o", "isSecret": false}),
        ),
        own(
            "d1",
            "empty",
            "AIRFLOW_VARIABLE",
            json!({"value": "", "isSecret": true}),
        ),
        own(
            "d1",
            "AIRFLOW_VAR_X",
            "ENVIRONMENT_VARIABLE",
            json!({"value": "x", "isSecret": true}),
        ),
    ])
}

#[tokio::test]
async fn a_refusal_is_none_of_the_ids_and_says_what_to_do() {
    let platform = platform();
    let ids = "check ASTRO_ORGANIZATION_ID, ASTRO_WORKSPACE_ID and ASTRO_DEPLOYMENT_ID";
    let secrets = "AccessDenied: the Organization does not allow secrets to be fetched: enable Environment \
                   Secrets Fetching in the Organization's settings, under General";
    let not_allowed = "showSecrets on organization with id x is not allowed";
    for (reply, expected) in [
        (
            problem(401, "m4rk3r"),
            "AccessDenied: Astro refused the API token (ASTRO_API_TOKEN): check that it was neither deleted \
             nor rotated"
                .to_owned(),
        ),
        (
            problem(403, "m4rk3r"),
            "AccessDenied: denied: the API token (ASTRO_API_TOKEN) may not read environment objects here: \
             check the Organization, Workspace and Deployment, and give the token a role that may read them"
                .to_owned(),
        ),
        (problem(400, not_allowed), secrets.to_owned()),
        (problem(403, not_allowed), secrets.to_owned()),
        (
            problem(404, "m4rk3r"),
            format!("Configuration: Astro knows no such Organization, Workspace or Deployment: {ids}"),
        ),
        (
            problem(400, "m4rk3r"),
            format!("Configuration: Astro refused the request as invalid: {ids}"),
        ),
        (
            problem(429, "m4rk3r"),
            "Unavailable: Astro throttles: the token has asked too often".to_owned(),
        ),
        (problem(503, "m4rk3r"), "Unavailable: Astro cannot answer (HTTP 503)".to_owned()),
        (
            Reply::json(200, &json!({"m4rk3r": 1})),
            "Unavailable: the answer is not one of Astro's (HTTP 200): check ASTRO_DOMAIN and the proxy".to_owned(),
        ),
        (
            Reply::json(404, &json!({"m4rk3r": 1})),
            "Unavailable: the answer is not one of Astro's (HTTP 404): check ASTRO_DOMAIN and the proxy".to_owned(),
        ),
    ] {
        platform.world().first.push_back(reply);
        let astro = builder(platform.reach(Some("d1"))).build().unwrap();
        assert_eq!(connection(&astro, "none").await, Err(expected));
    }
}

#[tokio::test]
async fn the_platforms_own_refusals_are_told_apart() {
    let platform = platform();
    let failure = async |change: &dyn Fn(&Platform)| {
        change(&platform);
        let astro = builder(platform.reach(Some("d1"))).build().unwrap();
        let failure = variable(&astro, "colour").await.unwrap_err();
        failure.split(':').next().unwrap().to_owned()
    };
    let role = |role| {
        move |platform: &Platform| {
            platform.world().tokens.insert(token(None), role);
        }
    };
    assert_eq!(failure(&role(Role::Stranger)).await, "AccessDenied");
    assert_eq!(
        failure(&|platform| platform.world().tokens.clear()).await,
        "AccessDenied"
    );
    role(Role::Reader)(&platform);
    assert_eq!(
        failure(&|platform| platform.world().forbids_secrets = Some(400)).await,
        "AccessDenied"
    );
}

#[tokio::test]
async fn a_secret_that_is_masked_is_a_failure_and_an_empty_one_is_empty() {
    let platform = platform();
    platform.world().tokens.insert(token(None), Role::Masked);
    let astro = builder(platform.reach(Some("d1"))).build().unwrap();
    let masked = |what: &str| {
        Err(format!(
            "AccessDenied: Astro does not tell a secret of it ({what}): enable Environment Secrets Fetching \
             in the Organization's settings, under General, and give the token a role that may read it"
        ))
    };
    assert_eq!(
        connection(&astro, "pg").await,
        masked("password, extra.secret_key")
    );
    assert_eq!(connection(&astro, "bare").await, Ok("http://h".to_owned()));
    assert_eq!(variable(&astro, "colour").await, masked("the value"));
    assert_eq!(variable(&astro, "open").await, Ok("o".to_owned()));
    assert_eq!(variable(&astro, "empty").await, Ok(String::new()));
    let environment = astro.environment_variables(false);
    assert_eq!(variable(&environment, "x").await, masked("the value"));
    assert_eq!(variable(&environment, "y").await, Err("missing".to_owned()));
}

#[tokio::test]
async fn a_list_that_ends_early_is_not_taken_for_the_whole() {
    let platform = platform();
    platform.world().total = Some(7);
    let astro = builder(platform.reach(Some("d1"))).build().unwrap();
    assert_eq!(
        connection(&astro, "none").await,
        Err(
            "Unavailable: Astro's list of environment objects ended before all of them were there"
                .to_owned()
        )
    );
}

/// A page of these variables, each of which has its own name as its value.
fn page(total: usize, names: &[&str]) -> Reply {
    let objects = names.iter().map(|name| {
        json!({
            "objectKey": name, "objectType": "AIRFLOW_VARIABLE", "scope": "DEPLOYMENT", "scopeEntityId": "d1",
            "airflowVariable": {"value": name, "isSecret": false},
        })
    });
    let objects = objects.collect::<Vec<_>>();
    Reply::json(
        200,
        &json!({"environmentObjects": objects, "totalCount": total}),
    )
}

#[tokio::test]
async fn a_list_that_changes_while_it_is_read_is_read_again() {
    let platform = platform();
    // Between the two pages `a` went, which moved `c` to the first of them.
    let before = [page(4, &["a", "b"]), page(3, &["d"])];
    let after = [page(3, &["b", "c"]), page(3, &["d"])];
    platform
        .world()
        .first
        .extend(before.into_iter().chain(after));
    let astro = builder(platform.reach(Some("d1"))).build().unwrap();
    assert_eq!(variable(&astro, "c").await, Ok("c".to_owned()));
    assert_eq!(variable(&astro, "a").await, Err("missing".to_owned()));
    let requests = platform.take_requests();
    let offsets = requests.iter().map(|request| request.parameter("offset"));
    assert_eq!(offsets.collect::<Vec<_>>(), ["0", "2", "0", "2"]);
}

#[tokio::test]
async fn a_first_page_that_comes_again_is_not_taken_for_the_rest() {
    let platform = platform();
    let again = [page(4, &["a", "b"]), page(4, &["a", "b"])];
    platform.world().first.extend(again);
    let astro = builder(platform.reach(Some("d1"))).build().unwrap();
    assert_eq!(
        variable(&astro, "c").await,
        Err(
            "Unavailable: Astro's list of environment objects ended before all of them were there"
                .to_owned()
        )
    );
}

#[tokio::test]
async fn an_extra_that_comes_as_an_empty_text_is_masked_or_not_set() {
    let platform = platform();
    let one = |name: &str, set: &[&str]| {
        json!({
            "objectKey": name, "objectType": "CONNECTION", "scope": "DEPLOYMENT", "scopeEntityId": "d1",
            "connection": {"type": "http", "host": "h", "extra": ""}, "setFields": set,
        })
    };
    let objects = [one("masked", &["connection.extra"]), one("bare", &[])];
    let listed = Reply::json(
        200,
        &json!({"environmentObjects": objects, "totalCount": 2}),
    );
    platform.world().first.push_back(listed);
    let astro = builder(platform.reach(Some("d1"))).build().unwrap();
    let masked = connection(&astro, "masked").await.unwrap_err();
    assert!(masked.starts_with("AccessDenied"), "{masked}");
    assert_eq!(connection(&astro, "bare").await, Ok("http://h".to_owned()));
}

#[tokio::test]
async fn a_redirect_takes_the_token_nowhere() {
    let platform = platform();
    for status in [301, 302, 307, 308] {
        let elsewhere =
            Reply::json(status, &json!({})).with("Location", "https://evil.example.com/");
        platform.world().first.push_back(elsewhere);
        let astro = builder(platform.reach(Some("d1"))).build().unwrap();
        let expected = format!(
            "Unavailable: the answer is not one of Astro's (HTTP {status}): check ASTRO_DOMAIN and the proxy"
        );
        assert_eq!(connection(&astro, "pg").await, Err(expected));
    }
    let hosts = platform.take_requests();
    assert!(
        hosts
            .iter()
            .all(|request| request.host == "api.astronomer.io")
    );
}

#[tokio::test]
async fn what_may_pass_is_asked_again() {
    let platform = platform();
    for status in [429, 500, 502, 503] {
        platform.world().first.push_back(problem(status, "busy"));
        let quickly = RetryOptions::new().with_first_pause(Duration::from_millis(1));
        let astro = builder(platform.reach(Some("d1"))).retries(quickly.with_max_retries(1));
        let found = variable(&astro.build().unwrap(), "colour").await;
        assert_eq!(found, Ok("blue".to_owned()), "{status}");
        assert_eq!(platform.take_requests().len(), 2);
    }
}
