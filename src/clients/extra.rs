//! The members of `extra` as a hook reads them: with Python's truth, `str` and `int`.

use std::{borrow::Cow, fmt};

use serde_json::Value;

use super::{
    error::{ClientError, ClientWarning, Place, shown},
    params::{Params, wipe},
};
use crate::{
    Connection, Secret,
    python::{number, text, truth::is_truthy},
};

/// The members of `extra`, in their order.
pub(super) struct Extra(Vec<(String, Value)>);

impl Drop for Extra {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(|(_, value)| wipe(value));
    }
}

impl Extra {
    /// `extra.get(key)`: `null` is the same as absent.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.present(key).filter(|value| !value.is_null())
    }

    /// The member, which may be `null`.
    pub(super) fn present(&self, key: &str) -> Option<&Value> {
        let (_, value) = self.0.iter().find(|(name, _)| name == key)?;
        Some(value)
    }

    /// The member, where Python takes it as true.
    pub(super) fn truthy(&self, key: &str) -> Option<&Value> {
        self.present(key).filter(|value| is_truthy(value))
    }

    /// Takes a member out.
    pub(super) fn take(&mut self, key: &str) -> Option<Value> {
        let at = self.0.iter().position(|(name, _)| name == key)?;
        Some(self.0.remove(at).1)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (&**key, value))
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| &**key)
    }
}

/// What every client is made of, while it is made.
#[derive(Clone, PartialEq)]
pub(super) struct Made {
    pub(super) conn_id: String,
    client: &'static str,
    pub(super) params: Params,
    pub(super) warnings: Vec<ClientWarning>,
    pub(super) not_carried: Vec<String>,
}

impl fmt::Debug for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let not_carried: Vec<&str> = self.not_carried.iter().map(|name| shown(name)).collect();
        f.debug_struct("Made")
            .field("conn_id", &self.conn_id)
            .field("client", &self.client)
            .field("params", &self.params)
            .field("warnings", &self.warnings)
            .field("not_carried", &not_carried)
            .finish()
    }
}

impl Made {
    /// `types` are the values of `conn_type` that Airflow uses this hook for.
    pub(super) fn new(connection: &Connection, client: &'static str, types: &[&str]) -> Self {
        let mut made = Self {
            conn_id: connection.conn_id().to_owned(),
            client,
            params: Params::default(),
            warnings: Vec::new(),
            not_carried: Vec::new(),
        };
        let conn_type = connection.conn_type().unwrap_or_default();
        if !conn_type.is_empty() && !types.contains(&conn_type) {
            let problem = format!(
                "is not {:?}; no hook checks it",
                types.first().unwrap_or(&"")
            );
            made.warn(Place::Field("conn_type"), problem);
        }
        made
    }

    pub(super) fn extra(&self, connection: &Connection) -> Result<Extra, ClientError> {
        let members = connection
            .extra_members()
            .map_err(|error| ClientError::of_extra(&self.conn_id, self.client, &error))?;
        members
            .map(Extra)
            .ok_or_else(|| self.error(Place::WholeExtra, "must be a JSON object"))
    }

    /// An `extra` that is false in Python counts as an empty one.
    pub(super) fn extra_or_empty(&self, connection: &Connection) -> Result<Extra, ClientError> {
        let is_false = connection
            .extra_dejson()
            .is_ok_and(|extra| !is_truthy(&extra));
        if is_false {
            return Ok(Extra(Vec::new()));
        }
        self.extra(connection)
    }

    pub(super) fn error(&self, place: Place, problem: impl Into<Cow<'static, str>>) -> ClientError {
        ClientError {
            conn_id: self.conn_id.clone(),
            client: self.client,
            place,
            problem: problem.into(),
        }
    }

    /// A member of `extra` is wrong.
    pub(super) fn wrong(&self, key: &str, problem: impl Into<Cow<'static, str>>) -> ClientError {
        self.error(Place::extra(key), problem)
    }

    pub(super) fn warn(&mut self, place: Place, problem: impl Into<Cow<'static, str>>) {
        let warning = ClientWarning {
            place,
            problem: problem.into(),
        };
        tracing::warn!(conn_id = %self.conn_id, client = self.client, "{warning}");
        self.warnings.push(warning);
    }

