//! One room per source of secrets.

mod environment;
mod local_filesystem;
mod memory;
#[cfg(feature = "metastore")]
mod metastore;
#[cfg(feature = "vault")]
pub mod vault;

pub use environment::EnvironmentVariablesBackend;
pub use local_filesystem::{LocalFilesystemBackend, LocalFilesystemBuilder};
pub use memory::MemoryBackend;
#[cfg(feature = "metastore")]
pub use metastore::{MetastoreBackend, MetastoreBuilder};
