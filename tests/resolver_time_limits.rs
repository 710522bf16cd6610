//! Where the sources run on Tokio, a lookup ends at its time limit, whatever a source does. The clock
//! is Tokio's, paused: it jumps to the next timer.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/gated.rs"]
mod gated;

use std::{future::pending, sync::Arc, time::Duration};

use airflow_secrets::{
    Failure, Lookup, Resolver, ResolverBuilder, Secret, SecretsBackend,
    backend::{LookupOptions, MAX_CONCURRENT_LOOKUPS, async_trait},
    backends::memory::MemoryBackend,
    report::Report,
};
use gated::Gated;
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);

/// A source that never answers by itself, and one that would.
fn chain() -> (Arc<Gated>, Arc<MemoryBackend>, ResolverBuilder) {
    let silent = MemoryBackend::new("silent").with_variable("colour", "blue");
    let silent = Arc::new(Gated::closed(silent));
    let next = MemoryBackend::new("next").with_variable("colour", "red");
    let next = Arc::new(next);
    let builder = Resolver::builder()
        .backend(Arc::clone(&silent))
        .backend(Arc::clone(&next));
    (silent, next, builder)
}

fn text(report: Option<&Report>) -> String {
    report.unwrap().to_string()
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_silent_is_unavailable_at_the_limit_and_the_next_is_not_asked() {
    let (_, next, builder) = chain();
    let resolver = builder.build();
    for (limit, resolver) in [(30, resolver.clone()), (2, resolver.within(2 * SECOND))] {
        let started = Instant::now();
        let error = resolver.get_variable("colour").await.unwrap_err();
        let late = started.elapsed().checked_sub(limit * SECOND).unwrap();
        assert!(late < Duration::from_millis(100), "{late:?}");
        assert_eq!(
            text(error.report()),
            format!(
                "silent unavailable: no answer before the lookup's time limit of {limit} s passed; \
                 next unavailable: not asked: the lookup's time limit of {limit} s had passed before"
            )
        );
    }
    assert_eq!(next.lookups(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_joins_late_has_the_whole_of_the_time() {
    let (silent, _, builder) = chain();
    let resolver = builder.build().within(3 * SECOND);
    let first = {
        let resolver = resolver.clone();
        tokio::spawn(async move { resolver.get_variable("colour").await })
    };
    sleep(2 * SECOND).await;
    let opens = async {
        sleep(2 * SECOND).await;
        silent.open();
    };
    let (second, ()) = tokio::join!(resolver.get_variable("colour"), opens);
    assert_eq!(
        first.await.unwrap().unwrap_err().kind().as_str(),
        "unavailable"
    );
    assert_eq!(second.unwrap().expose(), "blue");
    assert_eq!(silent.held.lookups(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_caller_in_a_hurry_takes_nothing_from_the_others() {
    let (silent, _, builder) = chain();
    let resolver = builder.build();
    let hasty = resolver.within(SECOND);
    let opens = async {
        sleep(5 * SECOND).await;
        silent.open();
    };
    let (patient, hasty, ()) = tokio::join!(
        resolver.get_variable("colour"),
        hasty.get_variable("colour"),
        opens
    );
    assert_eq!(patient.unwrap().expose(), "blue");
    assert_eq!(hasty.unwrap_err().kind().as_str(), "unavailable");
}

#[tokio::test(start_paused = true)]
async fn no_id_of_a_batch_is_asked_past_the_limit() {
    let (silent, _, builder) = chain();
    let resolver = builder.build().within(3 * SECOND);
    let ids: Vec<String> = (0..40).map(|index| format!("id-{index}")).collect();
    let started = Instant::now();
    let answers = resolver.get_variables(&ids).await;
    let late = started.elapsed().checked_sub(3 * SECOND).unwrap();
    assert!(late < Duration::from_millis(100), "{late:?}");
    let answers = answers.into_iter().map(Result::unwrap_err);
    let kinds: Vec<_> = answers.map(|error| error.kind().as_str()).collect();
    assert_eq!(kinds, ["unavailable"; 40]);
    assert_eq!(silent.held.lookups(), MAX_CONCURRENT_LOOKUPS);
}

/// Answers for every key at once but for one, for which it never does.
#[derive(Debug)]
struct SilentForOne(MemoryBackend);

#[async_trait]
impl SecretsBackend for SilentForOne {
    fn name(&self) -> &str {
        self.0.name()
    }

    async fn get_variable(
        &self,
        key: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        if key == "silent" {
            pending::<()>().await;
        }
        self.0.get_variable(key, options).await
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_batch_what_came_in_time_is_kept() {
    let held = MemoryBackend::new("mine")
        .with_variable("colour", "blue")
        .with_variable("shape", "round");
    let resolver = Resolver::builder().backend(SilentForOne(held)).build();
    let answers = resolver.get_variables(["colour", "silent", "shape"]).await;
    let [colour, silent, shape] = answers.try_into().unwrap();
    assert_eq!(colour.unwrap().expose(), "blue");
    assert_eq!(shape.unwrap().expose(), "round");
    assert_eq!(
        text(silent.unwrap_err().report()),
        "mine unavailable: no answer before the lookup's deadline passed"
    );
}
