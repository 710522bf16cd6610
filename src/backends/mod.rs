//! One room per source of secrets.

mod environment;
mod local_filesystem;
mod memory;

pub use environment::EnvironmentVariablesBackend;
pub use local_filesystem::{LocalFilesystemBackend, LocalFilesystemBuilder};
pub use memory::MemoryBackend;
