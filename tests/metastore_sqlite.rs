//! SQLite as it is found on a laptop: read without a trace, and every fault with its own message.

// A test may panic: so it fails.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used
)]

#[path = "support/folder.rs"]
mod folder;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use airflow_secrets::{
    Failure, Lookup, Secret, SecretsBackend,
    backend::{FailureKind, LookupOptions, SkipReason},
    backends::metastore::MetastoreBackend,
    testing::Conformance,
};
use folder::Folder;
use futures_executor::block_on;
use rusqlite::Connection;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

const TABLES: &str = "
    CREATE TABLE connection (id INTEGER PRIMARY KEY, conn_id VARCHAR(250) UNIQUE, conn_type VARCHAR(500),
        description VARCHAR(5000), host VARCHAR(500), schema VARCHAR(500), login TEXT, password TEXT, port INTEGER,
        is_encrypted BOOLEAN, is_extra_encrypted BOOLEAN, extra TEXT, team_name VARCHAR(50));
    CREATE TABLE variable (id INTEGER PRIMARY KEY, key VARCHAR(250) UNIQUE, val TEXT, is_encrypted BOOLEAN,
        team_name VARCHAR(50));
    INSERT INTO connection (conn_id, conn_type, host) VALUES ('pg', 'postgres', 'first.example.com');
    INSERT INTO variable (key, val, is_encrypted) VALUES ('plain', 'text', 0), ('secret', 'gAAAA-marker', 1);
";

fn backend(path: &Path) -> MetastoreBackend {
    MetastoreBackend::builder()
        .url(format!("sqlite:///{}", path.display()))
        .fernet_key(Some(Secret::from(KEY)))
        .connect_timeout(Duration::from_millis(50))
        .build()
        .unwrap()
}

/// A folder with a database in it.
fn database(journal_mode: &str) -> (Folder, PathBuf) {
    let folder = Folder::new();
    let path = folder.path().join("airflow.db");
    let connection = Connection::open(&path).unwrap();
    connection
        .pragma_update(None, "journal_mode", journal_mode)
        .unwrap();
    connection.execute_batch(TABLES).unwrap();
    (folder, path)
}

fn host(backend: &MetastoreBackend, conn_id: &str) -> Result<Option<String>, Failure> {
    let answer = block_on(backend.get_connection(conn_id, &LookupOptions::new()))?;
    Ok(match answer {
        Lookup::Found { value, .. } => value.host().map(str::to_owned),
        _ => None,
    })
}

#[test]
fn a_path_may_begin_with_more_than_one_slash() {
    for journal_mode in ["delete", "wal"] {
        let (_folder, path) = database(journal_mode);
        let path = format!("///{}", path.display());
        let found = host(&backend(Path::new(&path)), "pg").unwrap();
        assert_eq!(found.as_deref(), Some("first.example.com"));
    }
}

fn unavailable(path: &Path) -> String {
    fails(path, FailureKind::Unavailable)
}

fn fails(path: &Path, kind: FailureKind) -> String {
    let failure = host(&backend(path), "pg").unwrap_err();
    assert_eq!(failure.kind(), kind);
    assert_eq!(
        failure.native_key(),
        Some("connection WHERE conn_id = 'pg'")
    );
    failure.message().to_owned()
}

fn files(folder: &Folder) -> Vec<String> {
    let mut files = fs::read_dir(folder.path())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect::<Vec<_>>();
    files.sort();
    files
}

#[test]
fn a_lookup_leaves_no_trace_beside_the_database() {
    for journal_mode in ["wal", "delete"] {
        let (folder, path) = database(journal_mode);
        let before = fs::read(&path).unwrap();
        let backend = backend(&path);
        assert_eq!(host(&backend, "pg").unwrap().unwrap(), "first.example.com");
        assert_eq!(files(&folder), ["airflow.db"]);
        drop(backend);
        assert_eq!(files(&folder), ["airflow.db"]);
        assert!(
            fs::read(&path).unwrap() == before,
            "the database was written to"
        );
    }
}

