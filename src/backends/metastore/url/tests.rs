//! How SQLAlchemy splits URLs, and how we do.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::{Value, json};

use super::{DatabaseUrl, Engine, UrlError};
use crate::Secret;

/// The parts in the form of the corpus.
fn json(url: &DatabaseUrl, name: &str) -> Value {
    let mut query = BTreeMap::<_, Vec<_>>::new();
    for (name, value) in &url.options {
        query.entry(name).or_default().push(value);
    }
    json!({
        "name": name,
        "username": url.username.as_ref().map(Secret::expose),
        "password": url.password.as_ref().map(Secret::expose),
        "host": url.host,
        "port": url.port,
        "database": url.database,
        "query": query,
    })
}

#[test]
fn urls_are_split_as_sqlalchemy_splits_them() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/metastore_urls.jsonl");
    let (mut same, mut refused) = (0, 0);
    for line in fs::read_to_string(path).unwrap().lines() {
        let mut case: Value = serde_json::from_str(line).unwrap();
        let url = case["in"].as_str().unwrap().to_owned();
        let mut out = case["out"].take();
        // An empty part is no part, for the drivers that come after.
        for part in ["username", "password", "database"] {
            if out[part] == "" {
                out[part] = Value::Null;
            }
        }
        match DatabaseUrl::parse(&url) {
            Ok(parsed) => {
                let name = url.split("://").next().unwrap();
                assert_eq!(json(&parsed, name), out, "{url}");
                same += 1;
            }
            // We refuse more: what no driver could connect to.
            Err(error) => {
                let is_ours = match error {
                    UrlError::NotAUrl => false,
                    UrlError::UnknownEngine => true,
                    UrlError::Port => out["port"].as_u64().is_none_or(|port| port > 65535),
                    UrlError::Host => out["host"].as_str().is_some_and(|host| host.contains('@')),
                    UrlError::SqliteWithHost => url.starts_with("sqlite"),
                };
                assert!(is_ours || !out["error"].is_null(), "{url}: {error}, {out}");
                refused += 1;
            }
        }
    }
    assert!(
        same > 500 && refused > 100,
        "{same} the same, {refused} refused"
    );
}

#[test]
fn every_name_of_an_engine_is_known() {
    for (name, engine) in [
        ("sqlite", Engine::Sqlite),
        ("sqlite+pysqlite", Engine::Sqlite),
        ("postgresql", Engine::Postgres),
        ("postgres", Engine::Postgres),
        ("postgresql+psycopg2", Engine::Postgres),
        ("postgresql+psycopg", Engine::Postgres),
        ("postgresql+asyncpg", Engine::Postgres),
        ("mysql", Engine::MySql),
        ("mysql+mysqldb", Engine::MySql),
        ("mysql+pymysql", Engine::MySql),
        ("mysql+mysqlconnector", Engine::MySql),
        ("mariadb+pymysql", Engine::MySql),
    ] {
        assert_eq!(
            DatabaseUrl::parse(&format!("{name}:///x")).unwrap().engine,
            engine
        );
    }
    for unknown in ["oracle://x", "mssql+pyodbc://x", "POSTGRESQL://x"] {
        assert_eq!(
            DatabaseUrl::parse(unknown).unwrap_err(),
            UrlError::UnknownEngine
        );
    }
}

#[test]
fn what_slipped_out_of_a_password_is_not_shown() {
    let url = DatabaseUrl::parse("postgresql://u:p@marker?word=x@host/db").unwrap();
    assert_eq!(url.option("word"), "an option of the URL");
    assert_eq!(format!("{url:?}"), "Postgres URL");
    let error = DatabaseUrl::parse("postgresql://u:p@marker@host/db").unwrap_err();
    assert_eq!(error, UrlError::Host);
}
