//! From an entry of a connections file to a connection, as Airflow's `Connection(**fields)`.

use super::{
    to_json::{DumpError, dumps},
    value::{Key, Value},
};
use crate::{Connection, ConnectionError, Dialect, Fields, Secret};

/// Why an entry is not a connection.
pub(super) enum Refusal {
    /// Airflow refuses it too, and the whole file with it.
    File(String),
    /// Airflow accepts it and fails later: the file's other connections are not affected.
    Entry(String),
}

impl From<&str> for Refusal {
    fn from(problem: &str) -> Self {
        Self::File(problem.to_owned())
    }
}

impl From<String> for Refusal {
    fn from(problem: String) -> Self {
        Self::File(problem)
    }
}

impl From<ConnectionError> for Refusal {
    fn from(error: ConnectionError) -> Self {
        if error.is_loose_json() {
            Self::Entry(error.to_string())
        } else {
            Self::File(error.to_string())
        }
    }
}

/// The keys an entry may have.
const KEYS: [&str; 12] = [
    "conn_id",
    "conn_type",
    "description",
    "host",
    "login",
    "password",
    "schema",
    "port",
    "extra",
    "extra_dejson",
    "uri",
    "team_name",
];

/// Connection `conn_id` from `value`, a URI or an object, under key `key`.
pub(super) fn create(conn_id: &str, key: &Value, value: &Value) -> Result<Connection, Refusal> {
    let object = match value {
        Value::Text(uri) => {
            return Ok(Connection::from_uri(conn_id, uri, Dialect::Core)?);
        }
        Value::Dict(object) => object,
        _ => return Err("must be a URI or an object".into()),
    };
    let mut keys = object.iter().map(|(name, _)| name);
    if let Some(unknown) =
        keys.position(|name| !matches!(&**name, Value::Text(name) if KEYS.contains(&name.as_str())))
    {
        return Err(format!(
            "has an unknown key, number {}; the keys are {}",
            unknown + 1,
            KEYS.join(", ")
        )
        .into());
    }
    let get = |name| object.get(name).map(|value| &**value);
    if let Some(other) = get("conn_id")
        && !is_equal(key, other)
    {
        return Err("has a `conn_id` that differs from its key".into());
    }
    let extra = match (get("extra"), get("extra_dejson")) {
        (Some(_), Some(_)) => {
            return Err("has both `extra` and `extra_dejson`; give one".into());
        }
        (None, Some(extra)) => Some(dumped(extra)?),
        (Some(Value::Text(extra)), None) => Some(Secret::from(extra.as_str())),
        (Some(extra), None) if extra.is_truthy() => Some(dumped(extra)?),
        (_, None) => None,
    };
    let password = match get("password").filter(|password| password.is_truthy()) {
        None => None,
        Some(Value::Text(password)) => Some(Secret::from(password.as_str())),
        Some(_) => {
            return Err("has a `password` that is not text; put it between quotes (FILE-2)".into());
        }
    };
    // What Airflow refuses is checked before what only we refuse: the former fails the whole file.
    let sound = Fields {
        extra: extra.clone(),
        ..Fields::default()
    };
    if let Err(error) = Connection::from_fields(conn_id, sound, Dialect::Core)
        && !error.is_loose_json()
    {
        return Err(error.into());
    }
    let singles = ["conn_type", "host", "login", "password", "schema", "port"];
    let mut fields = match get("uri").filter(|uri| uri.is_truthy()) {
        Some(uri) => {
            let is_set = |name| get(name).is_some_and(Value::is_truthy);
            if singles.into_iter().any(is_set) || extra.is_some_and(|extra| !extra.is_empty()) {
                return Err("has `uri` and other fields; give one or the other".into());
            }
            let Value::Text(uri) = uri else {
                return Err("has a `uri` that is not text".into());
            };
            Connection::from_uri(conn_id, uri, Dialect::Core)?.into_fields()
        }
        None => Fields {
            conn_type: optional_text("conn_type", get("conn_type"))?,
            host: optional_text("host", get("host"))?,
            login: optional_text("login", get("login"))?,
            password,
            schema: optional_text("schema", get("schema"))?,
            port: port(get("port"))?,
            extra,
            ..Fields::default()
        },
    };
    fields.description = optional_text("description", get("description"))?;
    Ok(Connection::from_fields(conn_id, fields, Dialect::Core)?)
}

/// `one == other`, where one of them can be a key.
fn is_equal(one: &Value, other: &Value) -> bool {
    let is_nan = |key: &Key| matches!(key, Key::Float(bits) if f64::from_bits(*bits).is_nan());
    match (one.key(), other.key()) {
        (Some(one), Some(other)) => one == other && !is_nan(&one),
        _ => false,
    }
}

/// `json.dumps(value)`.
fn dumped(value: &Value) -> Result<Secret, Refusal> {
    dumps(value).map_err(|error| {
        let problem = format!("has an `extra` that {}", error.problem());
        match error {
            DumpError::Unsupported(what) if what.is_json_in_python() => Refusal::Entry(problem),
            DumpError::NotJson if matches!(value, Value::Dict(_)) => Refusal::Entry(problem),
            _ => Refusal::File(problem),
        }
    })
}

fn optional_text(name: &str, value: Option<&Value>) -> Result<Option<String>, Refusal> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Text(text)) => Ok(Some(text.to_string())),
        Some(_) => Err(Refusal::Entry(format!(
            "has a `{name}` that is not text; put it between quotes (FILE-2)"
        ))),
    }
}

/// Airflow keeps a port as it is given; here it becomes the number that it writes in a URI.
fn port(value: Option<&Value>) -> Result<Option<u16>, Refusal> {
    let digits = match value {
        Some(Value::Int(digits)) => digits,
        Some(Value::Text(text)) if !text.is_empty() => &**text,
        Some(value) if value.is_truthy() => return Err(bad_port()),
        _ => return Ok(None),
    };
    let port = digits.parse::<u16>().ok();
    let port = port.filter(|port| port.to_string() == *digits);
    port.map(Some).ok_or_else(bad_port)
}

fn bad_port() -> Refusal {
    Refusal::Entry("has a `port` that is not a whole number from 0 to 65535 (FILE-3)".to_owned())
}
