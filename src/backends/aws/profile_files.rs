//! AWS's two files of profiles, as boto3 reads them: the SDK, which parses them, takes fewer names.

use std::{fmt::Write as _, path::PathBuf};

use tokio::fs;

use crate::{
    Environment, Failure,
    config::{expand, split_command},
};

/// The texts of `~/.aws/config` and `~/.aws/credentials`, or of the files that variables name; one
/// that is not there is empty.
///
/// # Errors
/// When a file is no text.
pub(super) async fn read(environment: &Environment) -> Result<[String; 2], Failure> {
    let config = text(environment, "AWS_CONFIG_FILE", "config").await?;
    let credentials = text(environment, "AWS_SHARED_CREDENTIALS_FILE", "credentials").await?;
    Ok([
        as_the_sdk_has_it(&config, true),
        as_the_sdk_has_it(&credentials, false),
    ])
}

async fn text(environment: &Environment, variable: &str, name: &str) -> Result<String, Failure> {
    let path = match (environment.get(variable), environment.non_empty("HOME")) {
        (Some(path), _) => PathBuf::from(expand(path, environment).map_err(|why| {
            Failure::configuration(format!("{variable} in the environment: {why}"))
        })?),
        (None, Some(home)) => PathBuf::from(home).join(".aws").join(name),
        (None, None) => return Ok(String::new()),
    };
    match fs::read(&path).await {
        Ok(bytes) => String::from_utf8(bytes)
            .map_err(|_| Failure::configuration(format!("{} is no UTF-8 text", path.display()))),
        Err(_) => Ok(String::new()),
    }
}

/// A profile's or SSO session's name as the SDK takes it: of other characters it skips the section.
pub(super) fn section_name(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_ascii_alphanumeric() || "_-/.%@:+".contains(c) {
            plain.push(c);
        } else {
            // Nothing goes wrong when writing to a text.
            let _ = write!(plain, "%{:02X}", u32::from(c));
        }
    }
    plain
}

/// The text with its lines as the SDK takes them, read as Python's `ConfigParser` reads them: a
/// line goes on with the value before it where it is indented further, and only there.
fn as_the_sdk_has_it(text: &str, is_config: bool) -> String {
    let mut out = String::with_capacity(text.len());
    // How far the option is indented that may go on.
    let mut begun = None;
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        if begun.is_some_and(|begun| indent > begun) {
            out.push_str("  ");
            out.push_str(trimmed);
        } else if let Some(section) = section(trimmed, is_config) {
            begun = None;
            out.push_str(&section);
        } else {
            begun = Some(indent);
            out.push_str(&option(trimmed));
        }
        out.push('\n');
    }
    out
}

/// The line with a name as the SDK takes it, where the line begins a section. In `config` a name
/// with blanks is one in quotes.
fn section(line: &str, is_config: bool) -> Option<String> {
    let (header, _) = line.strip_prefix('[')?.rsplit_once(']')?;
    if is_config {
        let words = split_command(header).unwrap_or_default();
        if let [kind, name] = words.as_slice()
            && matches!(kind.as_str(), "profile" | "sso-session" | "services")
        {
            return Some(format!("[{kind} {}]", section_name(name)));
        }
    }
    Some(format!("[{}]", section_name(header)))
}

/// `key = value`, where boto3 also takes a colon.
fn option(line: &str) -> String {
    let Some((key, value)) = line.split_once(['=', ':']) else {
        return line.to_owned();
    };
    let key = key.trim().to_lowercase().replace(['#', ';'], "_");
    let value = value.trim();
    if key == "credential_process" {
        return format!("{key} = {}", guarded(value));
    }
    format!("{key} = {value}")
}

/// Stands where a comment would begin to the SDK; boto3 knows none behind a value.
const GUARD: char = '\0';

fn guarded(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut before = ' ';
    for c in value.chars() {
        if matches!(c, '#' | ';') && before.is_whitespace() {
            out.push(GUARD);
        }
        out.push(c);
        before = c;
    }
    out
}

/// The program and its arguments in a profile's `credential_process`.
///
/// # Errors
/// When it has a quote without an end, or the like: why.
pub(super) fn command_words(credential_process: &str) -> Result<Vec<String>, String> {
    split_command(&credential_process.replace(GUARD, ""))
}
