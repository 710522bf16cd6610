//! Authorities as companies have them, and servers that they vouch for: keys on P-521, signatures with
//! SHA-512, files as OpenSSL and Windows write them.

use std::{path::Path, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, SignatureAlgorithm,
};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};

/// An authority's file, and a server that it vouches for.
pub(crate) struct Odd {
    pub(crate) what: &'static str,
    pub(crate) file: Vec<u8>,
    pub(crate) server: ServerConfig,
}

/// One of each kind, for these hosts.
pub(crate) fn all(hosts: &[&str]) -> Vec<Odd> {
    let usual = || BasicConstraints::Unconstrained;
    let p521 = &PKCS_ECDSA_P521_SHA512;
    let p384 = &PKCS_ECDSA_P384_SHA384;
    let renamed = |name: &'static str| {
        move |pem: String| {
            pem.replace(" CERTIFICATE-----", &format!(" {name}-----"))
                .into_bytes()
        }
    };
    vec![
        odd(
            "P-521 throughout",
            IsCa::Ca(usual()),
            p521,
            p521,
            hosts,
            String::into_bytes,
        ),
        odd(
            "a P-521 authority",
            IsCa::Ca(usual()),
            p521,
            p384,
            hosts,
            String::into_bytes,
        ),
        odd(
            "a P-521 server",
            IsCa::Ca(usual()),
            p384,
            p521,
            hosts,
            String::into_bytes,
        ),
        odd(
            "no BasicConstraints",
            IsCa::NoCa,
            p384,
            p384,
            hosts,
            String::into_bytes,
        ),
        odd(
            "a byte order mark",
            IsCa::Ca(usual()),
            p384,
            p384,
            hosts,
            |pem| ["\u{feff}", &pem].concat().into_bytes(),
        ),
        odd(
            "X509 CERTIFICATE",
            IsCa::Ca(usual()),
            p384,
            p384,
            hosts,
            renamed("X509 CERTIFICATE"),
        ),
        odd(
            "TRUSTED CERTIFICATE",
            IsCa::Ca(usual()),
            p384,
            p384,
            hosts,
            renamed("TRUSTED CERTIFICATE"),
        ),
        odd(
            "a text before it",
            IsCa::Ca(usual()),
            p384,
            p384,
            hosts,
            |pem| format!("subject=/CN=größe\r\n{}", pem.replace('\n', "\r\n")).into_bytes(),
        ),
    ]
}

fn odd(
    what: &'static str,
    is_ca: IsCa,
    authoritys: &'static SignatureAlgorithm,
    servers: &'static SignatureAlgorithm,
    hosts: &[&str],
    file: impl Fn(String) -> Vec<u8>,
) -> Odd {
    let mut params = CertificateParams::default();
    params.is_ca = is_ca;
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.distinguished_name.push(DnType::CommonName, what);
    let key = KeyPair::generate_for(authoritys).unwrap();
    let authority = CertifiedIssuer::self_signed(params, key).unwrap();

    let hosts = hosts.iter().map(|host| (*host).to_owned());
    let mut params = CertificateParams::new(hosts.collect::<Vec<_>>()).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let key = KeyPair::generate_for(servers).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    Odd {
        what,
        file: file(authority.pem()),
        server,
    }
}

/// Files of authorities that cannot be used, and what an error says of them besides their names.
pub(crate) fn broken(folder: &Path) -> Vec<(std::path::PathBuf, &'static str)> {
    let whole = all(&["localhost"]).swap_remove(3).file;
    let whole = String::from_utf8(whole).unwrap();
    let cut_off = "it contains a certificate that is cut off or is not base64";
    [
        (
            "cut-off.pem",
            whole.replace("-----END CERTIFICATE-----", ""),
            cut_off,
        ),
        (
            "second.pem",
            format!("{whole}{}", whole.replace("\nMII", "\n?II")),
            cut_off,
        ),
        (
            "content.pem",
            "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n".to_owned(),
            "it contains no certificate that can be read: all are broken",
        ),
        ("empty.pem", String::new(), "it contains no PEM certificate"),
    ]
    .map(|(name, text, why)| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        (path, why)
    })
    .into()
}
