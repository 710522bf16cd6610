//! The connection as a JSON object, in and out.

use std::borrow::Cow;

use super::{Connection, ConnectionError, Dialect, Fields, Form, extra, uri};
use crate::{
    Secret,
    python::{
        Text, Written,
        json::{self, Object, ParseError, Value},
        number,
        text::position,
    },
};

/// The keys of a connection.
const KEYS: [&str; 9] = [
    "conn_type",
    "description",
    "host",
    "login",
    "password",
    "schema",
    "port",
    "extra",
    "uri",
];

/// What users write for some of them.
const OTHER_NAMES: [(&str, &str); 13] = [
    ("type", "conn_type"),
    ("connection_type", "conn_type"),
    ("hostname", "host"),
    ("server", "host"),
    ("user", "login"),
    ("username", "login"),
    ("pass", "password"),
    ("pwd", "password"),
    ("db", "schema"),
    ("dbname", "schema"),
    ("database", "schema"),
    ("extras", "extra"),
    ("url", "uri"),
];

/// Reads a JSON object as `Connection.from_json` does.
pub(super) fn from_json(document: &str, dialect: Dialect) -> Result<Fields, ConnectionError> {
    let mut document = match json::parse_strictly(document, json::MAX_DEPTH) {
        Ok(Value::Object(document)) => document,
        Ok(_) => {
            return Err(ConnectionError::Json(
                "the text is not a JSON object".into(),
            ));
        }
        Err((error, at)) => return Err(malformed(document, error, at)),
    };
    // Airflow keeps the team beside the connection; the caller knows it.
    let team_name = (dialect == Dialect::Core).then_some("team_name");
    let known = KEYS.iter().copied().chain(team_name).collect::<Vec<_>>();
    if let Some((number, key)) = document.first_unknown(&known) {
        return Err(unknown_key(number, key));
    }
    let conn_type = conn_type(document.take("conn_type"))?;
    let port = port(document.take("port"))?;
    let extra = extra_text(document.take("extra"));
    let uri = document.take("uri");
    let mut rest = Rest::take(&mut document);
    let uri = uri.filter(|uri| match dialect {
        Dialect::Core => uri.is_truthy(),
        Dialect::TaskSdk => !matches!(uri, Value::Null),
    });
    if let Some(uri) = uri {
        let is_mixed = conn_type.is_some() || extra.is_some();
        let is_mixed = is_mixed
            || match dialect {
                Dialect::Core => port.is_some_and(|port| port != 0) || rest.has_value(),
                Dialect::TaskSdk => port.is_some() || rest.is_given(),
            };
        if is_mixed {
            return Err(ConnectionError::Json(
                "give either a `uri` or the single fields, not both".into(),
            ));
        }
        let Some(uri) = uri.into_text() else {
            return Err(not_text("uri"));
        };
        let mut fields = uri::from_uri(&uri, dialect)?;
        fields.description = plain("description", rest.description.take())?;
        return Ok(fields);
    }
    let password = match rest.password {
        // The core does not keep an empty password, whatever its type.
        Some(password) if dialect == Dialect::Core && !password.is_truthy() => None,
        password => optional_text("password", password)?,
    };
    if let Some(extra) = &extra {
        extra::check(extra.expose(), dialect)?;
    }
    Ok(Fields {
        conn_type,
        description: plain("description", rest.description)?,
        host: plain("host", rest.host)?,
        login: plain("login", rest.login)?,
        password: password.map(|password| Secret::from(&*password)),
        schema: plain("schema", rest.schema)?,
        port,
        extra,
        form: Form::Fields,
    })
}

/// The text is not JSON that can be read, because of what is found at byte `at`.
fn malformed(text: &str, error: ParseError, at: usize) -> ConnectionError {
    let (line, column) = position(text, at);
    let mistake = match error {
        ParseError::Syntax => json::likely_mistake(text),
        _ => "",
    };
    let problem = error.problem();
    ConnectionError::Json(
        format!("the text {problem} (line {line}, column {column}){mistake}").into(),
    )
}

/// Key `number` of the object is not one of a connection. It is named only where it is a usual name
/// for one of them: any other may be a secret.
fn unknown_key(number: usize, key: &str) -> ConnectionError {
    let meant = OTHER_NAMES.iter().find(|(name, _)| *name == key);
    let remedy = match meant {
        Some((name, key)) => format!(" ({name:?}): write {key:?}"),
        None => "; the keys are conn_type, description, host, login, password, schema, port and \
                 extra; put others into `extra`"
            .to_owned(),
    };
    ConnectionError::Json(format!("key {number} is unknown{remedy}").into())
}

