//! `json.loads`.

use std::borrow::Cow;

use secrecy::zeroize::Zeroizing;

use super::{Object, Text, Value};
use crate::python::number::MAX_DIGITS;

/// How many arrays and objects may be open at once. Python's own limit is some 980 to 990,
/// depending on who calls it.
pub(crate) const MAX_DEPTH: usize = 980;

/// Why a text cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ParseError {
    /// It is not JSON (Python's `JSONDecodeError`).
    Syntax,
    /// It nests too deeply (Python's `RecursionError`).
    TooDeep,
    /// An integer is too long (Python's `ValueError`).
    TooManyDigits,
    /// Python reads it, but it is not strict JSON.
    NotStrict(Looseness),
}

/// What Python reads besides strict JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Looseness {
    /// `NaN`, `Infinity` or `-Infinity`.
    NotANumber,
    /// A number beyond the range of a float.
    Overflow,
    /// Half of a surrogate pair.
    Surrogate,
}

impl ParseError {
    pub(crate) fn problem(self) -> &'static str {
        match self {
            Self::Syntax => "is not valid JSON",
            Self::TooDeep => "nests too deeply",
            Self::TooManyDigits => "contains an integer of more than 4300 digits",
            Self::NotStrict(Looseness::NotANumber) => {
                "contains NaN or Infinity, which is not strict JSON (CODEC-3)"
            }
            Self::NotStrict(Looseness::Overflow) => {
                "contains a number beyond the range of a float (CODEC-3)"
            }
            Self::NotStrict(Looseness::Surrogate) => {
                "contains an unpaired surrogate, such as \\ud800 (CODEC-3)"
            }
        }
    }
}

/// What was read.
pub(crate) struct Parsed<'a> {
    value: Value<'a>,
    loose: Option<(Looseness, usize)>,
    surrogate_at: Option<usize>,
    has_surrogate_on_top: bool,
}

impl<'a> Parsed<'a> {
    /// The value, if it is strict JSON that Rust can hold.
    pub(crate) fn strict(self) -> Result<Value<'a>, ParseError> {
        self.strict_located().map_err(|(error, _)| error)
    }

    /// [`strict`](Self::strict); an error comes with the byte it was found at.
    fn strict_located(self) -> Result<Value<'a>, (ParseError, usize)> {
        match self.loose {
            None => Ok(self.value),
            Some((looseness, at)) => Err((ParseError::NotStrict(looseness), at)),
        }
    }

    /// The value, where every text in it is one that Rust can hold; an error comes with the byte it was
    /// found at.
    fn with_any_float(self) -> Result<Value<'a>, (ParseError, usize)> {
        match self.surrogate_at {
            None => Ok(self.value),
            Some(at) => Err((ParseError::NotStrict(Looseness::Surrogate), at)),
        }
    }

    /// The value; where it is not strict JSON, unpaired surrogates in it are U+FFFD.
    pub(crate) fn lenient(self) -> Value<'a> {
        self.value
    }

    pub(crate) fn is_object(&self) -> bool {
        matches!(self.value, Value::Object(_))
    }

    /// An object with an unpaired surrogate in a key or a text of its own, not deeper: Python
    /// cannot encode it as a URI's query.
    pub(crate) fn is_no_query(&self) -> bool {
        self.has_surrogate_on_top && matches!(self.value, Value::Object(_))
    }
}

/// `json.loads(text)`, with room for `max_depth` open arrays and objects.
pub(crate) fn parse(text: &str, max_depth: usize) -> Result<Parsed<'_>, ParseError> {
    parse_located(text, max_depth).map_err(|(error, _)| error)
}

/// The value of strict JSON; an error comes with the byte it was found at.
pub(crate) fn parse_strictly(
    text: &str,
    max_depth: usize,
) -> Result<Value<'_>, (ParseError, usize)> {
    parse_located(text, max_depth).and_then(Parsed::strict_located)
}

/// The value of strict JSON, or of such with `NaN`, infinities and numbers beyond the range of a float,
/// which are Python's floats; an error comes with the byte it was found at.
pub(crate) fn parse_with_any_float(
    text: &str,
    max_depth: usize,
) -> Result<Value<'_>, (ParseError, usize)> {
    parse_located(text, max_depth).and_then(Parsed::with_any_float)
}

/// [`parse`]; an error comes with the byte it was found at.
fn parse_located(text: &str, max_depth: usize) -> Result<Parsed<'_>, (ParseError, usize)> {
    let mut parser = Parser {
        length: text.len(),
        rest: text,
        open: Vec::new(),
        max_depth,
        loose: None,
        surrogate_at: None,
        has_surrogate_on_top: false,
    };
    let document = parser.document();
    let value = document.map_err(|error| (error, parser.at()))?;
    Ok(Parsed {
        value,
        loose: parser.loose,
        surrogate_at: parser.surrogate_at,
        has_surrogate_on_top: parser.has_surrogate_on_top,
    })
}

