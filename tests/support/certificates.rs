//! Certificates for servers of a test binary, and an authority that signed them.

use std::{fs, path::Path};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256,
    SignatureAlgorithm,
};

use crate::servers::give;

/// Writes into `folder`: `ca.pem`; `server.pem` and `server.key`, signed by it for the host
/// `localhost` alone; `other-ca.pem`, which signed nothing; `client.pem` and `client.key`, signed
/// for the user `user`.
#[allow(dead_code)]
pub(crate) fn write(folder: &Path, user: &str) {
    write_with(folder, user, &PKCS_ECDSA_P256_SHA256);
}

/// The same, with keys for `algorithm`.
pub(crate) fn write_with(folder: &Path, user: &str, algorithm: &'static SignatureAlgorithm) {
    let new_key = || KeyPair::generate_for(algorithm).unwrap();
    let authority = |name: &str| {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        CertifiedIssuer::self_signed(params, new_key()).unwrap()
    };
    let ca = authority("the authority");
    fs::write(folder.join("ca.pem"), ca.pem()).unwrap();
    fs::write(folder.join("other-ca.pem"), authority("another").pem()).unwrap();
    for (name, host, common_name) in [
        ("server", vec!["localhost".to_owned()], "localhost"),
        ("client", vec![], user),
    ] {
        let key = new_key();
        let mut params = CertificateParams::new(host).unwrap();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, common_name);
        let certificate = params.signed_by(&key, &ca).unwrap();
        fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
        let key_file = folder.join(format!("{name}.key"));
        fs::write(&key_file, key.serialize_pem()).unwrap();
        #[cfg(unix)]
        fs::set_permissions(
            &key_file,
            std::os::unix::fs::PermissionsExt::from_mode(0o600),
        )
        .unwrap();
        give(&key_file);
    }
}
