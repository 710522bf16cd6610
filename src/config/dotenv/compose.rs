//! A `.env` file as Docker Compose reads it, whose reader is `compose-go`'s package `dotenv`.

use std::collections::HashMap;

use memchr::memchr_iter;
use secrecy::zeroize::Zeroizing;

use super::{
    Entry, Malformed, raw,
    template::{self, Scope},
};
use crate::{Environment, Secret};

/// How much the values of one file may take, in bytes: each can hold earlier ones many times.
const MAX_SIZE: usize = 64 * 1024 * 1024;

/// Reads a file from its start to its end.
pub(super) struct Reader<'a> {
    text: &'a str,
    /// Where in `text` the rest begins.
    at: usize,
    /// What was counted: the line of that place, and the place.
    line: usize,
    counted: usize,
    /// Where that line begins.
    line_start: usize,
    process: &'a Environment,
    entries: Vec<Entry>,
    /// The place of each name in `entries`.
    places: HashMap<String, usize>,
    room: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str, process: &'a Environment) -> Self {
        Self {
            text,
            at: 0,
            line: 1,
            counted: 0,
            line_start: 0,
            process,
            entries: Vec::new(),
            places: HashMap::new(),
            room: MAX_SIZE,
        }
    }

    pub(super) fn read(mut self) -> Result<Vec<Entry>, Malformed> {
        let mut last_line = 0;
        while self.find_statement() {
            let line = self.line();
            let is_first_in_line = line != std::mem::replace(&mut last_line, line);
            let line_start = self.line_start;
            let Some(name) = self.name(line)? else {
                continue;
            };
            let value = self.value(line)?;
            let read_alike = is_first_in_line && self.is_read_alike(line_start, &name, &value);
            let entry = Entry {
                name,
                value,
                line,
                read_alike,
            };
            self.keep(entry);
        }
        Ok(self.entries)
    }

    fn keep(&mut self, entry: Entry) {
        if let Some(place) = self.places.get(&entry.name) {
            if let Some(earlier) = self.entries.get_mut(*place) {
                *earlier = entry;
            }
        } else {
            self.places.insert(entry.name.clone(), self.entries.len());
            self.entries.push(entry);
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Where `rest`, an end of the text, begins.
    fn go_to(&mut self, rest: &str) {
        self.at = self.text.len().saturating_sub(rest.len());
    }

    /// The line of the place that was reached.
    fn line(&mut self) -> usize {
        let passed = self.text.as_bytes().get(self.counted..self.at);
        for end in memchr_iter(b'\n', passed.unwrap_or_default()) {
            self.line += 1;
            self.line_start = self.counted + end + 1;
        }
        self.counted = self.at;
        self.line
    }

    /// Goes past white space and comments; whether there is anything left.
    fn find_statement(&mut self) -> bool {
        let mut rest = self.rest().trim_start();
        while rest.starts_with('#') {
            rest = rest
                .find('\n')
                .and_then(|end| rest.get(end..))
                .unwrap_or_default();
            rest = rest.trim_start();
        }
        self.go_to(rest);
        !rest.is_empty()
    }

    /// The name of the statement that begins on `line`, or `None` where it has no value.
    fn name(&mut self, line: usize) -> Result<Option<String>, Malformed> {
        let mut rest = self.rest();
        if let Some(exported) = rest.strip_prefix("export")
            && exported.starts_with(['\t', '\n', '\u{c}', '\r', ' '])
        {
            rest = exported.trim_start_matches(is_blank);
            if rest.is_empty() {
                let problem = "the file ends after 'export'; a line is NAME=VALUE";
                return Err(Malformed::at(line, problem));
            }
        }
        let is_end = |c| matches!(c, '=' | ':' | '\n');
        let (name, value) = match rest.find(is_end).and_then(|end| rest.split_at_checked(end)) {
            Some((name, value)) => (name, value),
            None => (rest, ""),
        };
        let has_value = value.starts_with(['=', ':']);
        if let Some(other) = name.chars().find(|c| !is_in_name(*c)) {
            // The line may be the rest of a value, so that nothing of it is shown but punctuation.
            let shown = if other.is_ascii_punctuation() {
                format!("the character '{other}'")
            } else {
                "a character".to_owned()
            };
            let problem = format!(
                "the variable's name contains {shown} that no name may contain; a line is \
                 NAME=VALUE, and a value of several lines stands between double quotes"
            );
            return Err(Malformed::at(line, problem));
        }
        let name = name.trim_end();
        if name.contains(' ') {
            let problem = "the variable's name contains a blank; a line is NAME=VALUE";
            return Err(Malformed::at(line, problem));
        }
        if has_value && name.is_empty() {
            let problem = "the variable's name before the '=' is empty; a line is NAME=VALUE";
            return Err(Malformed::at(line, problem));
        }
        let after = value.get(1..).unwrap_or_default();
        self.go_to(after.trim_start_matches(is_blank));
        Ok(has_value.then(|| name.to_owned()))
    }

    /// The value that stands here, of the statement that begins on `line`.
    fn value(&mut self, line: usize) -> Result<Secret, Malformed> {
        let rest = self.rest();
        let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
            let (value, rest) = rest.split_once('\n').unwrap_or((rest, ""));
            self.go_to(rest);
            let value = value.split_once(" #").map_or(value, |(value, _)| value);
            return self.expanded(value.trim_end(), line);
        };
        let Some((value, after)) = rest.get(1..).and_then(|rest| quoted(rest, quote)) else {
            let problem = format!(
                "the value begins with {quote} and does not end; put the same quote at its end, or \
                 write \\{quote} inside quotes for the character itself"
            );
            return Err(Malformed::at(line, problem));
        };
        self.go_to(after);
        if quote == '"' {
            self.expanded(&unescaped(&value), line)
        } else {
            self.within_room(value.len(), line)?;
            Ok(Secret::from(value.as_str()))
        }
    }

    /// `value` with its variables replaced.
    fn expanded(&mut self, value: &str, line: usize) -> Result<Secret, Malformed> {
        let expanded = template::expand(value, self, self.room);
        let expanded = expanded.map_err(|problem| Malformed::at(line, problem))?;
        self.within_room(expanded.len(), line)?;
        Ok(Secret::from(expanded.as_str()))
    }

    fn within_room(&mut self, size: usize, line: usize) -> Result<(), Malformed> {
        let room = self.room.checked_sub(size);
        self.room = room.ok_or_else(|| Malformed::at(line, template::TOO_LARGE))?;
        Ok(())
    }

    /// Whether the line that begins at `start` gives the same in the raw reading.
    fn is_read_alike(&self, start: usize, name: &str, value: &Secret) -> bool {
        let rest = self.text.get(start..).unwrap_or_default();
        let line = rest.split_once('\n').map_or(rest, |(line, _)| line);
        raw::of_line(line) == Ok(Some((name, value.expose())))
    }
}

