//! A value as Python holds it once a file is read.

use std::{
    collections::{HashMap, hash_map::Entry},
    rc::Rc,
};

use secrecy::zeroize::Zeroizing;

use crate::python::json;

/// A Python value. It is shared where a YAML alias shares it.
pub(super) enum Value {
    Null,
    Bool(bool),
    /// The digits as Python would write them.
    Int(String),
    Float(f64),
    Text(Zeroizing<String>),
    List(Vec<Rc<Value>>),
    Dict(Dict),
    /// A value that this crate does not support.
    Unsupported(Unsupported),
}

/// The types of YAML that this crate does not support.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unsupported {
    Timestamp,
    Base60,
    Binary,
    Omap,
    Pairs,
    Set,
}

impl Unsupported {
    /// What it is and what to do, after "contains".
    pub(super) fn problem(self) -> &'static str {
        match self {
            Self::Timestamp => {
                "a YAML timestamp, which is not supported: put it between quotes (YAML-1)"
            }
            Self::Base60 => {
                "a YAML number in base 60, such as 1:30, which is not supported: put it between \
                 quotes, or write it in base 10 (YAML-1)"
            }
            Self::Binary => "a YAML `!!binary`, which is not supported: write it as text (YAML-1)",
            Self::Omap => "a YAML `!!omap`, which is not supported: write it as a mapping (YAML-1)",
            Self::Pairs => {
                "a YAML `!!pairs`, which is not supported: write it as a sequence (YAML-1)"
            }
            Self::Set => "a YAML `!!set`, which is not supported: write it as a sequence (YAML-1)",
        }
    }

    /// Whether Python's `json.dumps` writes it.
    pub(super) fn is_json_in_python(self) -> bool {
        matches!(self, Self::Base60 | Self::Omap | Self::Pairs)
    }
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
            Self::List(items) => !items.is_empty(),
            Self::Dict(dict) => !dict.entries.is_empty(),
            Self::Unsupported(_) => true,
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
            Self::List(_) | Self::Dict(_) | Self::Unsupported(_) => return None,
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

/// A value as a key of a `dict`, where Python compares and hashes it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Null,
    Int(String),
    /// By its bits; NaN, which in Python has no equal, is then one key.
    Float(u64),
    Text(String),
}

/// A Python `dict`: a key stands where it was first set, with the value that was set last.
#[derive(Default)]
pub(super) struct Dict {
    entries: Vec<(Rc<Value>, Rc<Value>)>,
    /// Where it begins in a YAML file, from 1.
    line: Option<usize>,
}

impl Dict {
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Rc<Value>, &Rc<Value>)> {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    /// The line of a YAML file that it begins in, from 1.
    pub(super) fn line(&self) -> Option<usize> {
        self.line
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
            let is_unsupported = matches!(&*key, Value::Unsupported(_));
            if is_unsupported {
                self.dict.entries.push((key, value));
            }
            return is_unsupported;
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

    /// The dictionary, which begins in `line`.
    pub(super) fn finish(self, line: Option<usize>) -> Dict {
        Dict { line, ..self.dict }
    }
}
