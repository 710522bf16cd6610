//! A value as Python holds it once a file is read.

use std::{
    collections::{HashMap, hash_map::Entry},
    rc::Rc,
};

use secrecy::zeroize::Zeroizing;

use super::timestamp::{Date, DateTime};
use crate::connection::python::json;

/// A Python value. It is shared where a YAML alias shares it.
pub(super) enum Value {
    Null,
    Bool(bool),
    /// The digits as Python would write them.
    Int(String),
    Float(f64),
    Text(Zeroizing<String>),
    Bytes(Vec<u8>),
    Date(Date),
    DateTime(DateTime),
    List(Vec<Rc<Value>>),
    /// A tuple of two, as `!!omap` and `!!pairs` have them.
    Pair(Rc<Value>, Rc<Value>),
    Set(Dict),
    Dict(Dict),
}

impl Value {
    pub(super) fn text(text: &str) -> Self {
        Self::Text(Zeroizing::new(text.to_owned()))
    }

    /// `bool(value)`.
    pub(super) fn is_truthy(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(value) => *value,
            Self::Int(digits) => digits != "0",
            Self::Float(value) => *value != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::Bytes(bytes) => !bytes.is_empty(),
            Self::List(items) => !items.is_empty(),
            Self::Set(dict) | Self::Dict(dict) => !dict.entries.is_empty(),
            Self::Date(_) | Self::DateTime(_) | Self::Pair(..) => true,
        }
    }

    /// What Python compares and hashes in place of the value, or `None` where it cannot.
    pub(super) fn key(&self) -> Option<Key> {
        Some(match self {
            Self::Null => Key::Null,
            Self::Bool(value) => Key::Int(u8::from(*value).to_string()),
            Self::Int(digits) => Key::Int(digits.clone()),
            Self::Float(value) if value.is_finite() && value.fract() == 0.0 => {
                // Python takes 1 and 1.0 as one key, and -0.0 and 0 too.
                Key::Int(format!("{:.0}", value + 0.0))
            }
            Self::Float(value) => Key::Float(value.to_bits()),
            Self::Text(text) => Key::Text(text.to_string()),
            Self::Bytes(bytes) => Key::Bytes(bytes.clone()),
            Self::Date(date) => Key::Date(*date),
            Self::DateTime(time) => match time.instant() {
                Some(instant) => Key::Instant(instant),
                None => Key::DateTime(*time),
            },
            Self::List(_) | Self::Pair(..) | Self::Set(_) | Self::Dict(_) => return None,
        })
    }
}

/// A value of JSON, as Python's `json.loads` gives it.
impl From<&json::Value<'_>> for Value {
    fn from(value: &json::Value<'_>) -> Self {
        match value {
            json::Value::Null => Self::Null,
            json::Value::Bool(value) => Self::Bool(*value),
            json::Value::Int(digits) => Self::Int(digits.as_ref().to_owned()),
            json::Value::Float(value) => Self::Float(*value),
            json::Value::String(text) => Self::text(text),
            json::Value::Array(items) => {
                Self::List(items.iter().map(|item| Rc::new(Self::from(item))).collect())
            }
            json::Value::Object(members) => {
                let mut dict = Dict::default();
                for (key, value) in members.iter() {
                    let entry = (Rc::new(Self::text(key)), Rc::new(Self::from(value)));
                    dict.entries.push(entry);
                }
                Self::Dict(dict)
            }
        }
    }
}

/// What stands for a value where Python looks for equals.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Null,
    Int(String),
    /// By its bits; NaN, which in Python has no equal, is then one key.
    Float(u64),
    Text(String),
    Bytes(Vec<u8>),
    Date(Date),
    DateTime(DateTime),
    /// Microseconds from the epoch.
    Instant(i64),
}

/// A Python `dict`: a key stands where it was first set, with the value that was set last.
#[derive(Default)]
pub(super) struct Dict {
    entries: Vec<(Rc<Value>, Rc<Value>)>,
}

impl Dict {
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Rc<Value>, &Rc<Value>)> {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The value of text key `name`.
    pub(super) fn get(&self, name: &str) -> Option<&Rc<Value>> {
        self.iter().find_map(|(key, value)| {
            matches!(&**key, Value::Text(text) if **text == name).then_some(value)
        })
    }
}

/// A [`Dict`] that is being filled.
#[derive(Default)]
pub(super) struct DictBuilder {
    dict: Dict,
    places: HashMap<Key, usize>,
}

impl DictBuilder {
    /// Sets `key`; `false` if Python cannot hash it.
    pub(super) fn set(&mut self, key: Rc<Value>, value: Rc<Value>) -> bool {
        let Some(hashed) = key.key() else {
            return false;
        };
        match self.places.entry(hashed) {
            Entry::Occupied(place) => {
                if let Some((_, earlier)) = self.dict.entries.get_mut(*place.get()) {
                    *earlier = value;
                }
            }
            Entry::Vacant(place) => {
                place.insert(self.dict.entries.len());
                self.dict.entries.push((key, value));
            }
        }
        true
    }

    pub(super) fn finish(self) -> Dict {
        self.dict
    }
}
