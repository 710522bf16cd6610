//! One room per source of secrets.

#[cfg(feature = "azure")]
pub mod azure;
mod environment;
mod local_filesystem;
mod memory;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod metastore;
#[cfg(feature = "vault")]
pub mod vault;

pub use environment::EnvironmentVariablesBackend;
pub use local_filesystem::{LocalFilesystemBackend, LocalFilesystemBuilder};
pub use memory::MemoryBackend;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
pub use metastore::{MetastoreBackend, MetastoreBuilder};
