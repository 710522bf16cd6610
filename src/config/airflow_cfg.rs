//! `airflow.cfg`: the INI dialect of Python's `ConfigParser`, as Airflow configures it.
//!
//! An own reader, since the dialect decides what a line means and no INI crate speaks it: an
//! indented line continues the value above it, comments inside of it are dropped and blank lines
//! kept; `#` and `;` start a comment at the start of a line only; `:` separates as well as `=`;
//! names keep their case; a duplicate section or option, a line without a separator and text before
//! the first section are errors; `[DEFAULT]` shows through in every section; `%(name)s` and `%%`
//! are resolved when a value is asked for.

use std::collections::HashMap;

use super::python_text::{is_space, strip, strip_end};
use crate::Secret;

/// The section whose options show through in all others.
const DEFAULT_SECTION: &str = "DEFAULT";

/// How often one value may lead to another by `%(name)s`.
const MAX_INTERPOLATION_DEPTH: usize = 10;

type Section = HashMap<String, Entry>;

/// A file as read; nothing is interpolated yet.
#[derive(Default)]
pub(super) struct AirflowCfg {
    defaults: Section,
    sections: HashMap<String, Section>,
}

/// An option's value before interpolation, and the line it starts on.
struct Entry {
    value: Secret,
    line: usize,
}

/// What is wrong with the file, and on which line, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) line: usize,
    pub(super) message: String,
}

/// An option as the file gives it, after interpolation.
pub(super) struct Given {
    pub(super) value: Secret,
    pub(super) line: usize,
}

impl AirflowCfg {
    /// Reads the text of a file.
    pub(super) fn parse(text: &str) -> Result<Self, Broken> {
        Reader::default().read(text)
    }

    /// The value of an option, if the file has it: `None` without the section, even where
    /// `[DEFAULT]` has the option.
    pub(super) fn get(&self, section: &str, option: &str) -> Option<Result<Given, Broken>> {
        let options = self.sections.get(section)?;
        let lookup = |name: &str| options.get(name).or_else(|| self.defaults.get(name));
        let entry = lookup(option)?;
        let mut value = String::new();
        let given = interpolate(entry.value.expose(), &lookup, 1, &mut value)
            .map(|()| Given {
                value: Secret::from(value),
                line: entry.line,
            })
            .map_err(|message| Broken {
                line: entry.line,
                message,
            });
        Some(given)
    }
}

/// Appends `raw` to `out`, with `%%` as `%` and `%(name)s` as the value of that option.
fn interpolate<'a>(
    raw: &'a str,
    lookup: &impl Fn(&str) -> Option<&'a Entry>,
    depth: usize,
    out: &mut String,
) -> Result<(), String> {
    if depth > MAX_INTERPOLATION_DEPTH {
        return Err("its %(name)s references lead too deep, or in a circle".to_owned());
    }
    let mut rest = raw;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            out.push('%');
            rest = after;
        } else if let Some((name, after)) = reference(after) {
            let Some(entry) = lookup(name) else {
                return Err(format!("it refers to %({name})s, which is not set there"));
            };
            interpolate(entry.value.expose(), lookup, depth + 1, out)?;
            rest = after;
        } else {
            return Err("a '%' in a value must be written '%%'".to_owned());
        }
    }
    out.push_str(rest);
    Ok(())
}

/// The name in `(name)s`, and what follows.
fn reference(text: &str) -> Option<(&str, &str)> {
    let (name, after) = text.strip_prefix('(')?.split_once(')')?;
    let after = after.strip_prefix('s')?;
    (!name.is_empty()).then_some((name, after))
}

/// The state of reading: where the next line belongs.
#[derive(Default)]
struct Reader {
    /// In the order of the file; the first is `[DEFAULT]` once it was seen.
    sections: HashMap<String, HashMap<String, Lines>>,
    section: Option<String>,
    option: Option<String>,
    indent: usize,
    first_bogus_line: Option<usize>,
}

/// The lines of one value.
struct Lines {
    lines: Vec<String>,
    line: usize,
}

