//! The fields of an object: set, not set or masked, and those of a link in their place. Pure functions.
//!
//! | the value | named in `setFields` | it is |
//! |---|---|---|
//! | not empty | – | set |
//! | empty or not there | yes | masked: a secret that Astro does not tell |
//! | empty or not there | no | not set; for the value of a variable, the empty text |
//! | of another shape than a field of its name has | – | an error for this object alone |

use std::fmt::Write as _;

use super::{
    member::{Member, Odd},
    objects::{self, Extra},
};
use crate::{Failure, Secret, report::OnOneLine};

/// A field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part<T> {
    NotSet,
    Set(T),
    /// It is set, and Astro does not tell to what. With the names in `setFields` that say so.
    Masked(Vec<String>),
}

impl<T> Part<T> {
    /// This field of a link, where it has one, in place of `own`.
    pub(super) fn or(self, own: Self) -> (Self, bool) {
        match self {
            Self::NotSet => (own, false),
            set => (set, true),
        }
    }

    pub(super) fn value(self) -> Option<T> {
        match self {
            Self::Set(value) => Some(value),
            Self::NotSet | Self::Masked(_) => None,
        }
    }

    fn map<U>(self, make: impl FnOnce(T) -> U) -> Part<U> {
        match self {
            Self::NotSet => Part::NotSet,
            Self::Set(value) => Part::Set(make(value)),
            Self::Masked(names) => Part::Masked(names),
        }
    }

    fn masked(&self) -> &[String] {
        match self {
            Self::Masked(names) => names,
            Self::NotSet | Self::Set(_) => &[],
        }
    }
}

/// The fields of a connection.
#[derive(Debug, Clone)]
pub(super) struct Parts {
    pub(super) conn_type: Part<String>,
    pub(super) host: Part<String>,
    pub(super) login: Part<String>,
    pub(super) password: Part<Secret>,
    pub(super) schema: Part<String>,
    pub(super) port: Part<i64>,
    pub(super) extra: Part<Secret>,
}

/// The names in `setFields`; `None` where there are none at all.
#[derive(Default)]
pub(super) struct SetFields(Option<Vec<String>>);

impl SetFields {
    /// Those of an object or a link.
    ///
    /// # Errors
    /// When they are odd.
    pub(super) fn read(member: Member<Vec<String>>) -> Result<Self, Odd> {
        member.get("setFields").map(Self)
    }

    /// Each name without the part that names the kind, and as it is.
    fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        let names = self.0.iter().flatten();
        names.map(|whole| (without_kind(whole), whole.as_str()))
    }

    /// The name of the field `name` as it is.
    fn find(&self, name: &str) -> Option<&str> {
        let found = self.names().find(|(other, _)| *other == name);
        found.map(|(_, whole)| whole)
    }

    /// A field that is a text.
    fn text(&self, name: &str, value: Member<String>) -> Result<Part<String>, Odd> {
        let value = value.get(name)?.filter(|value| !value.is_empty());
        Ok(match (value, self.find(name)) {
            (Some(value), _) => Part::Set(value),
            (None, Some(whole)) => Part::Masked(vec![whole.to_owned()]),
            (None, None) => Part::NotSet,
        })
    }

    /// The extra. It is masked as a whole where a part of it is.
    fn extra(&self, value: Member<Extra>) -> Result<Part<Secret>, Odd> {
        let value = value.get("extra")?;
        let json = value.as_ref().map(|extra| extra.0.get());
        let json = json.filter(|json| *json != Extra::EMPTY);
        let of_extra = || {
            let paths = self.names();
            paths.filter_map(|(name, whole)| Some((name.strip_prefix("extra.")?, whole)))
        };
        let mut masked = Vec::new();
        if of_extra().next().is_some() {
            let object = json.map(serde_json::from_str::<serde_json::Value>);
            let object = object.transpose();
            let object = object.map_err(|_| Odd::is_not("extra", "an object"))?;
            let is_masked = |path: &str| {
                let leaf = object.as_ref().and_then(|object| leaf(object, path));
                leaf.is_none_or(|leaf| leaf.as_str() == Some(""))
            };
            let names = of_extra().filter(|(path, _)| is_masked(path));
            masked.extend(names.map(|(_, whole)| whole.to_owned()));
        }
        Ok(match (json, self.find("extra")) {
            _ if !masked.is_empty() => Part::Masked(masked),
            (Some(json), _) => Part::Set(Secret::from(json)),
            (None, Some(whole)) => Part::Masked(vec![whole.to_owned()]),
            (None, None) => Part::NotSet,
        })
    }
}