/// An array or object whose end has not come yet.
enum Open<'a> {
    Array(Vec<Value<'a>>),
    Object(Vec<(Text<'a>, Value<'a>)>, Text<'a>),
}

struct Parser<'a> {
    length: usize,
    rest: &'a str,
    open: Vec<Open<'a>>,
    max_depth: usize,
    /// The first of what is not strict, and where.
    loose: Option<(Looseness, usize)>,
    /// Where the first half of a surrogate pair is.
    surrogate_at: Option<usize>,
    has_surrogate_on_top: bool,
}

impl<'a> Parser<'a> {
    fn document(&mut self) -> Result<Value<'a>, ParseError> {
        self.skip_blanks();
        loop {
            let Some(value) = self.start_value()? else {
                continue;
            };
            if let Some(document) = self.end_value(value)? {
                return Ok(document);
            }
        }
    }

    /// The byte that is read next.
    fn at(&self) -> usize {
        self.length - self.rest.len()
    }

    fn note(&mut self, looseness: Looseness) {
        let at = self.at();
        self.loose.get_or_insert((looseness, at));
        if looseness == Looseness::Surrogate {
            self.surrogate_at.get_or_insert(at);
        }
    }

    /// Reads a value that is whole in itself, or opens an array or object.
    fn start_value(&mut self) -> Result<Option<Value<'a>>, ParseError> {
        if self.eat('{') {
            self.check_depth()?;
            self.skip_blanks();
            if self.eat('}') {
                return Ok(Some(Value::Object(Object::default())));
            }
            self.open.push(Open::Object(Vec::new(), Text::default()));
            let key = self.key()?;
            if let Some(Open::Object(_, next_key)) = self.open.last_mut() {
                *next_key = key;
            }
            Ok(None)
        } else if self.eat('[') {
            self.check_depth()?;
            self.skip_blanks();
            if self.eat(']') {
                return Ok(Some(Value::Array(Vec::new())));
            }
            self.open.push(Open::Array(Vec::new()));
            Ok(None)
        } else {
            self.scalar().map(Some)
        }
    }

    /// Puts a whole value where it belongs, and closes what ends after it; gives the document
    /// when that is whole.
    fn end_value(&mut self, mut value: Value<'a>) -> Result<Option<Value<'a>>, ParseError> {
        loop {
            self.skip_blanks();
            value = match self.open.pop() {
                None if self.rest.is_empty() => return Ok(Some(value)),
                None => return Err(ParseError::Syntax),
                Some(Open::Array(mut items)) => {
                    items.push(value);
                    if self.eat(',') {
                        self.skip_blanks();
                        self.open.push(Open::Array(items));
                        return Ok(None);
                    }
                    self.expect(']')?;
                    Value::Array(items)
                }
                Some(Open::Object(mut members, key)) => {
                    members.push((key, value));
                    if self.eat(',') {
                        self.skip_blanks();
                        self.open.push(Open::Object(members, Text::default()));
                        let key = self.key()?;
                        if let Some(Open::Object(_, next_key)) = self.open.last_mut() {
                            *next_key = key;
                        }
                        return Ok(None);
                    }
                    self.expect('}')?;
                    Value::Object(Object::from(members))
                }
            };
        }
    }

    fn check_depth(&self) -> Result<(), ParseError> {
        if self.open.len() < self.max_depth {
            Ok(())
        } else {
            Err(ParseError::TooDeep)
        }
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn eat(&mut self, c: char) -> bool {
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, c: char) -> Result<(), ParseError> {
        if self.eat(c) {
            Ok(())
        } else {
            Err(ParseError::Syntax)
        }
    }

    /// Takes the first `length` bytes.
    fn advance(&mut self, length: usize) -> Result<&'a str, ParseError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(ParseError::Syntax)?;
        self.rest = rest;
        Ok(taken)
    }

    /// A member's key with its colon.
    fn key(&mut self) -> Result<Text<'a>, ParseError> {
        self.expect('"')?;
        let key = self.string()?;
        self.skip_blanks();
        self.expect(':')?;
        self.skip_blanks();
        Ok(key)
    }

    fn scalar(&mut self) -> Result<Value<'a>, ParseError> {
        let literal = match self.rest.as_bytes() {
            [b'"', ..] => {
                self.advance(1)?;
                return self.string().map(Value::String);
            }
            [b'0'..=b'9', ..] => return self.number(),
            [b'-', next, ..] if *next != b'I' => return self.number(),
            [b'n', ..] => ("null", Value::Null),
            [b't', ..] => ("true", Value::Bool(true)),
            [b'f', ..] => ("false", Value::Bool(false)),
            [b'N', ..] => ("NaN", Value::Float(f64::NAN)),
            [b'I', ..] => ("Infinity", Value::Float(f64::INFINITY)),
            [b'-', ..] => ("-Infinity", Value::Float(f64::NEG_INFINITY)),
            _ => return Err(ParseError::Syntax),
        };
        let (name, value) = literal;
        if matches!(value, Value::Float(_)) {
            self.note(Looseness::NotANumber);
        }
        self.rest = self.rest.strip_prefix(name).ok_or(ParseError::Syntax)?;
        Ok(value)
    }

    fn number(&mut self) -> Result<Value<'a>, ParseError> {
        let start = self.rest;
        let after_sign = start.strip_prefix('-').unwrap_or(start);
        let (integer, mut rest) = match after_sign.strip_prefix('0') {
            Some(rest) => ("0", rest),
            None => split_digits(after_sign),
        };
        if integer.is_empty() {
            return Err(ParseError::Syntax);
        }
        let mut is_float = false;
        if let Some((fraction, after)) = rest.strip_prefix('.').map(split_digits)
            && !fraction.is_empty()
        {
            is_float = true;
            rest = after;
        }
        if let Some((exponent, after)) = rest
            .strip_prefix(['e', 'E'])
            .map(|rest| rest.strip_prefix(['+', '-']).unwrap_or(rest))
            .map(split_digits)
            && !exponent.is_empty()
        {
            is_float = true;
            rest = after;
        }
        let number = self.advance(start.len() - rest.len())?;
        if is_float {
            let float = number.parse::<f64>().map_err(|_| ParseError::Syntax)?;
            if !float.is_finite() {
                self.note(Looseness::Overflow);
            }
            Ok(Value::Float(float))
        } else if integer.len() > MAX_DIGITS {
            Err(ParseError::TooManyDigits)
        } else if integer == "0" {
            Ok(Value::Int(Cow::Borrowed("0")))
        } else {
            Ok(Value::Int(Cow::Borrowed(number)))
        }
    }

    /// A string whose opening quote is behind us.
    fn string(&mut self) -> Result<Text<'a>, ParseError> {
        let (plain, rest) = self.plain_run()?;
        if let Some(rest) = rest.strip_prefix('"') {
            self.rest = rest;
            return Ok(Text::Borrowed(plain));
        }
        // With escapes: as an escape is never shorter than what it stands for, this never grows.
        let mut text = Zeroizing::new(String::with_capacity(length_of_string(self.rest)));
        loop {
            let (plain, rest) = self.plain_run()?;
            text.push_str(plain);
            self.rest = rest;
            if self.eat('"') {
                return Ok(Text::Owned(text));
            }
            self.expect('\\')?;
            text.push(self.escape()?);
        }
    }

    /// The characters before the next quote, escape or control character, and what follows.
    fn plain_run(&self) -> Result<(&'a str, &'a str), ParseError> {
        let is_special = |byte: u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
        let end = self.rest.bytes().position(is_special);
        end.and_then(|end| self.rest.split_at_checked(end))
            .ok_or(ParseError::Syntax)
    }

    /// An escape whose backslash is behind us.
    fn escape(&mut self) -> Result<char, ParseError> {
        Ok(match self.advance(1)? {
            "\"" => '"',
            "\\" => '\\',
            "/" => '/',
            "b" => '\u{8}',
            "f" => '\u{c}',
            "n" => '\n',
            "r" => '\r',
            "t" => '\t',
            "u" => {
                let unit = self.code_unit()?;
                self.character(unit)?
            }
            _ => return Err(ParseError::Syntax),
        })
    }

    fn code_unit(&mut self) -> Result<u16, ParseError> {
        let digits = self.advance(4)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(ParseError::Syntax);
        }
        u16::from_str_radix(digits, 16).map_err(|_| ParseError::Syntax)
    }

    /// The character of UTF-16 code unit `unit`, joined with a low surrogate that follows.
    fn character(&mut self, unit: u16) -> Result<char, ParseError> {
        if let Some(c) = char::from_u32(u32::from(unit)) {
            return Ok(c);
        }
        if matches!(unit, 0xd800..=0xdbff) && self.rest.starts_with("\\u") {
            let before = self.rest;
            self.advance(2)?;
            let next = self.code_unit()?;
            if let Some(Ok(c)) = char::decode_utf16([unit, next]).next() {
                return Ok(c);
            }
            self.rest = before;
        }
        self.note(Looseness::Surrogate);
        self.has_surrogate_on_top |= self.open.len() == 1;
        Ok(char::REPLACEMENT_CHARACTER)
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit());
    end.and_then(|end| text.split_at_checked(end))
        .unwrap_or((text, ""))
}

/// How many bytes there are before a string's closing quote.
fn length_of_string(text: &str) -> usize {
    let mut is_escaped = false;
    text.bytes()
        .position(|byte| {
            let is_end = byte == b'"' && !is_escaped;
            is_escaped = byte == b'\\' && !is_escaped;
            is_end
        })
        .unwrap_or(text.len())
}
