//! `configparser`: the INI dialect of `ConfigParser` and `RawConfigParser`.
//!
//! This reader is our own, since no INI crate reads this dialect: an
//! indented line continues the value above it, comments inside of it are dropped and blank lines
//! kept; `#` and `;` start a comment at the start of a line only; `:` separates as well as `=`; a
//! duplicate section or option, a line without a separator and text before the first section are
//! errors; `[DEFAULT]` shows through in every section; `%(name)s` and `%%` are resolved when a value
//! is asked for, and only for callers that ask for it.

use std::{borrow::Cow, collections::HashMap};

use super::text::{is_space, lower, strip, strip_end, universal_newlines};
use crate::Secret;

/// The section whose options show through in all others.
const DEFAULT_SECTION: &str = "DEFAULT";

/// How often one value may lead to another by `%(name)s`.
const MAX_INTERPOLATION_DEPTH: usize = 10;

/// How much may be put in place of `%(name)s` in one value, in bytes.
const MAX_INTERPOLATED: usize = 1024 * 1024;

/// What a reference costs besides the length of its value: nested references to empty values take
/// time too.
const REFERENCE_COST: usize = 16;

/// A file as read; nothing is interpolated yet.
#[derive(Default)]
pub(crate) struct ConfigParser {
    defaults: Options,
    /// In the order of the file.
    sections: Vec<(String, Options)>,
}

/// The values of a section's options.
type Options = HashMap<String, RawValue>;

/// How the names of options are taken.
#[derive(Clone, Copy)]
pub(crate) enum OptionNames {
    /// With `optionxform = str`, as Airflow sets it.
    AsWritten,
    /// Python's default.
    #[cfg_attr(
        not(feature = "_aws"),
        allow(dead_code, reason = "only AWS's files have them so")
    )]
    LowerCase,
}

impl OptionNames {
    fn transform(self, name: &str) -> Cow<'_, str> {
        match self {
            Self::AsWritten => Cow::Borrowed(name),
            Self::LowerCase => lower(name),
        }
    }
}

/// An option's value, and the line that it starts on, from 1.
#[derive(Clone)]
pub(crate) struct RawValue {
    pub(crate) text: Secret,
    pub(crate) line: usize,
}

/// What is wrong with the file, and on which line, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ParsingError {
    pub(crate) line: usize,
    pub(crate) message: String,
}

impl ConfigParser {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// When it is malformed.
    pub(crate) fn read(text: &str, names: OptionNames) -> Result<Self, ParsingError> {
        Reader::new(names).read(text)
    }

    /// Every section but `[DEFAULT]` in the order of the file, each with its options and the
    /// defaults; not interpolated.
    #[cfg(feature = "_aws")]
    pub(crate) fn sections(
        &self,
    ) -> impl Iterator<Item = (&str, impl Iterator<Item = (&str, &RawValue)>)> {
        self.sections.iter().map(|(name, own)| {
            let inherited = self.defaults.iter();
            let inherited = inherited.filter(|(option, _)| !own.contains_key(*option));
            let options = own.iter().chain(inherited);
            (
                name.as_str(),
                options.map(|(option, value)| (option.as_str(), value)),
            )
        })
    }

    /// The value of an option after interpolation, if the file defines it: `None` without the section,
    /// even where `[DEFAULT]` has the option.
    pub(crate) fn interpolated(
        &self,
        section: &str,
        option: &str,
    ) -> Option<Result<RawValue, ParsingError>> {
        let (_, own) = self.sections.iter().find(|(name, _)| name == section)?;
        let lookup = |name: &str| own.get(name).or_else(|| self.defaults.get(name));
        let RawValue { text, line } = lookup(option)?;
        let mut interpolation = Interpolation {
            lookup,
            budget: MAX_INTERPOLATED,
            out: String::new(),
        };
        let interpolated = interpolation.push(text.expose(), 1);
        let line = *line;
        Some(match interpolated {
            Ok(()) => Ok(RawValue {
                text: Secret::from(interpolation.out),
                line,
            }),
            Err(message) => Err(error(line, message)),
        })
    }
}

/// A value on its way from what the file says to what it means.
struct Interpolation<L> {
    lookup: L,
    /// What is left of [`MAX_INTERPOLATED`].
    budget: usize,
    out: String,
}

impl<'a, L: Fn(&str) -> Option<&'a RawValue>> Interpolation<L> {
    /// Appends `raw`, with `%%` as `%` and `%(name)s` as the value of that option.
    fn push(&mut self, raw: &'a str, depth: usize) -> Result<(), &'static str> {
        if depth > MAX_INTERPOLATION_DEPTH {
            return Err(
                "its %(name)s references go deeper than 10 levels, or in a circle: shorten them",
            );
        }
        let mut rest = raw;
        while let Some((before, after)) = rest.split_once('%') {
            self.out.push_str(before);
            if let Some(after) = after.strip_prefix('%') {
                self.out.push('%');
                rest = after;
            } else if let Some((name, after)) = reference(after) {
                let Some(value) = (self.lookup)(name) else {
                    // The name may be a piece of a password that nobody meant as a reference.
                    return Err(
                        "it refers with %(name)s to an option that is not set; write a '%' that is \
                         part of the value as '%%'",
                    );
                };
                self.spend(REFERENCE_COST + value.text.len())?;
                self.push(value.text.expose(), depth + 1)?;
                rest = after;
            } else {
                return Err("write a '%' in a value as '%%'");
            }
        }
        self.out.push_str(rest);
        Ok(())
    }

    fn spend(&mut self, cost: usize) -> Result<(), &'static str> {
        let rest = self.budget.checked_sub(cost);
        self.budget =
            rest.ok_or("its %(name)s references expand to more than 1 MiB: shorten them (SET-18)")?;
        Ok(())
    }
}