impl Reader {
    fn read(mut self, text: &str) -> Result<AirflowCfg, Broken> {
        for (index, line) in universal_lines(text).enumerate() {
            self.line(index + 1, line)?;
        }
        match self.first_bogus_line {
            Some(line) => Err(broken(
                line,
                "this line is no section, no comment and no 'option = value'",
            )),
            None => Ok(self.finish()),
        }
    }

    fn line(&mut self, number: usize, line: &str) -> Result<(), Broken> {
        let value = strip(line);
        if value.starts_with(['#', ';']) {
            return Ok(());
        }
        if value.is_empty() {
            if let Some(lines) = self.open_value() {
                lines.push(String::new());
            }
            return Ok(());
        }
        let indent = line.chars().take_while(|c| is_space(*c)).count();
        if indent > self.indent
            && let Some(lines) = self.open_value()
        {
            lines.push(value.to_owned());
            return Ok(());
        }
        self.indent = indent;
        match header(value) {
            Some(name) => self.open_section(number, name),
            None => self.open_option(number, value),
        }
    }

    /// The lines of the value that a blank or indented line belongs to.
    fn open_value(&mut self) -> Option<&mut Vec<String>> {
        let section = self.section.as_ref()?;
        let option = self.option.as_ref()?;
        let lines = self.sections.get_mut(section)?.get_mut(option)?;
        Some(&mut lines.lines)
    }

    fn open_section(&mut self, number: usize, name: &str) -> Result<(), Broken> {
        if name != DEFAULT_SECTION && self.sections.contains_key(name) {
            return Err(broken(number, format!("section [{name}] is there twice")));
        }
        self.sections.entry(name.to_owned()).or_default();
        self.section = Some(name.to_owned());
        self.option = None;
        Ok(())
    }

    fn open_option(&mut self, number: usize, line: &str) -> Result<(), Broken> {
        let Some(name) = &self.section else {
            let hint = if line.starts_with('\u{feff}') {
                "the file starts with a byte order mark, which Airflow does not take: save it without"
            } else {
                "there is text before the first [section]"
            };
            return Err(broken(number, hint));
        };
        let Some((option, value)) = line.split_once(['=', ':']) else {
            self.first_bogus_line.get_or_insert(number);
            return Ok(());
        };
        let option = strip_end(option);
        if option.is_empty() {
            self.first_bogus_line.get_or_insert(number);
        }
        let section = self.sections.entry(name.clone()).or_default();
        if section.contains_key(option) {
            return Err(broken(
                number,
                format!("option {option:?} is there twice in section [{name}]"),
            ));
        }
        let lines = Lines {
            lines: vec![strip(value).to_owned()],
            line: number,
        };
        section.insert(option.to_owned(), lines);
        self.option = (!option.is_empty()).then(|| option.to_owned());
        Ok(())
    }

    fn finish(self) -> AirflowCfg {
        let mut sections: HashMap<String, Section> = self
            .sections
            .into_iter()
            .map(|(name, options)| {
                let options = options.into_iter().map(|(option, lines)| {
                    let value = Secret::from(strip_end(&lines.lines.join("\n")));
                    let line = lines.line;
                    (option, Entry { value, line })
                });
                (name, options.collect())
            })
            .collect();
        AirflowCfg {
            defaults: sections.remove(DEFAULT_SECTION).unwrap_or_default(),
            sections,
        }
    }
}

fn broken(line: usize, message: impl Into<String>) -> Broken {
    Broken {
        line,
        message: message.into(),
    }
}

/// The name in `[name]`, up to the last bracket of the line; what follows that is passed over.
fn header(line: &str) -> Option<&str> {
    let (name, _) = line.strip_prefix('[')?.rsplit_once(']')?;
    (!name.is_empty()).then_some(name)
}

/// Lines that end in `\n`, `\r` or `\r\n`, as Python's text files have them.
fn universal_lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest.filter(|text| !text.is_empty())?;
        let Some((line, after)) = text.split_once(['\n', '\r']) else {
            rest = None;
            return Some(text);
        };
        let is_crlf = text
            .get(line.len()..)
            .is_some_and(|end| end.starts_with("\r\n"));
        rest = if is_crlf {
            after.strip_prefix('\n')
        } else {
            Some(after)
        };
        Some(line)
    })
}
