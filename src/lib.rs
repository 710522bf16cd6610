//! The connections, variables and configuration secrets that Apache Airflow would give in the
//! same environment, from the same places, in the same order.

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
