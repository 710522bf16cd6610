//! Keys in PEM, as far as their public half and their kind: base64, a little DER, and SSH's own forms.

use secrecy::zeroize::Zeroizing;

use crate::python::text;

/// A key that only its shape is known of.
pub(super) struct PublicKey {
    /// SSH's name of the type, such as `ssh-ed25519`.
    pub(super) kind: String,
    /// SSH's form of the public key.
    pub(super) blob: Vec<u8>,
}

/// Decodes base64. What is not of its alphabet is ignored, as `binascii` does; `None` where the padding
/// is not right.
pub(super) fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut out = Zeroizing::new(Vec::with_capacity(text.len() / 4 * 3 + 3));
    let (mut bits, mut count, mut padding) = (0_u32, 0_u32, 0_u32);
    for byte in text.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                if count >= 2 && count + padding < 4 {
                    padding += 1;
                    if count + padding == 4 {
                        return Some(out);
                    }
                }
                continue;
            }
            _ => continue,
        };
        padding = 0;
        bits = (bits << 6 | u32::from(value)) & 0xff_ffff;
        count += 1;
        match count {
            2 => out.push(low_byte(bits >> 4)),
            3 => out.push(low_byte(bits >> 2)),
            4 => {
                out.push(low_byte(bits));
                count = 0;
                bits = 0;
            }
            _ => {}
        }
    }
    (count == 0).then_some(out)
}

fn low_byte(bits: u32) -> u8 {
    u8::try_from(bits & 0xff).unwrap_or_default()
}

/// Encodes base64, with padding.
pub(super) fn encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut bits = 0_u32;
        for at in 0..3 {
            bits = bits << 8 | chunk.get(at).copied().map_or(0, u32::from);
        }
        for at in 0..4 {
            if at > chunk.len() {
                out.push('=');
                continue;
            }
            let value = low_byte(bits >> (18 - 6 * at) & 0x3f);
            out.push(char::from(match value {
                0..=25 => b'A' + value,
                26..=51 => b'a' + value - 26,
                52..=61 => b'0' + value - 52,
                62 => b'+',
                _ => b'/',
            }));
        }
    }
    out
}

/// A block of PEM: its label, and what is between the lines.
pub(super) struct Block<'t> {
    pub(super) label: &'t str,
    body: &'t str,
}

impl<'t> Block<'t> {
    /// The first block in `text`.
    pub(super) fn find(text: &'t str) -> Option<Self> {
        let (_, rest) = text.split_once("-----BEGIN ")?;
        let (label, rest) = rest.split_once("-----")?;
        let (body, rest) = rest.split_once("-----END ")?;
        let end = rest.strip_prefix(label)?;
        end.starts_with("-----").then_some(Self { label, body })
    }

    /// What the block holds; `None` where it is not base64 or encrypted in PEM's old way.
    pub(super) fn decode(&self) -> Option<Zeroizing<Vec<u8>>> {
        let is_body = |byte: u8| {
            byte.is_ascii_alphanumeric() || b"+/=".contains(&byte) || byte.is_ascii_whitespace()
        };
        let is_plain = self.body.bytes().all(is_body);
        is_plain.then(|| decode(self.body)).flatten()
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.label == "ENCRYPTED PRIVATE KEY" || self.body.contains("ENCRYPTED")
    }
}

/// Whether `text` is a private key in PEM, not encrypted.
pub(super) fn is_private_key(text: &str) -> bool {
    pkcs8(text).is_some()
}

