//! A real PostgreSQL with TLS.

use crate::{certificates, ports::free_port, postgres::Postgres};

/// A server that offers TLS, as `localhost`. In its folder `ca.pem` is the authority, and `other-ca.pem` another.
pub(crate) fn postgres_with_tls() -> Postgres {
    let folder = Postgres::initialise();
    certificates::write(&folder, "nobody");
    let file = |name: &str| folder.join(name).display().to_string();
    let settings = [
        "ssl=on",
        &format!("ssl_cert_file={}", file("server.pem")),
        &format!("ssl_key_file={}", file("server.key")),
    ];
    let server = Postgres::run(&folder, free_port(), &settings, true);
    Postgres { server, folder }
}
