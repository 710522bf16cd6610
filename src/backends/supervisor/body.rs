//! [`Body`]: what a message says.

use std::fmt;

use secrecy::zeroize::Zeroizing;

use super::msgpack::{DEEPEST, Item, MOST_VALUES, Malformed, Value, read};
use crate::{
    Failure, Secret,
    python::{Text, Written as _, json},
};

/// The body of a message: a msgpack map, as the supervisor's protocol has it.
///
/// It may hold secrets: `Debug` shows its length alone, and its memory is wiped when it is dropped.
///
/// ```
/// use airflow_secrets::backends::supervisor::Body;
///
/// let body = Body::from_json(r#"{"type": "GetVariable", "key": "colour"}"#)?;
/// assert_eq!(format!("{body:?}"), "Body(29 bytes)");
/// assert_eq!(body.to_json()?.expose(), r#"{"key": "colour", "type": "GetVariable"}"#);
/// # Ok::<(), airflow_secrets::Failure>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Body(Zeroizing<Vec<u8>>);

impl Body {
    /// The body that these bytes are, one msgpack value. They are not checked here.
    #[must_use]
    pub fn from_msgpack(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// The body as msgpack.
    #[must_use]
    pub fn as_msgpack(&self) -> &[u8] {
        &self.0
    }

    /// The body that the JSON text `json` describes: for messages of your own, such as the one that
    /// ends the task. An integer beyond 64 bits becomes the nearest float.
    ///
    /// # Errors
    /// A [`Failure`] of kind [`InvalidValue`](crate::backend::FailureKind::InvalidValue) when the text
    /// is not strict JSON, or nests deeper than 127 levels.
    pub fn from_json(json: &str) -> Result<Self, Failure> {
        let value = serde_json::from_str(json).map_err(|_| {
            Failure::invalid_value("the body of the message is not valid JSON, or nests too deep")
        })?;
        Ok(Self::of(&item(&value)))
    }

    /// The body as JSON text; moments are texts such as `2026-11-26T16:22:38.000000Z`, and bytes are
    /// `null`.
    ///
    /// # Errors
    /// A [`Failure`] when it is not msgpack, nests deeper than 128 levels, or has more than 1,048,576
    /// values.
    pub fn to_json(&self) -> Result<Secret, Failure> {
        let value = self.read().map_err(|Malformed| not_msgpack())?;
        Ok(json_of(&value).to_secret())
    }

    /// A message of type `kind` with these fields.
    pub(super) fn message<'a>(
        kind: &'a str,
        fields: impl IntoIterator<Item = (&'a str, Item<'a>)>,
    ) -> Self {
        let kind = [("type", Item::Text(kind))];
        Self::of(&Item::Map(kind.into_iter().chain(fields).collect()))
    }

    /// A body that says nothing.
    pub(super) fn empty() -> Self {
        Self::of(&Item::Nil)
    }

    fn of(item: &Item<'_>) -> Self {
        Self(item.to_bytes())
    }

    pub(super) fn read(&self) -> Result<Value, Malformed> {
        read(&self.0)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes)", self.0.len())
    }
}

/// What is said of a body that cannot be read.
pub(super) fn not_msgpack() -> Failure {
    Failure::unavailable(format!(
        "the supervisor sent a message that cannot be read: it is not valid msgpack, has keys that are \
         not texts, nests deeper than {DEEPEST} levels, or has more than {MOST_VALUES} values"
    ))
    .with_transient(false)
}

fn item(value: &serde_json::Value) -> Item<'_> {
    use serde_json::Value as Json;
    match value {
        Json::Null => Item::Nil,
        Json::Bool(is_true) => Item::Bool(*is_true),
        Json::Number(number) => number
            .as_u64()
            .map(Item::Unsigned)
            .or_else(|| number.as_i64().map(Item::Signed))
            .or_else(|| number.as_f64().map(Item::Float))
            .unwrap_or(Item::Nil),
        Json::String(text) => Item::Text(text),
        Json::Array(items) => Item::List(items.iter().map(item).collect()),
        Json::Object(members) => {
            let members = members.iter().map(|(key, value)| (&**key, item(value)));
            Item::Map(members.collect())
        }
    }
}

fn json_of(value: &Value) -> json::Value<'_> {
    match value {
        Value::Nil | Value::Other => json::Value::Null,
        Value::Bool(is_true) => json::Value::Bool(*is_true),
        Value::Int(number) => json::Value::Int(number.to_string().into()),
        Value::Float(number) => json::Value::Float(*number),
        Value::Text(text) => json::Value::String(Text::Borrowed(text)),
        Value::List(items) => json::Value::Array(items.iter().map(json_of).collect()),
        Value::Map(members) => {
            let members = members
                .iter()
                .map(|(key, value)| (Text::Borrowed(key.as_str()), json_of(value)));
            json::Value::Object(members.collect())
        }
        Value::Moment(seconds, nanoseconds) => {
            json::Value::String(moment(*seconds, *nanoseconds).into())
        }
    }
}

/// A moment, as RFC 3339 has it.
fn moment(seconds: i64, nanoseconds: u32) -> String {
    const DAY: i64 = 86_400;
    let (year, month, day) = date(seconds.div_euclid(DAY));
    let second = seconds.rem_euclid(DAY);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let micros = nanoseconds / 1000;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

/// Year, month and day of the day that is so many after 1970-01-01, in the Gregorian calendar. Years
/// begin in March here, so that the leap day is the last.
fn date(days: i64) -> (i64, i64, i64) {
    // From 0000-03-01; 400 years are 146,097 days.
    let days = days.saturating_add(719_468);
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era.saturating_mul(400) + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
#[path = "tests/body.rs"]
mod tests;
