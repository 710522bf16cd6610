//! What a lookup says where a real MariaDB does not answer it, and whose fault that is.

// A test may panic: so it fails.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used
)]

#[path = "../support/asking.rs"]
#[allow(dead_code)]
mod asking;
#[path = "../support/mariadb.rs"]
#[allow(dead_code)]
mod mariadb;
#[path = "../support/ports.rs"]
mod ports;
#[path = "../support/servers.rs"]
#[allow(dead_code)]
mod servers;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use airflow_secrets::{
    Failure, Lookup, Secret, SecretsBackend,
    backend::{FailureKind, LookupOptions},
    backends::metastore::MetastoreBackend,
};
use asking::{assert_answers, assert_fails, assert_says, backend, fails, host, unavailable};
use mariadb::{MariaDb, PASSWORD, PASSWORD_IN_URL, TABLES};
use ports::free_port;

/// As Airflow's databases mostly are: case and accents make no difference.
const LOOSE: &str = "utf8mb4_general_ci";

#[tokio::test]
async fn each_new_connection_asks_the_program_for_its_password() {
    let server = MariaDb::shared();
    let database = server.database(LOOSE, TABLES);
    let url = server.url(&database).replace(PASSWORD_IN_URL, "marker");
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&asked);
    let given = MetastoreBackend::builder()
        .url(url.as_str())
        .password_from(move |login| {
            noted
                .lock()
                .unwrap()
                .push((login.host, login.port, login.user));
            async { Ok(Secret::from(PASSWORD)) }
        })
        .build()
        .unwrap();
    assert_answers(&given).await;
    assert_answers(&given).await;
    let login = ("127.0.0.1".to_owned(), server.server.port, database.clone());
    assert_eq!(*asked.lock().unwrap(), [login]);

    let refused = MetastoreBackend::builder()
        .url(url.as_str())
        .password_from(|_| async { Err(Failure::access_denied("no token for this role")) })
        .build()
        .unwrap();
    let place = format!("MySQL at 127.0.0.1:{}", server.server.port);
    assert_eq!(
        fails(&refused, FailureKind::AccessDenied).await,
        format!("no password for {place}: no token for this role")
    );
}

#[tokio::test]
async fn every_fault_has_its_own_message() {
    let server = MariaDb::shared();
    let database = server.database(LOOSE, TABLES);
    let port = server.server.port;
    let user = format!("{database}:{PASSWORD_IN_URL}");
    let dead = free_port();
    assert_says(
        &format!("mysql://{user}@127.0.0.1:{dead}/{database}"),
        "connection refused; check host and port",
    )
    .await;
    assert_says(
        &format!("mysql://{user}@no-such-host.invalid/{database}"),
        "cannot connect to MySQL at no-such-host.invalid:3306: ",
    )
    .await;
    assert_says(
        &format!("mysql://{user}@/{database}?unix_socket=/nowhere"),
        "MySQL at /nowhere: no such socket",
    )
    .await;
    assert_fails(
        &format!("mysql://{database}:marker-wrong@127.0.0.1:{port}/{database}"),
        FailureKind::AccessDenied,
        "refused the user or its password",
    )
    .await;
    assert_fails(
        &format!("mysql://test_nobody:marker@127.0.0.1:{port}/{database}"),
        FailureKind::AccessDenied,
        "refused the user or its password",
    )
    .await;
    assert_fails(
        &format!("mysql://{user}@127.0.0.1:{port}/test_none"),
        FailureKind::AccessDenied,
        "does not let this user read the URL's database",
    )
    .await;
    assert_says(
        &format!("mysql://{user}@127.0.0.1:{port}/{database}?ssl_mode=REQUIRED"),
        "no TLS connection to MySQL at 127.0.0.1",
    )
    .await;
    assert_fails(
        &format!("mysql://{user}@127.0.0.1:{port}/{database}?ssl_ca=/no/ca.pem"),
        FailureKind::Configuration,
        "cannot read the file of certificate authorities /no/ca.pem: No such file",
    )
    .await;
    let empty = server.database(LOOSE, TABLES);
    server.execute(&empty, "DROP TABLE connection");
    assert_fails(
        &server.url(&empty),
        FailureKind::Configuration,
        "has no table `connection` where it was looked for",
    )
    .await;
    server.execute(
        "mysql",
        &format!("REVOKE SELECT ON {database}.connection FROM {database}@'%'"),
    );
    assert_fails(
        &server.url(&database),
        FailureKind::AccessDenied,
        "does not let this user read the table `connection`; GRANT SELECT",
    )
    .await;
}

#[tokio::test]
async fn a_server_that_says_nothing_or_nonsense_is_unavailable() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = format!("mysql://test_x:marker@127.0.0.1:{port}/x");
    let silent = MetastoreBackend::builder()
        .url(url.as_str())
        .connect_timeout(Duration::from_millis(100))
        .build()
        .unwrap();
    let message = unavailable(&silent).await;
    assert!(
        message.contains("did not accept the connection within 100ms"),
        "{message}"
    );
    drop(listener);
    for nonsense in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"\x05\0\0\0\x0a12",
        b"\x01\0\0\0\xff",
        b"\0\0\0\0",
        b"",
    ] {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port))
            .await
            .unwrap();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut stream, nonsense)
                .await
                .unwrap();
        };
        let backend = backend(&url);
        let (message, ()) = tokio::join!(unavailable(&backend), serve);
        assert!(message.contains("MySQL at 127.0.0.1"), "{message}");
    }
}

#[tokio::test]
async fn a_query_that_takes_too_long_spoils_nothing() {
    let server = MariaDb::shared();
    // A function in a view, so that a lookup takes as long as it is told to.
    let database = server.database(LOOSE, TABLES);
    let slow =
        "RENAME TABLE connection TO c; CREATE TABLE nap (t DOUBLE); INSERT INTO nap VALUES (3);
        CREATE VIEW connection AS SELECT c.* FROM c, nap WHERE SLEEP(nap.t) = 0;";
    server.execute(&database, slow);
    let backend = MetastoreBackend::builder()
        .url(server.url(&database))
        .statement_timeout(Duration::from_secs(1))
        .max_connections(1)
        .build()
        .unwrap();
    for _ in 0..2 {
        let message = unavailable(&backend).await;
        assert!(message.contains("did not answer within 1s"), "{message}");
    }
    // The caller gives up before we do, in the middle of an answer.
    let given_up = tokio::time::timeout(Duration::from_millis(50), host(&backend)).await;
    assert!(given_up.is_err());
    server.execute(&database, "UPDATE nap SET t = 0");
    assert_answers(&backend).await;
    assert_eq!(
        backend.get_variable("plain", &LookupOptions::new()).await,
        Ok(Lookup::found(
            Secret::from("text"),
            "variable WHERE key = 'plain'"
        ))
    );
}