    /// Warns where `value` is a text that says no and counts as yes.
    pub(super) fn warn_of_no(&mut self, key: &str, value: &Value) {
        if says_no(value) {
            let problem =
                "is a text that says no, and the hook takes any text as yes; write JSON's false";
            self.warn(Place::extra(key), problem);
        }
    }

    pub(super) fn leave(&mut self, name: impl Into<String>) {
        let name = name.into();
        if !self.not_carried.contains(&name) {
            self.not_carried.push(name);
        }
    }

    /// Names the members of `extra` that have no part in the client.
    pub(super) fn leave_unread(&mut self, extra: &Extra, is_read: impl Fn(&Self, &str) -> bool) {
        let unread = extra.keys().filter(|key| !is_read(self, key));
        for key in unread.map(str::to_owned).collect::<Vec<_>>() {
            self.leave(key);
        }
    }

    /// Names those of the `fields` that are set and mean nothing to the hook.
    pub(super) fn leave_fields(&mut self, connection: &Connection, fields: &[&'static str]) {
        let is_filled = |text: Option<&str>| text.is_some_and(|text| !text.is_empty());
        for field in fields {
            let is_set = match *field {
                "host" => is_filled(connection.host()),
                "port" => connection.port().is_some_and(|port| port != 0),
                "login" => is_filled(connection.login()),
                "password" => is_filled(connection.password().map(Secret::expose)),
                _ => is_filled(connection.schema()),
            };
            if is_set {
                self.leave(*field);
            }
        }
    }

    /// An error where `extra` has a member that Python would give a function as its own first argument.
    pub(super) fn check_self(&self, extra: &Extra) -> Result<(), ClientError> {
        match extra.present("self") {
            Some(_) => Err(self.wrong(
                "self",
                "is a name that Python's methods have for themselves",
            )),
            None => Ok(()),
        }
    }

    /// The member's text; an error where it is something else.
    pub(super) fn text<'v>(&self, key: &str, value: &'v Value) -> Result<&'v str, ClientError> {
        value
            .as_str()
            .ok_or_else(|| self.wrong(key, "must be a text"))
    }

    /// `int(value)`.
    pub(super) fn int(&self, key: &str, value: &Value) -> Result<i64, ClientError> {
        int(value).ok_or_else(|| self.wrong(key, "must be an integer"))
    }
}

/// A text that people write for `false`.
pub(super) fn says_no(value: &Value) -> bool {
    let no = [
        "false", "no", "off", "0", "n", "f", "none", "null", "disabled",
    ];
    value
        .as_str()
        .is_some_and(|text| no.contains(&&*text.trim().to_lowercase()))
}

/// `int(value)`.
pub(super) fn int(value: &Value) -> Option<i64> {
    match value {
        Value::Bool(value) => Some(i64::from(*value)),
        Value::Number(number) => number.as_i64().or_else(|| truncated(number.as_f64()?)),
        Value::String(text) => number::int(text),
        _ => None,
    }
}

/// `int(value)` of a float, which is written without an exponent.
fn truncated(value: f64) -> Option<i64> {
    format!("{:.0}", value.trunc()).parse().ok()
}

/// `str(value)`; of a list or an object only that it is no simple text.
pub(super) fn str_of(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Null => Cow::Borrowed("None"),
        Value::Bool(true) => Cow::Borrowed("True"),
        Value::Bool(false) => Cow::Borrowed("False"),
        Value::String(text) => Cow::Borrowed(text),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => Cow::Owned(number::repr(float)),
            _ => Cow::Owned(number.to_string()),
        },
        Value::Array(_) => Cow::Borrowed("[…]"),
        Value::Object(_) => Cow::Borrowed("{…}"),
    }
}

/// `str(value).lower() == word`.
pub(super) fn reads(value: &Value, word: &str) -> bool {
    text::lower(&str_of(value)) == word
}

/// Airflow's `to_boolean(str(value))`.
pub(super) fn to_boolean(value: &Value) -> bool {
    let value = str_of(value);
    let yes = ["on", "t", "true", "y", "yes", "1"];
    yes.contains(&&*text::lower(text::strip(&value)))
}

/// A field as a JSON value.
pub(super) fn field(value: Option<&str>) -> Value {
    value.map_or(Value::Null, Value::from)
}

/// A secret field as a JSON value.
pub(super) fn secret_field(value: Option<&Secret>) -> Value {
    field(value.map(Secret::expose))
}
