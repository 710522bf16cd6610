//! `re.match` in whatever case: patterns translated for `fancy_regex`.

use std::{collections::HashSet, fmt, iter::Peekable, str::Chars};

use fancy_regex::Regex;

/// The longest pattern, in bytes: reading one takes more time than its length.
const MAX_LENGTH: usize = 64 * 1024;

/// How many groups may be open at once; the engine takes fewer.
const MAX_DEPTH: usize = 100;

/// `re.compile(pattern, re.IGNORECASE)`, to match texts from their beginning on.
#[derive(Clone)]
pub(crate) struct Pattern(Regex);

/// The engine gave up: it takes too many steps to find out whether a text matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooManySteps;

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Why it does not compile.
    pub(crate) fn new(pattern: &str) -> Result<Self, String> {
        if pattern.len() > MAX_LENGTH {
            return Err("it is longer than 64 KiB (AWS-27)".to_owned());
        }
        let translated = translated(pattern)?;
        let compiled = Regex::new(&translated);
        compiled.map(Self).map_err(|_| {
            "it is not a regular expression in Python's syntax, or it is too large (AWS-27)"
                .to_owned()
        })
    }

    /// Whether `text` matches.
    ///
    /// # Errors
    /// When it takes too many steps to find out.
    pub(crate) fn matches(&self, text: &str) -> Result<bool, TooManySteps> {
        self.0.is_match(text).map_err(|_| TooManySteps)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pattern")
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
        before: Before::Nothing,
        groups: Vec::new(),
        names: HashSet::new(),
    };
    translator.all()?;
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
                'a' => {
                    return Err(
                        "the flag (?a) is not supported: write [0-9a-z_] for \\w (AWS-27)".into(),
                    );
                }
                _ => return Err("it has an unknown flag".into()),
            }
        }
        pattern = rest;
    }
    if flags.is_multi_line {
        flags.letters.push('m');
    }
    Ok((flags, pattern))
}

/// What stands before the place where a quantifier may come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Nothing that can be repeated.
    Nothing,
    /// A quantifier.
    Repeated,
    Item,
    /// A look ahead or behind, which begins here in what is written.
    LookAround(usize),
}

struct Translator<'p> {
    rest: Peekable<Chars<'p>>,
    out: String,
    is_multi_line: bool,
    is_verbose: bool,
    before: Before,
    /// For each open group, where it begins if it looks around.
    groups: Vec<Option<usize>>,
    /// The names of groups.
    names: HashSet<String>,
}

