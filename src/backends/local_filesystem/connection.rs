//! From an entry of a connections file to a connection, as Airflow's `Connection(**fields)`.

use super::{
    repr::TooLong,
    value::{Key, Value},
};
use crate::{
    Connection, ConnectionError, Dialect, Fields, Secret, backends::local_filesystem::to_json,
};

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

/// Connection `conn_id` as told by `value`, under key `key`: a URI or an object.
pub(super) fn create(conn_id: &str, key: &Value, value: &Value) -> Result<Connection, String> {
    let object = match value {
        Value::Text(uri) => {
            return Connection::from_uri(conn_id, uri, Dialect::Core)
                .map_err(|error| error.to_string());
        }
        Value::Dict(object) => object,
        _ => return Err("must be a URI or an object".to_owned()),
    };
    for (name, _) in object.iter() {
        if !matches!(&**name, Value::Text(name) if KEYS.contains(&name.as_str())) {
            return Err(format!(
                "has a key that no connection has; the keys are {}",
                KEYS.join(", ")
            ));
        }
    }
    let get = |name| object.get(name).map(|value| &**value);
    if let Some(other) = get("conn_id")
        && !is_equal(key, other)
    {
        return Err("has a `conn_id` that is not the key it stands under".to_owned());
    }
    let extra = match (get("extra"), get("extra_dejson")) {
        (Some(_), Some(_)) => {
            return Err("has both `extra` and `extra_dejson`; give one".to_owned());
        }
        (None, Some(extra)) => Some(dumped(extra)?),
        (Some(Value::Text(extra)), None) => Some(Secret::from(extra.as_str())),
        (Some(extra), None) if extra.is_truthy() => Some(dumped(extra)?),
        (_, None) => None,
    };
    let description = optional_text("description", get("description"))?;
    let singles = ["conn_type", "host", "login", "password", "schema", "port"];
    let mut fields = match get("uri").filter(|uri| uri.is_truthy()) {
        Some(uri) => {
            let is_set = |name| get(name).is_some_and(Value::is_truthy);
            if singles.into_iter().any(is_set) || extra.is_some_and(|extra| !extra.is_empty()) {
                return Err("has `uri` and other fields; give one or the other".to_owned());
            }
            let Value::Text(uri) = uri else {
                return Err("has a `uri` that is no text".to_owned());
            };
            fields_of_uri(uri).map_err(|error| error.to_string())?
        }
        None => Fields {
            conn_type: optional_text("conn_type", get("conn_type"))?,
            host: optional_text("host", get("host"))?,
            login: optional_text("login", get("login"))?,
            password: match get("password").filter(|password| password.is_truthy()) {
                Some(password) => optional_text("password", Some(password))?.map(Secret::from),
                None => None,
            },
            schema: optional_text("schema", get("schema"))?,
            port: port(get("port"))?,
            extra,
            ..Fields::default()
        },
    };
    fields.description = description;
    Connection::from_fields(conn_id, fields, Dialect::Core).map_err(|error| error.to_string())
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
fn dumped(value: &Value) -> Result<Secret, String> {
    match to_json::dumps(value) {
        Ok(text) => Ok(text),
        Err(to_json::Error::TooLong(TooLong)) => Err("has an `extra` that is too long".to_owned()),
        Err(to_json::Error::NotJson) => {
            Err("has an `extra` with a value that JSON has not, such as a date".to_owned())
        }
    }
}

fn optional_text(name: &str, value: Option<&Value>) -> Result<Option<String>, String> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Text(text)) => Ok(Some(text.to_string())),
        Some(_) => Err(format!(
            "has a `{name}` that is no text; put it between quotes"
        )),
    }
}

/// Airflow keeps a port as it is given; here it becomes the number that it writes in a URI.
fn port(value: Option<&Value>) -> Result<Option<u16>, String> {
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

fn bad_port() -> String {
    "has a `port` that is no whole number in 0..=65535".to_owned()
}

fn fields_of_uri(uri: &str) -> Result<Fields, ConnectionError> {
    let connection = Connection::from_uri("", uri, Dialect::Core)?;
    Ok(Fields {
        conn_type: connection.conn_type().map(str::to_owned),
        description: None,
        host: connection.host().map(str::to_owned),
        login: connection.login().map(str::to_owned),
        password: connection.password().cloned(),
        schema: connection.schema().map(str::to_owned),
        port: connection.port(),
        extra: connection.extra().cloned(),
    })
}
