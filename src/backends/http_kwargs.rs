//! The keyword arguments about TLS and proxies, as Python's HTTP clients take them.

use std::path::PathBuf;

use serde_json::Value;

use crate::{
    ConfigurationError, Secret,
    backends::http_options::{ClientCertificate, ProxyMap, Roots},
    config::Setting,
};

impl Setting<Value> {
    /// The authorities to trust: `verify` of `requests`.
    pub(crate) fn roots(self) -> Result<Setting<Roots>, ConfigurationError> {
        let expected = "must be true, false, or the path of a CA file or folder";
        self.read(expected, |value| match value {
            Value::Bool(true) => Some(Roots::Mozilla),
            Value::Bool(false) => Some(Roots::Unchecked),
            Value::String(path) if !path.is_empty() => Some(Roots::At(path.into())),
            _ => None,
        })
    }

    /// A client certificate: `cert` of `requests`.
    #[cfg_attr(
        not(any(feature = "vault", feature = "_aws")),
        allow(dead_code, reason = "Azure's client has no such argument")
    )]
    pub(crate) fn client_certificate(
        self,
    ) -> Result<Setting<ClientCertificate>, ConfigurationError> {
        let expected = "must be the path of a PEM file with certificate and key, or a list of two paths: certificate, key";
        self.read(expected, |value| {
            let path = |value: &Value| value.as_str().map(PathBuf::from);
            let (certificate, key) = match &value {
                Value::Array(files) => match files.as_slice() {
                    [certificate, key] => (path(certificate)?, Some(path(key)?)),
                    _ => return None,
                },
                file => (path(file)?, None),
            };
            Some(ClientCertificate::Files { certificate, key })
        })
    }

    /// Proxies by scheme; `null` means no proxy for that scheme.
    #[cfg_attr(
        not(any(feature = "vault", feature = "_aws")),
        allow(dead_code, reason = "Azure's client has no such argument")
    )]
    pub(crate) fn proxies(self) -> Result<Setting<ProxyMap>, ConfigurationError> {
        let expected = "must be an object from a scheme to a proxy's URL";
        self.read(expected, |value| {
            let proxies = value.as_object()?.iter().map(|(scheme, url)| match url {
                Value::Null => Some((scheme.clone(), Secret::default())),
                url => Some((scheme.clone(), url.as_str()?.into())),
            });
            proxies.collect()
        })
    }
}
