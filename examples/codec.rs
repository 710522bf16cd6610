//! The connection codec as a filter: JSON lines in, JSON lines out.
//!
//! Each line on stdin is `{"uri": "…"}`, `{"json": "…"}` (a JSON object as text) or
//! `{"fields": {…}}`, with `"dialect": "task-sdk"` for that dialect, else the core's. Each gives
//! one line on stdout, in the order read: the fields as Airflow holds them and the `uri` it
//! writes, or `{"error": "…"}`, also for a line of another form. The exit code is 0.
//!
//! **The output holds passwords and extras in clear**: this tool is for comparing, converting and
//! linting connections, not for looking at them. `resolve` redacts.
//!
//! ```sh
//! echo '{"uri": "postgresql://me:p%2Fw@db/app?sslmode=require"}' | cargo run -q --example codec
//! ```

use std::{
    collections::BTreeMap,
    io::{self, BufRead, BufWriter, Write},
};

use airflow_secrets::{Connection, Dialect, Fields, Secret};
use serde_json::{Value, value::RawValue};

/// The members of a JSON object, each as it is written.
type Members<'a> = BTreeMap<String, &'a RawValue>;

/// Answers have an id; what the codec does never depends on it.
const CONN_ID: &str = "codec";

fn main() -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().split(b'\n') {
        let members = match answer(&line?) {
            Ok(connection) => describe(&connection),
            Err(message) => vec![("error", Value::from(message))],
        };
        let members = members
            .into_iter()
            .map(|(key, value)| format!("\"{key}\": {value}"));
        writeln!(out, "{{{}}}", members.collect::<Vec<_>>().join(", "))?;
    }
    out.flush()
}

fn answer(line: &[u8]) -> Result<Connection, String> {
    let line = std::str::from_utf8(line).map_err(|_| "the line is not UTF-8")?;
    let members = serde_json::from_str::<Members<'_>>(line).map_err(
        |_| "the line is not a JSON object, or has a number or text that Rust cannot hold",
    )?;
    let dialect = match members.get("dialect").map(|name| text(name)).transpose()? {
        None => Dialect::Core,
        Some(name) if name == "core" => Dialect::Core,
        Some(name) if name == "task-sdk" => Dialect::TaskSdk,
        Some(_) => return Err("`dialect` must be `core` or `task-sdk`".to_owned()),
    };
    let given = ["uri", "json", "fields"].map(|key| members.get(key));
    let connection = match given {
        [Some(uri), None, None] => Connection::from_uri(CONN_ID, &text(uri)?, dialect),
        [None, Some(json), None] => Connection::from_json(CONN_ID, &text(json)?, dialect),
        [None, None, Some(fields)] => {
            Connection::from_fields(CONN_ID, read_fields(fields, dialect)?, dialect)
        }
        _ => return Err("give one of `uri`, `json` and `fields`".to_owned()),
    };
    connection.map_err(|error| error.to_string())
}

fn text(value: &RawValue) -> Result<String, String> {
    serde_json::from_str(value.get())
        .map_err(|_| "`uri`, `json` and `dialect` must be texts".to_owned())
}

fn read_fields(fields: &RawValue, dialect: Dialect) -> Result<Fields, String> {
    let members = serde_json::from_str::<Members<'_>>(fields.get())
        .map_err(|_| "`fields` is not a JSON object")?;
    let mut fields = Fields::default();
    for (key, value) in members {
        let text = || {
            serde_json::from_str::<Option<String>>(value.get())
                .map_err(|_| format!("`{key}` must be a text or null"))
        };
        match key.as_str() {
            "conn_type" => fields.conn_type = text()?,
            "description" => fields.description = text()?,
            "host" => fields.host = text()?,
            "login" => fields.login = text()?,
            "password" => fields.password = text()?.map(Secret::from),
            "schema" => fields.schema = text()?,
            "port" => {
                fields.port = serde_json::from_str(value.get())
                    .map_err(|_| "`port` must be a whole number from 0 to 65535, or null")?;
            }
            "extra" if dialect == Dialect::Core && value.get().starts_with('{') => {
                // The core's constructor takes an object, and writes it as text.
                let document = format!("{{\"extra\": {value}}}");
                let connection = Connection::from_json(CONN_ID, &document, dialect);
                let connection = connection.map_err(|error| error.to_string())?;
                fields.extra = connection.extra().cloned();
            }
            "extra" => fields.extra = text()?.map(Secret::from),
            _ => return Err("`fields` has an unknown key; the keys are conn_type, description, host, login, password, schema, port and extra".to_owned()),
        }
    }
    Ok(fields)
}

fn describe(connection: &Connection) -> Vec<(&'static str, Value)> {
    vec![
        ("conn_type", connection.conn_type().into()),
        ("description", connection.description().into()),
        ("host", connection.host().into()),
        ("login", connection.login().into()),
        ("password", connection.password().map(Secret::expose).into()),
        ("schema", connection.schema().into()),
        ("port", connection.port().into()),
        ("extra", connection.extra().map(Secret::expose).into()),
        ("uri", connection.get_uri().expose().into()),
    ]
}