/// The key in `text` as PKCS#8 in DER, where it is PKCS#8 or an RSA key, not encrypted.
pub(super) fn pkcs8(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let block = Block::find(text)?;
    let der = block.decode()?;
    let mut whole = Der(&der);
    let mut key = Der(whole.take(0x30)?);
    let version = key.take(0x02)?;
    match block.label {
        "PRIVATE KEY" => {
            let mut algorithm = Der(key.take(0x30)?);
            algorithm.take(0x06)?;
            key.take(0x04)?;
            Some(der)
        }
        "RSA PRIVATE KEY" => {
            (version == [0]).then_some(())?;
            // Modulus, exponents, primes and the rest: eight numbers.
            for _ in 0..8 {
                key.take(0x02)?;
            }
            let rsa_encryption = [
                0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05,
                0x00,
            ];
            let mut inner = Zeroizing::new(vec![0x02, 0x01, 0x00]);
            inner.extend_from_slice(&rsa_encryption);
            inner.extend_from_slice(&wrapped(0x04, &der));
            Some(wrapped(0x30, &inner))
        }
        _ => None,
    }
}

fn wrapped(tag: u8, content: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(content.len() + 6));
    out.push(tag);
    let length = content.len().to_be_bytes();
    let digits = length.iter().skip_while(|byte| **byte == 0);
    let count = u8::try_from(digits.clone().count()).unwrap_or_default();
    if content.len() >= 0x80 {
        out.push(0x80 | count);
    }
    out.extend(digits);
    if content.is_empty() {
        out.push(0);
    }
    out.extend_from_slice(content);
    out
}

/// DER, read from the front.
struct Der<'d>(&'d [u8]);

impl<'d> Der<'d> {
    fn take(&mut self, wanted: u8) -> Option<&'d [u8]> {
        let (&[tag, first], rest) = self.0.split_first_chunk::<2>()?;
        (tag == wanted).then_some(())?;
        let (length, rest) = if first < 0x80 {
            (usize::from(first), rest)
        } else {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.len() <= 4).then_some(())?;
            let length = digits
                .iter()
                .fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
            (length, rest)
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(content)
    }
}

/// A field of SSH's wire form, from the front of `bytes`.
fn ssh_field<'b>(bytes: &mut &'b [u8]) -> Option<&'b [u8]> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (field, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some(field)
}

fn push_field(out: &mut Vec<u8>, field: &[u8]) {
    let length = u32::try_from(field.len()).unwrap_or_default();
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(field);
}

/// The public key in SSH's wire form, where it is one of RSA, ECDSA or Ed25519.
pub(super) fn ssh_public(blob: &[u8]) -> Option<PublicKey> {
    let mut rest = blob;
    let kind = std::str::from_utf8(ssh_field(&mut rest)?).ok()?.to_owned();
    let is_whole = match kind.as_str() {
        "ssh-rsa" => {
            let (exponent, modulus) = (ssh_field(&mut rest)?, ssh_field(&mut rest)?);
            !exponent.is_empty() && modulus.len() >= 64
        }
        "ssh-ed25519" => ssh_field(&mut rest)?.len() == 32,
        "ecdsa-sha2-nistp256" | "ecdsa-sha2-nistp384" | "ecdsa-sha2-nistp521" => {
            let curve = std::str::from_utf8(ssh_field(&mut rest)?).ok()?;
            kind.ends_with(curve) && ssh_field(&mut rest)?.first() == Some(&4)
        }
        _ => false,
    };
    // What follows the key is no part of it.
    let blob = blob.get(..blob.len() - rest.len()).unwrap_or(blob);
    is_whole.then(|| PublicKey {
        kind,
        blob: blob.to_vec(),
    })
}

