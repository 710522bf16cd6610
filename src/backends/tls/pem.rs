//! Certificates in PEM, as OpenSSL reads them: with a byte order mark before them, and under OpenSSL's
//! older names.

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem, pem::PemObject},
};
use secrecy::zeroize::Zeroizing;

/// What OpenSSL calls a certificate besides `CERTIFICATE`.
const OTHER_NAMES: [&str; 2] = ["TRUSTED CERTIFICATE", "X509 CERTIFICATE"];

/// The certificates in `text`. Anything else in it is ignored.
///
/// # Errors
/// When a certificate is cut off, or is not base64.
pub(crate) fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, pem::Error> {
    // It may hold a private key too.
    let mut text = Zeroizing::new(String::from_utf8_lossy(text).into_owned());
    for name in OTHER_NAMES {
        for edge in ["BEGIN", "END"] {
            let line = format!("-----{edge} {name}-----");
            if text.contains(&line) {
                *text = text.replace(&line, &format!("-----{edge} CERTIFICATE-----"));
            }
        }
    }
    let text = text.trim_start_matches('\u{feff}').as_bytes();
    CertificateDer::pem_slice_iter(text)
        .map(|certificate| certificate.map(|certificate| without_trust(&certificate)))
        .collect()
}

/// The certificates in a PEM text that can be trusted. One whose content cannot be read is left out,
/// unless there is no other: bundles of operating systems have some that rustls does not read.
///
/// # Errors
/// What is wrong with the text, which is the subject of the sentence.
pub(crate) fn authorities(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let mut found = at_least_one(text)?;
    found.retain(|certificate| RootCertStore::empty().add(certificate.clone()).is_ok());
    if found.is_empty() {
        return Err("contains no certificate that can be read: all are broken");
    }
    Ok(found)
}

/// [`certificates`], of which there must be one.
///
/// # Errors
/// What is wrong with the text, which is the subject of the sentence.
pub(crate) fn at_least_one(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let found = certificates(text)
        .map_err(|_| "contains a certificate that is cut off or is not base64")?;
    if found.is_empty() {
        return Err("contains no PEM certificate");
    }
    Ok(found)
}

/// The certificate alone: in a `TRUSTED CERTIFICATE` OpenSSL's settings of trust follow it.
fn without_trust(der: &[u8]) -> CertificateDer<'static> {
    der.get(..length(der).unwrap_or(der.len()))
        .unwrap_or(der)
        .to_vec()
        .into()
}

/// The length of the first value in `der`, its own header included.
fn length(der: &[u8]) -> Option<usize> {
    let (_, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (header, length) = match first.checked_sub(0x80) {
        None => (2, usize::from(*first)),
        Some(bytes) => {
            let bytes = rest.get(..usize::from(bytes).min(4))?;
            let length = bytes
                .iter()
                .fold(0, |length, byte| (length << 8) | usize::from(*byte));
            (2 + bytes.len(), length)
        }
    };
    header.checked_add(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sequence of two bytes, and one of 300.
    fn values() -> [Vec<u8>; 2] {
        let long = [&[0x30, 0x82, 1, 44][..], &[7; 300]].concat();
        [vec![0x30, 2, 5, 0], long]
    }

    fn pem(name: &str, der: &[u8]) -> String {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let base64 = STANDARD.encode(der);
        format!("-----BEGIN {name}-----\n{base64}\n-----END {name}-----\n")
    }

    #[test]
    fn a_certificate_is_read_under_each_of_its_names() {
        for value in values() {
            for name in ["CERTIFICATE", "TRUSTED CERTIFICATE", "X509 CERTIFICATE"] {
                let with_trust = [&value[..], &[0x30, 0]].concat();
                for der in [&value, &with_trust] {
                    let text = pem(name, der);
                    for text in [
                        text.clone(),
                        format!("\u{feff}{text}"),
                        text.replace('\n', "\r\n"),
                    ] {
                        let found = certificates(text.as_bytes()).unwrap();
                        assert_eq!(found, [CertificateDer::from(value.clone())], "{name}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_broken_certificate_is_an_error_and_other_text_is_not() {
        let whole = pem("CERTIFICATE", &[0x30, 0]);
        let other = format!("a comment\n{}", pem("PRIVATE KEY", b"secret"));
        let text = format!("{other}{whole}{other}{whole}");
        assert_eq!(certificates(text.as_bytes()).unwrap().len(), 2);
        assert_eq!(certificates(other.as_bytes()).unwrap().len(), 0);
        for broken in [
            whole.replace("MAA=", "M?A="),
            whole.replace("-----END CERTIFICATE-----", ""),
        ] {
            let text = format!("{whole}{broken}");
            assert!(certificates(text.as_bytes()).is_err(), "{broken}");
        }
    }

    #[test]
    fn any_bytes_have_a_length_or_none() {
        for der in [
            &[][..],
            &[0x30],
            &[0x30, 0xff],
            &[0x30, 0x84, 255, 255, 255, 255],
            &[0x30, 5, 1],
        ] {
            assert_eq!(without_trust(der).as_ref(), der);
        }
    }
}
