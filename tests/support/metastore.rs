//! Metadata DBs that the real Airflow filled, and what it answered for each row.

#[path = "fields.rs"]
mod fields;

use std::{
    collections::HashMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use airflow_secrets::{
    Failure, Lookup, Secret, SecretsBackend,
    backend::{FailureKind, LookupOptions},
    backends::metastore::MetastoreBackend,
};
use fields::fields_and_uri;
use rusqlite::types::ValueRef;
use serde_json::{Value, json};

/// A file under `tests/conformance`.
pub(crate) fn conformance(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../conformance")
        .join(name)
}

/// What Airflow answered.
pub(crate) struct Corpus {
    /// The texts of `[core] fernet_key`, by the names that cases use.
    pub(crate) keys: HashMap<String, String>,
    pub(crate) cases: Vec<Case>,
}

/// One question, and Airflow's answer.
pub(crate) struct Case {
    pub(crate) key: String,
    pub(crate) asked: Asked,
    pub(crate) team: Option<String>,
    /// Whether it is a variable whose row is marked as encrypted.
    pub(crate) encrypted: bool,
    pub(crate) out: Value,
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    Connection(String),
    Variable(String),
}

impl Asked {
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Connection(id) | Self::Variable(id) => id,
        }
    }
}

impl Corpus {
    /// Reads a corpus that `tests/conformance/metastore.py` wrote.
    pub(crate) fn read(name: &str) -> Self {
        let text = fs::read_to_string(conformance(name)).unwrap();
        let mut lines = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let keys = serde_json::from_value(lines.next().unwrap()["keys"].take()).unwrap();
        let cases = lines
            .map(|mut case| Case {
                key: case["key"].as_str().unwrap().to_owned(),
                asked: match case["conn_id"].as_str() {
                    Some(id) => Asked::Connection(id.to_owned()),
                    None => Asked::Variable(case["variable"].as_str().unwrap().to_owned()),
                },
                team: case["team"].as_str().map(str::to_owned),
                encrypted: case["encrypted"] == true,
                out: case["out"].take(),
            })
            .collect();
        Self { keys, cases }
    }
}

/// An answer in the form of the corpus; an error says whether it is a setting's.
pub(crate) fn answer_json<T>(
    answer: &Result<Lookup<T>, Failure>,
    value: impl Fn(&T) -> Value,
) -> Value {
    match answer {
        Ok(Lookup::Found { value: found, .. }) => value(found),
        Ok(Lookup::Missing { .. }) => Value::Null,
        Ok(Lookup::Skipped { reason, .. }) => json!({ "skipped": reason.to_string() }),
        Ok(_) => panic!("a lookup of a kind that is new"),
        Err(failure) => json!({ "error": failure.kind() == FailureKind::Configuration }),
    }
}

/// Airflow's answer to `case`, where it is not ours on purpose with ours in its place: an error
/// for what Airflow trips over later or only warns about. `release` is Airflow's.
pub(crate) fn expected(case: &Case, release: u8) -> Value {
    const NO_KEYS: [&str; 7] = [
        "absent",
        "too short",
        "not base64",
        "without padding",
        "trailing comma",
        "one of two wrong",
        "a blank",
    ];
    let no_key = NO_KEYS.contains(&case.key.as_str());
    let out = &case.out;
    // Without a key Airflow hands out a variable's cipher text, with one that is none it calls the
    // variable absent; of a connection it says that it cannot be read.
    if case.encrypted && no_key {
        return json!({ "error": true });
    }
    if !out["error"].is_null() {
        return json!({ "error": out["of_key"] });
    }
    // A variable that no key decrypts is absent there.
    if case.encrypted && out.is_null() {
        return json!({ "error": false });
    }
    let extra = out["extra"].as_str().unwrap_or_default();
    let is_object = || serde_json::from_str::<Value>(extra).is_ok_and(|extra| extra.is_object());
    let is_port = |port: &Value| port.as_u64().is_some_and(|port| port <= 65535);
    if (release < 3 && !extra.is_empty() && !is_object())
        || !(out["port"].is_null() || is_port(&out["port"]))
    {
        return json!({ "error": false });
    }
    out.clone()
}

