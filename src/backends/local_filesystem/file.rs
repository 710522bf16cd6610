//! A file of secrets: which format it has, and its text as Python reads it.

use std::{io, path::Path, rc::Rc};

use secrecy::zeroize::Zeroizing;

use super::{
    env, json,
    malformed::{Malformed, line_at},
    value::Value,
    yaml::{self, Rules},
};
use crate::{Failure, backend::FailureKind, files, python::text::universal_newlines};

/// The formats a file can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Env,
    Json,
    Yaml,
    /// `airflow_settings.yaml`, in the YAML of the Astro CLI.
    AstroSettings,
}

impl Format {
    /// By the file's suffix, as Python's `Path.suffix`: a file called `.env` has no suffix.
    fn of(path: &str) -> Option<Self> {
        let name = Path::new(path).file_name()?.to_str()?;
        let (stem, suffix) = name.rsplit_once('.')?;
        if stem.is_empty() {
            return None;
        }
        match suffix.to_ascii_lowercase().as_str() {
            "env" => Some(Self::Env),
            "json" => Some(Self::Json),
            "yaml" | "yml" => Some(Self::Yaml),
            _ => None,
        }
    }
}

/// A file as read.
pub(super) struct File {
    pub(super) path: String,
    pub(super) format: Format,
    pub(super) entries: Vec<Entry>,
}

/// One entry of a file.
pub(super) struct Entry {
    pub(super) key: Rc<Value>,
    pub(super) value: Rc<Value>,
    /// The line of its key, from 1, where it is known.
    pub(super) line: Option<usize>,
}

impl Entry {
    /// Its key, where that is a text.
    pub(super) fn name(&self) -> Option<&str> {
        match &*self.key {
            Value::Text(name) => Some(name),
            _ => None,
        }
    }
}

/// Reads the file at `path`; where its suffix says no format, it has `otherwise`.
pub(super) fn read(path: &str, otherwise: Option<Format>) -> Result<File, Failure> {
    let format = match (Format::of(path), otherwise) {
        (None | Some(Format::Yaml), Some(Format::AstroSettings)) => Some(Format::AstroSettings),
        (format, otherwise) => format.or(otherwise),
    };
    let Some(format) = format else {
        return Err(Failure::configuration(format!(
            "{path}: unknown file format; the file's name must end in .env, .json, .yaml or .yml, \
             with a name before that"
        )));
    };
    let content = text(path)?;
    let entries = match format {
        Format::Env => env::parse(&content),
        Format::Json => json::parse(&content),
        Format::Yaml => yaml::parse(&content, Rules::Python),
        Format::AstroSettings => yaml::parse(&content, Rules::Go),
    };
    match entries {
        Ok(entries) => Ok(File {
            path: path.to_owned(),
            format,
            entries,
        }),
        Err(Malformed { line, problem }) => Err(unknown(path, Some(line), &problem)),
    }
}

/// What is wrong with a file, so that nobody knows what it defines.
pub(super) fn unknown(path: &str, line: Option<usize>, problem: &str) -> Failure {
    let place = place(path, line);
    Failure::unavailable(format!(
        "{place}: {problem}; until this is mended, no entry of the file can be read"
    ))
    .with_transient(false)
}

/// The file and, where it is known, the line.
pub(super) fn place(path: &str, line: Option<usize>) -> String {
    let line = line.map_or_else(String::new, |line| format!(":{line}"));
    format!("{path}{line}")
}

/// The text of the file, with `\n` for every `\r\n` and `\r`, as Python's `open` gives it.
fn text(path: &str) -> Result<Zeroizing<String>, Failure> {
    let bytes = files::read(path).map_err(|error| unreadable(path, &error))?;
    let text = match std::str::from_utf8(&bytes) {
        Ok(text) => text,
        Err(error) => {
            let line = line_at(&bytes, error.valid_up_to());
            let problem = "the file is not UTF-8; save it as UTF-8 (FILE-5)";
            return Err(unknown(path, Some(line), problem));
        }
    };
    Ok(universal_newlines(text))
}

fn unreadable(path: &str, error: &io::Error) -> Failure {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied => FailureKind::AccessDenied,
        io::ErrorKind::InvalidInput | io::ErrorKind::FileTooLarge => FailureKind::Configuration,
        _ => FailureKind::Unavailable,
    };
    Failure::new(
        kind,
        format!("{path}: cannot be read: {error}; check the path and who may read it"),
    )
}
