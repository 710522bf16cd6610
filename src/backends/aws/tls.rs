//! Whom TLS trusts, and the certificate we show.

use std::path::PathBuf;

use rustls::{
    ClientConfig,
    pki_types::{PrivateKeyDer, pem::PemObject},
};
use tokio::fs;

use crate::{
    Failure,
    backends::{
        given::Given,
        http_client::tls::{self, Identity},
        roots,
    },
};

/// Whom we trust.
#[derive(Debug, Clone)]
pub(super) enum Trust {
    /// The authorities that Mozilla trusts: those of Python's `certifi`, which Airflow uses.
    Mozilla,
    /// Those in this PEM file alone.
    Bundle(Given<PathBuf>),
    /// Anybody: the certificate is not checked.
    Unchecked,
}

/// Whom a proxy with TLS must be known to, and what we show it.
#[derive(Debug, Clone, Default)]
pub(super) struct ProxyTls {
    /// A PEM file; without one it is as with the server.
    pub(super) ca_bundle: Option<Given<PathBuf>>,
    pub(super) client_certificate: Option<Given<ClientCertificate>>,
}

/// The files of a client certificate, in PEM.
#[derive(Debug, Clone)]
pub(super) struct ClientCertificate {
    /// The option of `config_kwargs` that names them.
    pub(super) option: &'static str,
    pub(super) certificate: PathBuf,
    /// Where the key is not in the same file.
    pub(super) key: Option<PathBuf>,
}

/// What TLS is made from, read from the files.
///
/// # Errors
/// When a file cannot be read or used.
pub(super) async fn config(
    trust: &Trust,
    certificate: Option<&Given<ClientCertificate>>,
) -> Result<ClientConfig, Failure> {
    let authorities = match trust {
        Trust::Unchecked => None,
        Trust::Mozilla => Some(roots::mozilla()),
        Trust::Bundle(given) => {
            let found = roots::certificates(&given.value).await;
            let file = given.value.display();
            Some(found.map_err(|why| {
                given.failure(&format!("the CA bundle {file} cannot be used: {why}"))
            })?)
        }
    };
    let Some(given) = certificate else {
        return tls::config(authorities, None)
            .map_err(|_| crate::Failure::configuration("TLS cannot be set up"));
    };
    let option = given.value.option;
    let unusable = |why: &str| given.failure(&format!("{option:?} cannot be used: {why}"));
    let identity = identity(&given.value).await.map_err(|why| unusable(&why))?;
    tls::config(authorities, Some(identity))
        .map_err(|_| unusable("the certificate and the key do not belong together"))
}

async fn identity(files: &ClientCertificate) -> Result<Identity, String> {
    let read = async |path: &PathBuf| {
        let read = fs::read(path).await;
        read.map_err(|error| format!("{}: {error}", path.display()))
    };
    let certificate = read(&files.certificate).await?;
    let with_key = files.key.as_ref().unwrap_or(&files.certificate);
    let key = PrivateKeyDer::from_pem_slice(&read(with_key).await?);
    Ok(Identity {
        chain: roots::in_pem(&certificate).collect(),
        key: key.map_err(|_| format!("{} holds no PEM key", with_key.display()))?,
    })
}
