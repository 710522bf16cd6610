//! One room per source of secrets.

#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod metastore;

#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
pub use metastore::{MetastoreBackend, MetastoreBuilder};