/// The fields that are taken as they are.
struct Rest<'a> {
    description: Option<Value<'a>>,
    host: Option<Value<'a>>,
    login: Option<Value<'a>>,
    password: Option<Value<'a>>,
    schema: Option<Value<'a>>,
}

impl<'a> Rest<'a> {
    fn take(document: &mut Object<'a>) -> Self {
        Self {
            description: document.take("description"),
            host: document.take("host"),
            login: document.take("login"),
            password: document.take("password"),
            schema: document.take("schema"),
        }
    }

    fn is_given(&self) -> bool {
        self.description.is_some()
            || [&self.host, &self.login, &self.password, &self.schema]
                .iter()
                .any(|value| value.is_some())
    }

    fn has_value(&self) -> bool {
        [&self.host, &self.login, &self.password, &self.schema]
            .iter()
            .any(|value| value.as_ref().is_some_and(Value::is_truthy))
    }
}

fn not_text(field: &'static str) -> ConnectionError {
    ConnectionError::field(field, "must be a text or null")
}

fn optional_text<'a>(
    field: &'static str,
    value: Option<Value<'a>>,
) -> Result<Option<Text<'a>>, ConnectionError> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(not_text(field)),
    }
}

fn plain(field: &'static str, value: Option<Value<'_>>) -> Result<Option<String>, ConnectionError> {
    let text = optional_text(field, value)?;
    Ok(text.map(|text| text.to_owned()))
}

/// Airflow ignores a type that is false in Python, such as `""` or `0`.
fn conn_type(value: Option<Value<'_>>) -> Result<Option<String>, ConnectionError> {
    let value = value.filter(Value::is_truthy);
    let conn_type = optional_text("conn_type", value)?;
    Ok(conn_type.map(|conn_type| uri::normalize_conn_type(&conn_type)))
}

/// Airflow ignores a port that is false in Python, and passes any other to `int`.
fn port(value: Option<Value<'_>>) -> Result<Option<u16>, ConnectionError> {
    let Some(value) = value.filter(Value::is_truthy) else {
        return Ok(None);
    };
    let port = match &value {
        Value::Bool(value) => Some(u16::from(*value)),
        Value::Int(digits) => number::port(digits),
        Value::String(digits) => number::port(digits),
        Value::Float(value) => whole_port(*value),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    match port {
        Some(port) => Ok(Some(port)),
        None => Err(ConnectionError::field(
            "port",
            "must be a whole number from 0 to 65535",
        )),
    }
}

/// `int(value)`, which cuts off the fraction.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn whole_port(value: f64) -> Option<u16> {
    (value > -1.0 && value < 65536.0).then_some(value as u16)
}

/// Airflow ignores an `extra` that is false in Python, and writes one that is not text as JSON.
fn extra_text(value: Option<Value<'_>>) -> Option<Secret> {
    let value = value.filter(Value::is_truthy)?;
    Some(match &value {
        Value::String(text) => Secret::from(&**text),
        value => value.to_secret(),
    })
}

fn text_value(text: Option<&str>) -> Option<Value<'_>> {
    text.map(|text| Value::String(Text::Borrowed(text)))
}

/// Writes a JSON object as `Connection.as_json` does.
pub(super) fn as_json(connection: &Connection) -> Result<Secret, ConnectionError> {
    let fields = &connection.fields;
    let extra = extra::dejson(connection)?;
    let port = fields
        .port
        .map(|port| Value::Int(Cow::Owned(port.to_string())));
    let members = [
        ("conn_type", text_value(fields.conn_type.as_deref())),
        ("description", text_value(fields.description.as_deref())),
        ("host", text_value(fields.host.as_deref())),
        ("login", text_value(fields.login.as_deref())),
        (
            "password",
            text_value(fields.password.as_ref().map(Secret::expose)),
        ),
        ("schema", text_value(fields.schema.as_deref())),
        ("port", port),
        ("extra", Some(extra).filter(Value::is_truthy)),
    ];
    let members = members
        .into_iter()
        .filter_map(|(key, value)| Some((Text::Borrowed(key), value?)));
    Ok(members.collect::<Object<'_>>().to_secret())
}