/// The name in `(name)s`, and what follows.
fn reference(text: &str) -> Option<(&str, &str)> {
    let (name, after) = text.strip_prefix('(')?.split_once(')')?;
    let after = after.strip_prefix('s')?;
    (!name.is_empty()).then_some((name, after))
}

/// The state of reading: where the next line belongs.
struct Reader {
    names: OptionNames,
    /// In the order of the file, `[DEFAULT]` among them.
    sections: Vec<Section>,
    /// The place of each section.
    places: HashMap<String, usize>,
    /// The place of the section that is open.
    section: Option<usize>,
    /// The option that is open.
    option: Option<String>,
    indent: usize,
    first_bogus_line: Option<usize>,
}

struct Section {
    name: String,
    options: HashMap<String, Lines>,
    /// The line of its header, from 1.
    line: usize,
}

/// The lines of one value.
struct Lines {
    lines: Vec<String>,
    line: usize,
}

impl Reader {
    fn new(names: OptionNames) -> Self {
        Self {
            names,
            sections: Vec::new(),
            places: HashMap::new(),
            section: None,
            option: None,
            indent: 0,
            first_bogus_line: None,
        }
    }

    fn read(mut self, text: &str) -> Result<ConfigParser, ParsingError> {
        for (index, line) in universal_newlines(text).lines().enumerate() {
            self.line(index + 1, line)?;
        }
        match self.first_bogus_line {
            Some(line) => Err(error(
                line,
                "this line is neither a [section], a comment nor 'option = value'",
            )),
            None => Ok(self.finish()),
        }
    }

    fn line(&mut self, number: usize, line: &str) -> Result<(), ParsingError> {
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
        let section = self.sections.get_mut(self.section?)?;
        let lines = section.options.get_mut(self.option.as_ref()?)?;
        Some(&mut lines.lines)
    }

    fn open_section(&mut self, number: usize, name: &str) -> Result<(), ParsingError> {
        let earlier = self.places.get(name).copied();
        if name != DEFAULT_SECTION
            && let Some(first) = earlier.and_then(|place| self.sections.get(place))
        {
            return Err(twice(number, "section", first.line));
        }
        let place = earlier.unwrap_or(self.sections.len());
        if earlier.is_none() {
            self.places.insert(name.to_owned(), place);
            self.sections.push(Section {
                name: name.to_owned(),
                options: HashMap::new(),
                line: number,
            });
        }
        self.section = Some(place);
        self.option = None;
        Ok(())
    }

    fn open_option(&mut self, number: usize, line: &str) -> Result<(), ParsingError> {
        let section = self.section.and_then(|open| self.sections.get_mut(open));
        let Some(Section { options, .. }) = section else {
            let hint = if line.starts_with('\u{feff}') {
                "the file starts with a byte order mark, which Airflow refuses: save it as UTF-8 without BOM"
            } else {
                "the line comes before the first [section]: put a section above it"
            };
            return Err(error(number, hint));
        };
        let Some((option, value)) = line.split_once(['=', ':']) else {
            self.first_bogus_line.get_or_insert(number);
            return Ok(());
        };
        let option = self.names.transform(strip_end(option)).into_owned();
        if option.is_empty() {
            self.first_bogus_line.get_or_insert(number);
        }
        if let Some(first) = options.get(&option) {
            return Err(twice(number, "option", first.line));
        }
        let lines = Lines {
            lines: vec![strip(value).to_owned()],
            line: number,
        };
        self.option = (!option.is_empty()).then(|| option.clone());
        options.insert(option, lines);
        Ok(())
    }

    fn finish(self) -> ConfigParser {
        let mut parser = ConfigParser::default();
        for Section { name, options, .. } in self.sections {
            let options = options.into_iter().map(|(option, Lines { lines, line })| {
                let text = Secret::from(strip_end(&lines.join("\n")));
                (option, RawValue { text, line })
            });
            if name == DEFAULT_SECTION {
                parser.defaults = options.collect();
            } else {
                parser.sections.push((name, options.collect()));
            }
        }
        parser
    }
}

fn error(line: usize, message: impl Into<String>) -> ParsingError {
    ParsingError {
        line,
        message: message.into(),
    }
}

/// A section, or an option of one, that is already defined. Its name may be a piece of a secret.
fn twice(line: usize, what: &str, first: usize) -> ParsingError {
    error(
        line,
        format!("this {what} is defined a second time, after line {first}: remove one of them"),
    )
}

/// The name in `[name]`, up to the last bracket of the line; what follows that is ignored.
fn header(line: &str) -> Option<&str> {
    let (name, _) = line.strip_prefix('[')?.rsplit_once(']')?;
    (!name.is_empty()).then_some(name)
}