impl Translator<'_> {
    fn all(&mut self) -> Result<(), String> {
        while let Some(c) = self.rest.next() {
            self.before = match c {
                '\\' => self.escape(false)?,
                '[' => self.class()?,
                '^' => self.write("^", Before::Nothing),
                '$' if self.is_multi_line => self.write("$", Before::Nothing),
                // Before a last line's end as well.
                '$' => self.write("(?=\\n?\\z)", Before::Nothing),
                '*' => self.repetition("*", true)?,
                '+' => self.repetition("+", false)?,
                '?' => self.repetition("?", true)?,
                '{' => self.brace()?,
                '}' => self.write("\\}", Before::Item),
                '|' => self.write("|", Before::Nothing),
                '(' => self.group()?,
                ')' => {
                    self.out.push(')');
                    match self.groups.pop() {
                        Some(Some(start)) => Before::LookAround(start),
                        Some(None) => Before::Item,
                        None => return Err("a closing parenthesis has no opening one".into()),
                    }
                }
                '#' if self.is_verbose => {
                    self.rest.by_ref().find(|c| *c == '\n');
                    self.before
                }
                c if self.is_verbose && (c.is_ascii_whitespace() || c == '\x0b') => self.before,
                c if c.is_whitespace() || c == '#' => self.push_escaped(c),
                c => {
                    self.out.push(c);
                    Before::Item
                }
            };
        }
        Ok(())
    }

    fn write(&mut self, text: &str, before: Before) -> Before {
        self.out.push_str(text);
        before
    }

    /// A quantifier, with the `?` or `+` that may follow.
    fn repetition(&mut self, quantifier: &str, may_be_none: bool) -> Result<Before, String> {
        let modifier = self.rest.next_if(|c| matches!(c, '?' | '+'));
        match self.before {
            Before::Nothing => return Err("a quantifier has nothing to repeat before it".into()),
            Before::Repeated => return Err("a quantifier follows a quantifier".into()),
            Before::Item => {
                self.out.push_str(quantifier);
                self.out.extend(modifier);
            }
            // It takes no place: to look once is to look often.
            Before::LookAround(start) if may_be_none => self.out.truncate(start),
            Before::LookAround(_) => {}
        }
        Ok(Before::Repeated)
    }

    /// What Python has after `(?`, and no more.
    fn group(&mut self) -> Result<Before, String> {
        if self.groups.len() >= MAX_DEPTH {
            return Err("it nests too deeply (AWS-27)".into());
        }
        let start = self.out.len();
        if self.rest.next_if_eq(&'?').is_none() {
            self.groups.push(None);
            return Ok(self.write("(", Before::Nothing));
        }
        if self.rest.next_if_eq(&'#').is_some() {
            // A comment.
            let end = self.rest.by_ref().find(|c| *c == ')');
            return end
                .map(|_| self.before)
                .ok_or("a comment (?#…) is not closed".into());
        }
        self.out.push_str("(?");
        let c = self.rest.next().ok_or("a group is not closed")?;
        self.out.push(c);
        let mut looks_around = None;
        match c {
            ':' | '>' => {}
            '=' | '!' => looks_around = Some(start),
            '(' => {
                // A condition: the number or the name of a group.
                let end = self.rest.by_ref().take_while(|c| *c != ')');
                let condition = end.collect::<String>();
                if condition.chars().all(|c| c.is_ascii_digit()) {
                    self.out.push_str(&condition);
                } else if self.names.contains(&condition) {
                    self.out.extend(["<", &condition, ">"]);
                } else {
                    return Err("a condition refers to an unknown group".into());
                }
                self.out.push(')');
            }
            '<' => match self.rest.next_if(|c| matches!(c, '=' | '!')) {
                Some(c) => {
                    self.out.push(c);
                    looks_around = Some(start);
                    self.fixed_width()?;
                }
                None => return Err("write a named group as (?P<name>…), as in Python".into()),
            },
            'P' => match self.rest.next() {
                Some('<') => self.out.push('<'),
                Some('=') => {
                    let name = self.rest.by_ref().take_while(|c| *c != ')');
                    let name = name.collect::<String>();
                    self.out.push('=');
                    self.out.push_str(&name);
                    return Ok(self.write(")", Before::Item));
                }
                _ => return Err("after (?P, Python accepts only < and =".into()),
            },
            'i' | 's' | '-' | 'm' | 'x' => self.local_flags(c)?,
            _ => return Err(format!("Python does not have the group (?{c}")),
        }
        if self.out.ends_with("(?P<") {
            let name = self.rest.by_ref().take_while(|c| *c != '>');
            let name = name.collect::<String>();
            let is_name = !name.starts_with(|c: char| c.is_numeric())
                && name.chars().all(|c| c.is_alphanumeric() || c == '_');
            if !is_name || name.is_empty() || self.names.contains(&name) {
                return Err("the name of a group is invalid in Python, or is used twice".into());
            }
            self.out.push_str(&name);
            self.out.push('>');
            self.names.insert(name);
        }
        self.groups.push(looks_around);
        Ok(Before::Nothing)
    }

    /// Python accepts a look-behind of a fixed length only.
    fn fixed_width(&self) -> Result<(), String> {
        let (mut depth, mut before) = (0, ' ');
        let mut ahead = self.rest.clone();
        while let Some(c) = ahead.next() {
            match c {
                '\\' => {
                    ahead.next();
                }
                // Nothing in a class is a repetition; its first character may be a bracket.
                '[' => {
                    ahead.next_if_eq(&'^');
                    let mut is_first = true;
                    while let Some(c) = ahead.next_if(|c| is_first || *c != ']') {
                        is_first = false;
                        if c == '\\' {
                            ahead.next();
                        }
                    }
                }
                '(' => depth += 1,
                ')' if depth == 0 => break,
                ')' => depth -= 1,
                '*' | '+' => {
                    return Err("a look-behind contains a repetition, which Python refuses".into());
                }
                '?' if before != '(' => {
                    return Err("a look-behind contains a repetition, which Python refuses".into());
                }
                _ => {}
            }
            before = c;
        }
        Ok(())
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
                        "the flag {flag} is supported for the whole pattern only (AWS-27)"
                    ));
                }
                ')' => return Err("write flags for the whole pattern at its beginning".into()),
                _ => return Err("a group has an unknown flag".into()),
            }
            flag = self.rest.next().ok_or("a group's flags are not closed")?;
            self.out.push(flag);
        }
    }

    /// A repetition, or a literal brace.
    fn brace(&mut self) -> Result<Before, String> {
        let ahead = self
            .rest
            .clone()
            .take_while(|c| *c == ',' || c.is_ascii_digit());
        let inner = ahead.collect::<String>();
        let is_closed = self.rest.clone().nth(inner.len()) == Some('}');
        let is_number = |text: &str| text.chars().all(|c| c.is_ascii_digit());
        let (least, repetition) = match inner.split_once(',') {
            Some((least, most)) if is_closed && is_number(least) && is_number(most) => {
                let least = if least.is_empty() { "0" } else { least };
                let number = |text: &str| text.parse::<u32>().ok();
                if number(most).is_some_and(|most| number(least) > Some(most)) {
                    return Err("the minimum of a repetition is above its maximum".into());
                }
                (least, format!("{{{least},{most}}}"))
            }
            None if is_closed && !inner.is_empty() && is_number(&inner) => {
                (inner.as_str(), format!("{{{inner}}}"))
            }
            _ => return Ok(self.write("\\{", Before::Item)),
        };
        for _ in 0..=inner.len() {
            self.rest.next();
        }
        self.repetition(&repetition, least.chars().all(|c| c == '0'))
    }

    fn class(&mut self) -> Result<Before, String> {
        self.out.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        let (mut is_first, mut after_dash) = (true, false);
        loop {
            let c = self.rest.next().ok_or("a character class is not closed")?;
            let may_be_range = !is_first && !std::mem::take(&mut after_dash);
            match c {
                ']' if !is_first => break,
                '\\' => {
                    self.escape(true)?;
                }
                // A range's dash stays one; at an end of the class it is literal.
                '-' if may_be_range && self.rest.peek() != Some(&']') => {
                    self.out.push('-');
                    after_dash = true;
                }
                // These mean something in classes elsewhere; blanks do in verbose patterns.
                '[' | ']' | '&' | '~' | '-' | '^' | '#' => {
                    self.out.push('\\');
                    self.out.push(c);
                }
                c if c.is_whitespace() => {
                    self.push_escaped(c);
                }
                c => self.out.push(c),
            }
            is_first = false;
        }
        Ok(self.write("]", Before::Item))
    }

    /// What follows a backslash.
    fn escape(&mut self, in_class: bool) -> Result<Before, String> {
        let c = self
            .rest
            .next()
            .ok_or("it ends with a backslash that escapes nothing")?;
        match c {
            // In Python, numbers of all kinds are word characters, and marks are not.
            'w' => Ok(self.write(r"[\p{L}\p{N}_]", Before::Item)),
            'W' => Ok(self.write(r"[^\p{L}\p{N}_]", Before::Item)),
            's' => Ok(self.write(r"[\s\x1c-\x1f]", Before::Item)),
            'S' => Ok(self.write(r"[^\s\x1c-\x1f]", Before::Item)),
            'd' | 'D' | 'a' | 'f' | 'n' | 'r' | 't' | 'v' => {
                self.out.push('\\');
                self.out.push(c);
                Ok(Before::Item)
            }
            'b' if in_class => Ok(self.write("\\x08", Before::Item)),
            'b' => Ok(self.write("\\b", Before::Nothing)),
            // Python finds none in an empty text.
            'B' if !in_class => Ok(self.write("(?!\\A\\z)\\B", Before::Nothing)),
            'A' if !in_class => Ok(self.write("\\A", Before::Nothing)),
            'Z' if !in_class => Ok(self.write("\\z", Before::Nothing)),
            'x' => self.code_point(2),
            'u' => self.code_point(4),
            'U' => self.code_point(8),
            '0'..='7' if c == '0' || in_class || self.is_octal() => self.octal(c),
            '1'..='9' if !in_class => {
                let mut number = c.to_string();
                number.extend(self.rest.next_if(char::is_ascii_digit));
                self.out.push_str("(?:\\");
                self.out.push_str(&number);
                Ok(self.write(")", Before::Item))
            }
            c if c.is_ascii_alphanumeric() => {
                Err(format!("Python does not have the escape \\{c} here"))
            }
            c => Ok(self.push_escaped(c)),
        }
    }

    /// Whether three octal digits stand here, the first of which is taken already.
    fn is_octal(&self) -> bool {
        let next = self.rest.clone().take(2);
        next.filter(|c| matches!(c, '0'..='7')).count() == 2
    }

    fn octal(&mut self, first: char) -> Result<Before, String> {
        let mut code = first.to_digit(8).unwrap_or_default();
        for _ in 0..2 {
            let digit = self.rest.next_if(|c| matches!(c, '0'..='7'));
            let Some(digit) = digit.and_then(|digit| digit.to_digit(8)) else {
                break;
            };
            code = code * 8 + digit;
        }
        let c = char::from_u32(code).filter(|_| code <= 0o377);
        Ok(self.push_escaped(c.ok_or("an octal escape is above \\377")?))
    }

    fn code_point(&mut self, digits: usize) -> Result<Before, String> {
        let mut code = 0_u32;
        for _ in 0..digits {
            let digit = self.rest.next().and_then(|c| c.to_digit(16));
            let digit = digit.ok_or("an escape has too few hexadecimal digits")?;
            code = code.saturating_mul(16).saturating_add(digit);
        }
        let c = char::from_u32(code).ok_or("an escape is not the code of a character")?;
        Ok(self.push_escaped(c))
    }

    /// `c`, standing for itself.
    fn push_escaped(&mut self, c: char) -> Before {
        let escaped = format!("\\x{{{:x}}}", u32::from(c));
        self.write(&escaped, Before::Item)
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
        let mut different = Vec::new();
        for line in corpus.lines() {
            let case = serde_json::from_str::<Value>(line).unwrap();
            let pattern = Pattern::new(case["pattern"].as_str().unwrap());
            let matched = pattern.map(|pattern| {
                let ids = case["ids"].as_array().unwrap().iter();
                ids.map(|id| pattern.matches(id.as_str().unwrap()).ok())
                    .collect::<Vec<_>>()
            });
            let matched = serde_json::json!(matched.ok());
            if matched != case["matched"] {
                different.push(format!("{line}\n  here: {matched}"));
            }
        }
        assert_eq!(corpus.lines().count(), 800);
        assert!(different.is_empty(), "{}", different.join("\n"));
    }

    #[test]
    fn a_pattern_of_any_length_is_judged_at_once() {
        let refused = |pattern: &str| Pattern::new(pattern).err();
        let too_long = Some("it is longer than 64 KiB (AWS-27)".to_owned());
        assert_eq!(refused(&"a".repeat(MAX_LENGTH + 1)), too_long);
        assert_eq!(refused(&"{".repeat(4_000_000)), too_long);
        let too_deep = Some("it nests too deeply (AWS-27)".to_owned());
        assert_eq!(refused(&"(?<=".repeat(MAX_LENGTH / 4)), too_deep);
        for piece in [
            "{", "{1,", "(?i)", "[a]", "(?P<a>", "(?<=a)", "a|", "a{2}", r"\d", "(?#)",
        ] {
            // It compiles or not; that takes no minute.
            let _ = Pattern::new(&piece.repeat(MAX_LENGTH / piece.len()));
        }
    }

    #[test]
    fn odd_patterns_match_as_in_python() {
        for (pattern, matched, not_matched) in [
            // No mark is a word's character, and every number is one.
            (r"\w+$", "a²", "e\u{301}"),
            (r"[\w]+$", "½Ⅷ", "a\u{200d}"),
            (r"\W+$", "\u{301}", "²"),
            (r"[^\w]+$", "\u{301}", "²"),
            (r"\s+$", "\u{1c}\u{1f} \u{85}", "_"),
            (r"\S+$", "_", "\u{1c}"),
            // A group's name as a condition.
            (r"(?P<n>a)?(?(n)b|c)", "ab", "b"),
            // A dash at a range's end, and one behind a range.
            (r"[+--/]+$", "+,-/", "."),
            (r"[a-c-e]+$", "b-e", "d"),
            (r"[!--]+$", "!,-", "."),
            // A look-behind at what would repeat, but for its class.
            (r"x*(?<=[]?*+\]])y|z", "z", "y"),
            (r"(?<=[^?])x|y", "y", "x"),
            ("(?x)a\u{b}b", "ab", "a\u{b}b"),
        ] {
            let pattern = Pattern::new(pattern).expect(pattern);
            let matches = |id| pattern.matches(id).unwrap();
            assert!(matches(matched), "{matched:?}");
            assert!(!matches(not_matched), "{not_matched:?}");
        }
    }
}