/// A private key's kind, whether the text begins with it, and what it holds, as paramiko finds them: lines that
/// are `BEGIN` and `END` alone, and in the old forms, whose text must begin with the first, headers between.
fn paramiko_block(text: &str) -> Option<(&str, bool, Zeroizing<Vec<u8>>)> {
    let label = |line: &str, tag: &str| {
        let label = text::strip_end(line).strip_prefix("-----")?;
        let label = label.strip_prefix(tag)?.strip_suffix(" PRIVATE KEY-----")?;
        ["RSA", "EC", "OPENSSH"]
            .into_iter()
            .find(|kind| *kind == label)
    };
    let mut lines = text.split('\n').enumerate();
    let (at, kind) = lines.find_map(|(at, line)| Some((at, label(line, "BEGIN ")?)))?;
    if kind != "OPENSSH" && at != 0 {
        return None;
    }
    let mut body = Zeroizing::new(String::with_capacity(text.len()));
    let mut is_ended = false;
    let mut is_header = kind != "OPENSSH";
    for (_, line) in lines {
        is_ended = label(line, "END ").is_some();
        if is_ended {
            break;
        }
        is_header = is_header && line.contains(": ");
        if is_header && line.to_ascii_lowercase().starts_with("proc-type: ") {
            return None;
        }
        if !is_header {
            body.push_str(line);
        }
    }
    is_ended
        .then(|| decode(&body))
        .flatten()
        .map(|bytes| (kind, at == 0, bytes))
}

/// The public half of a private key, as paramiko reads it: OpenSSH's own form, or RSA's and ECDSA's
/// old ones.
pub(super) fn public_of_private(text: &str) -> Option<PublicKey> {
    let (kind, is_first, bytes) = paramiko_block(text)?;
    match kind {
        "OPENSSH" => {
            let mut rest = bytes.strip_prefix(b"openssh-key-v1\0")?;
            for _ in 0..3 {
                ssh_field(&mut rest)?;
            }
            let (count, mut rest) = rest.split_first_chunk::<4>()?;
            (u32::from_be_bytes(*count) == 1).then_some(())?;
            // Ed25519 is read by the rules of the old forms.
            let public = ssh_public(ssh_field(&mut rest)?)?;
            (is_first || public.kind != "ssh-ed25519").then_some(public)
        }
        "RSA" => {
            let mut whole = Der(&bytes);
            let mut key = Der(whole.take(0x30)?);
            key.take(0x02)?;
            let (modulus, exponent) = (key.take(0x02)?, key.take(0x02)?);
            // The hook tries a signature with SHA-512, for which a smaller key has no room.
            (modulus.len() >= 94).then_some(())?;
            let mut blob = Vec::new();
            push_field(&mut blob, b"ssh-rsa");
            push_field(&mut blob, exponent);
            push_field(&mut blob, modulus);
            ssh_public(&blob)
        }
        "EC" => {
            let mut whole = Der(&bytes);
            let mut key = Der(whole.take(0x30)?);
            key.take(0x02)?;
            key.take(0x04)?;
            let curve = match Der(key.take(0xa0)?).take(0x06)? {
                [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07] => "nistp256",
                [0x2b, 0x81, 0x04, 0x00, 0x22] => "nistp384",
                [0x2b, 0x81, 0x04, 0x00, 0x23] => "nistp521",
                _ => return None,
            };
            // A bit string, whose first byte says how many bits of the last one are not of it.
            let point = Der(key.take(0xa1)?).take(0x03)?.strip_prefix(&[0])?;
            let mut blob = Vec::new();
            push_field(&mut blob, format!("ecdsa-sha2-{curve}").as_bytes());
            push_field(&mut blob, curve.as_bytes());
            push_field(&mut blob, point);
            ssh_public(&blob)
        }
        _ => None,
    }
}

/// Whether a private key is encrypted in PEM's old way, where its public half is encrypted too.
pub(super) fn is_encrypted_as_a_whole(text: &str) -> bool {
    Block::find(text)
        .is_some_and(|block| block.label != "OPENSSH PRIVATE KEY" && block.is_encrypted())
}

/// Whether a private key says that it is encrypted.
pub(super) fn is_encrypted(text: &str) -> bool {
    let Some(block) = Block::find(text) else {
        return false;
    };
    if block.label != "OPENSSH PRIVATE KEY" {
        return block.is_encrypted();
    }
    let Some(bytes) = block.decode() else {
        return false;
    };
    let mut rest = bytes.strip_prefix(b"openssh-key-v1\0").unwrap_or_default();
    ssh_field(&mut rest).is_some_and(|cipher| cipher != b"none")
}
