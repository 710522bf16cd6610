//! A real MariaDB for a test binary.

use std::{
    io::{Seek, Write},
    path::{Path, PathBuf},
    process::Command,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use crate::{
    ports::free_port,
    servers::{Server, folder, program, run, unprivileged},
};

/// The password of every user, with all that needs care in a URL.
pub(crate) const PASSWORD: &str = "p@ss:w/rd%41 marker";

/// The same, as it is written in a URL.
pub(crate) const PASSWORD_IN_URL: &str = "p%40ss%3Aw%2Frd%2541%20marker";

/// What Airflow 3.3 has in its metadata DB, as far as a lookup can see, in the collation of the
/// database.
pub(crate) const TABLES: &str = "
    CREATE TABLE connection (id INTEGER NOT NULL AUTO_INCREMENT PRIMARY KEY, conn_id VARCHAR(250) NOT NULL UNIQUE,
        conn_type VARCHAR(500) NOT NULL, description TEXT(5000), host VARCHAR(500), `schema` VARCHAR(500), login TEXT,
        password TEXT, port INTEGER, is_encrypted BOOL NOT NULL DEFAULT FALSE,
        is_extra_encrypted BOOL NOT NULL DEFAULT FALSE, extra TEXT, team_name VARCHAR(50));
    CREATE TABLE variable (id INTEGER NOT NULL AUTO_INCREMENT PRIMARY KEY, `key` VARCHAR(250) NOT NULL UNIQUE,
        val MEDIUMTEXT NOT NULL, description TEXT, is_encrypted BOOL NOT NULL DEFAULT FALSE, team_name VARCHAR(50));
    INSERT INTO connection (conn_id, conn_type, host) VALUES ('pg', 'postgres', 'db.example.com');
    INSERT INTO variable (`key`, val) VALUES ('plain', 'text');";

/// A MariaDB server.
pub(crate) struct MariaDb {
    pub(crate) server: Server,
    pub(crate) folder: PathBuf,
}

impl MariaDb {
    /// The server that all tests of this binary share.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<MariaDb> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&[]))
    }

    /// A server of its own, with `settings`.
    pub(crate) fn start(settings: &[&str]) -> Self {
        let folder = Self::initialise();
        let server = Self::run(&folder, free_port(), settings, true);
        Self { server, folder }
    }

    /// A folder with an empty server in it, in `data`.
    pub(crate) fn initialise() -> PathBuf {
        let folder = folder("mariadb");
        run(unprivileged(&program("mariadb-install-db", &[]))
            .arg("--no-defaults")
            .arg(format!("--datadir={}", folder.join("data").display()))
            // It clears its folder of temporary files when it starts, whoever's they are.
            .arg(format!("--tmpdir={}", folder.display()))
            .args(["--auth-root-authentication-method=normal", "--skip-test-db"]));
        folder
    }

    /// Runs the server on what is in `folder`, which goes with it if `is_last`.
    pub(crate) fn run(folder: &Path, port: u16, settings: &[&str], is_last: bool) -> Server {
        let mut command = unprivileged(&program("mariadbd", &["/usr/sbin"]));
        command
            .arg("--no-defaults")
            .arg(format!("--datadir={}", folder.join("data").display()))
            .arg(format!("--tmpdir={}", folder.display()))
            .arg(format!("--socket={}", folder.join("socket").display()))
            .arg(format!("--port={port}"))
            .args([
                "--bind-address=127.0.0.1",
                "--innodb-flush-log-at-trx-commit=0",
            ])
            .args([
                "--innodb-buffer-pool-size=16M",
                "--character-set-server=utf8mb4",
            ])
            .args(settings);
        Server::start(&command, "TERM", port, is_last.then_some(folder))
    }

    /// Runs `sql` as root, in `database`, and gives what it answers.
    pub(crate) fn execute(&self, database: &str, sql: &str) -> String {
        let mut script = tempfile::tempfile().unwrap();
        script.write_all(sql.as_bytes()).unwrap();
        script.rewind().unwrap();
        let output = Command::new(program("mariadb", &[]))
            .args([
                "--no-defaults",
                "--batch",
                "--skip-column-names",
                "--user=root",
            ])
            .args(["--default-character-set=utf8mb4", "--binary-mode"])
            .arg(format!("--socket={}", self.folder.join("socket").display()))
            .arg(database)
            .stdin(script)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// A fresh database in `collation` with `sql` in it, and a user of the same name that may
    /// only read two tables.
    pub(crate) fn database(&self, collation: &str, sql: &str) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.execute(
            "mysql",
            &format!(
                "CREATE DATABASE {name} COLLATE {collation};
                CREATE USER {name}@'%' IDENTIFIED BY '{PASSWORD}';"
            ),
        );
        self.execute(&name, sql);
        self.execute(
            "mysql",
            &format!(
                "GRANT SELECT ON {name}.connection TO {name}@'%';
                GRANT SELECT ON {name}.variable TO {name}@'%';"
            ),
        );
        name
    }

    /// The URL of `database`, for the user that may only read.
    pub(crate) fn url(&self, database: &str) -> String {
        let port = self.server.port;
        format!("mysql+mysqldb://{database}:{PASSWORD_IN_URL}@127.0.0.1:{port}/{database}")
    }
}
