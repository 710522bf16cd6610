//! One room per source of secrets.

#[cfg(feature = "metastore")]
mod metastore;

#[cfg(feature = "metastore")]
pub use metastore::{MetastoreBackend, MetastoreBuilder};
