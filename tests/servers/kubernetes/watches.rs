//! A watch is told of changes by the API server, long before it would ask.

use std::time::Duration;

use airflow_secrets::{
    CacheOptions, Error, ErrorKind, Resolved, Resolver, Secret, SecretsBackend, Watch,
    backend::LookupOptions, report::Asked,
};
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::time::timeout;

use crate::{
    at,
    faults::{secrets, status},
    in_pod,
    support::{
        kubernetes::{ApiServer, Namespace, TEAM, VARIABLE},
        process::until,
        served::Served,
    },
};

/// Long enough that no test waits for it.
const DAY: Duration = Duration::from_secs(86_400);

async fn next(changes: &mut Watch<Secret>) -> Result<String, ErrorKind> {
    let item: Option<Result<Resolved<Secret>, Error>> =
        timeout(Duration::from_secs(60), changes.next())
            .await
            .unwrap();
    match item.unwrap() {
        Ok(value) => Ok(value.expose().to_owned()),
        Err(error) => Err(error.kind()),
    }
}

/// Waits until so many watches have begun.
async fn until_watched(namespace: &Namespace, watches: usize) {
    until("the watch", async || namespace.watches().len() >= watches).await;
}

#[tokio::test]
async fn a_change_a_deletion_and_a_new_secret_are_told_at_once() {
    let namespace = ApiServer::shared().await.namespace().await;
    namespace
        .secret("a", &[(VARIABLE, "x")], &[("value", "one")])
        .await;
    let pod = namespace.pod("airflow").await;
    let backend = in_pod(&pod).build().unwrap();
    let resolver = Resolver::builder().backend(backend).build();
    let mut changes = resolver.watch_variable("x", DAY);
    assert_eq!(next(&mut changes).await, Ok("one".into()));
    assert!(changes.next().now_or_never().is_none());
    until_watched(&namespace, 1).await;
    namespace.set("a", "value", "two").await;
    assert_eq!(next(&mut changes).await, Ok("two".into()));
    namespace.delete("a").await;
    assert_eq!(next(&mut changes).await, Err(ErrorKind::NotFound));
    namespace
        .secret("b", &[(VARIABLE, "x")], &[("value", "three")])
        .await;
    assert_eq!(next(&mut changes).await, Ok("three".into()));
    // All of it was one answer of the API server's, to the selector of a lookup.
    let watches = namespace.watches();
    let uri = format!(
        "/api/v1/namespaces/{}/secrets?labelSelector=airflow.apache.org%2Fvariable-key%3Dx%2C%21\
         airflow.apache.org%2Fteam&resourceVersion=0&watch=true&timeoutSeconds=300",
        namespace.name
    );
    let uris = watches.iter().map(|watch| watch["requestURI"].as_str());
    assert_eq!(uris.collect::<Vec<_>>(), [Some(&*uri)]);
}

#[tokio::test]
async fn a_watch_keeps_the_cache_fresh() {
    let namespace = ApiServer::shared().await.namespace().await;
    namespace
        .secret("a", &[(VARIABLE, "x")], &[("value", "one")])
        .await;
    let pod = namespace.pod("airflow").await;
    let cache = CacheOptions::new().with_ttl(DAY);
    let resolver = Resolver::builder()
        .backend(in_pod(&pod).build().unwrap())
        .cache(cache)
        .build();
    let cached = async || {
        resolver
            .get_variable("x")
            .await
            .unwrap()
            .expose()
            .to_owned()
    };
    assert_eq!(cached().await, "one");
    let mut changes = resolver.watch_variable("x", DAY);
    assert_eq!(next(&mut changes).await, Ok("one".into()));
    assert!(changes.next().now_or_never().is_none());
    until_watched(&namespace, 1).await;
    namespace.set("a", "value", "two").await;
    assert_eq!(next(&mut changes).await, Ok("two".into()));
    let lists = namespace.lists().len();
    assert_eq!(cached().await, "two");
    assert_eq!(namespace.lists().len(), lists);
}

#[tokio::test]
async fn a_teams_own_secret_and_the_one_of_no_team_are_both_watched() {
    let namespace = ApiServer::shared().await.namespace().await;
    namespace
        .secret("a", &[(VARIABLE, "x")], &[("value", "everybody's")])
        .await;
    let pod = namespace.pod("airflow").await;
    let backend = in_pod(&pod).build().unwrap();
    let resolver = Resolver::builder()
        .backend(backend)
        .multi_team(true)
        .build();
    let mut changes = resolver.for_team("red").unwrap().watch_variable("x", DAY);
    assert_eq!(next(&mut changes).await, Ok("everybody's".into()));
    assert!(changes.next().now_or_never().is_none());
    until_watched(&namespace, 2).await;
    let red = [(VARIABLE, "x"), (TEAM, "red")];
    namespace.secret("b", &red, &[("value", "red's")]).await;
    assert_eq!(next(&mut changes).await, Ok("red's".into()));
    namespace.set("a", "value", "new").await;
    namespace.delete("b").await;
    assert_eq!(next(&mut changes).await, Ok("new".into()));
}

/// The clock is Tokio's, paused: it jumps to the next timer.
#[tokio::test(start_paused = true)]
async fn where_no_watch_is_allowed_the_interval_counts() {
    let server = Served::by(|request| {
        if request.path.contains("watch=true") {
            return status(403, "Forbidden");
        }
        secrets(
            VARIABLE,
            &[("x", &request.header("authorization").unwrap()[7..])],
        )
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "one").unwrap();
    let credential = crate::kubeconfig(&server.url, &serde_json::json!({"tokenFile": file}));
    let backend = at(&server.url).credential(credential).build().unwrap();
    let resolver = Resolver::builder().backend(backend).build();
    let mut changes = resolver.watch_variable("x", Duration::from_secs(3600));
    assert_eq!(changes.next().await.unwrap().unwrap().expose(), "one");
    std::fs::write(&file, "two").unwrap();
    assert_eq!(changes.next().await.unwrap().unwrap().expose(), "two");
    let watches = server.seen.count(|line| line.contains("watch=true"));
    // At most once a minute, after some pauses that grow.
    assert!((2..70).contains(&watches), "{watches}");
    let lists = server.seen.lines().len() - watches;
    assert_eq!(lists, 2);
}

#[tokio::test]
async fn what_is_never_asked_for_is_never_watched() {
    let server = Served::by(|_| secrets(VARIABLE, &[])).await;
    let backend = at(&server.url).config_label(None).build().unwrap();
    let options = LookupOptions::new();
    for asked in [
        Asked::Config("x".into()),
        Asked::Variable("=x".into()),
        Asked::Connection("_red___x".into()),
    ] {
        assert!(backend.changes(&asked, &options).is_none(), "{asked:?}");
    }
    let team = options.with_team("red,!x");
    assert!(
        backend
            .changes(&Asked::Variable("x".into()), &team)
            .is_none()
    );
}
