//! libpq's own `PQconninfoParse`, for both of its forms.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    thread,
};

use airflow_secrets::clients::{Form, Postgres};
use serde_json::{Map, Value};

use crate::any::{Fields, cases, extra, fields};

/// libpq's options that any text may stand in.
const MEMBERS: &[&str] = &[
    "application_name",
    "options",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "sslpassword",
    "passfile",
    "krbsrvname",
];

/// What libpq reads in each of `texts`.
fn read(texts: &[String]) -> Vec<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("forms/libpq.py");
    let mut python = Command::new("python3")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3");
    let mut input = python.stdin.take().unwrap();
    let lines = texts
        .iter()
        .map(|text| Value::from(text.as_str()).to_string() + "\n");
    let lines = lines.collect::<String>();
    let writer = thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = python.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let read = output
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    read.collect()
}

fn assert_reads_what_was_written(form: impl Fn(&Postgres) -> Form) {
    let mut expected = Vec::new();
    let mut texts = Vec::new();
    for (fields, extra) in cases((fields(), extra(MEMBERS))) {
        let client = fields.connection("postgres", &extra).postgres().unwrap();
        texts.push(form(&client).expose().to_owned());
        expected.push((parameters(&fields, extra), fields));
    }
    let read = read(&texts);
    assert_eq!(read.len(), expected.len());
    for ((read, (expected, fields)), text) in read.into_iter().zip(expected).zip(texts) {
        assert_eq!(read, Value::Object(expected), "{text} of {fields:?}");
    }
}

/// The fields under libpq's names, and all members of the extra.
fn parameters(fields: &Fields, extra: Map<String, Value>) -> Map<String, Value> {
    let port = fields.port.map(|port| port.to_string());
    let own = [
        ("host", &fields.host),
        ("user", &fields.login),
        ("password", &fields.password),
        ("dbname", &fields.schema),
        ("port", &port),
    ];
    let own = own
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), Value::from(value.clone()?))));
    own.chain(extra).collect()
}

#[test]
fn libpq_reads_the_key_value_text_back() {
    assert_reads_what_was_written(|client| client.libpq().unwrap());
}

#[test]
fn libpq_reads_the_url_back() {
    assert_reads_what_was_written(|client| client.url().unwrap());
}
