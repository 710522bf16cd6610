//! Lookup patterns: Python's `re.match(pattern, id, re.IGNORECASE)`.

use std::{fmt, iter::Peekable, str::Chars};

use fancy_regex::Regex;

use crate::{Failure, FailureKind};

/// A pattern that an id must match, from its beginning on, in whatever case.
#[derive(Clone)]
pub(super) struct LookupPattern(Regex);

impl LookupPattern {
    /// Reads a pattern of Python's.
    ///
    /// # Errors
    /// When it is none: why.
    pub(super) fn new(pattern: &str) -> Result<Self, String> {
        let translated = translated(pattern)?;
        let compiled = Regex::new(&translated);
        compiled
            .map(Self)
            .map_err(|_| "it is no regular expression of Python's".to_owned())
    }

    /// Whether `id` matches.
    ///
    /// # Errors
    /// When it takes too many steps to find out.
    pub(super) fn matches(&self, id: &str) -> Result<bool, Failure> {
        self.0.is_match(id).map_err(|_| {
            Failure::new(
                FailureKind::Configuration,
                "the lookup pattern takes too many steps for this id: write it without nested \
                 repetitions",
            )
        })
    }
}

impl fmt::Debug for LookupPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LookupPattern")
    }
}

/// The pattern as `fancy_regex` writes it. The two differ where Python's `$` also matches before a
/// last line's end, where `\Z` is the very end, and in what stands for itself.
fn translated(pattern: &str) -> Result<String, String> {
    let (flags, pattern) = global_flags(pattern)?;
    let mut translator = Translator {
        rest: pattern.chars().peekable(),
        out: format!("\\A(?i{}:", flags.letters),
        is_multi_line: flags.is_multi_line,
        is_verbose: flags.is_verbose,
    };
    translator.all()?;
    // A comment of a verbose pattern must not take the parenthesis.
    if flags.is_verbose {
        translator.out.push('\n');
    }
    translator.out.push(')');
    Ok(translator.out)
}

#[derive(Default)]
struct Flags {
    /// Those that both write alike.
    letters: String,
    is_multi_line: bool,
    is_verbose: bool,
}

/// Takes `(?ims)` off the front: Python's flags for the whole pattern.
fn global_flags(pattern: &str) -> Result<(Flags, &str), String> {
    let mut flags = Flags::default();
    let mut pattern = pattern;
    while let Some((letters, rest)) = pattern.strip_prefix("(?").and_then(|p| p.split_once(')')) {
        if letters.is_empty() || !letters.chars().all(|c| c.is_ascii_lowercase()) {
            break;
        }
        for letter in letters.chars() {
            match letter {
                'i' | 'u' => {}
                'm' => flags.is_multi_line = true,
                's' => flags.letters.push('s'),
                'x' => flags.is_verbose = true,
                'a' => return Err("the flag (?a) is not offered: write [0-9a-z_] for \\w".into()),
                _ => return Err("it has a flag that Python has not for texts".into()),
            }
        }
        pattern = rest;
    }
    if flags.is_multi_line {
        flags.letters.push('m');
    }
    if flags.is_verbose {
        flags.letters.push('x');
    }
    Ok((flags, pattern))
}

struct Translator<'p> {
    rest: Peekable<Chars<'p>>,
    out: String,
    is_multi_line: bool,
    is_verbose: bool,
}

