//! What is read, with which requests, and for how long it counts.

use std::time::Duration;

use airflow_secrets::{
    Lookup, SecretsBackend,
    backend::{Freshness, LookupOptions},
};
use futures_util::future::join_all;
use serde_json::json;

use crate::{
    builder, connection,
    support::{
        astro_platform::{Platform, own, shared},
        clock::Clock,
    },
    variable,
};

fn platform() -> Platform {
    let mut linked = shared(
        "shared",
        "CONNECTION",
        json!({"type": "http", "host": "ws.example"}),
    );
    linked["links"] = json!([{
        "scope": "DEPLOYMENT", "scopeEntityId": "d1",
        "connectionOverrides": {"host": "d1.example", "password": "p@ss"},
    }]);
    Platform::start(vec![
        own(
            "d1",
            "pg",
            "CONNECTION",
            json!({
                "type": "postgres", "host": "db.example", "login": "me", "password": "s/cret", "schema": "wh",
                "port": 5432, "extra": {"sslmode": "require", "n": 1}, "connectionAuthType": {"id": "x"},
            }),
        ),
        own("d2", "other", "CONNECTION", json!({"type": "http"})),
        linked,
        own(
            "d1",
            "colour",
            "AIRFLOW_VARIABLE",
            json!({"value": "blue", "isSecret": true}),
        ),
        own(
            "d1",
            "empty",
            "AIRFLOW_VARIABLE",
            json!({"value": "", "isSecret": false}),
        ),
        shared(
            "alone",
            "AIRFLOW_VARIABLE",
            json!({"value": "w", "isSecret": false}),
        ),
        own(
            "d1",
            "AIRFLOW_VAR_SHAPE",
            "ENVIRONMENT_VARIABLE",
            json!({"value": "round", "isSecret": false}),
        ),
        own(
            "d1",
            "AIRFLOW_CONN_WEB",
            "ENVIRONMENT_VARIABLE",
            json!({"value": "http://web", "isSecret": true}),
        ),
        own(
            "d1",
            "AIRFLOW__CORE__X",
            "ENVIRONMENT_VARIABLE",
            json!({"value": "no", "isSecret": false}),
        ),
    ])
}

#[tokio::test]
async fn a_deployment_has_its_own_objects_and_those_that_are_linked_to_it() {
    let platform = platform();
    let astro = builder(platform.reach(Some("d1"))).build().unwrap();
    for (conn_id, expected) in [
        (
            "pg",
            Ok(
                "postgres://me:s%2Fcret@db.example:5432/wh?__extra__=%7B%22n%22%3A1%2C%22sslmode%22%3A%22require%22%7D",
            ),
        ),
        ("shared", Ok("http://:p%40ss@d1.example")),
        ("other", Err("missing")),
        ("colour", Err("missing")),
    ] {
        let expected = expected.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(connection(&astro, conn_id).await, expected, "{conn_id}");
    }
    assert_eq!(variable(&astro, "colour").await, Ok("blue".to_owned()));
    assert_eq!(variable(&astro, "empty").await, Ok(String::new()));
    assert_eq!(variable(&astro, "alone").await, Err("missing".to_owned()));
    let environment = astro.environment_variables(false);
    assert_eq!(
        variable(&environment, "shape").await,
        Ok("round".to_owned())
    );
    assert_eq!(
        connection(&environment, "web").await,
        Ok("http://web".to_owned())
    );
    assert_eq!(
        variable(&environment, "colour").await,
        Err("missing".to_owned())
    );
}

#[tokio::test]
async fn the_native_key_names_the_scope_and_the_level_that_answered() {
    let platform = platform();
    let key = async |backend: &dyn SecretsBackend, conn_id: &str| {
        let lookup = backend.get_connection(conn_id, &LookupOptions::new()).await;
        lookup.unwrap().native_key().unwrap().to_owned()
    };
    let astro = builder(platform.reach(Some("d1"))).build().unwrap();
    assert_eq!(
        key(&astro, "pg").await,
        "--deployment-id=d1 connection pg (Deployment d1)"
    );
    assert_eq!(
        key(&astro, "shared").await,
        "--deployment-id=d1 connection shared (Workspace ws1, linked)"
    );
    assert_eq!(
        key(&astro, "none").await,
        "--deployment-id=d1 connection none"
    );
    let environment = astro.environment_variables(false);
    assert_eq!(
        key(&environment, "web").await,
        "--deployment-id=d1 variable AIRFLOW_CONN_WEB (Deployment d1)"
    );
    let here = builder(platform.reach(Some("d1")))
        .resolve_links_here(true)
        .build()
        .unwrap();
    assert_eq!(
        key(&here, "shared").await,
        "--workspace-id=ws1 for --deployment-id=d1 connection shared (Workspace ws1, linked, overridden: \
         host, password)"
    );
    let workspace = builder(platform.reach(None)).build().unwrap();
    assert_eq!(
        key(&workspace, "shared").await,
        "--workspace-id=ws1 connection shared (Workspace ws1)"
    );
}

