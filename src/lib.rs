//! The connections, variables and configuration secrets that Apache Airflow would give in the
//! same environment, from the same places, in the same order.
//!
//! # For programs that need a secret
//!
//! [`Resolver::from_env`] does what Airflow's server side does with the same environment,
//! [`Resolver::for_worker`] what an Airflow 3 task does. Both read Airflow's own settings.
//!
//! ```
//! use airflow_secrets::{Environment, Resolver};
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
//! assert_eq!(error.as_str(), "not_found");
//! # Ok::<(), airflow_secrets::Error>(())
//! # }).unwrap();
//! ```
//!
//! - The sources are asked in order and the first that has it answers; the rules are a table in
//!   [`Resolver`]'s documentation. Every answer is a [`Resolved`], which knows its
//!   [`source`](Resolved::source) and the [`report`](Resolved::report) of what each source did.
//! - An [`Error`] says what was asked, of whom, and what each did. [`Error::NotFound`] means that
//!   every source looked.
//! - A [`Secret`] prints as `***` and is wiped when dropped.
//! - Many ids at once ([`Resolver::get_connections`]) are as few requests as each source can do.
//! - Connections by themselves, without any source: [`Connection::from_uri`],
//!   [`Connection::from_json`], [`Connection::get_uri`], in both of Airflow's [`Dialect`]s.
//!
//! # For those who write a backend
//!
//! Implement [`SecretsBackend`] (three methods), and either add it to a [`ResolverBuilder`] or
//! register it under the class path that Airflow's settings name it by, with
//! [`FromEnvironment::register`]. Give [`Lookup::Missing`] only for what you looked for and did not
//! find; what you could not find out is a [`Failure`]. [`backends`] has those that come with the
//! crate.
//!
//! # For those who run the examples
//!
//! `cargo run --example quickstart --features sqlite` shows the whole way; `--example resolve`
//! says what an id resolves to in your environment, and why; `--example codec` turns connection
//! URIs, JSON and fields into each other.
//!
//! # Features
//!
//! | feature | brings |
//! |---|---|
//! | *(none)* | the codec, the trait, the resolver, settings, environment variables, local files, memory: no TLS, no HTTP, no async runtime |
//! | `sqlite` | the metadata DB on SQLite |
//! | `postgres` | the metadata DB on PostgreSQL, behind PgBouncer as well (rustls, Tokio) |
//! | `mysql` | the metadata DB on MySQL or MariaDB (rustls, Tokio) |
//! | `vault` | HashiCorp Vault and OpenBao (rustls, Tokio) |
//! | `aws-secrets-manager` | AWS Secrets Manager (rustls, Tokio) |
//! | `aws-parameter-store` | AWS Systems Manager's Parameter Store (rustls, Tokio) |
//! | `gcp` | Google Cloud Secret Manager (rustls, Tokio) |
//! | `azure` | Azure Key Vault (rustls, Tokio) |
//! | `full` | all of them |
//!
//! # Differences from Airflow
//!
//! The reference is Apache Airflow 3.3.2. Where this crate differs it is on purpose and safer, and
//! `docs/differences.md` says so.

mod backend;
pub mod backends;
mod config;
mod connection;
mod error;
mod resolver;
mod secret;

pub use backend::{
    Failure, FailureKind, Lookup, MAX_CONCURRENT_LOOKUPS, SecretsBackend, SkipReason,
};
pub use config::{
    BackendFactory, BackendSetup, BackendSpec, Environment, Given, GivenKwarg, Kwargs, Registry,
    Setting, Settings, Side, Warning,
};
pub use connection::{Connection, ConnectionError, Dialect, Fields};
pub use error::{ConfigurationError, Error};
pub use resolver::{
    Asked, Attempt, AttemptOutcome, FromEnvironment, Report, Resolved, Resolver, ResolverBuilder,
    Source,
};
pub use secret::{REDACTED, Secret};

/// The code in the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
