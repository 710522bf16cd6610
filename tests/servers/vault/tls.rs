//! TLS with a private authority and client certificates.

use std::sync::{Arc, Mutex};

use airflow_secrets::backends::{HttpOptions, RetryOptions};
use airflow_secrets::{
    Environment,
    backends::vault::{VaultBuilder, VaultCredential},
};
use serde_json::json;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

use crate::{
    support::{
        authority::{Authority, Files, authority},
        https,
        openbao::OpenBao,
        ports::free_port,
        side_by_side::{Variables, assert_same},
    },
    variable, vault,
};

const BACKEND: &str = "airflow.providers.hashicorp.secrets.vault.VaultBackend";

struct Secured {
    server: OpenBao,
    authority: Authority,
    client: Files,
    files: TempDir,
}

/// A server behind TLS that insists on a client certificate of its authority.
async fn secured() -> Secured {
    let (authority, files) = (authority(), tempfile::tempdir().unwrap());
    authority.write(&files.path().join("ca.pem"));
    let server = authority.issue("server", files.path());
    let client = authority.issue("client", files.path());
    let (port, cluster) = (free_port(), free_port());
    let listener = format!(
        "listener \"tcp\" {{\n address = \"127.0.0.1:{port}\"\n cluster_address = \
         \"127.0.0.1:{cluster}\"\n tls_cert_file = \"{}\"\n tls_key_file = \"{}\"\n \
         tls_client_ca_file = \"{}\"\n tls_require_and_verify_client_cert = true\n}}",
        server.certificate.display(),
        server.key.display(),
        files.path().join("ca.pem").display()
    );
    let mut identity = std::fs::read(&client.certificate).unwrap();
    identity.extend(std::fs::read(&client.key).unwrap());
    let http = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([
            reqwest::Certificate::from_pem(authority.certificate_pem().as_bytes()).unwrap(),
        ])
        .identity(reqwest::Identity::from_pem(&identity).unwrap())
        .build()
        .unwrap();
    let url = format!("https://127.0.0.1:{port}");
    let folder = tempfile::tempdir().unwrap();
    let mut server = OpenBao::with_configuration(folder, url, &listener, http).await;
    server.initialize().await;
    server.mount_kv("airflow", 2).await;
    server
        .put("airflow", "variables/x", json!({"value": "v"}))
        .await;
    Secured {
        server,
        authority,
        client,
        files,
    }
}

impl Secured {
    fn builder(&self) -> VaultBuilder {
        vault(
            &self.server.url,
            VaultCredential::token(self.server.root.as_str()),
        )
        .retries(RetryOptions::new().with_max_retries(0))
    }

    fn with_client(&self) -> VaultBuilder {
        let Files { certificate, key } = &self.client;
        self.builder()
            .http(HttpOptions::new().with_client_certificate(certificate, Some(key.clone())))
    }

    fn path(&self, file: &str) -> String {
        self.files.path().join(file).display().to_string()
    }
}

async fn read(builder: VaultBuilder) -> Result<String, String> {
    variable(&builder.build().unwrap(), "x").await
}

#[tokio::test]
async fn a_private_authority_is_trusted_where_it_is_named() {
    let secured = secured().await;
    let ca = secured.path("ca.pem");
    assert_eq!(
        read(
            secured
                .with_client()
                .http(HttpOptions::new().with_ca_certificates(&ca))
        )
        .await,
        Ok("v".into())
    );
    let folder = secured.files.path();
    assert_eq!(
        read(
            secured
                .with_client()
                .http(HttpOptions::new().with_ca_certificates(folder))
        )
        .await,
        Ok("v".into())
    );
    let unchecked = secured
        .with_client()
        .http(HttpOptions::new().danger_accept_invalid_certificates());
    assert_eq!(read(unchecked).await, Ok("v".into()));
    for name in [
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "VAULT_CACERT",
        "VAULT_CAPATH",
    ] {
        let path = match name {
            "VAULT_CAPATH" => folder.display().to_string(),
            _ => ca.clone(),
        };
        let environment = Environment::from_iter([(name, path)]);
        let builder = secured.with_client().environment(&environment);
        assert_eq!(read(builder).await, Ok("v".into()), "{name}");
    }
}

