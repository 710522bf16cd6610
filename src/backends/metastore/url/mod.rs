//! SQLAlchemy's database URLs, split as SQLAlchemy splits them.

use std::path::PathBuf;

use crate::{
    Secret,
    python::{
        number,
        percent::{unquote, unquote_plus},
    },
};

/// A database URL in its parts. `Debug` shows only the engine: host and database may contain a
/// part of a password that was not percent-encoded.
#[cfg_attr(
    not(feature = "_metastore-server"),
    allow(dead_code, reason = "only servers need it")
)]
#[derive(Clone)]
pub(super) struct DatabaseUrl {
    pub(super) engine: Engine,
    /// The driver that the URL names for SQLAlchemy, such as `psycopg2`.
    pub(super) driver: Option<String>,
    pub(super) username: Option<Secret>,
    pub(super) password: Option<Secret>,
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) database: Option<String>,
    /// The options, in their order; a name may come more than once.
    pub(super) options: Vec<UrlOption>,
    /// Whether the host may be a part of a password that was not percent-encoded.
    pub(super) is_doubtful: bool,
    /// The files and folders that the environment names in place of the system's authorities.
    pub(super) system_authorities: Vec<PathBuf>,
}

/// One option of a URL, or one argument that the program gives in its place.
#[derive(Clone)]
pub(super) struct UrlOption {
    pub(super) name: String,
    pub(super) value: String,
    /// Where it is, for messages: its name may be a part of a password.
    pub(super) place: String,
}

/// The kinds of database that Airflow keeps its metadata in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Engine {
    Sqlite,
    Postgres,
    MySql,
}

/// Why a text is not a database URL. It contains nothing of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum UrlError {
    #[error(
        "is not a SQLAlchemy URL; expected something like \
         postgresql+psycopg2://user:password@host:5432/airflow, mysql+mysqldb://… or \
         sqlite:////absolute/path/airflow.db"
    )]
    NotAUrl,
    #[error(
        "names a kind of database that Airflow does not keep its metadata in; expected \
         postgresql, mysql or sqlite before the `://` (or one of their drivers, such as \
         postgresql+psycopg2)"
    )]
    UnknownEngine,
    #[error(
        "has a port that is not a number from 0 to 65535; if the password contains `@`, `/`, `?` \
         or `#`, percent-encode it: `%40`, `%2F`, `%3F`, `%23`"
    )]
    Port,
    #[error(
        "names several hosts with a port each; write them as options: \
         postgresql://user:password@/airflow?host=one:5432&host=two:5432"
    )]
    SeveralPorts,
    #[error(
        "has an `@` in its host, port or database; if the password contains `@`, `/`, `?` or `#`, \
         percent-encode it: `%40`, `%2F`, `%3F`, `%23` (DB-14)"
    )]
    At,
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
        // The path of a SQLite file may contain one, and so may a database's name without a password.
        let ends: &[char] = if password.is_some() {
            &['?']
        } else {
            &['/', '?']
        };
        if engine != Engine::Sqlite && split_before(rest, ends).0.contains('@') {
            return Err(UrlError::At);
        }
        let (host, rest) = split_host(rest);
        let (port, rest) = match rest.strip_prefix(':') {
            None => (None, rest),
            Some(rest) => {
                let (port, rest) = split_before(rest, &['/', '?']);
                let several = port.contains(',') && port.contains(':');
                let error = if several {
                    UrlError::SeveralPorts
                } else {
                    UrlError::Port
                };
                (Some(number::port(port).ok_or(error)?), rest)
            }
        };
        let (database, rest) = match rest.strip_prefix('/') {
            None => (None, rest),
            Some(rest) => {
                let (database, rest) = split_before(rest, &['?']);
                (Some(unquote(database).to_owned()), rest)
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
            system_authorities: Vec::new(),
        })
    }

    /// The driver, if SQLAlchemy only uses it asynchronously.
    pub(super) fn asynchronous_driver(&self) -> Option<&'static str> {
        const ASYNCHRONOUS: [&str; 5] = [
            "asyncpg",
            "psycopg_async",
            "aiomysql",
            "asyncmy",
            "aiosqlite",
        ];
        let driver = self.driver.as_deref()?;
        ASYNCHRONOUS.into_iter().find(|name| *name == driver)
    }

    /// Puts `arguments` in place of the options of the same names.
    pub(super) fn set(&mut self, arguments: &[(String, Secret)]) {
        let is_set = |name: &str| arguments.iter().any(|(set, _)| set == name);
        self.options.retain(|option| !is_set(&option.name));
        for (index, (name, value)) in arguments.iter().enumerate() {
            self.options.push(UrlOption {
                name: name.clone(),
                value: value.expose().to_owned(),
                place: format!("connect argument {}", index + 1),
            });
        }
    }

    /// Refuses an option that repeats another, unless its name is one of `may_repeat`: Airflow's
    /// drivers refuse it too.
    pub(super) fn refuse_repeats(&self, may_repeat: &[&str]) -> Result<(), String> {
        let mut options = self.options.iter();
        while let Some(option) = options.next() {
            let is_repeat = |other: &&UrlOption| {
                other.name == option.name && !may_repeat.contains(&other.name.as_str())
            };
            if let Some(repeat) = options.clone().find(is_repeat) {
                let (first, second) = (&option.place, &repeat.place);
                return Err(format!(
                    "{second} has the name of {first}, and only one can count; remove one of them \
                     (DB-16)"
                ));
            }
        }
        Ok(())
    }
}

