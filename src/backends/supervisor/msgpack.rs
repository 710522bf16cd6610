//! msgpack: written for what we send, read within bounds.
//!
//! The crate `rmp` knows the markers. What it would read, it reads from a stream without an end in
//! sight; here each length is checked against the bytes that are there before anything is made of it.

use std::io;

use rmp::{Marker, encode};
use secrecy::zeroize::Zeroizing;

/// How deep arrays and maps may nest.
pub(super) const DEEPEST: usize = 128;

/// How many values a message may have: each takes some 40 bytes here, and one byte on the wire.
pub(super) const MOST_VALUES: usize = 1 << 20;

/// The type that msgpack reserves for moments.
const TIMESTAMP: i8 = -1;

/// A value that was read. Texts are wiped when they are dropped.
#[derive(Clone, PartialEq)]
pub(super) enum Value {
    Nil,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(Zeroizing<String>),
    /// Bytes, or a type of the sender's own. Nothing that we read has them.
    Other,
    List(Vec<Value>),
    Map(Vec<(Zeroizing<String>, Value)>),
    /// Seconds since 1970, and nanoseconds of the second.
    Moment(i64, u32),
}

impl Value {
    /// The value of `key`, where this is a map that has it. Of several the last counts, as in Airflow.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let Self::Map(members) = self else {
            return None;
        };
        let member = members.iter().rev().find(|(name, _)| **name == key);
        member.map(|(_, value)| value)
    }

    /// The text, where it is one.
    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The integer, where it is one.
    pub(super) fn as_int(&self) -> Option<i128> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }
}

/// Bytes that are not msgpack, or are beyond the bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// The start of a value.
enum Head {
    Nil,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(usize),
    Binary(usize),
    List(usize),
    Map(usize),
    Extension(i8, usize),
}

/// What is left to be read.
pub(super) struct Reader<'b> {
    rest: &'b [u8],
    values: usize,
}

