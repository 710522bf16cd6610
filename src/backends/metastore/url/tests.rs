//! How SQLAlchemy splits URLs, and how we do.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::{Value, json};

use super::{DatabaseUrl, Engine, UrlError};
use crate::Secret;

/// The parts in the form of the corpus.
fn json(url: &DatabaseUrl, name: &str) -> Value {
    let mut query = BTreeMap::<_, Vec<_>>::new();
    for option in &url.options {
        query.entry(&option.name).or_default().push(&option.value);
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
                    UrlError::NotAUrl | UrlError::SeveralPorts => false,
                    UrlError::UnknownEngine => true,
                    UrlError::Port => out["port"].as_u64().is_none_or(|port| port > 65535),
                    UrlError::At => ["host", "database"]
                        .iter()
                        .any(|part| out[part].as_str().is_some_and(|text| text.contains('@'))),
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
    let url = DatabaseUrl::parse("postgresql://u:p@marker?a&word=x@host/db").unwrap();
    assert!(url.is_doubtful);
    assert_eq!(
        url.options[0].ignored().unwrap(),
        "option 2 of the URL is ignored; if Airflow connects without it, remove it (DB-6)"
    );
    assert_eq!(format!("{url:?}"), "Postgres URL");
}

#[test]
fn a_password_that_is_not_encoded_and_several_ports_are_told_apart() {
    for (url, expected) in [
        ("u:p@marker@host/db", Err(UrlError::At)),
        ("u:p@marker/x@host:5432/db", Err(UrlError::At)),
        ("u:p@marker#x@host:5432/db", Err(UrlError::At)),
        ("u:p@marker:x@host:5432/db", Err(UrlError::At)),
        ("u:p@host:marker/db", Err(UrlError::Port)),
        ("u:p@host:99999/db", Err(UrlError::Port)),
        ("u:p@one:5432,two:5433/db", Err(UrlError::SeveralPorts)),
        // SQLAlchemy reads these: the password ends at the first `@`.
        ("u:p/a?b#c@host:5432/db", Ok("p/a?b#c")),
        ("u:p%40x@host:5432/db?a=b@c", Ok("p@x")),
    ] {
        let password = DatabaseUrl::parse(&format!("postgresql://{url}"))
            .map(|url| url.password.unwrap().expose().to_owned());
        assert_eq!(password, expected.map(str::to_owned), "{url}");
    }
}

#[test]
fn an_option_that_repeats_another_is_refused_by_its_place() {
    let repeats = |url: &str| DatabaseUrl::parse(url).unwrap().refuse_repeats(&["host"]);
    assert_eq!(
        repeats("postgresql://h/db?host=a&sslmode=disable&host=b&sslmode=require"),
        Err(
            "option 4 of the URL has the name of option 2 of the URL, and only one can count; \
             remove one of them (DB-16)"
                .to_owned()
        )
    );
    assert_eq!(
        repeats("postgresql://h/db?host=a&host=b&sslmode=require"),
        Ok(())
    );
}

#[test]
fn an_argument_of_the_program_takes_the_place_of_the_option() {
    let mut url =
        DatabaseUrl::parse("postgresql://h/db?sslmode=disable&a=1&sslmode=allow").unwrap();
    url.set(&[("sslmode".to_owned(), Secret::from("require"))]);
    let options = url.options.iter();
    let options: Vec<_> = options
        .map(|option| (&*option.name, &*option.value))
        .collect();
    assert_eq!(options, [("a", "1"), ("sslmode", "require")]);
}