#[tokio::test]
async fn a_server_of_another_authority_is_not_trusted() {
    let secured = secured().await;
    let outcome = read(secured.with_client()).await.unwrap_err();
    let start = format!(
        "Unavailable: the TLS certificate of Vault at {} is not trusted (",
        secured.server.url
    );
    assert!(outcome.starts_with(&start), "{outcome}");
    // What Airflow's client does not read cannot drop the check.
    let environment = Environment::from_iter([("VAULT_SKIP_VERIFY", "true")]);
    let outcome = read(secured.with_client().environment(&environment))
        .await
        .unwrap_err();
    assert!(outcome.starts_with(&start), "{outcome}");
    let other = authority();
    other.write(&secured.files.path().join("other.pem"));
    let outcome = read(
        secured
            .with_client()
            .http(HttpOptions::new().with_ca_certificates(secured.path("other.pem"))),
    )
    .await;
    assert!(
        outcome.as_ref().unwrap_err().starts_with(&start),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn the_client_certificate_may_come_from_the_environment() {
    let secured = secured().await;
    let environment = Environment::from_iter([
        ("VAULT_CACERT", secured.path("ca.pem")),
        ("VAULT_CLIENT_CERT", secured.path("client.pem")),
        ("VAULT_CLIENT_KEY", secured.path("client-key.pem")),
    ]);
    assert_eq!(
        read(secured.builder().environment(&environment)).await,
        Ok("v".into())
    );
    let without = secured
        .builder()
        .http(HttpOptions::new().with_ca_certificates(secured.path("ca.pem")));
    let outcome = read(without).await.unwrap_err();
    assert!(outcome.starts_with("Unavailable: "), "{outcome}");
}

#[tokio::test]
async fn a_client_certificate_logs_in() {
    let secured = secured().await;
    secured
        .server
        .policy("reader", &["airflow/data/variables/*"])
        .await;
    secured.server.enable_login("cert").await;
    let options = json!({
        "certificate": secured.authority.certificate_pem(),
        "allowed_common_names": ["client"],
        "token_policies": ["reader"],
    });
    secured.server.post("auth/cert/certs/worker", options).await;
    for role in [None, Some("worker")] {
        let builder = secured
            .with_client()
            .http(HttpOptions::new().with_ca_certificates(secured.path("ca.pem")));
        assert_eq!(
            read(builder.credential(VaultCredential::certificate(role))).await,
            Ok("v".into())
        );
    }
    let builder = secured
        .with_client()
        .http(HttpOptions::new().with_ca_certificates(secured.path("ca.pem")));
    let refused = read(builder.credential(VaultCredential::certificate(Some("other"))))
        .await
        .unwrap_err();
    assert!(
        refused.starts_with("AccessDenied: the login at auth/cert was refused"),
        "{refused}"
    );
    let error = secured
        .builder()
        .credential(VaultCredential::certificate(None))
        .build()
        .unwrap_err();
    assert!(
        error.to_string().contains("needs a client certificate"),
        "{error}"
    );
}

#[tokio::test]
async fn authorities_and_client_certificate_may_be_pem_texts() {
    let secured = secured().await;
    let text = |path: &std::path::Path| std::fs::read_to_string(path).unwrap();
    let Files { certificate, key } = &secured.client;
    let client = [text(certificate), text(key)].concat();
    let options = HttpOptions::new()
        .with_ca_pem(text(secured.path("ca.pem").as_ref()))
        .with_client_pem(client);
    let found = read(secured.builder().http(options.clone())).await;
    assert_eq!(found, Ok("v".into()));
    for (options, expected) in [
        (
            options.clone().with_ca_pem("marker"),
            "ca_pem (HttpOptions): the text contains no PEM certificate",
        ),
        (
            options.with_client_pem("marker"),
            "client_pem (HttpOptions): cannot be used: the text contains no unencrypted PEM key",
        ),
    ] {
        let found = read(secured.builder().http(options)).await;
        assert_eq!(found, Err(format!("Configuration: {expected}")));
    }
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named() {
    let secured = secured().await;
    std::fs::write(secured.files.path().join("empty.pem"), "").unwrap();
    let authorities = "Configuration: ca_certificates (HttpOptions): ";
    let certificate = "Configuration: client_certificate (HttpOptions): cannot be used: ";
    for (builder, start, file) in [
        (
            secured
                .builder()
                .http(HttpOptions::new().with_ca_certificates("/no/ca.pem")),
            authorities,
            "/no/ca.pem cannot be used for TLS: No such file",
        ),
        (
            secured
                .builder()
                .http(HttpOptions::new().with_ca_certificates(secured.path("empty.pem"))),
            authorities,
            "empty.pem cannot be used for TLS: it contains no PEM certificate",
        ),
        (
            secured
                .builder()
                .http(HttpOptions::new().with_client_certificate("/no/client.pem", None)),
            certificate,
            "/no/client.pem: No such file",
        ),
        (
            secured
                .builder()
                .http(HttpOptions::new().with_client_certificate(secured.path("client.pem"), None)),
            certificate,
            "client.pem contains no unencrypted PEM key",
        ),
    ] {
        let outcome = read(builder).await.unwrap_err();
        assert!(outcome.starts_with(start), "{outcome}");
        assert!(outcome.contains(file), "{outcome}");
    }
}

#[tokio::test]
async fn airflow_reads_the_same_bundle_and_client_certificate_from_the_environment() {
    let secured = secured().await;
    let kwargs = json!({
        "url": secured.server.url, "token": secured.server.root, "mount_point": "airflow",
    });
    let variables = [
        ("AIRFLOW__SECRETS__BACKEND", BACKEND.to_owned()),
        ("AIRFLOW__SECRETS__BACKEND_KWARGS", kwargs.to_string()),
        ("REQUESTS_CA_BUNDLE", secured.path("ca.pem")),
        ("VAULT_CLIENT_CERT", secured.path("client.pem")),
        ("VAULT_CLIENT_KEY", secured.path("client-key.pem")),
    ];
    let mut variables = variables
        .map(|(name, value)| (name.to_owned(), value))
        .into_iter()
        .collect::<Variables>();
    let question = ("variable", "x".to_owned(), None);
    assert_eq!(
        assert_same(&variables, std::slice::from_ref(&question)).await,
        1
    );
    // Without the authority neither trusts the server, and VAULT_SKIP_VERIFY changes nothing.
    variables.remove("REQUESTS_CA_BUNDLE");
    variables.insert("VAULT_SKIP_VERIFY".into(), "true".into());
    variables.insert("AIRFLOW_VAR_X".into(), "from the environment".into());
    assert_eq!(assert_same(&variables, &[question]).await, 1);
}

/// A proxy that opens its tunnels to `server`, whatever they are for; the first lines that it gets.
async fn tunnels_to(server: String) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let lines = Arc::<Mutex<Vec<String>>>::default();
    let noted = Arc::clone(&lines);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(client.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap();
            noted
                .lock()
                .unwrap()
                .push(head.lines().next().unwrap().to_owned());
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            let mut server = TcpStream::connect(&server).await.unwrap();
            tokio::spawn(async move { copy_bidirectional(&mut client, &mut server).await });
        }
    });
    (url, lines)
}

