//! A small HTTPS server for tests, whose every answer a function gives. It is its own proxy: a
//! client whose `https_proxy` it is reaches it under every host that its certificate names, so
//! that real names can be asked for.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};

#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Without its port.
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    /// Their names are in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
    pub(crate) is_tls: bool,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn parameter(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    /// The fields of a form.
    pub(crate) fn form(&self) -> BTreeMap<String, String> {
        fields(&self.body)
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self {
            status,
            headers: vec![("Content-Type", "application/json; charset=utf-8".to_owned())],
            body: body.to_string().into(),
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A server that runs.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// How many connections it ever had.
    pub(crate) connections: Arc<AtomicUsize>,
}

pub(crate) type Handler = dyn Fn(&Request) -> Reply + Send + Sync;

/// Serves for as long as the test runs, under `hosts`; writes the authority that signed its
/// certificate to `ca`.
#[allow(dead_code)] // Not for every test.
pub(crate) fn serve(hosts: &[&str], ca: &Path, handler: Arc<Handler>) -> Server {
    serve_by(config(hosts, ca), handler)
}

/// Serves for as long as the test runs, as `config` has it.
pub(crate) fn serve_by(config: ServerConfig, handler: Arc<Handler>) -> Server {
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::<AtomicUsize>::default();
    let server = Server {
        address,
        connections: Arc::clone(&connections),
    };
    thread::spawn(move || {
        for stream in listener.incoming() {
            connections.fetch_add(1, Ordering::Relaxed);
            let (config, handler) = (Arc::clone(&config), Arc::clone(&handler));
            // A client that goes away in the middle is its own affair.
            thread::spawn(move || connection(stream.ok()?, config, &*handler));
        }
    });
    server
}

/// TLS for `hosts`; writes the authority that signed its certificate to `ca`.
pub(crate) fn config(hosts: &[&str], ca: &Path) -> ServerConfig {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
        .distinguished_name
        .push(DnType::CommonName, "Test authority");
    let key = KeyPair::generate().unwrap();
    std::fs::write(ca, params.self_signed(&key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(params, key);

    let hosts = hosts.iter().map(|host| (*host).to_owned());
    let mut params = CertificateParams::new(hosts.collect::<Vec<_>>()).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap()
}

fn connection(stream: TcpStream, config: Arc<ServerConfig>, handler: &Handler) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut first = [0];
    stream.peek(&mut first).ok()?;
    // A TLS handshake begins with this byte.
    if first != [0x16] {
        let mut plain = BufReader::new(&stream);
        let request = read(&mut plain, false)?;
        if request.method != "CONNECT" {
            write(&mut &stream, &handler(&request))?;
            while let Some(request) = read(&mut plain, false) {
                write(&mut &stream, &handler(&request))?;
            }
            return Some(());
        }
        (&stream)
            .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
            .ok()?;
    }
    let tls = StreamOwned::new(ServerConnection::new(config).ok()?, stream);
    let mut tls = BufReader::new(tls);
    while let Some(request) = read(&mut tls, true) {
        let reply = handler(&request);
        write(tls.get_mut(), &reply)?;
    }
    // Whoever is refused is to read why: with bytes unread, closing would cut that off.
    let mut stream = tls.into_inner().sock;
    stream.shutdown(Shutdown::Write).ok()?;
    std::io::copy(&mut stream, &mut std::io::sink()).ok()?;
    Some(())
}

fn read(stream: &mut impl BufRead, is_tls: bool) -> Option<Request> {
    let mut line = String::new();
    let mut next = |stream: &mut dyn BufRead| {
        line.clear();
        let length = stream.read_line(&mut line).ok()?;
        (length > 0).then(|| line.trim_end().to_owned())
    };
    let request_line = next(stream)?;
    let mut words = request_line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let header = next(stream)?;
        let Some((name, value)) = header.split_once(':') else {
            break;
        };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|n| n.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let host = headers.get("host").cloned().unwrap_or_default();
    Some(Request {
        method,
        host: host.split(':').next()?.to_owned(),
        path: path.to_owned(),
        query: fields(query),
        headers,
        body: String::from_utf8(body).ok()?,
        is_tls,
    })
}

fn write(stream: &mut impl Write, reply: &Reply) -> Option<()> {
    let mut head = format!("HTTP/1.1 {} -\r\n", reply.status);
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += &format!("Content-Length: {}\r\n\r\n", reply.body.len());
    let mut bytes = head.into_bytes();
    bytes.extend(&reply.body);
    stream.write_all(&bytes).ok()?;
    stream.flush().ok()
}

fn fields(text: &str) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(text.as_bytes())
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect()
}