impl<'b> Reader<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self {
            rest: bytes,
            values: 0,
        }
    }

    /// Whether all has been read.
    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    fn take(&mut self, length: usize) -> Result<&'b [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.try_into().map_err(|_| Malformed)
    }

    /// A length of `N` bytes.
    fn length<const N: usize>(&mut self) -> Result<usize, Malformed> {
        let bytes = self.bytes::<N>()?;
        let length = bytes.iter().fold(0_u64, |sum, b| sum << 8 | u64::from(*b));
        usize::try_from(length).map_err(|_| Malformed)
    }

    fn extension(&mut self, length: usize) -> Result<Head, Malformed> {
        let [kind] = self.bytes()?;
        Ok(Head::Extension(i8::from_be_bytes([kind]), length))
    }

    fn head(&mut self) -> Result<Head, Malformed> {
        self.values += 1;
        if self.values > MOST_VALUES {
            return Err(Malformed);
        }
        let [first] = self.bytes()?;
        Ok(match Marker::from_u8(first) {
            Marker::Null => Head::Nil,
            Marker::True => Head::Bool(true),
            Marker::False => Head::Bool(false),
            Marker::FixPos(number) => Head::Int(number.into()),
            Marker::FixNeg(number) => Head::Int(number.into()),
            Marker::U8 => Head::Int(u8::from_be_bytes(self.bytes()?).into()),
            Marker::U16 => Head::Int(u16::from_be_bytes(self.bytes()?).into()),
            Marker::U32 => Head::Int(u32::from_be_bytes(self.bytes()?).into()),
            Marker::U64 => Head::Int(u64::from_be_bytes(self.bytes()?).into()),
            Marker::I8 => Head::Int(i8::from_be_bytes(self.bytes()?).into()),
            Marker::I16 => Head::Int(i16::from_be_bytes(self.bytes()?).into()),
            Marker::I32 => Head::Int(i32::from_be_bytes(self.bytes()?).into()),
            Marker::I64 => Head::Int(i64::from_be_bytes(self.bytes()?).into()),
            Marker::F32 => Head::Float(f32::from_be_bytes(self.bytes()?).into()),
            Marker::F64 => Head::Float(f64::from_be_bytes(self.bytes()?)),
            Marker::FixStr(length) => Head::Text(length.into()),
            Marker::Str8 => Head::Text(self.length::<1>()?),
            Marker::Str16 => Head::Text(self.length::<2>()?),
            Marker::Str32 => Head::Text(self.length::<4>()?),
            Marker::Bin8 => Head::Binary(self.length::<1>()?),
            Marker::Bin16 => Head::Binary(self.length::<2>()?),
            Marker::Bin32 => Head::Binary(self.length::<4>()?),
            Marker::FixArray(length) => Head::List(length.into()),
            Marker::Array16 => Head::List(self.length::<2>()?),
            Marker::Array32 => Head::List(self.length::<4>()?),
            Marker::FixMap(length) => Head::Map(length.into()),
            Marker::Map16 => Head::Map(self.length::<2>()?),
            Marker::Map32 => Head::Map(self.length::<4>()?),
            Marker::FixExt1 => self.extension(1)?,
            Marker::FixExt2 => self.extension(2)?,
            Marker::FixExt4 => self.extension(4)?,
            Marker::FixExt8 => self.extension(8)?,
            Marker::FixExt16 => self.extension(16)?,
            Marker::Ext8 => {
                let length = self.length::<1>()?;
                self.extension(length)?
            }
            Marker::Ext16 => {
                let length = self.length::<2>()?;
                self.extension(length)?
            }
            Marker::Ext32 => {
                let length = self.length::<4>()?;
                self.extension(length)?
            }
            Marker::Reserved => return Err(Malformed),
        })
    }

    /// How many elements the list has that begins here.
    pub(super) fn list(&mut self) -> Result<usize, Malformed> {
        match self.head()? {
            Head::List(length) => Ok(length),
            _ => Err(Malformed),
        }
    }

    /// The bytes of the next value, whatever it is, or `None` for nil.
    pub(super) fn raw(&mut self) -> Result<Option<&'b [u8]>, Malformed> {
        let start = self.rest;
        // Each that is open takes a byte at least, so a length beyond the bytes shows at once.
        let mut open = 1_usize;
        let mut is_nil = false;
        while open > 0 {
            open -= 1;
            let more = match self.head()? {
                Head::Nil => {
                    is_nil = true;
                    0
                }
                Head::Bool(_) | Head::Int(_) | Head::Float(_) => 0,
                Head::Text(length) | Head::Binary(length) | Head::Extension(_, length) => {
                    self.take(length)?;
                    0
                }
                Head::List(length) => length,
                Head::Map(length) => length.checked_mul(2).ok_or(Malformed)?,
            };
            open = open.checked_add(more).ok_or(Malformed)?;
            if open > self.rest.len() {
                return Err(Malformed);
            }
        }
        let length = start.len() - self.rest.len();
        let is_nil = is_nil && length == 1;
        Ok(start.get(..length).filter(|_| !is_nil))
    }

    /// The next value.
    pub(super) fn value(&mut self) -> Result<Value, Malformed> {
        self.value_within(DEEPEST)
    }

    fn value_within(&mut self, deepest: usize) -> Result<Value, Malformed> {
        Ok(match self.head()? {
            Head::Nil => Value::Nil,
            Head::Bool(is_true) => Value::Bool(is_true),
            Head::Int(number) => Value::Int(number),
            Head::Float(number) => Value::Float(number),
            Head::Text(length) => Value::Text(self.text(length)?),
            Head::Extension(TIMESTAMP, length) => moment(self.take(length)?)?,
            Head::Binary(length) | Head::Extension(_, length) => {
                self.take(length)?;
                Value::Other
            }
            Head::List(length) => {
                let deepest = deepest.checked_sub(1).ok_or(Malformed)?;
                let mut items = Vec::with_capacity(self.room_for(length)?);
                for _ in 0..length {
                    items.push(self.value_within(deepest)?);
                }
                Value::List(items)
            }
            Head::Map(length) => {
                let deepest = deepest.checked_sub(1).ok_or(Malformed)?;
                let mut members = Vec::with_capacity(self.room_for(length)?);
                for _ in 0..length {
                    let Head::Text(length) = self.head()? else {
                        return Err(Malformed);
                    };
                    let key = self.text(length)?;
                    members.push((key, self.value_within(deepest)?));
                }
                Value::Map(members)
            }
        })
    }

    /// `length`, where so many values can be there.
    fn room_for(&self, length: usize) -> Result<usize, Malformed> {
        let is_possible = length <= self.rest.len() && length <= MOST_VALUES;
        is_possible.then_some(length).ok_or(Malformed)
    }

    fn text(&mut self, length: usize) -> Result<Zeroizing<String>, Malformed> {
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| Malformed)?;
        Ok(Zeroizing::new(text.to_owned()))
    }
}