impl UrlOption {
    /// The warning for an option that nothing here reads.
    ///
    /// # Errors
    /// When its name looks like that of an option about TLS or the login: the connection would be
    /// less safe without it.
    pub(super) fn ignored(&self) -> Result<String, String> {
        const SAFETY: [&str; 5] = ["ssl", "tls", "gss", "channel", "require"];
        let name = self.name.trim().to_ascii_lowercase();
        if SAFETY.iter().any(|start| name.starts_with(start)) {
            return Err(format!(
                "{} cannot be honoured, and the connection would be less safe without it; correct \
                 or remove it (DB-6)",
                self.place
            ));
        }
        Ok(format!(
            "{} is ignored; if Airflow connects without it, remove it (DB-6)",
            self.place
        ))
    }
}

/// Sets `slot`, which `names` fill between them, to `value`, unless it holds another value.
#[cfg(feature = "_metastore-server")]
pub(super) fn agree<T: PartialEq>(
    slot: &mut Option<T>,
    value: T,
    names: &[&str],
) -> Result<(), String> {
    match slot.replace(value) {
        Some(before) if slot.as_ref() != Some(&before) => Err(contradiction(names)),
        _ => Ok(()),
    }
}

/// The error for options that contradict each other.
#[cfg(feature = "_metastore-server")]
pub(super) fn contradiction(names: &[&str]) -> String {
    format!(
        "the URL's options `{}` contradict each other; remove one of them (DB-16)",
        names.join("`, `")
    )
}

/// The error for an option whose value must be `what`.
pub(super) fn invalid_option(name: &str, what: &str) -> String {
    format!("the URL's option `{name}` must be {what} (DB-16)")
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
fn parse_options(query: &str) -> Vec<UrlOption> {
    let query = query.split('\n').next().unwrap_or_default();
    let options = query.split('&').enumerate().filter_map(|(index, option)| {
        let (name, value) = option.split_once('=')?;
        let plain = |text| unquote_plus(text).to_owned();
        (!value.is_empty()).then(|| UrlOption {
            name: plain(name),
            value: plain(value),
            place: format!("option {} of the URL", index + 1),
        })
    });
    options.collect()
}

fn secret(text: &str) -> Secret {
    Secret::from(&*unquote(text))
}

impl std::fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} URL", self.engine)
    }
}

#[cfg(test)]
mod tests;
