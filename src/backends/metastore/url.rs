//! SQLAlchemy's database URLs, split as SQLAlchemy splits them.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::Secret;

/// A database URL in its parts. Nothing of it is shown by `Debug` but the engine: host and
/// database may hold what slipped out of an unescaped password.
#[cfg_attr(
    not(any(feature = "postgres", feature = "mysql")),
    allow(dead_code, reason = "only servers need it")
)]
#[derive(Clone)]
pub(super) struct DatabaseUrl {
    pub(super) engine: Engine,
    /// The driver that the URL names for SQLAlchemy, such as `psycopg2`.
    #[cfg_attr(
        not(feature = "mysql"),
        allow(dead_code, reason = "only MySQL's differ")
    )]
    pub(super) driver: Option<String>,
    pub(super) username: Option<Secret>,
    pub(super) password: Option<Secret>,
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) database: Option<String>,
    /// The options, in their order; a name may come more than once.
    pub(super) options: Vec<(String, String)>,
    /// Whether a part of an unescaped password may have slipped into the options.
    is_doubtful: bool,
}

/// The kinds of database that Airflow keeps its metadata in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Engine {
    Sqlite,
    Postgres,
    MySql,
}

/// Why a text is no database URL. Nothing of the text is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum UrlError {
    #[error(
        "is not a SQLAlchemy URL; expected something like \
         postgresql+psycopg2://user:password@host:5432/airflow, mysql+mysqldb://… or \
         sqlite:////absolute/path/airflow.db"
    )]
    NotAUrl,
    #[error(
        "names a database of a kind that Airflow does not keep its metadata in; expected \
         postgresql, mysql or sqlite before the `://` (or one of their drivers, such as \
         postgresql+psycopg2)"
    )]
    UnknownEngine,
    #[error(
        "has a port that is not a number from 0 to 65535; a password that contains `@`, `:` or \
         `/` must be percent-encoded"
    )]
    Port,
    #[error(
        "has an `@` in its host; a password that contains `@`, `:` or `/` must be percent-encoded \
         (`@` is `%40`)"
    )]
    Host,
    #[error("is a SQLite URL with a host or a user; expected sqlite:////absolute/path/airflow.db")]
    SqliteWithHost,
}

impl DatabaseUrl {
    /// Splits `text`.
    pub(super) fn parse(text: &str) -> Result<Self, UrlError> {
        let (name, rest) = text.split_once("://").ok_or(UrlError::NotAUrl)?;
        if name.is_empty()
            || !name
                .chars()
                .all(|c| c.is_alphanumeric() || c == '_' || c == '+')
        {
            return Err(UrlError::NotAUrl);
        }
        let (engine, driver) = match name.split_once('+') {
            None => (name, None),
            Some((engine, driver)) => (engine, Some(driver.to_owned())),
        };
        let engine = match engine {
            "sqlite" => Engine::Sqlite,
            "postgresql" | "postgres" => Engine::Postgres,
            "mysql" | "mariadb" => Engine::MySql,
            _ => return Err(UrlError::UnknownEngine),
        };
        let (username, password, rest) = split_user_info(rest);
        let is_doubtful = password.is_some() && rest.contains('@');
        let (host, rest) = split_host(rest);
        if host.is_some_and(|host| host.contains('@')) {
            return Err(UrlError::Host);
        }
        let (port, rest) = match rest.strip_prefix(':') {
            None => (None, rest),
            Some(rest) => {
                let (port, rest) = split_before(rest, &['/', '?']);
                (Some(port.trim().parse().map_err(|_| UrlError::Port)?), rest)
            }
        };
        let (database, rest) = match rest.strip_prefix('/') {
            None => (None, rest),
            Some(rest) => {
                let (database, rest) = split_before(rest, &['?']);
                (Some(decode(database).into_owned()), rest)
            }
        };
        let options = rest
            .strip_prefix('?')
            .map(parse_options)
            .unwrap_or_default();
        if engine == Engine::Sqlite
            && (username.is_some_and(|name| !name.is_empty()) || host.is_some() || port.is_some())
        {
            return Err(UrlError::SqliteWithHost);
        }
        Ok(Self {
            engine,
            driver,
            username: username.filter(|name| !name.is_empty()).map(secret),
            password: password.filter(|password| !password.is_empty()).map(secret),
            host: host.map(str::to_owned),
            port,
            database: database.filter(|database| !database.is_empty()),
            options,
            is_doubtful,
        })
    }

    /// The option `name`, for messages.
    pub(super) fn option(&self, name: &str) -> String {
        if self.is_doubtful {
            "an option of the URL".to_owned()
        } else {
            format!("the URL's option `{name}`")
        }
    }
}

/// `user:password@`, and what follows it. The password ends at the first `@`, the name, where
/// there is no password, at the last.
fn split_user_info(text: &str) -> (Option<&str>, Option<&str>, &str) {
    let (name, rest) = split_before(text, &[':', '/']);
    if let Some((password, rest)) = rest.strip_prefix(':').and_then(|rest| rest.split_once('@')) {
        return (Some(name), Some(password), rest);
    }
    match name.rsplit_once('@') {
        None => (None, None, text),
        Some((name, _)) => {
            let rest = text.get(name.len() + 1..).unwrap_or_default();
            (Some(name), None, rest)
        }
    }
}

/// The host, without the brackets of an IPv6 address, and what follows it.
fn split_host(text: &str) -> (Option<&str>, &str) {
    if let Some(inner) = text.strip_prefix('[') {
        let (candidate, _) = split_before(inner, &['/', '?']);
        if let Some((address, _)) = candidate
            .rsplit_once(']')
            .filter(|(address, _)| !address.is_empty())
        {
            let rest = inner.get(address.len() + 1..).unwrap_or_default();
            return (Some(address), rest);
        }
    }
    let (host, rest) = split_before(text, &['/', ':', '?']);
    (Some(host).filter(|host| !host.is_empty()), rest)
}

/// Cuts `text` before the first of `ends`.
fn split_before<'a>(text: &'a str, ends: &[char]) -> (&'a str, &'a str) {
    let end = text.find(ends).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// The options of a query; those without a value do not count, as in SQLAlchemy.
fn parse_options(query: &str) -> Vec<(String, String)> {
    let query = query.split('\n').next().unwrap_or_default();
    query
        .split('&')
        .filter_map(|option| option.split_once('='))
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| {
            let plain = |text: &str| decode(&text.replace('+', " ")).into_owned();
            (plain(name), plain(value))
        })
        .collect()
}

fn secret(text: &str) -> Secret {
    Secret::from(decode(text).as_ref())
}

fn decode(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

impl std::fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} URL", self.engine)
    }
}

#[cfg(test)]
mod tests;