#[tokio::test]
async fn an_ipv6_address_is_reached_through_a_tunnel() {
    let secured = secured().await;
    let address = secured.server.url.strip_prefix("https://").unwrap();
    let port = address.rsplit(':').next().unwrap();
    let (proxy, lines) = tunnels_to(address.to_owned()).await;
    let environment = Environment::from_iter([
        ("https_proxy", proxy),
        ("VAULT_CACERT", secured.path("ca.pem")),
    ]);
    let vault = secured.with_client().url(format!("https://[::1]:{port}"));
    let found = read(vault.environment(&environment)).await;
    assert_eq!(found, Ok("v".into()));
    assert_eq!(
        *lines.lock().unwrap(),
        [format!("CONNECT [::1]:{port} HTTP/1.1")]
    );
}

#[tokio::test]
async fn a_server_without_tls_is_named() {
    let server = OpenBao::dev().await;
    let url = server.url.replace("http://", "https://");
    let outcome = read(vault(&url, VaultCredential::token("t"))).await;
    let expected = format!(
        "Unavailable: the server at {url} does not speak TLS: check the port, or begin \"url\" with http://"
    );
    assert_eq!(outcome, Err(expected));
}

#[tokio::test]
async fn a_server_with_tls_that_is_asked_without_is_named() {
    let secured = secured().await;
    let url = secured.server.url.replace("https://", "http://");
    let outcome = read(vault(&url, VaultCredential::token("t"))).await;
    let expected = format!(
        "Configuration: {url} refused the request (HTTP 400): if Vault listens with TLS, begin \"url\" \
         with https://"
    );
    assert_eq!(outcome, Err(expected));
}

/// What Vault's certificate for `host`, of the years before `end`, results in.
async fn with_certificate(host: &str, end: i32) -> Result<String, String> {
    let (authority, files) = (authority(), tempfile::tempdir().unwrap());
    let ca = files.path().join("ca.pem");
    authority.write(&ca);
    let document = json!({"data": {"data": {"value": "v"}, "metadata": {}}});
    let server = https::serve_by(
        authority.server(host, end),
        Arc::new(move |_: &https::Request| https::Reply::json(200, &document)),
    );
    let url = format!("https://{}", server.address);
    let options = HttpOptions::new().with_ca_certificates(ca);
    read(vault(&url, VaultCredential::token("t")).http(options)).await
}

#[tokio::test]
async fn an_expired_certificate_and_one_for_another_name_are_told_apart() {
    assert_eq!(with_certificate("127.0.0.1", 4000).await, Ok("v".into()));
    for (host, end, what, remedy) in [
        (
            "other.example.com",
            4000,
            "certificate not valid for name",
            "use a name that the certificate contains",
        ),
        (
            "127.0.0.1",
            2020,
            "certificate expired",
            "renew it, or set this machine's clock",
        ),
    ] {
        let outcome = with_certificate(host, end).await.unwrap_err();
        let what = format!("is not valid (invalid peer certificate: {what}");
        assert!(
            outcome.contains(&what) && outcome.ends_with(remedy),
            "{outcome}"
        );
    }
}
