//! Many ids at once: each source is asked once, for what is still open, and the answers come in the
//! order asked.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::{Arc, Mutex};

use airflow_secrets::{
    Error, Failure, Lookup, Resolved, Resolver, Secret, SecretsBackend, backend::LookupOptions,
    backends::memory::MemoryBackend,
};

/// Writes down which keys it is asked for at once, and has those that start with its letter.
#[derive(Debug)]
struct Batching {
    has: char,
    asked: Arc<Mutex<Vec<Vec<String>>>>,
}

#[async_trait::async_trait]
impl SecretsBackend for Batching {
    fn name(&self) -> &'static str {
        "batching"
    }

    async fn get_conn_value(&self, _: &str, _: &LookupOptions) -> Result<Lookup<Secret>, Failure> {
        Err(Failure::unavailable("asked for one"))
    }

    async fn get_variable(&self, _: &str, _: &LookupOptions) -> Result<Lookup<Secret>, Failure> {
        Err(Failure::unavailable("asked for one"))
    }

    async fn get_variables(
        &self,
        keys: &[&str],
        _: &LookupOptions,
    ) -> Vec<Result<Lookup<Secret>, Failure>> {
        let asked = keys.iter().map(|&key| key.to_owned()).collect();
        self.asked.lock().unwrap().push(asked);
        keys.iter()
            .map(|&key| {
                Ok(if key.starts_with(self.has) {
                    Lookup::found(Secret::from(key), key)
                } else {
                    Lookup::missing(key)
                })
            })
            .collect()
    }
}

/// The values, or in their place what went wrong.
fn values(answers: &[Result<Resolved<Secret>, Error>]) -> Vec<&str> {
    answers
        .iter()
        .map(|answer| match answer {
            Ok(value) => value.expose(),
            Err(error) => error.kind().as_str(),
        })
        .collect()
}

#[tokio::test]
async fn each_source_is_asked_once_for_what_is_still_open() {
    let first = Arc::default();
    let second = Arc::default();
    let backend = |has, asked: &Arc<_>| Batching {
        has,
        asked: Arc::clone(asked),
    };
    let resolver = Resolver::builder()
        .backend(backend('a', &first))
        .backend(backend('b', &second))
        .build();
    let answers = resolver
        .get_variables(&["b1", "a1", "c1", "", "a1", "b2"])
        .await;
    assert_eq!(
        values(&answers),
        ["b1", "a1", "not_found", "invalid_id", "a1", "b2"]
    );
    assert_eq!(*first.lock().unwrap(), [["b1", "a1", "c1", "b2"]]);
    assert_eq!(*second.lock().unwrap(), [["b1", "c1", "b2"]]);
}

#[tokio::test]
async fn nobody_is_asked_once_all_is_answered() {
    let asked = Arc::default();
    let resolver = Resolver::builder()
        .backend(
            MemoryBackend::new("memory")
                .with_variable("a", "1")
                .with_variable("b", "2"),
        )
        .backend(Batching {
            has: 'x',
            asked: Arc::clone(&asked),
        })
        .build();
    let answers = resolver.get_variables(&["b", "a"]).await;
    assert_eq!(values(&answers), ["2", "1"]);
    assert_eq!(resolver.get_variables([""; 0]).await.len(), 0);
    assert_eq!(*asked.lock().unwrap(), Vec::<Vec<String>>::new());
}

#[tokio::test]
async fn many_connections_are_what_each_would_be_alone() {
    let resolver = Resolver::builder()
        .backend(
            MemoryBackend::new("memory")
                .with_conn_value("pg", "postgres://db")
                .with_conn_value("broken", "postgres://db:port"),
        )
        .build();
    let ids = ["pg", "broken", "absent"];
    let together = resolver.get_connections(&ids).await;
    assert_eq!(together.len(), ids.len());
    for (id, together) in ids.iter().zip(together) {
        match (resolver.get_connection(id).await, together) {
            (Ok(alone), Ok(together)) => assert_eq!(*alone, *together),
            (Err(alone), Err(together)) => assert_eq!(alone.to_string(), together.to_string()),
            (alone, together) => panic!("{id}: {alone:?} alone, {together:?} together"),
        }
    }
}

#[tokio::test]
async fn a_backend_that_gives_too_few_results_is_a_failure_not_a_wrong_answer() {
    #[derive(Debug)]
    struct Forgetful;

    #[async_trait::async_trait]
    impl SecretsBackend for Forgetful {
        fn name(&self) -> &'static str {
            "forgetful"
        }
        async fn get_conn_value(
            &self,
            id: &str,
            _: &LookupOptions,
        ) -> Result<Lookup<Secret>, Failure> {
            Ok(Lookup::missing(id))
        }
        async fn get_variable(
            &self,
            key: &str,
            _: &LookupOptions,
        ) -> Result<Lookup<Secret>, Failure> {
            Ok(Lookup::missing(key))
        }
        async fn get_variables(
            &self,
            keys: &[&str],
            _: &LookupOptions,
        ) -> Vec<Result<Lookup<Secret>, Failure>> {
            vec![Ok(Lookup::found(Secret::from("1"), keys[0]))]
        }
    }

    let resolver = Resolver::builder().backend(Forgetful).build();
    let answers = resolver.get_variables(&["a", "b"]).await;
    assert_eq!(values(&answers), ["1", "unavailable"]);
}