impl Scope for Reader<'_> {
    fn value_of(&self, name: &str) -> Result<Option<&str>, String> {
        if self.process.is_not_unicode(name) {
            return Err(format!(
                "the value refers to {name}, which the process's environment sets to something that \
                 is not UTF-8; set it again as UTF-8"
            ));
        }
        let of_file = || {
            let entry = self.entries.get(*self.places.get(name)?)?;
            Some(entry.value.expose())
        };
        Ok(self.process.get(name).or_else(of_file))
    }
}

/// White space within a line.
fn is_blank(c: char) -> bool {
    matches!(
        c,
        '\t' | '\u{b}' | '\u{c}' | '\r' | ' ' | '\u{85}' | '\u{a0}'
    )
}

/// Names may have blanks around them.
fn is_in_name(c: char) -> bool {
    matches!(c, '_' | '.' | '-' | '[' | ']') || c.is_alphabetic() || c.is_numeric() || is_blank(c)
}

/// The text up to `quote`, with each quote that follows a backslash in place of the two, and what
/// follows the quote; `None` where the text has no such end.
fn quoted(text: &str, quote: char) -> Option<(Zeroizing<String>, &str)> {
    let mut value = Zeroizing::new(String::new());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == quote {
            return Some((value, chars.as_str()));
        }
        if c != '\\' {
            value.push(c);
            continue;
        }
        match chars.next() {
            Some(escaped) if escaped == quote => value.push(quote),
            Some(other) => value.extend(['\\', other]),
            None => return None,
        }
    }
    None
}

/// `text` with its escapes replaced: those of the shell, and `\0` with the three digits of a byte in
/// base 8. `\$` becomes `$$`, which stands for a `$` where variables are replaced. Every other
/// backslash stays.
fn unescaped(text: &str) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(text.len()));
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let mut chars = after.chars();
        let replaced = match chars.next() {
            Some('a') => "\u{7}",
            Some('b') => "\u{8}",
            Some('f') => "\u{c}",
            Some('n') => "\n",
            Some('r') => "\r",
            Some('t') => "\t",
            Some('v') => "\u{b}",
            Some('$') => "$$",
            Some('"') => "\"",
            Some('\\') => "\\",
            Some('0') => {
                rest = octal(chars.as_str(), &mut out);
                continue;
            }
            _ => {
                out.push('\\');
                rest = after;
                continue;
            }
        };
        out.push_str(replaced);
        rest = chars.as_str();
    }
    out.push_str(rest);
    out
}

/// Writes what `\0` and the up to three digits at the start of `text` stand for; gives what follows.
/// Where they are no byte in base 8, Compose leaves the digits and drops the zero.
fn octal<'t>(text: &'t str, out: &mut String) -> &'t str {
    let count = text.bytes().take(3).take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at_checked(count).unwrap_or((text, ""));
    match u8::from_str_radix(digits, 8) {
        Ok(byte) if count == 3 => out.push(char::from(byte)),
        _ => {
            out.push('\\');
            out.push_str(digits);
        }
    }
    rest
}