/// The one value that `bytes` are.
pub(super) fn read(bytes: &[u8]) -> Result<Value, Malformed> {
    let mut reader = Reader::new(bytes);
    let value = reader.value()?;
    reader.is_at_end().then_some(value).ok_or(Malformed)
}

/// A moment in msgpack's three forms.
fn moment(bytes: &[u8]) -> Result<Value, Malformed> {
    if let Ok(seconds) = bytes.try_into() {
        return Ok(Value::Moment(u32::from_be_bytes(seconds).into(), 0));
    }
    if let Ok(both) = bytes.try_into().map(u64::from_be_bytes) {
        let seconds = both & ((1 << 34) - 1);
        let seconds = i64::try_from(seconds).map_err(|_| Malformed)?;
        let nanoseconds = u32::try_from(both >> 34).map_err(|_| Malformed)?;
        return Ok(Value::Moment(seconds, nanoseconds));
    }
    let (nanoseconds, seconds) = bytes.split_at_checked(4).ok_or(Malformed)?;
    match (nanoseconds.try_into(), seconds.try_into()) {
        (Ok(nanoseconds), Ok(seconds)) => Ok(Value::Moment(
            i64::from_be_bytes(seconds),
            u32::from_be_bytes(nanoseconds),
        )),
        _ => Err(Malformed),
    }
}

/// A value to be written.
pub(super) enum Item<'a> {
    Nil,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(&'a str),
    List(Vec<Item<'a>>),
    Map(Vec<(&'a str, Item<'a>)>),
}

impl Item<'_> {
    /// The value as msgpack.
    pub(super) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        // A buffer that grew would leave copies of secrets behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.most_bytes()));
        // Writing to memory does not fail.
        let written = self.write(&mut bytes);
        debug_assert!(written.is_ok(), "{written:?}");
        bytes
    }

    /// How many bytes it takes at most.
    fn most_bytes(&self) -> usize {
        const HEAD: usize = 9;
        let content = match self {
            Self::Text(text) => text.len(),
            Self::List(items) => items.iter().map(Self::most_bytes).sum(),
            Self::Map(members) => {
                let lengths = members
                    .iter()
                    .map(|(key, value)| HEAD + key.len() + value.most_bytes());
                lengths.sum()
            }
            _ => 0,
        };
        HEAD + content
    }

    fn write(&self, out: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Nil => encode::write_nil(out)?,
            Self::Bool(is_true) => encode::write_bool(out, *is_true)?,
            Self::Unsigned(number) => drop(encode::write_uint(out, *number)?),
            Self::Signed(number) => drop(encode::write_sint(out, *number)?),
            Self::Float(number) => encode::write_f64(out, *number)?,
            Self::Text(text) => encode::write_str(out, text)?,
            Self::List(items) => {
                encode::write_array_len(out, length(items.len()))?;
                items.iter().try_for_each(|item| item.write(out))?;
            }
            Self::Map(members) => {
                encode::write_map_len(out, length(members.len()))?;
                for (key, value) in members {
                    encode::write_str(out, key)?;
                    value.write(out)?;
                }
            }
        }
        Ok(())
    }
}

/// Nothing that is held in memory has more elements.
fn length(length: usize) -> u32 {
    length.try_into().unwrap_or(u32::MAX)
}

#[cfg(test)]
#[path = "tests/msgpack.rs"]
pub(super) mod tests;
