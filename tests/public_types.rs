//! What the public types promise the compiler: `Send`, `Sync`, trait objects, futures that move
//! between threads.

use std::sync::Arc;

use airflow_secrets::{
    ConfigurationError, Connection, ConnectionBuilder, ConnectionError, Dialect, Environment,
    Error, ErrorKind, Failure, Fields, FromEnvironment, JsonError, Lookup, RedactedConnection,
    Resolved, Resolver, ResolverBuilder, Secret, SecretsBackend,
    backend::{FailureKind, Freshness, LookupOptions, SkipReason},
    backends::memory::MemoryBackend,
    report::{Asked, Attempt, AttemptOutcome, Report, Source, Sources},
    settings::{BackendSetup, BackendSpec, Kwargs, Registry, Setting, Settings, Side, Warning},
};

fn is_send_and_sync<T: Send + Sync>() {}
fn is_an_error<T: std::error::Error + Send + Sync + 'static>() {}
fn is_a_backend<T: SecretsBackend>() {}
fn moves_between_threads<F: Future + Send>(_: F) {}

#[test]
fn public_types_are_send_and_sync() {
    is_send_and_sync::<(
        Connection,
        ConnectionBuilder,
        Dialect,
        Fields,
        RedactedConnection<'_>,
    )>();
    is_send_and_sync::<(Environment, ErrorKind, FromEnvironment, Secret)>();
    is_send_and_sync::<(
        Resolver,
        ResolverBuilder,
        Resolved<Connection>,
        Resolved<Secret>,
    )>();
    is_send_and_sync::<(
        Lookup<Connection>,
        FailureKind,
        Freshness,
        LookupOptions,
        SkipReason,
    )>();
    is_send_and_sync::<(Asked, Attempt, AttemptOutcome, Report, Source, Sources)>();
    is_send_and_sync::<(BackendSetup<'_>, BackendSpec, Kwargs, Registry, Setting)>();
    is_send_and_sync::<(Settings, Side, Warning)>();
    is_an_error::<Error>();
    is_an_error::<ConfigurationError>();
    is_an_error::<ConnectionError>();
    is_an_error::<Failure>();
    is_an_error::<JsonError>();
}

#[test]
fn a_backend_behind_a_pointer_is_a_backend() {
    is_a_backend::<Arc<MemoryBackend>>();
    is_a_backend::<Box<MemoryBackend>>();
    is_a_backend::<Arc<dyn SecretsBackend>>();
    is_a_backend::<Box<dyn SecretsBackend>>();
}

#[tokio::test]
async fn the_futures_of_a_resolver_move_between_threads() {
    let resolver = Resolver::builder().build();
    moves_between_threads(resolver.get_connection("pg"));
    moves_between_threads(resolver.get_variable("colour"));
    moves_between_threads(resolver.get_config("key"));
    moves_between_threads(resolver.find_connection("pg"));
    moves_between_threads(resolver.find_variable("colour"));
    moves_between_threads(resolver.find_config("key"));
    moves_between_threads(resolver.get_connections(["pg"]));
    moves_between_threads(resolver.get_variables(vec!["colour".to_owned()]));
    moves_between_threads(resolver.get_configs(&["key"]));
    moves_between_threads(Resolver::from_env());
    moves_between_threads(Resolver::for_worker());
    moves_between_threads(Resolver::from_environment(Environment::default()).build());
}