/// A name in `setFields` without the part that names the kind.
pub(super) fn without_kind(name: &str) -> &str {
    let name = name.strip_prefix("connection.").unwrap_or(name);
    let name = name.strip_prefix("airflowVariable.").unwrap_or(name);
    name.strip_prefix("environmentVariable.").unwrap_or(name)
}

/// The value at a dotted path, whose keys may have dots themselves.
fn leaf<'v>(value: &'v serde_json::Value, path: &str) -> Option<&'v serde_json::Value> {
    let object = value.as_object()?;
    object.iter().find_map(|(key, value)| {
        let rest = path.strip_prefix(key.as_str())?;
        match rest.strip_prefix('.') {
            Some(rest) => leaf(value, rest),
            None => rest.is_empty().then_some(value),
        }
    })
}

impl Parts {
    /// The fields in `connection`.
    ///
    /// # Errors
    /// When one is odd.
    pub(super) fn of(connection: objects::Connection, set: &SetFields) -> Result<Self, Odd> {
        Ok(Self {
            conn_type: set.text("type", connection.conn_type)?,
            host: set.text("host", connection.host)?,
            login: set.text("login", connection.login)?,
            password: set.text("password", connection.password)?.map(Secret::from),
            schema: set.text("schema", connection.schema)?,
            port: match connection.port.get("port")?.filter(|port| *port != 0) {
                Some(port) => Part::Set(port),
                None => Part::NotSet,
            },
            extra: set.extra(connection.extra)?,
        })
    }

    /// These fields with those of a link in their place, and which they are.
    pub(super) fn overridden_by(self, link: Self) -> (Self, Vec<String>) {
        let mut names = Vec::new();
        let mut note = |name: &str, is_overridden: bool| {
            if is_overridden {
                names.push(name.to_owned());
            }
        };
        macro_rules! field {
            ($field:ident, $name:literal) => {{
                let (part, is_overridden) = link.$field.or(self.$field);
                note($name, is_overridden);
                part
            }};
        }
        let parts = Self {
            conn_type: field!(conn_type, "type"),
            host: field!(host, "host"),
            login: field!(login, "login"),
            password: field!(password, "password"),
            schema: field!(schema, "schema"),
            port: field!(port, "port"),
            extra: {
                let (part, is_overridden) = overridden_extra(self.extra, link.extra);
                note("extra", is_overridden);
                part
            },
        };
        (parts, names)
    }

    /// What `setFields` calls the fields that are masked.
    fn masked(&self) -> impl Iterator<Item = &str> {
        let masked = [
            self.conn_type.masked(),
            self.host.masked(),
            self.login.masked(),
            self.password.masked(),
            self.schema.masked(),
            self.extra.masked(),
        ];
        masked.into_iter().flatten().map(String::as_str)
    }

    /// The same, where none is masked.
    ///
    /// # Errors
    /// When one is.
    pub(super) fn readable(&self) -> Result<Self, Failure> {
        let mut names = String::new();
        for name in self.masked() {
            let comma = if names.is_empty() { "" } else { ", " };
            let _ = write!(names, "{comma}{}", OnOneLine(name));
        }
        if names.is_empty() {
            Ok(self.clone())
        } else {
            Err(is_masked(&names))
        }
    }
}

/// The extra where a link has one, and whether it is the link's. Whether Astro merges the two is
/// documented nowhere: here the link's replaces the object's as a whole.
fn overridden_extra(own: Part<Secret>, link: Part<Secret>) -> (Part<Secret>, bool) {
    link.or(own)
}

/// The value of a variable.
///
/// # Errors
/// When it is odd.
pub(super) fn own_value(value: objects::Value, set: &SetFields) -> Result<Part<Secret>, Odd> {
    let is_secret = value.is_secret.get("isSecret")?.unwrap_or_default();
    Ok(match set.text("value", value.value)? {
        Part::NotSet if set.0.is_none() && is_secret => Part::Masked(Vec::new()),
        Part::NotSet => Part::Set(Secret::default()),
        part => part.map(Secret::from),
    })
}

/// The value that a link puts in its place, if any.
///
/// # Errors
/// When it is odd.
pub(super) fn link_value(value: objects::Value, set: &SetFields) -> Result<Part<Secret>, Odd> {
    Ok(set.text("value", value.value)?.map(Secret::from))
}

/// The failure for secrets that Astro does not tell.
pub(super) fn is_masked(what: &str) -> Failure {
    Failure::access_denied(format!(
        "Astro does not tell a secret of it ({what}): enable Environment Secrets Fetching in the \
         Organization's settings, under General, and give the token a role that may read it"
    ))
    .with_transient(false)
}