impl Translator<'_> {
    fn all(&mut self) -> Result<(), String> {
        while let Some(c) = self.rest.next() {
            match c {
                '\\' => self.escape(false)?,
                '[' => self.class()?,
                // Before a last line's end as well.
                '$' if !self.is_multi_line => self.out.push_str("(?=\\n?\\z)"),
                '{' => self.brace(),
                '}' => self.out.push_str("\\}"),
                '(' => self.group()?,
                '#' if self.is_verbose => {
                    for c in self.rest.by_ref() {
                        if c == '\n' {
                            break;
                        }
                    }
                }
                c => self.out.push(c),
            }
        }
        Ok(())
    }

    /// What Python has after `(?`, and no more.
    fn group(&mut self) -> Result<(), String> {
        self.out.push('(');
        if self.rest.next_if_eq(&'?').is_none() {
            // A quantifier has nothing to repeat here; the other reads `(*` as something else.
            return match self.rest.peek() {
                Some('*' | '+' | '{') => Err("nothing to repeat after '('".into()),
                _ => Ok(()),
            };
        }
        if self.rest.next_if_eq(&'#').is_some() {
            // A comment.
            self.out.pop();
            return match self.rest.by_ref().find(|c| *c == ')') {
                Some(_) => Ok(()),
                None => Err("a comment has no end".into()),
            };
        }
        self.out.push('?');
        let Some(c) = self.rest.next() else {
            return Err("it ends within a group".into());
        };
        self.out.push(c);
        match c {
            ':' | '=' | '!' | '>' | '(' => Ok(()),
            '<' => match self.rest.next_if(|c| matches!(c, '=' | '!')) {
                Some(c) => {
                    self.out.push(c);
                    Ok(())
                }
                None => Err("a named group is (?P<name>…) in Python".into()),
            },
            'P' => match self.rest.next_if(|c| matches!(c, '<' | '=')) {
                Some(c) => {
                    self.out.push(c);
                    Ok(())
                }
                None => Err("after (?P there is < or = in Python".into()),
            },
            'i' | 's' | '-' | 'm' | 'x' => self.local_flags(c),
            _ => Err(format!("Python has no group (?{c}")),
        }
    }

    /// `(?i-s:…)`: flags for a group.
    fn local_flags(&mut self, first: char) -> Result<(), String> {
        let mut flag = first;
        loop {
            match flag {
                ':' => return Ok(()),
                'i' | 's' | '-' => {}
                'm' | 'x' => {
                    return Err(format!(
                        "the flag {flag} is offered for the whole pattern alone"
                    ));
                }
                ')' => return Err("flags without ':' belong to the pattern's beginning".into()),
                _ => return Err("a group has a flag that Python has not".into()),
            }
            flag = self.rest.next().ok_or("it ends within a group's flags")?;
            self.out.push(flag);
        }
    }

    /// A repetition, or a brace that stands for itself.
    fn brace(&mut self) {
        let ahead = self.rest.clone().take_while(|c| *c != '}');
        let inner = ahead.collect::<String>();
        let is_closed = self.rest.clone().nth(inner.chars().count()) == Some('}');
        let is_number = |text: &str| text.chars().all(|c| c.is_ascii_digit());
        let repetition = match inner.split_once(',') {
            _ if !is_closed => None,
            Some((least, most)) if is_number(least) && is_number(most) => {
                let least = if least.is_empty() { "0" } else { least };
                Some(format!("{{{least},{most}}}"))
            }
            None if !inner.is_empty() && is_number(&inner) => Some(format!("{{{inner}}}")),
            _ => None,
        };
        match repetition {
            Some(repetition) => {
                self.out.push_str(&repetition);
                for _ in 0..=inner.chars().count() {
                    self.rest.next();
                }
            }
            None => self.out.push_str("\\{"),
        }
    }

    fn class(&mut self) -> Result<(), String> {
        self.out.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        let mut is_first = true;
        loop {
            let c = self.rest.next().ok_or("a character class has no end")?;
            match c {
                ']' if !is_first => break,
                '\\' => self.escape(true)?,
                // A range's dash stays one; at an end of the class it stands for itself.
                '-' if !is_first && self.rest.peek() != Some(&']') => self.out.push('-'),
                // These mean something in classes elsewhere; blanks do in verbose patterns.
                '[' | ']' | '&' | '~' | '-' | '^' | '#' => {
                    self.out.push('\\');
                    self.out.push(c);
                }
                c if c.is_whitespace() => self.push_escaped(c),
                c => self.out.push(c),
            }
            is_first = false;
        }
        self.out.push(']');
        Ok(())
    }

    /// What follows a backslash.
    fn escape(&mut self, in_class: bool) -> Result<(), String> {
        let c = self.rest.next().ok_or("it ends with a backslash")?;
        match c {
            'd' | 'D' | 'w' | 'W' | 's' | 'S' | 'a' | 'f' | 'n' | 'r' | 't' | 'v' => {
                self.out.push('\\');
                self.out.push(c);
            }
            'b' if in_class => self.out.push_str("\\x08"),
            'b' | 'B' | 'A' if !in_class => {
                self.out.push('\\');
                self.out.push(c);
            }
            'Z' if !in_class => self.out.push_str("\\z"),
            'x' => self.code_point(2)?,
            'u' => self.code_point(4)?,
            'U' => self.code_point(8)?,
            '0'..='7' if c == '0' || in_class || self.is_octal() => self.octal(c)?,
            '1'..='9' if !in_class => {
                let mut number = c.to_string();
                number.extend(self.rest.next_if(char::is_ascii_digit));
                self.out.push_str(&format!("(?:\\{number})"));
            }
            c if c.is_ascii_alphanumeric() => {
                return Err(format!("Python has no escape \\{c} here"));
            }
            c => self.push_escaped(c),
        }
        Ok(())
    }

    /// Whether three octal digits stand here, the first of which is taken already.
    fn is_octal(&self) -> bool {
        let next = self.rest.clone().take(2);
        next.filter(|c| matches!(c, '0'..='7')).count() == 2
    }

    fn octal(&mut self, first: char) -> Result<(), String> {
        let mut code = first.to_digit(8).unwrap_or_default();
        for _ in 0..2 {
            let digit = self.rest.next_if(|c| matches!(c, '0'..='7'));
            let Some(digit) = digit.and_then(|digit| digit.to_digit(8)) else {
                break;
            };
            code = code * 8 + digit;
        }
        let c = char::from_u32(code).filter(|_| code <= 0o377);
        self.push_escaped(c.ok_or("an octal escape is above \\377")?);
        Ok(())
    }

    fn code_point(&mut self, digits: usize) -> Result<(), String> {
        let mut code = 0_u32;
        for _ in 0..digits {
            let digit = self.rest.next().and_then(|c| c.to_digit(16));
            let digit = digit.ok_or("an escape has too few hexadecimal digits")?;
            code = code.saturating_mul(16).saturating_add(digit);
        }
        self.push_escaped(char::from_u32(code).ok_or("an escape is no character")?);
        Ok(())
    }

    /// `c`, standing for itself.
    fn push_escaped(&mut self, c: char) {
        self.out.push_str(&format!("\\x{{{:x}}}", u32::from(c)));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn ids_match_as_in_python() {
        let corpus = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/conformance/aws_patterns.jsonl"
        );
        let corpus = std::fs::read_to_string(corpus).unwrap();
        for line in corpus.lines() {
            let case = serde_json::from_str::<Value>(line).unwrap();
            let pattern = LookupPattern::new(case["pattern"].as_str().unwrap());
            let matched = pattern.map(|pattern| {
                let ids = case["ids"].as_array().unwrap().iter();
                ids.map(|id| pattern.matches(id.as_str().unwrap()).unwrap())
                    .collect::<Vec<_>>()
            });
            match matched {
                Ok(matched) => assert_eq!(Value::from(matched), case["matched"], "{line}"),
                Err(_) => assert_eq!(Value::Null, case["matched"], "{line}"),
            }
        }
        assert_eq!(corpus.lines().count(), 800);
    }
}
