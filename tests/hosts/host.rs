//! A program that speaks TLS of its own accord, with the one provider that its rustls has, and uses
//! this library beside: `scripts/check-hosts` builds it with the library's features and runs it.

use airflow_secrets::{Environment, Resolver};
use rustls::{ClientConfig, RootCertStore, crypto::CryptoProvider};

/// Settings of a Vault and of a database to be reached over TLS, at a port where nobody listens.
const SETTINGS: [(&str, &str); 3] = [
    (
        "AIRFLOW__SECRETS__BACKEND",
        "airflow.providers.hashicorp.secrets.vault.VaultBackend",
    ),
    (
        "AIRFLOW__SECRETS__BACKEND_KWARGS",
        r#"{"url": "https://127.0.0.1:1", "token": "token"}"#,
    ),
    (
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
        "postgresql://airflow@127.0.0.1:1/airflow?sslmode=require",
    ),
];

fn main() {
    let expected = match env!("CARGO_PKG_NAME") {
        "host-on-ring" => "Ring",
        _ => "AwsLcRs",
    };
    let home = std::env::temp_dir().join("host-without-airflow");
    let settings = SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let home = ("AIRFLOW_HOME".to_owned(), home.display().to_string());
    let environment = Environment::from_iter(settings.into_iter().chain([home]));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let error = runtime.block_on(async {
        let resolver = Resolver::from_environment(environment).build().await;
        let resolver = resolver.expect("a resolver");
        resolver.get_variable("color").await.expect_err("an answer")
    });
    assert!(
        CryptoProvider::get_default().is_none(),
        "the library installed a provider for the whole process"
    );
    let config = ClientConfig::builder()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let provider = format!("{:?}", config.crypto_provider().key_provider);
    assert_eq!(provider, expected);
    println!("rustls uses {provider}; and nobody listens: {error}");
}
