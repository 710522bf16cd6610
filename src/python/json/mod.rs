//! JSON as Python reads and writes it: `json.loads` and `json.dumps`.
//!
//! Integers keep all their digits, members their order. Parser, writer and drop need little stack
//! however deep the text nests.

mod dump;
mod mistake;
mod parse;
mod read;

use std::{borrow::Cow, collections::HashMap};

pub(crate) use mistake::likely_mistake;
pub(crate) use parse::{
    MAX_DEPTH, ParseError, Parsed, parse, parse_strictly, parse_with_any_float,
};

use super::Text;

/// A JSON value.
pub(crate) enum Value<'a> {
    Null,
    Bool(bool),
    /// The digits as Python would write them.
    Int(Cow<'a, str>),
    Float(f64),
    String(Text<'a>),
    Array(Vec<Value<'a>>),
    Object(Object<'a>),
}

impl<'a> Value<'a> {
    /// `bool(value)`.
    pub(crate) fn is_truthy(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(value) => *value,
            Self::Int(digits) => digits != "0",
            Self::Float(value) => *value != 0.0,
            Self::String(text) => !text.is_empty(),
            Self::Array(items) => !items.is_empty(),
            Self::Object(members) => !members.is_empty(),
        }
    }

    /// The text, where it is one.
    pub(crate) fn into_text(self) -> Option<Text<'a>> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }
}

/// A Python `dict` with text keys: a key stands where it was first set, with the value that was
/// set last.
pub(crate) struct Dict<'a, V>(Vec<(Text<'a>, V)>);

/// A JSON object.
pub(crate) type Object<'a> = Dict<'a, Value<'a>>;

impl<'a, V> Dict<'a, V> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of the first key that is not one of `known`, from 1, and that key.
    pub(crate) fn first_unknown(&self, known: &[&str]) -> Option<(usize, &str)> {
        let mut keys = (1..).zip(self.iter().map(|(key, _)| &**key));
        keys.find(|(_, key)| !known.contains(key))
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, (Text<'a>, V)> {
        self.0.iter()
    }

    /// Takes the value of `key` out.
    pub(crate) fn take(&mut self, key: &str) -> Option<V> {
        let at = self.0.iter().position(|(name, _)| &**name == key)?;
        Some(self.0.remove(at).1)
    }

    /// The same keys, each with what `read` makes of its value.
    pub(crate) fn try_map<'b, W, E>(
        &'b self,
        read: impl Fn(&'b V) -> Result<W, E>,
    ) -> Result<Dict<'b, W>, E> {
        let mut members = Vec::with_capacity(self.0.len());
        for (key, value) in &self.0 {
            members.push((Text::Borrowed(key), read(value)?));
        }
        Ok(Dict(members))
    }
}

impl<'a> Object<'a> {
    /// These members as they are: where a Python `dict` has keys that are written alike, such as
    /// `1` and `"1"`, `json.dumps` writes both.
    pub(crate) fn unchecked(members: Vec<(Text<'a>, Value<'a>)>) -> Self {
        Self(members)
    }

    /// Every value is a text.
    pub(crate) fn is_flat(&self) -> bool {
        self.iter()
            .all(|(_, value)| matches!(value, Value::String(_)))
    }
}

impl<V> Default for Dict<'_, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'a, V> FromIterator<(Text<'a>, V)> for Dict<'a, V> {
    fn from_iter<I: IntoIterator<Item = (Text<'a>, V)>>(members: I) -> Self {
        Self::from(members.into_iter().collect::<Vec<_>>())
    }
}

impl<'a, V> From<Vec<(Text<'a>, V)>> for Dict<'a, V> {
    fn from(members: Vec<(Text<'a>, V)>) -> Self {
        if has_repeats(&members) {
            Self(without_repeats(members))
        } else {
            Self(members)
        }
    }
}

fn has_repeats<V>(members: &[(Text<'_>, V)]) -> bool {
    /// Up to here, comparing every key with every other is faster than hashing them.
    const FEW: usize = 12;
    if members.len() > FEW {
        return true;
    }
    let mut later = members;
    while let [(key, _), rest @ ..] = later {
        if rest.iter().any(|(other, _)| **other == **key) {
            return true;
        }
        later = rest;
    }
    false
}

fn without_repeats<V>(members: Vec<(Text<'_>, V)>) -> Vec<(Text<'_>, V)> {
    // Where each member goes: its own place, or that of the first one with its key.
    let mut first = HashMap::with_capacity(members.len());
    let places = members
        .iter()
        .map(|(key, _)| {
            let next = first.len();
            *first.entry(&**key).or_insert(next)
        })
        .collect::<Vec<_>>();
    let mut unique = Vec::with_capacity(first.len());
    for (place, (key, value)) in places.into_iter().zip(members) {
        match unique.get_mut(place) {
            Some((_, earlier)) => *earlier = value,
            None => unique.push((key, value)),
        }
    }
    unique
}
