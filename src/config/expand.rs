//! `$VAR`, `${VAR}` and `~` in settings, as Python's `expandvars` and `expanduser` have them.

use std::{fs, os::unix::fs::MetadataExt};

use crate::Environment;

/// How many rounds of expansion a value may take before it counts as endless.
const MAX_ROUNDS: usize = 100;

/// How long a value may become by expansion, in bytes.
const MAX_LENGTH: usize = 1024 * 1024;

/// Expands variables and the home folder, again and again until nothing changes.
///
/// # Errors
/// When it would never end: a variable that leads back to itself, where Airflow hangs.
pub(crate) fn expand(text: &str, environment: &Environment) -> Result<String, &'static str> {
    let mut value = text.to_owned();
    for _ in 0..MAX_ROUNDS {
        let expanded = expand_user(expand_variables(&value, environment), environment);
        if expanded == value {
            return Ok(value);
        }
        if expanded.len() > MAX_LENGTH {
            break;
        }
        value = expanded;
    }
    Err("the variables in it lead back to themselves: it can never be expanded")
}

/// One round of `$VAR` and `${VAR}`; what is not set stays as it is written.
fn expand_variables(text: &str, environment: &Environment) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let Some((reference, name, after)) = variable(after) else {
            out.push('$');
            rest = after;
            continue;
        };
        match environment.get(name) {
            Some(value) => out.push_str(value),
            None => out.extend(["$", reference]),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The reference that `text` starts with, the name in it, and what follows.
fn variable(text: &str) -> Option<(&str, &str, &str)> {
    if let Some(braced) = text.strip_prefix('{') {
        let (name, after) = braced.split_once('}')?;
        let (reference, _) = text.split_at_checked(text.len() - after.len())?;
        return Some((reference, name, after));
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let end = text.find(|c| !is_name(c)).unwrap_or(text.len());
    let (name, after) = text.split_at_checked(end)?;
    (!name.is_empty()).then_some((name, name, after))
}

/// `~` and `~user` at the start, where that home folder is known.
fn expand_user(text: String, environment: &Environment) -> String {
    let Some(after) = text.strip_prefix('~') else {
        return text;
    };
    let (user, path) = match after.find('/') {
        Some(slash) => after.split_at(slash),
        None => (after, ""),
    };
    let home = if !user.is_empty() {
        passwd_home(|name, _| name == user)
    } else if let Some(home) = environment.get("HOME") {
        Some(home.to_owned())
    } else {
        own_user_id().and_then(|own| passwd_home(|_, id| id == own))
    };
    match home.map(|home| format!("{}{path}", home.trim_end_matches('/'))) {
        Some(expanded) if expanded.is_empty() => "/".to_owned(),
        Some(expanded) => expanded,
        None => text,
    }
}

/// The home folder of the first user in `/etc/passwd` that `wanted` (by name and id) accepts.
fn passwd_home(wanted: impl Fn(&str, &str) -> bool) -> Option<String> {
    let passwd = fs::read_to_string("/etc/passwd").ok()?;
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let id = fields.nth(1)?;
        let home = fields.nth(2)?;
        wanted(name, id).then(|| home.to_owned())
    })
}

/// The id of the user that this process runs as, where `/proc` tells it.
fn own_user_id() -> Option<String> {
    let process = fs::metadata("/proc/self").ok()?;
    Some(process.uid().to_string())
}
