//! A file of secrets: which format it has, and its text as Python reads it.

use std::{fs, io, path::Path};

use secrecy::zeroize::Zeroizing;

use super::{
    Entry, env, json,
    malformed::{Malformed, line_at},
    yaml,
};
use crate::{Failure, FailureKind};

/// The formats a file can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Env,
    Json,
    Yaml,
}

impl Format {
    /// By the file's suffix, as Python's `Path.suffix` has it: a file called `.env` has none.
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

/// Reads the entries of the file at `path`.
pub(super) fn read(path: &str) -> Result<(Format, Vec<Entry>), Failure> {
    let Some(format) = Format::of(path) else {
        return Err(Failure::configuration(format!(
            "{path}: unknown kind of file; its name must end in .env, .json, .yaml or .yml, \
                 with something before that"
        )));
    };
    let content = text(path)?;
    let entries = match format {
        Format::Env => env::parse(&content),
        Format::Json => json::parse(&content),
        Format::Yaml => yaml::parse(&content),
    };
    match entries {
        Ok(entries) => Ok((format, entries)),
        Err(Malformed { line, problem }) => {
            Err(Failure::invalid_value(format!("{path}:{line}: {problem}")))
        }
    }
}

/// The text of the file, with `\n` for every `\r\n` and `\r`, as Python's `open` gives it.
fn text(path: &str) -> Result<Zeroizing<String>, Failure> {
    let bytes = fs::read(path)
        .map(Zeroizing::new)
        .map_err(|error| unreadable(path, &error))?;
    let text = match std::str::from_utf8(&bytes) {
        Ok(text) => text,
        Err(error) => {
            let line = line_at(&bytes, error.valid_up_to());
            return Err(Failure::invalid_value(format!(
                "{path}:{line}: not UTF-8; save the file as UTF-8"
            )));
        }
    };
    let mut lines = Zeroizing::new(String::with_capacity(text.len()));
    let mut parts = text.split('\r');
    lines.push_str(parts.next().unwrap_or_default());
    for part in parts {
        if !part.starts_with('\n') {
            lines.push('\n');
        }
        lines.push_str(part);
    }
    Ok(lines)
}

fn unreadable(path: &str, error: &io::Error) -> Failure {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied => FailureKind::AccessDenied,
        _ => FailureKind::Unavailable,
    };
    Failure::new(
        kind,
        format!("{path}: cannot be read: {error}; check the path and who may read it"),
    )
}
