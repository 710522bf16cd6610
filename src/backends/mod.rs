//! One room per source of secrets.

#[cfg(feature = "astro")]
pub mod astro;
pub(crate) mod astro_switch;
#[cfg(feature = "_aws")]
pub mod aws;
#[cfg(feature = "azure")]
pub mod azure;
#[cfg(feature = "_http")]
mod bounds;
pub mod breaker;
#[cfg(feature = "_network")]
mod causes;
mod class_paths;
#[cfg(any(feature = "_network", feature = "supervisor"))]
mod deadline;
pub mod directory;
pub mod environment;
#[cfg(feature = "execution-api")]
pub mod execution_api;
#[cfg(feature = "gcp")]
pub mod gcp;
#[cfg(feature = "_google")]
mod google;
#[cfg(feature = "_http")]
mod http_client;
#[cfg(any(feature = "vault", feature = "_aws", feature = "azure"))]
mod http_kwargs;
#[cfg(feature = "_network")]
mod http_options;
#[cfg(feature = "_network")]
mod keeper;
#[cfg(feature = "kubernetes")]
pub mod kubernetes;
pub mod local_filesystem;
#[cfg(any(feature = "_http", feature = "_metastore-server"))]
mod long_answers;
pub mod memory;
#[cfg(feature = "_metastore")]
pub mod metastore;
#[cfg(any(feature = "_aws", feature = "azure", feature = "gcp"))]
mod program;
#[cfg(feature = "_https")]
mod proxies;
pub(crate) mod registry;
#[cfg(feature = "_network")]
mod retry;
#[cfg(feature = "_tokio")]
mod runtime;
#[cfg(feature = "_sigv4")]
mod sigv4;
#[cfg(feature = "_network")]
mod slots;
#[cfg(feature = "_network")]
mod subscriber;
#[cfg(feature = "supervisor")]
pub mod supervisor;
#[cfg(feature = "_tls")]
mod tls;
#[cfg(feature = "vault")]
pub mod vault;

/// Whether a timer can be set here.
#[cfg(feature = "_tokio")]
pub(crate) fn runtime_has_timers() -> bool {
    runtime::check().is_ok()
}

#[cfg(feature = "_network")]
pub use self::{http_options::HttpOptions, retry::RetryOptions};
