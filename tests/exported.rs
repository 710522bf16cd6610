//! Connections written out: what the real Airflow writes of the same, and what it reads of ours.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test's helpers may fail the test"
)]

#[path = "support/fields.rs"]
mod fields;

use std::{fs, path::PathBuf};

use airflow_secrets::{
    Connection, Dialect, Environment, Fields, Secret,
    export::{self, EnvForm},
};
use fields::fields;
use serde_json::Value;

fn file(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/exported");
    fs::read_to_string(folder.join(name)).unwrap()
}

/// `text` is what the file says; with `WRITE_EXPORTS=1`, it is written there, for Airflow to read.
fn compare_or_write(name: &str, text: &str) {
    if std::env::var_os("WRITE_EXPORTS").is_some() {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/exported");
        fs::write(folder.join(name), text).unwrap();
    }
    assert!(file(name) == text, "{name} is another");
}

fn lines(name: &str) -> Vec<Value> {
    let lines = file(name);
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

fn connection(given: &Value) -> Connection {
    let text = |name: &str| given[name].as_str().map(str::to_owned);
    let mut fields = Fields::default();
    fields.conn_type = text("conn_type");
    fields.description = text("description");
    fields.host = text("host");
    fields.login = text("login");
    fields.password = text("password").map(Secret::from);
    fields.schema = text("schema");
    fields.port = given["port"]
        .as_u64()
        .map(|port| u16::try_from(port).unwrap());
    fields.extra = text("extra").map(Secret::from);
    Connection::from_fields(given["conn_id"].as_str().unwrap(), fields, Dialect::Core).unwrap()
}

fn connections() -> Vec<Connection> {
    lines("connections.jsonl").iter().map(connection).collect()
}

/// `fields` with the extra as what it says, where it is JSON.
fn meant(fields: &Value) -> Value {
    let mut fields = fields.clone();
    let extra = fields["extra"].as_str().unwrap_or("");
    let extra = if extra.is_empty() { "{}" } else { extra };
    let extra = serde_json::from_str(extra).unwrap_or_else(|_| extra.into());
    fields["extra"] = extra;
    fields
}

#[test]
fn the_json_file_is_what_airflow_exports() {
    let ours = export::connections_to_json(&connections()).unwrap();
    assert!(ours.expose() == file("airflow.json"));
    compare_or_write("ours.json", ours.expose());
}

#[test]
fn the_lines_are_what_airflow_exports() {
    let all = connections();
    let ours = export::connections_to_env(&all, EnvForm::Json).unwrap();
    assert!(ours.expose() == file("airflow-json.env"));
    // Airflow writes a URI with a line's end in it all the same, and cannot read it.
    let on_one_line =
        |connection: &&Connection| export::connections_to_env([*connection], EnvForm::Uri).is_ok();
    let all = all.iter().filter(on_one_line).collect::<Vec<_>>();
    let ours = export::connections_to_env(all, EnvForm::Uri).unwrap();
    assert!(ours.expose() == file("airflow.env"));
}

#[test]
fn airflow_reads_the_json_and_the_yaml_file_as_the_same_connections() {
    let all = connections();
    compare_or_write(
        "ours.yaml",
        export::connections_to_yaml(&all).unwrap().expose(),
    );
    let read_back = lines("read_back.jsonl");
    assert_eq!(all.len(), read_back.len());
    for (connection, read) in all.iter().zip(read_back) {
        assert_eq!(connection.conn_id(), read["conn_id"]);
        assert_eq!(read["ours.json"], fields(connection), "{read}");
        assert_eq!(read["ours.yaml"], fields(connection), "{read}");
    }
}

#[test]
fn airflow_reads_an_environments_line_as_the_same_connection_through_a_shell() {
    let all = connections();
    let is_shell_name = |line: &Secret| {
        let name = line.expose().split('=').next().unwrap();
        name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let written = all.iter().map(Connection::to_env_line);
    let ours = written.clone().filter_map(Result::ok).filter(is_shell_name);
    let ours = ours.map(|line| line.expose().to_owned() + "\n");
    compare_or_write("ours.env", &ours.collect::<String>());
    let read_back = lines("read_back.jsonl");
    let mut counted = (0, 0);
    for ((connection, line), read) in all.iter().zip(written).zip(read_back) {
        let Ok(line) = line else { continue };
        if !is_shell_name(&line) {
            continue;
        }
        let wanted = meant(&fields(connection));
        let is_same = ["env core", "env task"].map(|side| meant(&read[side]) == wanted);
        // Where no text is the same for both sides of Airflow, one of them has it.
        assert!(is_same.contains(&true), "{read} {wanted}");
        counted.0 += usize::from(is_same == [true, true]);
        counted.1 += 1;
    }
    assert!(
        counted.1 > 100 && counted.0 * 10 >= counted.1 * 9,
        "{counted:?}"
    );
}

#[test]
fn an_environments_line_is_read_back_from_a_dotenv_file() {
    for connection in connections() {
        let Ok(line) = connection.to_env_line() else {
            continue;
        };
        let read = Environment::default()
            .with_dotenv(".env", line.expose())
            .unwrap();
        let name = line.expose().split('=').next().unwrap();
        let value = read.get(name).unwrap();
        let same = [Dialect::Core, Dialect::TaskSdk].map(|dialect| {
            let read = Connection::from_value(connection.conn_id(), value, dialect);
            read.is_ok_and(|read| meant(&fields(&read)) == meant(&fields(&connection)))
        });
        assert!(same.contains(&true), "{}", connection.conn_id());
    }
}

#[test]
fn what_could_not_be_read_back_is_refused() {
    let pg = Connection::builder("pg")
        .conn_type("postgres")
        .build()
        .unwrap();
    let twice = "connection \"pg\" cannot be written out: the id was given twice; a reader would take one of the two";
    assert_eq!(
        export::connections_to_json([&pg, &pg])
            .unwrap_err()
            .to_string(),
        twice
    );
    assert_eq!(
        export::connections_to_yaml([&pg, &pg])
            .unwrap_err()
            .to_string(),
        twice
    );
    for id in ["a=b", "#a", " # a", "\u{1f}# a", "a\nb", "a\rb"] {
        let odd = Connection::builder(id)
            .conn_type("postgres")
            .build()
            .unwrap();
        assert!(
            export::connections_to_env([&odd], EnvForm::Json).is_err(),
            "{id:?}"
        );
    }
    let odd = Connection::builder("a b")
        .conn_type("postgres")
        .build()
        .unwrap();
    assert!(odd.to_env_line().is_err());
}

#[test]
fn what_is_written_is_a_secret() {
    let pg = Connection::builder("pg")
        .conn_type("postgres")
        .password("marker")
        .build()
        .unwrap();
    let shown = format!(
        "{:?} {:?} {:?}",
        pg.to_env_line().unwrap(),
        export::connections_to_json([&pg]).unwrap(),
        export::connections_to_env([&pg], EnvForm::Uri).unwrap(),
    );
    assert!(!shown.contains("marker"), "{shown}");
    let colour = Secret::from("marker");
    assert!(!format!("{:?}", export::variables_to_json([("colour", &colour)])).contains("marker"));
}

#[test]
fn a_variable_is_written_as_its_text_whatever_it_is() {
    let texts = [
        "",
        "[\"blue\"]",
        "{\"a\":1}",
        "a\n\"b\"\\ ü🙂\u{2028}\0",
        "null",
    ];
    let texts = texts.map(Secret::from);
    let keys = ["a", "b c", "ü", "\"", "="];
    let written = export::variables_to_json(keys.into_iter().zip(&texts)).unwrap();
    let read: Value = serde_json::from_str(written.expose()).unwrap();
    for (key, text) in keys.iter().zip(&texts) {
        assert_eq!(read[key], text.expose());
    }
    assert_eq!(read.as_object().unwrap().len(), keys.len());
    let twice = export::variables_to_json([("a", &texts[0]), ("a", &texts[1])]);
    assert!(twice.is_err());
}
