//! The connections, variables and configuration secrets that Apache Airflow would give in the
//! same environment, from the same places, in the same order.
//!
//! # For programs that need a secret
//!
//! [`Resolver::from_env`] does what Airflow's server side does with the same environment,
//! [`Resolver::for_worker`] what an Airflow 3 task does. Both read Airflow's own settings.
//!
//! ```
//! use airflow_secrets::{Environment, ErrorKind, Resolver};
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let environment = Environment::from_iter([
//!     ("AIRFLOW_HOME", "/nowhere"),
//!     ("AIRFLOW_CONN_PG", "postgres://app:s3cret@db:5432/orders?sslmode=require"),
//! ]);
//! // In a program of yours: `Resolver::from_env().await?`.
//! let resolver = Resolver::from_environment(environment).build().await?;
//!
//! let pg = resolver.get_connection("pg").await?;
//! assert_eq!((pg.host(), pg.port()), (Some("db"), Some(5432)));
//! assert_eq!(pg.password().map(|secret| secret.expose()), Some("s3cret"));
//! assert_eq!(pg.source().to_string(), "environment_variables: AIRFLOW_CONN_PG");
//!
//! let error = resolver.get_variable("colour").await.unwrap_err();
//! assert_eq!(error.kind(), ErrorKind::NotFound);
//! # Ok::<(), airflow_secrets::Error>(())
//! # }).unwrap();
//! ```
//!
//! - The sources are asked in order, and the first that defines it answers; [`Resolver`] has the
//!   rules as a table. Every answer is a [`Resolved`]: it knows its [`source`](Resolved::source)
//!   and the [`report`](Resolved::report) of what each source did.
//! - An [`Error`] says what was asked, of whom, and what each source did. [`ErrorKind::NotFound`]
//!   means that every source looked; [`Resolver::find_variable`] turns it into `None`.
//! - A [`Secret`] prints as `***` and is wiped when it is dropped; [`Secret::json`] reads it.
//! - A lookup takes at most 30 s, or as long as [`Resolver::within`] says. Callers who ask the same at
//!   the same time share one search.
//! - For outages: [`ResolverBuilder::breakers`] asks a source that is down less often. With the feature
//!   `cache`, answers are kept, and their last ones given on while the source is down.
//! - [`Resolver::check`] asks whether the sources can be reached. [`observer`] has what a resolver tells
//!   of its work: to `tracing`, to `metrics`, and to an observer of yours.
//! - Many ids at once ([`Resolver::get_connections`]) are as few requests as each source can do. With the
//!   feature `cache`, `Resolver::prefetch` asks for them ahead.
//! - For rotation: `Resolver::watch_connection` gives a value and each change of it, and
//!   [`Resolved::refused`] asks once more for a value that turned out to be wrong.
//! - A program without an async runtime uses `blocking::Resolver`, feature `blocking`.
//! - From a connection to a client, with the feature `clients`: `pg.postgres()?.libpq()?` is what `psql` reads,
//!   with the parameters that Airflow's own hook would give its driver; `lake.aws_s3()?`, `api.http()?` and others,
//!   with forms for `tokio-postgres`, `sqlx`, `object_store`, `reqwest` and `redis`.
//! - Connections by themselves, without any source: [`Connection::from_uri`],
//!   [`Connection::from_json`], [`Connection::builder`], [`Connection::get_uri`], in both of
//!   Airflow's [`Dialect`]s.
//!
//! # For those who write a backend
//!
//! - Implement [`SecretsBackend`]: its name, and what it offers of connections, variables and
//!   configuration entries. [`backend`] has all that goes in and out.
//! - Say *missing* ([`Lookup::missing`]) only for what you looked for and did not find. What you
//!   could not find out is a [`Failure`].
//! - Add it to a [`ResolverBuilder`], or register it under the class path that Airflow's settings
//!   name it by ([`FromEnvironment::register`]); [`settings`] has its keyword arguments.
//! - Run the conformance suite on it: [`testing`](https://docs.rs/airflow-secrets/latest/airflow_secrets/testing/),
//!   feature `test-util`. The example `own_backend` shows all of this in 80 lines.
//!
//! [`backends`] has those that come with the crate, a module each.
//!
//! # For those who run the examples
//!
//! `cargo run --example quickstart --features sqlite` shows everything at once; `--example resolve`
//! says what an id resolves to in your environment, and why; `--example doctor` what is wrong there, and
//! what to do; `--example codec` turns connection URIs, JSON and fields into each other; `native_task`
//! is a task that an Airflow 3 worker runs.
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | *(none)* | the codec, the trait, the resolver, settings, environment variables, local files, mounted secrets, memory: no TLS, no HTTP, no async runtime |
//! | `sqlite` | the metadata DB on SQLite |
//! | `postgres` | the metadata DB on PostgreSQL, also behind PgBouncer (TLS, Tokio) |
//! | `mysql` | the metadata DB on MySQL or MariaDB (TLS, Tokio) |
//! | `vault` | HashiCorp Vault and OpenBao; the logins `aws_iam`, `azure` and `gcp` each need a feature of that cloud besides (TLS, Tokio) |
//! | `aws-secrets-manager` | AWS Secrets Manager (TLS, Tokio) |
//! | `aws-parameter-store` | AWS Systems Manager Parameter Store (TLS, Tokio) |
//! | `gcp` | Google Cloud Secret Manager (TLS, Tokio) |
//! | `azure` | Azure Key Vault (TLS, Tokio) |
//! | `execution-api` | Airflow's Execution API, for programs that have a task's token (TLS, Tokio) |
//! | `supervisor` | the supervisor of a task that is a native program (Tokio) |
//! | `kubernetes` | Kubernetes Secrets (TLS, Tokio) |
//! | `astro` | Astro's Environment Manager (TLS, Tokio) |
//! | `cache` | answers are kept in front of the sources: `CacheOptions`, and Airflow's `[secrets] use_cache` |
//! | `clients` | from a connection to what a driver reads, with the parameters that Airflow's hook would give its driver: `clients` |
//! | `blocking` | `blocking::Resolver`, for programs without an async runtime (Tokio) |
//! | `metrics` | what a resolver does, counted and measured through the `metrics` facade: [`observer`] |
//! | `serde` | `Serialize` for what holds no secret: reports, errors, warnings, a redacted connection |
//! | `test-util` | the conformance suite for backends, in `testing`; not in `full` |
//! | `full` | all of the above but `test-util` |
//! | `aws-lc-rs` (default) | TLS with aws-lc-rs, for those features that need TLS |
//! | `ring` | TLS with ring, for those features that need TLS |
//!
//! # TLS
//!
//! All TLS is rustls. One crypto provider serves every backend: the process's default provider, if
//! the program has installed one; else aws-lc-rs, if the feature `aws-lc-rs` is on; else ring. This
//! crate never installs a default provider. A program on ring sets `default-features = false` and
//! adds the feature `ring`; its build then has no other provider.
//!
//! # Differences from Airflow
//!
//! The reference is Apache Airflow 3.3.2. Where this crate differs, it differs on purpose and is
//! safer; `docs/differences.md` lists each difference with the reason.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod backend;
pub mod backends;
mod background;
#[cfg(feature = "blocking")]
pub mod blocking;
#[cfg(feature = "clients")]
pub mod clients;
mod clock;
mod config;
mod connection;
mod error;
pub mod export;
mod files;
pub mod observer;
mod process_group;
mod python;
pub mod report;
mod resolver;
mod secret;
#[cfg(feature = "serde")]
mod serialize;
#[cfg(feature = "test-util")]
pub mod testing;

/// Airflow's settings, and the backends that they name.
pub mod settings {
    pub use crate::{
        backends::registry::{BackendSetup, Registry},
        config::{BackendSpec, Kwargs, RawSetting, Setting, Settings, Side, Warning},
    };
}

pub use self::{
    backend::{Failure, Lookup, SecretsBackend},
    config::Environment,
    connection::{
        Connection, ConnectionBuilder, ConnectionError, Dialect, Fields, RedactedConnection,
    },
    error::{ConfigurationError, Error, ErrorKind},
    resolver::{FromEnvironment, Refused, Resolved, Resolver, ResolverBuilder},
    secret::{JsonError, REDACTED, Secret},
};

#[cfg(feature = "cache")]
pub use self::resolver::CacheOptions;
#[cfg(feature = "_tokio")]
pub use self::resolver::Watch;

/// The code in the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
