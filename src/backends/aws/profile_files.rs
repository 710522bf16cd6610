//! AWS's two files of profiles, as boto3 reads them: the SDK, which parses them, takes fewer names.

use std::{fmt::Write as _, path::PathBuf};

use tokio::fs;

use crate::{Environment, Failure};

/// The texts of `~/.aws/config` and `~/.aws/credentials`, or of the files that variables name; one
/// that is not there is empty.
///
/// # Errors
/// When a file is no text.
pub(super) async fn read(environment: &Environment) -> Result<[String; 2], Failure> {
    let config = text(environment, "AWS_CONFIG_FILE", "config").await?;
    let credentials = text(environment, "AWS_SHARED_CREDENTIALS_FILE", "credentials").await?;
    let in_config = |line: &str| plain_section(line, true);
    let in_credentials = |line: &str| plain_section(line, false);
    Ok([
        with_plain_names(&config, in_config),
        with_plain_names(&credentials, in_credentials),
    ])
}

/// A session's token may have boto3's older name in it, which the SDK does not read.
async fn text(environment: &Environment, variable: &str, name: &str) -> Result<String, Failure> {
    let home = environment.non_empty("HOME");
    let path = match environment.get(variable) {
        Some(path) => match (path.strip_prefix("~/"), home) {
            (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
            _ => PathBuf::from(path),
        },
        None => match home {
            Some(home) => PathBuf::from(home).join(".aws").join(name),
            None => return Ok(String::new()),
        },
    };
    match fs::read(&path).await {
        Ok(bytes) => String::from_utf8(bytes)
            .map(|text| text.replace("\naws_security_token", "\naws_session_token"))
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

fn with_plain_names(text: &str, section: impl Fn(&str) -> Option<String>) -> String {
    let lines = text.split_inclusive('\n');
    lines
        .map(|line| section(line).unwrap_or_else(|| line.to_owned()))
        .collect()
}

/// The line with a name as the SDK takes it, where the line begins a section. In `config` a name
/// with blanks is one in quotes.
fn plain_section(line: &str, is_config: bool) -> Option<String> {
    let (section, rest) = line.strip_prefix('[')?.split_once(']')?;
    if !is_config {
        return Some(format!("[{}]{rest}", section_name(section)));
    }
    let (kind, name) = section.trim().split_once([' ', '\t'])?;
    let name = name.trim();
    let quoted = |quote| name.strip_prefix(quote)?.strip_suffix(quote);
    let name = quoted('"').or_else(|| quoted('\''))?;
    Some(format!("[{kind} {}]{rest}", section_name(name)))
}
