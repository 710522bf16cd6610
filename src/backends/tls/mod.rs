//! TLS for every backend: the crypto provider, the trusted authorities, the client certificate.

#[cfg(feature = "_https")]
mod https;
#[cfg(feature = "_https")]
mod identity;
#[cfg(feature = "execution-api")]
mod itself;
#[cfg(any(feature = "_aws", feature = "azure", feature = "gcp"))]
pub(super) mod jwt;
#[cfg(feature = "_machine-trust")]
pub(super) mod machine;
pub(super) mod pem;
pub(super) mod places;
mod provider;
#[cfg(feature = "_https")]
pub(super) mod roots;
mod verifier;

#[cfg(feature = "_https")]
#[allow(
    unused_imports,
    reason = "who asks without TLS depends on the features"
)]
pub(super) use self::https::{Tls, no_tls};
pub(super) use self::{
    provider::provider,
    verifier::{Look, Shown, Verifier},
};
