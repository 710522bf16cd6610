//! TLS with a private authority and client certificates.

use airflow_secrets::{
    Environment,
    backends::vault::{Login, VaultBuilder},
};
use serde_json::json;
use tempfile::TempDir;

use crate::{
    support::{
        authority::{Authority, Files, authority},
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
        vault(&self.server.url, Login::token(self.server.root.as_str())).max_retries(0)
    }

    fn with_client(&self) -> VaultBuilder {
        let Files { certificate, key } = &self.client;
        self.builder()
            .client_certificate(certificate, Some(key.clone()))
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
        read(secured.with_client().ca_certificates(&ca)).await,
        Ok("v".into())
    );
    let folder = secured.files.path();
    assert_eq!(
        read(secured.with_client().ca_certificates(folder)).await,
        Ok("v".into())
    );
    let unchecked = secured.with_client().danger_accept_any_certificate();
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
        "Unavailable: no trust between us and Vault at {} (",
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
            .ca_certificates(secured.path("other.pem")),
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
    let without = secured.builder().ca_certificates(secured.path("ca.pem"));
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
            .ca_certificates(secured.path("ca.pem"));
        assert_eq!(
            read(builder.login(Login::certificate(role))).await,
            Ok("v".into())
        );
    }
    let builder = secured
        .with_client()
        .ca_certificates(secured.path("ca.pem"));
    let refused = read(builder.login(Login::certificate(Some("other"))))
        .await
        .unwrap_err();
    assert!(
        refused.starts_with("AccessDenied: the login at auth/cert was refused"),
        "{refused}"
    );
    let error = secured
        .builder()
        .login(Login::certificate(None))
        .build()
        .unwrap_err();
    assert!(
        error.to_string().contains("needs a client certificate"),
        "{error}"
    );
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named() {
    let secured = secured().await;
    std::fs::write(secured.files.path().join("empty.pem"), "").unwrap();
    for (builder, file) in [
        (
            secured.builder().ca_certificates("/no/ca.pem"),
            "/no/ca.pem",
        ),
        (
            secured.builder().ca_certificates(secured.path("empty.pem")),
            "empty.pem",
        ),
        (
            secured.builder().client_certificate("/no/client.pem", None),
            "/no/client.pem",
        ),
        (
            secured
                .builder()
                .client_certificate(secured.path("client.pem"), None),
            "client.pem",
        ),
    ] {
        let outcome = read(builder).await.unwrap_err();
        assert!(outcome.starts_with("Configuration: the file "), "{outcome}");
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