#[test]
fn what_another_process_has_just_written_is_seen() {
    for journal_mode in ["wal", "delete"] {
        let (_folder, path) = database(journal_mode);
        let backend = backend(&path);
        assert_eq!(host(&backend, "pg").unwrap().unwrap(), "first.example.com");
        let writer = Connection::open(&path).unwrap();
        for host_name in ["second.example.com", "third.example.com"] {
            let sql = "UPDATE connection SET host = ?";
            writer.execute(sql, [host_name]).unwrap();
            assert_eq!(host(&backend, "pg").unwrap().unwrap(), host_name);
        }
        drop(writer);
        assert_eq!(host(&backend, "pg").unwrap().unwrap(), "third.example.com");
    }
}

#[test]
fn a_writer_is_never_held_up() {
    let (_folder, path) = database("delete");
    let backend = backend(&path);
    host(&backend, "pg").unwrap();
    let writer = Connection::open(&path).unwrap();
    writer.busy_timeout(Duration::ZERO).unwrap();
    writer
        .execute_batch("BEGIN EXCLUSIVE; DELETE FROM connection; COMMIT")
        .unwrap();
    assert_eq!(host(&backend, "pg").unwrap(), None);
}

#[test]
fn a_file_that_was_put_in_its_place_is_read() {
    let (_folder, path) = database("wal");
    let (_other_folder, other) = database("wal");
    Connection::open(&other)
        .unwrap()
        .execute("UPDATE connection SET host = 'other.example.com'", [])
        .unwrap();
    let backend = backend(&path);
    assert_eq!(host(&backend, "pg").unwrap().unwrap(), "first.example.com");
    fs::rename(&other, &path).unwrap();
    assert_eq!(host(&backend, "pg").unwrap().unwrap(), "other.example.com");
}

#[test]
fn a_path_with_special_characters_is_that_path() {
    let (folder, path) = database("wal");
    let special = folder.path().join("a b#c&d'é%2541.db");
    fs::rename(&path, &special).unwrap();
    let url = special.to_str().unwrap().replace('%', "%25");
    let backend = backend(Path::new(&url));
    assert_eq!(host(&backend, "pg").unwrap().unwrap(), "first.example.com");
}

#[test]
fn a_file_that_does_not_exist_is_said_so_and_not_created() {
    let folder = Folder::new();
    let message = unavailable(&folder.path().join("airflow.db"));
    assert!(
        message.contains("airflow.db: No such file or directory"),
        "{message}"
    );
    assert!(message.contains("nothing is ever created"), "{message}");
    assert_eq!(files(&folder), [""; 0]);
}

#[test]
fn what_is_no_database_is_said_so() {
    let folder = Folder::new();
    let path = folder.path().join("notes.txt");
    fs::write(&path, "these are notes, not a database".repeat(100)).unwrap();
    let message = fails(&path, FailureKind::Configuration);
    assert!(
        message.contains("notes.txt is not a SQLite database"),
        "{message}"
    );
    let message = fails(folder.path(), FailureKind::Configuration);
    assert!(message.contains("is not a file"), "{message}");
}

#[test]
fn a_database_without_airflows_tables_says_what_to_do() {
    let folder = Folder::new();
    let path = folder.path().join("empty.db");
    Connection::open(&path)
        .unwrap()
        .execute("CREATE TABLE t (x)", [])
        .unwrap();
    let message = fails(&path, FailureKind::Configuration);
    assert!(message.contains("has no table `connection`"), "{message}");
    assert!(message.contains("airflow db migrate"), "{message}");
}

