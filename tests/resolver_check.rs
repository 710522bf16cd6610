//! Whether the sources can be reached: each is asked once, and says so or why not.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::unimplemented)]

#[path = "support/clock.rs"]
mod clock;
#[path = "support/folder.rs"]
mod folder;

use std::{fs, sync::Arc, time::Duration};

use airflow_secrets::{
    Environment, Failure, Resolver, SecretsBackend,
    backend::{CheckOutcome, FailureKind, LookupOptions, async_trait},
    backends::{
        breaker::BreakerOptions, local_filesystem::LocalFilesystemBackend, memory::MemoryBackend,
    },
};
use clock::Clock;
use folder::Folder;

async fn checked(resolver: &Resolver) -> Vec<String> {
    let checks = resolver.check().await;
    checks.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn the_sources_are_checked_in_their_order_and_no_lookup_is_made() {
    let [first, second] = ["first", "second"].map(|name| Arc::new(MemoryBackend::new(name)));
    second.go_down(Failure::access_denied("the door is locked"));
    let resolver = Resolver::builder()
        .backend(Arc::clone(&first))
        .backend(Arc::clone(&second))
        .build();
    assert_eq!(
        checked(&resolver).await,
        [
            "first (memory) reachable",
            "second access_denied: the door is locked"
        ]
    );
    let checks = resolver.check().await;
    assert!(checks[0].is_well() && !checks[1].is_well());
    assert_eq!(
        checks[1].outcome().unwrap_err().kind(),
        FailureKind::AccessDenied
    );
    assert_eq!((first.lookups(), second.lookups()), (0, 0));
}

/// Offers nothing.
#[derive(Debug)]
struct Bare;

impl SecretsBackend for Bare {
    fn name(&self) -> &'static str {
        "mine"
    }
}

#[tokio::test]
async fn a_backend_without_a_check_is_skipped() {
    let resolver = Resolver::builder().backend(Bare).build();
    assert_eq!(
        checked(&resolver).await,
        ["mine skipped: not offered by this backend"]
    );
    assert!(resolver.check().await[0].is_well());
}

#[tokio::test]
async fn the_environment_is_well_and_a_database_that_is_not_configured_is_skipped() {
    let environment = Environment::from_iter([("AIRFLOW_HOME", "/nowhere")]);
    let resolver = Resolver::from_environment(environment);
    assert_eq!(
        checked(&resolver.build().await.unwrap()).await,
        [
            "environment_variables (AIRFLOW_CONN_…, AIRFLOW_VAR_…) reachable",
            "metastore skipped: not configured: [database] sql_alchemy_conn is not set, and \
             /nowhere/airflow.db does not exist",
        ]
    );
}

#[tokio::test]
async fn local_files_are_read_and_parsed() {
    let folder = Folder::new();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (good, bad, gone) = (path("good.json"), path("bad.json"), path("gone.env"));
    fs::write(&good, r#"{"pg": "postgres://h"}"#).unwrap();
    fs::write(&bad, r#"{"pg": "#).unwrap();
    let options = LookupOptions::new();
    let builder = || LocalFilesystemBackend::builder().connections_file_path(&good);
    assert_eq!(
        builder().build().check(&options).await,
        Ok(CheckOutcome::reachable(&good))
    );
    for other in [bad, gone] {
        let backend = builder().variables_file_path(&other).build();
        let failure = backend.check(&options).await.unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Unavailable, "{failure}");
        assert!(failure.message().contains(&other), "{failure}");
    }
    let none = LocalFilesystemBackend::builder().build();
    let checked = none.check(&options).await.unwrap();
    assert_eq!(checked.as_str(), "skipped");
}

#[tokio::test]
async fn a_source_whose_breaker_pauses_is_not_asked() {
    let (clock, source) = (Clock::now(), Arc::new(MemoryBackend::new("mine")));
    let resolver = Resolver::builder()
        .backend(Arc::clone(&source))
        .breakers(BreakerOptions::new().with_failures(1))
        .clock(clock.hands())
        .build();
    source.go_down(Failure::unavailable("the plug was pulled"));
    assert_eq!(
        checked(&resolver).await,
        ["mine unavailable: the plug was pulled"]
    );
    source.come_back();
    assert_eq!(
        checked(&resolver).await,
        [
            "mine unavailable: not asked for another 1.0 s: it was unavailable 1 times in a row, \
             most recently because: the plug was pulled"
        ]
    );
    clock.pass(Duration::from_secs(1));
    assert_eq!(checked(&resolver).await, ["mine (memory) reachable"]);
}

/// Panics when it is checked.
#[derive(Debug)]
struct Broken;

#[async_trait]
impl SecretsBackend for Broken {
    fn name(&self) -> &'static str {
        "broken"
    }

    async fn check(&self, _: &LookupOptions) -> Result<CheckOutcome, Failure> {
        unimplemented!("as the test wants")
    }
}

#[tokio::test]
async fn a_backend_that_panics_is_unavailable_and_the_others_are_checked() {
    let resolver = Resolver::builder()
        .backend(Broken)
        .backend(MemoryBackend::new("mine"))
        .build();
    assert_eq!(
        checked(&resolver).await,
        [
            "broken unavailable: backend broken panicked; this is a defect of the backend",
            "mine (memory) reachable",
        ]
    );
}

#[tokio::test]
async fn past_the_time_limit_nothing_is_asked() {
    let resolver = Resolver::builder()
        .backend(MemoryBackend::new("mine"))
        .total_timeout(Duration::ZERO)
        .build();
    assert_eq!(
        checked(&resolver).await,
        ["mine unavailable: not asked: the lookup's time limit of 0 s had passed before"]
    );
}