#[tokio::test]
async fn however_many_lookups_there_are_a_kind_is_listed_once_until_its_time_is_over() {
    let platform = platform();
    let clock = Clock::now();
    let astro = builder(platform.reach(Some("d1")))
        .refresh_interval(Duration::from_secs(60))
        .clock(clock.hands())
        .build()
        .unwrap();
    let all = join_all((0..100).map(|_| connection(&astro, "pg"))).await;
    assert!(all.iter().all(Result::is_ok));
    let lookup = astro
        .get_connections(&["pg", "shared", "none"], &LookupOptions::new())
        .await;
    assert_eq!(lookup.len(), 3);
    let requests = platform.take_requests();
    assert_eq!(requests.len(), 1);
    let query = requests[0].query.clone();
    let expected = [
        ("deploymentId", "d1"),
        ("limit", "1000"),
        ("objectType", "CONNECTION"),
        ("offset", "0"),
        ("resolveLinked", "true"),
        ("showSecrets", "true"),
        ("sorts", "createdAt:asc"),
    ];
    let query: Vec<_> = query
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    assert_eq!(query, expected);
    assert_eq!(
        requests[0].path,
        "/v1/organizations/org1/environment-objects"
    );

    // Another kind is another listing.
    assert_eq!(variable(&astro, "colour").await, Ok("blue".to_owned()));
    assert_eq!(platform.take_requests().len(), 1);

    clock.pass(Duration::from_secs(59));
    let lookup = astro
        .get_connection("pg", &LookupOptions::new())
        .await
        .unwrap();
    let Lookup::Found { freshness, .. } = lookup else {
        panic!("not found");
    };
    assert_eq!(freshness, Freshness::cached(Duration::from_secs(59)));
    assert_eq!(platform.take_requests().len(), 0);
    platform.world().objects.clear();
    clock.pass(Duration::from_secs(1));
    assert_eq!(connection(&astro, "pg").await, Err("missing".to_owned()));
    assert_eq!(platform.take_requests().len(), 1);
}

#[tokio::test]
async fn what_was_listed_is_forgotten_on_request() {
    let platform = platform();
    let astro = builder(platform.reach(Some("d1"))).build().unwrap();
    assert_eq!(variable(&astro, "colour").await, Ok("blue".to_owned()));
    platform.world().objects.clear();
    assert_eq!(variable(&astro, "colour").await, Ok("blue".to_owned()));
    astro.invalidate();
    assert_eq!(variable(&astro, "colour").await, Err("missing".to_owned()));
}

#[tokio::test]
async fn a_value_that_was_refused_is_listed_anew() {
    let platform = platform();
    let astro = builder(platform.reach(Some("d1"))).build().unwrap();
    let resolver = airflow_secrets::Resolver::builder().backend(astro).build();
    let old = resolver.get_variable("colour").await.unwrap();
    let body = json!({"value": "green", "isSecret": true});
    platform.world().objects = vec![own("d1", "colour", "AIRFLOW_VARIABLE", body)];
    assert_eq!(
        resolver.get_variable("colour").await.unwrap().expose(),
        "blue"
    );
    let new = old.refused().await.unwrap().changed().unwrap();
    assert_eq!(new.expose(), "green");
}

#[tokio::test]
async fn a_long_list_is_read_page_by_page() {
    let objects = (0..2500).map(|number| {
        let body = json!({"value": number.to_string(), "isSecret": false});
        own("d1", &format!("v{number}"), "AIRFLOW_VARIABLE", body)
    });
    let platform = Platform::start(objects.collect());
    let astro = builder(platform.reach(Some("d1"))).build().unwrap();
    for number in [0, 999, 1000, 2499] {
        assert_eq!(
            variable(&astro, &format!("v{number}")).await,
            Ok(number.to_string())
        );
    }
    let offsets = platform.take_requests();
    let offsets: Vec<_> = offsets
        .iter()
        .map(|request| request.parameter("offset"))
        .collect();
    assert_eq!(offsets, ["0", "1000", "2000"]);
}

#[tokio::test]
async fn a_check_is_one_request_for_one_object() {
    let platform = platform();
    let astro = builder(platform.reach(Some("d1"))).build().unwrap();
    let outcome = astro.check(&LookupOptions::new()).await;
    assert_eq!(
        outcome,
        Ok(airflow_secrets::backend::CheckOutcome::reachable(
            "--deployment-id=d1"
        ))
    );
    let requests = platform.take_requests();
    assert_eq!((requests.len(), requests[0].parameter("limit")), (1, "1"));
}