#[test]
fn a_database_that_stays_locked_is_unavailable() {
    let (_folder, path) = database("delete");
    let writer = Connection::open(&path).unwrap();
    writer.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let message = unavailable(&path);
    assert!(
        message.contains("locked by another process for longer than 50ms"),
        "{message}"
    );
    writer.execute_batch("COMMIT").unwrap();
    assert_eq!(
        host(&backend(&path), "pg").unwrap().unwrap(),
        "first.example.com"
    );
}

#[test]
fn a_database_in_memory_can_hold_nothing() {
    for url in ["sqlite://", "sqlite:///:memory:"] {
        let backend = MetastoreBackend::builder().url(url).build().unwrap();
        let failure = host(&backend, "pg").unwrap_err();
        assert!(failure.message().contains("is in memory"), "{failure}");
        assert_eq!(failure.kind(), FailureKind::Configuration);
    }
}

#[test]
fn a_missing_key_names_the_setting_and_the_cure() {
    let (_folder, path) = database("wal");
    let builder = MetastoreBackend::builder().url(format!("sqlite:///{}", path.display()));
    let without = builder.clone().build().unwrap();
    let failure = block_on(without.get_variable("secret", &LookupOptions::new())).unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Configuration);
    assert_eq!(
        failure.message(),
        "`val` is encrypted and [core] fernet_key is not set; set AIRFLOW__CORE__FERNET_KEY to \
         the key that Airflow uses (DB-1)"
    );
    let invalid = builder
        .fernet_key(Some(Secret::from("c2hvcnQ=")))
        .fernet_key_origin("AIRFLOW__CORE__FERNET_KEY")
        .build()
        .unwrap();
    let failure = block_on(invalid.get_variable("secret", &LookupOptions::new())).unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Configuration);
    assert_eq!(
        failure.message(),
        "`val` is encrypted and [core] fernet_key (AIRFLOW__CORE__FERNET_KEY) is not a Fernet \
         key: each of its keys (with a comma between them) must be 32 bytes in URL-safe base64, \
         which is 44 characters (DB-2)"
    );
    // Nothing is encrypted here: neither is in the way.
    let plain = Lookup::found(Secret::from("text"), "variable WHERE key = 'plain'");
    assert_eq!(
        block_on(without.get_variable("plain", &LookupOptions::new())),
        Ok(plain.clone())
    );
    assert_eq!(
        block_on(invalid.get_variable("plain", &LookupOptions::new())),
        Ok(plain)
    );
}

#[test]
fn a_variable_that_cannot_be_decrypted_is_invalid_as_a_connection_is() {
    let (_folder, path) = database("wal");
    let sql = "UPDATE connection SET password = 'gAAAA-marker', is_encrypted = 1";
    Connection::open(&path).unwrap().execute(sql, []).unwrap();
    let backend = backend(&path);
    let variable = block_on(backend.get_variable("secret", &LookupOptions::new())).unwrap_err();
    let connection = host(&backend, "pg").unwrap_err();
    for (failure, column, native_key) in [
        (variable, "val", "variable WHERE key = 'secret'"),
        (connection, "password", "connection WHERE conn_id = 'pg'"),
    ] {
        assert_eq!(failure.kind(), FailureKind::InvalidValue);
        assert_eq!(failure.native_key(), Some(native_key));
        assert_eq!(
            failure.message(),
            format!(
                "`{column}` cannot be decrypted: it is damaged, or was encrypted with a key that \
                 is not in [core] fernet_key; add that key, or save the value again (DB-17)"
            )
        );
    }
}

#[test]
fn a_variable_whose_text_is_not_utf_8_is_invalid() {
    let (_folder, path) = database("wal");
    // What Python's `cryptography` made of the bytes FF FE with the key above.
    let token = "gAAAAABo53gAUtlXxkWi_PNtifNB6mEmk4ntG_xfOGIEll_FODbL7geAMmiyT5fIo-Uwp5h9uMTgqSSboSPkps8Ft4sNsPlxDg==";
    let sql = "UPDATE variable SET val = ? WHERE key = 'secret'";
    Connection::open(&path)
        .unwrap()
        .execute(sql, [token])
        .unwrap();
    let failure = block_on(backend(&path).get_variable("secret", &LookupOptions::new()));
    let failure = failure.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::InvalidValue);
    assert_eq!(
        failure.message(),
        "the decrypted `val` is not UTF-8 (DB-17)"
    );
}

