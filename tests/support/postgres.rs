//! A real PostgreSQL for a test binary, and a real PgBouncer before it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use tokio_postgres::{Client, NoTls};

use crate::{
    ports::free_port,
    servers::{Server, folder, give, program, run, unprivileged},
};

/// The password of every role, with all that needs care in a URL.
pub(crate) const PASSWORD: &str = "p@ss:w/rd%41 marker";

/// The same, as it is written in a URL.
pub(crate) const PASSWORD_IN_URL: &str = "p%40ss%3Aw%2Frd%2541%20marker";

/// What Airflow 3.3 has in its metadata DB, as far as a lookup can see.
pub(crate) const TABLES: &str = "
    CREATE TABLE connection (id SERIAL PRIMARY KEY, conn_id VARCHAR(250) NOT NULL UNIQUE, conn_type VARCHAR(500) NOT NULL,
        description TEXT, host VARCHAR(500), schema VARCHAR(500), login TEXT, password TEXT, port INTEGER,
        is_encrypted BOOLEAN NOT NULL DEFAULT FALSE, is_extra_encrypted BOOLEAN NOT NULL DEFAULT FALSE, extra TEXT,
        team_name VARCHAR(50));
    CREATE TABLE variable (id SERIAL PRIMARY KEY, key VARCHAR(250) NOT NULL UNIQUE, val TEXT NOT NULL,
        description TEXT, is_encrypted BOOLEAN NOT NULL DEFAULT FALSE, team_name VARCHAR(50));
    INSERT INTO connection (conn_id, conn_type, host) VALUES ('pg', 'postgres', 'db.example.com');
    INSERT INTO variable (key, val) VALUES ('plain', 'text');";

/// A PostgreSQL server with a superuser `admin`.
pub(crate) struct Postgres {
    pub(crate) server: Server,
    pub(crate) folder: PathBuf,
}

impl Postgres {
    /// The server that all tests of this binary share.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&[]))
    }

    /// A server of its own, with `settings`.
    pub(crate) fn start(settings: &[&str]) -> Self {
        let folder = Self::initialise();
        let server = Self::run(&folder, free_port(), settings, true);
        Self { server, folder }
    }

    /// A folder with an empty cluster in it, in `data`.
    pub(crate) fn initialise() -> PathBuf {
        let folder = folder("postgres");
        let password_file = folder.join("password");
        fs::write(&password_file, PASSWORD).unwrap();
        give(&password_file);
        run(unprivileged(&program("initdb", &[]))
            .args([
                "--no-sync",
                "--no-locale",
                "--encoding=UTF8",
                "--username=admin",
            ])
            .arg("--auth=scram-sha-256")
            .arg(format!("--pwfile={}", password_file.display()))
            .arg("--pgdata")
            .arg(folder.join("data")));
        folder
    }

    /// Runs the server on what is in `folder`, which goes with it if `is_last`.
    pub(crate) fn run(folder: &Path, port: u16, settings: &[&str], is_last: bool) -> Server {
        let mut command = unprivileged(&program("postgres", &[]));
        command.arg("-D").arg(folder.join("data"));
        let socket = format!("unix_socket_directories={}", folder.display());
        let port_setting = format!("port={port}");
        let common = [
            "fsync=off",
            "listen_addresses=127.0.0.1",
            "max_connections=60",
        ];
        for setting in common
            .iter()
            .chain([&socket.as_str(), &port_setting.as_str()])
            .chain(settings)
        {
            command.args(["-c", setting]);
        }
        Server::start(&command, "QUIT", port, is_last.then_some(folder))
    }

    /// Runs `sql` as the superuser, in `database`.
    pub(crate) async fn execute(&self, database: &str, sql: &str) {
        self.client(database)
            .await
            .batch_execute(sql)
            .await
            .unwrap();
    }

    /// A connection of the bare driver, as the superuser.
    pub(crate) async fn client(&self, database: &str) -> Client {
        let mut config = tokio_postgres::Config::new();
        config
            .host("127.0.0.1")
            .port(self.server.port)
            .user("admin");
        config.password(PASSWORD).dbname(database);
        // It may still be starting.
        for _ in 0..500 {
            if let Ok((client, connection)) = config.connect(NoTls).await {
                tokio::spawn(connection);
                return client;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let (client, connection) = config.connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// A fresh database with `sql` in it, and a role of the same name that may only read two
    /// tables.
    pub(crate) async fn database(&self, sql: &str) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.execute("postgres", &format!("CREATE DATABASE {name}"))
            .await;
        self.execute(
            "postgres",
            &format!("CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'"),
        )
        .await;
        self.execute(&name, sql).await;
        self.execute(
            &name,
            &format!("GRANT SELECT ON connection, variable TO {name}"),
        )
        .await;
        name
    }

    /// The URL of `database`, for the role that may only read.
    pub(crate) fn url(&self, database: &str) -> String {
        url(database, self.server.port)
    }
}

/// The URL of `database` on `port`, for the role that may only read.
pub(crate) fn url(database: &str, port: u16) -> String {
    format!("postgresql+psycopg2://{database}:{PASSWORD_IN_URL}@127.0.0.1:{port}/{database}")
}

/// A PgBouncer in transaction mode, with one connection to the server for each database.
pub(crate) fn pgbouncer(postgres: &Postgres, roles: &[&str]) -> Server {
    let folder = folder("pgbouncer");
    let port = free_port();
    let users = roles
        .iter()
        .flat_map(|role| {
            [
                "\"", *role, "\" \"", PASSWORD, "\"
",
            ]
        })
        .collect::<String>();
    let settings = format!(
        "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr=127.0.0.1\n\
         listen_port={port}\nunix_socket_dir=\nauth_type=md5\nauth_file={}\n\
         pool_mode=transaction\ndefault_pool_size=1\nmax_client_conn=200\n\
         server_reset_query=DISCARD ALL\n",
        postgres.server.port,
        folder.join("users").display()
    );
    for (name, text) in [("users", users), ("pgbouncer.ini", settings)] {
        fs::write(folder.join(name), text).unwrap();
        give(&folder.join(name));
    }
    let mut command: Command = unprivileged(&program("pgbouncer", &["/usr/sbin"]));
    command.arg(folder.join("pgbouncer.ini"));
    Server::start(&command, "TERM", port, Some(&folder))
}
