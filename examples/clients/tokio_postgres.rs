//! A pool of `tokio-postgres` for the connection `warehouse`, over TLS that checks the server.
#![allow(clippy::print_stdout)]

use airflow_secrets::Resolver;
use deadpool_postgres::{Manager, Pool};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use tokio_postgres_rustls::MakeRustlsConnect;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let resolver = Resolver::from_env().await?;
    let warehouse = resolver.get_connection("warehouse").await?.postgres()?;
    let (text, tls) = warehouse.tokio_postgres_and_tls()?;
    // rustls always checks the certificate and the host: as `verify-full`, whatever is set.
    let mut roots = rustls::RootCertStore::empty();
    for authority in CertificateDer::pem_file_iter(tls.root_cert.ok_or("set `sslrootcert`")?)? {
        roots.add(authority?)?;
    }
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let tls = rustls::ClientConfig::builder().with_root_certificates(roots);
    let tls = MakeRustlsConnect::new(tls.with_no_client_auth());
    let pool = Pool::builder(Manager::new(text.expose().parse()?, tls)).build()?;
    let sql = "SELECT current_user::text, ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let row = pool.get().await?.query_one(sql, &[]).await?;
    println!("{} TLS={}", row.get::<_, &str>(0), row.get::<_, bool>(1));
    Ok(())
}