#[test]
fn ids_of_every_number_are_answered_in_the_order_asked() {
    let (_folder, path) = database("wal");
    let mut connection = Connection::open(&path).unwrap();
    let transaction = connection.transaction().unwrap();
    for number in 0..300 {
        let sql = "INSERT INTO variable (key, val, is_encrypted) VALUES (?, ?, 0)";
        transaction
            .execute(sql, [format!("k{number}"), format!("v{number}")])
            .unwrap();
    }
    transaction.commit().unwrap();
    let keys = (0..12_001)
        .rev()
        .map(|number| format!("k{}", number % 400))
        .collect::<Vec<_>>();
    let asked = keys.iter().map(String::as_str).collect::<Vec<_>>();
    let answers = block_on(backend(&path).get_variables(&asked, &LookupOptions::new()));
    assert_eq!(answers.len(), keys.len());
    for (key, answer) in keys.iter().zip(answers) {
        let native_key = format!("variable WHERE key = '{key}'");
        let number = key[1..].parse::<u32>().unwrap();
        let expected = if number < 300 {
            Lookup::found(Secret::from(format!("v{number}")), native_key)
        } else {
            Lookup::missing(native_key)
        };
        assert_eq!(answer, Ok(expected));
    }
    assert_eq!(
        block_on(backend(&path).get_variables(&[], &LookupOptions::new())),
        []
    );
}

#[test]
fn an_id_with_nul_is_not_asked_for() {
    let (_folder, path) = database("wal");
    let backend = backend(&path);
    let skipped = || SkipReason::InvalidId("it contains NUL".into());
    let answers = block_on(backend.get_variables(&["a\0b", "plain"], &LookupOptions::new()));
    assert_eq!(answers[0], Ok(Lookup::skipped(skipped())));
    assert_eq!(
        answers[1],
        Ok(Lookup::found(
            Secret::from("text"),
            "variable WHERE key = 'plain'"
        ))
    );
    assert_eq!(
        block_on(backend.get_variable("a\0b", &LookupOptions::new())),
        Ok(Lookup::skipped(skipped()))
    );
}

#[test]
fn the_database_of_the_quickstart_opens_with_its_published_key() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart/airflow.db");
    let key = "cXVpY2tzdGFydC1kZW1vLWtleS1ub3QtYS1zZWNyZXQ=";
    let backend = MetastoreBackend::builder()
        .url(format!("sqlite:///{}", path.display()))
        .fernet_key(Some(Secret::from(key)))
        .build()
        .unwrap();
    let uri = "postgres://loader:correct%20horse%20battery%20staple@warehouse.example.com:5432/analytics\
               ?__extra__=%7B%22sslmode%22%3A+%22require%22%2C+%22connect_timeout%22%3A+10%7D";
    let warehouse = block_on(backend.get_conn_value("warehouse", &LookupOptions::new()));
    assert_eq!(
        warehouse.unwrap(),
        Lookup::found(Secret::from(uri), "connection WHERE conn_id = 'warehouse'")
    );
    let size = block_on(backend.get_variable("batch_size", &LookupOptions::new()));
    let found = Lookup::found(Secret::from("500"), "variable WHERE key = 'batch_size'");
    assert_eq!(size.unwrap(), found);
    assert!(fs::metadata(path).unwrap().len() < 1_500_000);
}

#[test]
fn a_connection_is_also_had_as_a_uri() {
    let (_folder, path) = database("wal");
    assert_eq!(
        block_on(backend(&path).get_conn_value("pg", &LookupOptions::new())),
        Ok(Lookup::found(
            Secret::from("postgres://first.example.com"),
            "connection WHERE conn_id = 'pg'"
        ))
    );
}

