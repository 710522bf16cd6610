//! `os.path.expandvars` and `os.path.expanduser`.

use std::path::is_separator;

use crate::{Environment, config::HOME, files};

/// How long a text may become by one expansion, in bytes, unless it is longer before.
const MAX_LENGTH: usize = 1024 * 1024;

/// `os.path.expandvars(text)`: `$VAR` and `${VAR}`; what is not set stays as it is written. `None`
/// where it grows to more than 1 MiB.
pub(crate) fn expand_variables(text: &str, environment: &Environment) -> Option<String> {
    let limit = MAX_LENGTH.max(text.len());
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
        if out.len() > limit {
            return None;
        }
        rest = after;
    }
    out.push_str(rest);
    (out.len() <= limit).then_some(out)
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

/// `os.path.expanduser(text)`: `~` and `~user` at the start, where that home folder is known. On
/// Windows `~user` stays as it is written.
pub(crate) fn expand_user(text: String, environment: &Environment) -> String {
    let Some(after) = text.strip_prefix('~') else {
        return text;
    };
    let (user, path) = match after.find(is_separator) {
        Some(slash) => after.split_at(slash),
        None => (after, ""),
    };
    let home = if !user.is_empty() {
        passwd_home(|name, _| name == user)
    } else if let Some(home) = environment.get(HOME) {
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

/// The home folder of the first user in `/etc/passwd` that `wanted` (by name and id) accepts. On
/// Windows any user may have made a file of that name.
fn passwd_home(wanted: impl Fn(&str, &str) -> bool) -> Option<String> {
    if cfg!(not(unix)) {
        return None;
    }
    let passwd = files::read_text("/etc/passwd").ok()?;
    passwd.expose().lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let id = fields.nth(1)?;
        let home = fields.nth(2)?;
        wanted(name, id).then(|| home.to_owned())
    })
}

/// The id of the user that started this process, from `/proc`, which Linux alone has.
fn own_user_id() -> Option<String> {
    let status = files::read_text("/proc/self/status").ok()?;
    let ids = status
        .expose()
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))?;
    ids.split_whitespace().next().map(str::to_owned)
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::process::Command;

    use super::*;

    /// What the system itself calls the home folder of `user`, a name or an id.
    fn home_of(user: &str) -> String {
        let script = format!("getent passwd \"{user}\" | cut -d: -f6");
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    #[test]
    fn a_home_folder_that_no_variable_gives_is_the_one_of_the_user_database() {
        let none = Environment::default();
        let expanded = |path: &str| expand_user(path.to_owned(), &none);
        assert_eq!(expanded("~/x"), home_of("$(id -u)") + "/x");
        assert_eq!(expanded("~root/x"), home_of("root") + "/x");
        assert_eq!(expanded("~no-such-user/x"), "~no-such-user/x");
    }
}
