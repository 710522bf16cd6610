//! JSON as Python reads and writes it: `json.loads` and `json.dumps`.
//!
//! Integers keep all their digits, members their order. Parser, writer and drop need little stack
//! however deep the text nests.

mod dump;
mod parse;

use std::{borrow::Cow, collections::HashMap};

pub(in crate::connection) use dump::dump;
pub(in crate::connection) use parse::{MAX_DEPTH, ParseError, Parsed, parse};

use super::Text;

/// A JSON value.
pub(in crate::connection) enum Value<'a> {
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
    pub(in crate::connection) fn is_truthy(&self) -> bool {
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
    pub(in crate::connection) fn into_text(self) -> Option<Text<'a>> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }
}

/// A Python `dict` with text keys: a key stands where it was first set, with the value that was
/// set last.
#[derive(Default)]
pub(in crate::connection) struct Object<'a>(Vec<(Text<'a>, Value<'a>)>);

impl<'a> Object<'a> {
    pub(in crate::connection) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(in crate::connection) fn iter(&self) -> std::slice::Iter<'_, (Text<'a>, Value<'a>)> {
        self.0.iter()
    }

    /// Takes the value of `key` out.
    pub(in crate::connection) fn take(&mut self, key: &str) -> Option<Value<'a>> {
        let at = self.0.iter().position(|(name, _)| &**name == key)?;
        Some(self.0.remove(at).1)
    }

    /// Every value is a text.
    pub(in crate::connection) fn is_flat(&self) -> bool {
        self.iter()
            .all(|(_, value)| matches!(value, Value::String(_)))
    }
}

impl<'a> FromIterator<(Text<'a>, Value<'a>)> for Object<'a> {
    fn from_iter<I: IntoIterator<Item = (Text<'a>, Value<'a>)>>(members: I) -> Self {
        Self::from(members.into_iter().collect::<Vec<_>>())
    }
}

impl<'a> From<Vec<(Text<'a>, Value<'a>)>> for Object<'a> {
    fn from(members: Vec<(Text<'a>, Value<'a>)>) -> Self {
        /// Up to here, comparing every key with every other is faster than hashing them.
        const FEW: usize = 12;
        let repeated = if members.len() <= FEW {
            let mut later = members.iter();
            let mut repeats =
                std::iter::from_fn(|| later.next().map(|(key, _)| (key, later.clone())));
            repeats.any(|(key, mut later)| later.any(|(other, _)| **other == **key))
        } else {
            true
        };
        if repeated {
            Self(without_repeats(members))
        } else {
            Self(members)
        }
    }
}

fn without_repeats<'a>(members: Vec<(Text<'a>, Value<'a>)>) -> Vec<(Text<'a>, Value<'a>)> {
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