#[test]
fn tables_in_a_schema_are_found_there() {
    let (_folder, path) = database("wal");
    let in_schema = |schema: &str| {
        MetastoreBackend::builder()
            .url(format!("sqlite:///{}", path.display()))
            .schema(schema)
            .build()
            .unwrap()
    };
    assert_eq!(
        host(&in_schema("main"), "pg").unwrap().unwrap(),
        "first.example.com"
    );
    assert_eq!(
        host(&in_schema("  "), "pg").unwrap().unwrap(),
        "first.example.com"
    );
    let failure = host(&in_schema("a\"b"), "pg").unwrap_err();
    assert!(
        failure.message().contains("has no table `connection`"),
        "{failure}"
    );
}

#[test]
fn options_without_a_meaning_here_are_named_in_a_warning() {
    let backend = MetastoreBackend::builder()
        .url("sqlite:////x.db?timeout=3&check_same_thread=False&surprise=1")
        .origin("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN")
        .build()
        .unwrap();
    let warnings = backend
        .warnings()
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>();
    assert_eq!(
        warnings,
        [
            "[database] sql_alchemy_conn (AIRFLOW__DATABASE__SQL_ALCHEMY_CONN): option 3 of the URL \
             is ignored; if Airflow connects without it, remove it (DB-6)"
        ]
    );
}

#[test]
fn a_timeout_that_python_cannot_read_is_refused() {
    let url = |timeout| format!("sqlite:////x.db?timeout={timeout}");
    let build = |timeout| MetastoreBackend::builder().url(url(timeout)).build();
    for timeout in ["3", "0.5", "-1", "1e2"] {
        assert_eq!(build(timeout).unwrap().warnings(), []);
    }
    for timeout in ["abc", "1,5"] {
        assert_eq!(
            build(timeout).unwrap_err().message(),
            "the URL's option `timeout` must be a number of seconds (DB-16)"
        );
    }
    assert!(
        build("1&timeout=1")
            .unwrap_err()
            .message()
            .contains("has the name of option 1")
    );
}

#[test]
fn a_path_may_contain_an_at_sign() {
    let (folder, path) = database("wal");
    let special = folder.path().join("user@host.db");
    fs::rename(&path, &special).unwrap();
    let found = host(&backend(&special), "pg").unwrap();
    assert_eq!(found.as_deref(), Some("first.example.com"));
}

#[test]
fn nothing_secret_is_shown() {
    let (_folder, path) = database("wal");
    let backend = backend(&path);
    let builder = MetastoreBackend::builder()
        .url("sqlite://marker-user:marker-password@marker-host/marker")
        .fernet_key(Some(Secret::from("marker-key")));
    let error = builder.clone().build().unwrap_err();
    for shown in [
        format!("{backend:?}"),
        format!("{builder:?}"),
        format!("{error} {error:?}"),
        format!(
            "{:?}",
            block_on(backend.get_connection("pg", &LookupOptions::new()))
        ),
        format!(
            "{:?}",
            block_on(backend.get_variable("plain", &LookupOptions::new()))
        ),
    ] {
        for secret in ["marker", KEY, "\"text\""] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
    }
}

#[tokio::test]
async fn sqlite_conforms() {
    let (_folder, path) = database("wal");
    let connection = Connection::open(&path).unwrap();
    let rows = "INSERT INTO variable (key, val, team_name)
        VALUES ('colour', 'a-blue-marker', NULL), ('shape', 'a-round-marker', 'red')";
    connection.execute_batch(rows).unwrap();
    Conformance::of(backend(&path))
        .connection("pg", "postgres://first.example.com")
        .variable("colour", "a-blue-marker")
        .team_variable("red", "shape", "a-round-marker")
        .unreachable(backend(Path::new("/nowhere/airflow.db")))
        .run()
        .await
        .unwrap();
}
