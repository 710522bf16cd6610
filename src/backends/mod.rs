//! One room per source of secrets.

#[cfg(any(feature = "aws-secrets-manager", feature = "aws-parameter-store"))]
pub mod aws;
#[cfg(feature = "azure")]
pub mod azure;
mod environment;
#[cfg(feature = "gcp")]
pub mod gcp;
#[cfg(any(
    feature = "vault",
    feature = "_aws",
    feature = "gcp",
    feature = "azure"
))]
mod given;
#[cfg(feature = "_http")]
mod http_client;
mod local_filesystem;
mod memory;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod metastore;
#[cfg(any(feature = "vault", feature = "gcp"))]
mod retry;
#[cfg(any(feature = "vault", feature = "_http"))]
mod roots;
#[cfg(any(
    feature = "vault",
    feature = "_aws",
    feature = "gcp",
    feature = "azure"
))]
mod slots;
#[cfg(feature = "vault")]
pub mod vault;
#[cfg(any(feature = "_http", feature = "_metastore-server"))]
mod verifier;

pub use environment::EnvironmentVariablesBackend;
pub use local_filesystem::{LocalFilesystemBackend, LocalFilesystemBuilder};
pub use memory::MemoryBackend;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
pub use metastore::{MetastoreBackend, MetastoreBuilder};
