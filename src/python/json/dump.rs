//! `json.dumps`.

use std::slice;

use super::{Object, Text, Value};
use crate::python::{AsciiSet, Sink, Written, number, split_run};

/// `json.dumps(value)`: `, ` and `: ` between, ASCII only.
impl Written for Value<'_> {
    fn write(&self, out: &mut impl Sink) {
        dump(self, out);
    }
}

impl Written for Object<'_> {
    fn write(&self, out: &mut impl Sink) {
        let mut before = "{";
        for (key, value) in self.iter() {
            out.push(before);
            string(key, out);
            out.push(": ");
            dump(value, out);
            before = ", ";
        }
        out.push(if self.is_empty() { "{}" } else { "}" });
    }
}

fn dump(value: &Value<'_>, out: &mut impl Sink) {
    let mut open = Vec::new();
    start_value(value, &mut open, out);
    while let Some(container) = open.last_mut() {
        let (next, is_first, end) = container.next();
        let Some((key, value)) = next else {
            out.push(end);
            open.pop();
            continue;
        };
        if !is_first {
            out.push(", ");
        }
        if let Some(key) = key {
            string(key, out);
            out.push(": ");
        }
        start_value(value, &mut open, out);
    }
}

/// An array or object that is being written.
enum Unfinished<'v, 'a> {
    Array(slice::Iter<'v, Value<'a>>, bool),
    Object(slice::Iter<'v, (Text<'a>, Value<'a>)>, bool),
}

impl<'v, 'a> Unfinished<'v, 'a> {
    /// The next key and value, whether it is the first, and what stands at the end.
    #[allow(clippy::type_complexity)]
    fn next(&mut self) -> (Option<(Option<&'v str>, &'v Value<'a>)>, bool, &'static str) {
        match self {
            Self::Array(items, is_first) => {
                let is_first = std::mem::replace(is_first, false);
                (items.next().map(|value| (None, value)), is_first, "]")
            }
            Self::Object(members, is_first) => {
                let is_first = std::mem::replace(is_first, false);
                let next = members.next();
                (
                    next.map(|(key, value)| (Some(&**key), value)),
                    is_first,
                    "}",
                )
            }
        }
    }
}

fn start_value<'v, 'a>(
    value: &'v Value<'a>,
    open: &mut Vec<Unfinished<'v, 'a>>,
    out: &mut impl Sink,
) {
    match value {
        Value::Null => out.push("null"),
        Value::Bool(true) => out.push("true"),
        Value::Bool(false) => out.push("false"),
        Value::Int(digits) => out.push(digits),
        Value::Float(value) => out.push(&number::repr(*value)),
        Value::String(text) => string(text, out),
        Value::Array(items) => {
            out.push("[");
            open.push(Unfinished::Array(items.iter(), true));
        }
        Value::Object(members) => {
            out.push("{");
            open.push(Unfinished::Object(members.iter(), true));
        }
    }
}

fn string(text: &str, out: &mut impl Sink) {
    static PLAIN: AsciiSet = AsciiSet::printable_but(b"\"\\");
    out.push("\"");
    let mut rest = text;
    loop {
        let (plain, tail) = split_run(rest, &PLAIN);
        out.push(plain);
        let mut tail = tail.chars();
        let Some(c) = tail.next() else { break };
        match c {
            '"' => out.push("\\\""),
            '\\' => out.push("\\\\"),
            '\n' => out.push("\\n"),
            '\r' => out.push("\\r"),
            '\t' => out.push("\\t"),
            '\u{8}' => out.push("\\b"),
            '\u{c}' => out.push("\\f"),
            _ => c
                .encode_utf16(&mut [0; 2])
                .iter()
                .for_each(|&unit| code_unit(unit, out)),
        }
        rest = tail.as_str();
    }
    out.push("\"");
}

fn code_unit(unit: u16, out: &mut impl Sink) {
    out.push("\\u");
    for shift in [12, 8, 4, 0] {
        let digit = char::from_digit(u32::from(unit >> shift & 0xf), 16);
        out.push(digit.unwrap_or_default().encode_utf8(&mut [0; 4]));
    }
}