/// Asserts that the databases that `open` opens, each with the key of the name it is given,
/// answer every case of `corpus` as expected: one by one, and all of them at once.
pub(crate) async fn assert_same_answers(
    corpus: &Corpus,
    release: u8,
    open: impl Fn(&str) -> MetastoreBackend,
) {
    assert!(
        corpus.cases.len() > 300,
        "the corpus is too small to prove anything"
    );
    let mut wrong = Vec::new();
    let group = |case: &Case| (case.key.clone(), case.team.clone());
    for cases in corpus
        .cases
        .chunk_by(|one, other| group(one) == group(other))
    {
        let (key, team) = (cases[0].key.as_str(), cases[0].team.as_deref());
        let backend = open(key);
        let mut ids = (Vec::new(), Vec::new());
        let mut answers = (Vec::new(), Vec::new());
        for case in cases {
            let mut expected = expected(case, release);
            let mut answer = match &case.asked {
                Asked::Connection(id) => {
                    ids.0.push(id.as_str());
                    let answer = backend
                        .get_connection(id, &LookupOptions::new().with_team(team))
                        .await;
                    answers.0.push(answer.clone());
                    answer_json(&answer, fields_and_uri)
                }
                Asked::Variable(id) => {
                    ids.1.push(id.as_str());
                    let answer = backend
                        .get_variable(id, &LookupOptions::new().with_team(team))
                        .await;
                    answers.1.push(answer.clone());
                    answer_json(&answer, variable_json)
                }
            };
            // Airflow 2 writes the URI of a host with a protocol in another way than Airflow 3.
            let host = expected["host"].as_str().unwrap_or_default();
            if release < 3 && host.contains("://") {
                for answer in [&mut expected, &mut answer] {
                    answer.as_object_mut().unwrap().remove("uri");
                }
            }
            if answer != expected {
                let asked = &case.asked;
                wrong.push(format!(
                    "{asked:?}, key {key:?}, team {team:?}:\n  {expected}\n  {answer}"
                ));
            }
        }
        let together = backend
            .get_connections(&ids.0, &LookupOptions::new().with_team(team))
            .await;
        assert_eq!(
            together, answers.0,
            "connections at once, key {key:?}, team {team:?}"
        );
        let together = backend
            .get_variables(&ids.1, &LookupOptions::new().with_team(team))
            .await;
        assert_eq!(
            together, answers.1,
            "variables at once, key {key:?}, team {team:?}"
        );
    }
    assert!(
        wrong.is_empty(),
        "{} of {} answers differ; expected, then given:\n{}",
        wrong.len(),
        corpus.cases.len(),
        wrong.join("\n")
    );
}

/// A variable's value in the form of the corpus.
fn variable_json(value: &Secret) -> Value {
    json!({ "value": value.expose() })
}

/// The rows of a SQLite database as statements for MariaDB, every value a literal.
pub(crate) fn rows_as_sql(path: &Path) -> String {
    let url = format!("file:{}?immutable=1", path.display());
    let database = rusqlite::Connection::open(url).unwrap();
    let mut sql = String::new();
    for (table, id) in [("connection", "conn_id"), ("variable", "key")] {
        let query = format!("SELECT * FROM {table} WHERE {id} NOT LIKE 'dynamic_%'");
        let mut statement = database.prepare(&query).unwrap();
        let columns = statement.column_names().collect::<Vec<_>>().join("`, `");
        let count = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let values = (0..count).map(|index| match row.get_ref(index).unwrap() {
                ValueRef::Null => "NULL".to_owned(),
                ValueRef::Integer(number) => number.to_string(),
                ValueRef::Text(b"") => "''".to_owned(),
                ValueRef::Text(text) => {
                    let mut literal = "_utf8mb4 X'".to_owned();
                    for byte in text {
                        write!(literal, "{byte:02x}").unwrap();
                    }
                    literal + "'"
                }
                other => panic!("{other:?} in {table}"),
            });
            let values = values.collect::<Vec<_>>().join(", ");
            writeln!(sql, "INSERT INTO {table} (`{columns}`) VALUES ({values});").unwrap();
        }
    }
    sql
}
