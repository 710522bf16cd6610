//! From a JSON value to a type of the program's own, which `serde` knows how to read.

use std::fmt;

use serde_core::{
    Deserializer,
    de::{
        self, DeserializeOwned, IntoDeserializer, Visitor,
        value::{MapAccessDeserializer, MapDeserializer, SeqDeserializer},
    },
    forward_to_deserialize_any,
};

use super::{Object, Text, Value};

/// The value is not what the type is read from. It keeps no message, which may quote the value.
#[derive(Debug)]
pub(crate) struct Mistyped;

impl fmt::Display for Mistyped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not of the expected type")
    }
}

impl std::error::Error for Mistyped {}

impl de::Error for Mistyped {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

impl Value<'_> {
    /// A `T` read from the value. The caller bounds how deep the value nests.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, Mistyped> {
        T::deserialize(Reader(self))
    }
}

#[derive(Clone, Copy)]
struct Reader<'v, 'a>(&'v Value<'a>);

impl IntoDeserializer<'_, Mistyped> for Reader<'_, '_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

fn members<'v, 'a>(
    object: &'v Object<'a>,
) -> MapDeserializer<'static, impl Iterator<Item = (&'v str, Reader<'v, 'a>)>, Mistyped> {
    let member = |(key, value): &'v (Text<'a>, Value<'a>)| (&**key, Reader(value));
    MapDeserializer::new(object.iter().map(member))
}

impl<'de> Deserializer<'de> for Reader<'_, '_> {
    type Error = Mistyped;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistyped> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Int(digits) => read_integer(digits, visitor),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::String(text) => visitor.visit_str(text),
            Value::Array(items) => {
                SeqDeserializer::new(items.iter().map(Reader)).deserialize_any(visitor)
            }
            Value::Object(object) => members(object).deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistyped> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mistyped> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistyped> {
        match self.0 {
            Value::String(name) => visitor.visit_enum((**name).into_deserializer()),
            Value::Object(object) if object.iter().len() == 1 => {
                visitor.visit_enum(MapAccessDeserializer::new(members(object)))
            }
            _ => Err(Mistyped),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// The integer; the nearest float where it has more than 64 bits.
fn read_integer<'de, V: Visitor<'de>>(digits: &str, visitor: V) -> Result<V::Value, Mistyped> {
    if let Ok(integer) = digits.parse() {
        return visitor.visit_u64(integer);
    }
    if let Ok(integer) = digits.parse() {
        return visitor.visit_i64(integer);
    }
    match digits.parse::<f64>() {
        Ok(nearest) if nearest.is_finite() => visitor.visit_f64(nearest),
        _ => Err(Mistyped),
    }
}
