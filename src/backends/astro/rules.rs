//! What a Deployment sees of the objects of its Workspace: pure functions, and the one place that knows.
//!
//! | the object | what the Deployment sees |
//! |---|---|
//! | is the Deployment's own | it, before any of the Workspace's with the same key |
//! | is the Workspace's, and excludes the Deployment | nothing |
//! | is the Workspace's, and has a link to the Deployment | it, with each field that the link sets in place of its own |
//! | is the Workspace's, and is linked to all Deployments | it |
//! | is the Workspace's otherwise | nothing |
//!
//! Field by field:
//!
//! | the value | named in `setFields` | it is |
//! |---|---|---|
//! | not empty | – | set |
//! | empty or not there | yes | masked: a secret that Astro does not tell |
//! | empty or not there | no | not set; for the value of a variable, the empty text |

use std::{collections::HashMap, fmt};

use serde_json::value::RawValue;

use super::objects::{self, DEPLOYMENT, Kind, Link, Object, WORKSPACE};
use crate::{Connection, Dialect, Failure, Fields, Secret};

/// What is seen of an object.
#[derive(Debug)]
pub(super) struct Seen {
    content: Content,
    pub(super) level: Level,
}

#[derive(Debug)]
enum Content {
    Connection(Box<Parts>),
    Value(Part<Secret>),
}

/// Where an object is kept, and what was put in the place of its own fields.
#[derive(Debug)]
pub(super) struct Level {
    scope: &'static str,
    id: String,
    is_linked: bool,
    overridden: Vec<String>,
}

/// `Workspace cw1, linked, overridden: host, password`.
impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.scope, self.id)?;
        if self.is_linked {
            f.write_str(", linked")?;
        }
        if !self.overridden.is_empty() {
            write!(f, ", overridden: {}", self.overridden.join(", "))?;
        }
        Ok(())
    }
}

/// A field.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part<T> {
    NotSet,
    Set(T),
    /// It is set, and Astro does not tell to what.
    Masked,
}

impl<T> Part<T> {
    /// This field of a link, where it has one, in place of `own`.
    fn or(self, own: Self) -> (Self, bool) {
        match self {
            Self::NotSet => (own, false),
            set => (set, true),
        }
    }

    fn value(self) -> Option<T> {
        match self {
            Self::Set(value) => Some(value),
            Self::NotSet | Self::Masked => None,
        }
    }
}

/// The fields of a connection.
#[derive(Debug, Clone)]
struct Parts {
    conn_type: Part<String>,
    host: Part<String>,
    login: Part<String>,
    password: Part<Secret>,
    schema: Part<String>,
    port: Part<i64>,
    extra: Part<Secret>,
}

/// The names in `setFields`; `None` where there are none at all.
struct SetFields<'a>(Option<&'a [String]>);

impl SetFields<'_> {
    fn names(&self) -> impl Iterator<Item = &str> {
        let names = self.0.unwrap_or_default().iter();
        names.map(|name| {
            let name = name.strip_prefix("connection.").unwrap_or(name);
            let name = name.strip_prefix("airflowVariable.").unwrap_or(name);
            name.strip_prefix("environmentVariable.").unwrap_or(name)
        })
    }

    fn has(&self, name: &str) -> bool {
        self.names().any(|other| other == name)
    }

    /// A field that is a text.
    fn text(&self, name: &str, value: Option<String>) -> Part<String> {
        match value.filter(|value| !value.is_empty()) {
            Some(value) => Part::Set(value),
            None if self.has(name) => Part::Masked,
            None => Part::NotSet,
        }
    }

    /// The extra. It is masked as a whole where a part of it is.
    fn extra(&self, value: Option<&RawValue>) -> Part<Secret> {
        let json = value.map(RawValue::get);
        let json = json.filter(|json| !matches!(*json, "null" | "\"\""));
        let object = json.and_then(|json| serde_json::from_str::<serde_json::Value>(json).ok());
        let is_masked = |path: &str| {
            let leaf = object.as_ref().and_then(|object| leaf(object, path));
            leaf.is_none_or(|leaf| leaf.as_str() == Some(""))
        };
        let mut paths = self.names().filter_map(|name| name.strip_prefix("extra."));
        match json {
            _ if paths.any(is_masked) => Part::Masked,
            Some(json) => Part::Set(Secret::from(json)),
            None if self.has("extra") => Part::Masked,
            None => Part::NotSet,
        }
    }
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
    fn of(connection: objects::Connection, set: &SetFields<'_>) -> Self {
        let password = set.text("password", connection.password);
        Self {
            conn_type: set.text("type", connection.conn_type),
            host: set.text("host", connection.host),
            login: set.text("login", connection.login),
            password: match password {
                Part::Set(password) => Part::Set(Secret::from(password)),
                Part::Masked => Part::Masked,
                Part::NotSet => Part::NotSet,
            },
            schema: set.text("schema", connection.schema),
            port: match connection.port.filter(|port| *port != 0) {
                Some(port) => Part::Set(port),
                None => Part::NotSet,
            },
            extra: set.extra(connection.extra.as_deref()),
        }
    }

    /// These fields with those of a link in their place, and which they are.
    fn overridden_by(self, link: Self) -> (Self, Vec<String>) {
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

    /// The names of the fields that are masked.
    fn masked(&self) -> Vec<&'static str> {
        let masked = [
            (self.conn_type == Part::Masked, "type"),
            (self.host == Part::Masked, "host"),
            (self.login == Part::Masked, "login"),
            (self.password == Part::Masked, "password"),
            (self.schema == Part::Masked, "schema"),
            (self.extra == Part::Masked, "extra"),
        ];
        masked
            .into_iter()
            .filter(|(is_masked, _)| *is_masked)
            .map(|(_, name)| name)
            .collect()
    }
}

/// The extra where a link has one, and whether it is the link's. Whether Astro merges the two is
/// documented nowhere: here the link's replaces the object's as a whole.
fn overridden_extra(own: Part<Secret>, link: Part<Secret>) -> (Part<Secret>, bool) {
    link.or(own)
}

/// The value of a variable.
fn own_value(value: objects::Value, set: &SetFields<'_>) -> Part<Secret> {
    match value.value.filter(|value| !value.is_empty()) {
        Some(value) => Part::Set(Secret::from(value)),
        None if set.has("value") || set.0.is_none() && value.is_secret => Part::Masked,
        None => Part::Set(Secret::default()),
    }
}

/// The value that a link puts in its place, if any.
fn link_value(value: Option<objects::Value>, set: &SetFields<'_>) -> Part<Secret> {
    match set.text("value", value.and_then(|value| value.value)) {
        Part::Set(value) => Part::Set(Secret::from(value)),
        Part::Masked => Part::Masked,
        Part::NotSet => Part::NotSet,
    }
}

impl Seen {
    /// The connection.
    ///
    /// # Errors
    /// When a field of it is masked, or cannot be one of a connection.
    pub(super) fn connection(
        &self,
        conn_id: &str,
        dialect: Dialect,
    ) -> Result<Connection, Failure> {
        let Content::Connection(parts) = &self.content else {
            return Err(Failure::invalid_value("the object is not a connection"));
        };
        let masked = parts.masked();
        if !masked.is_empty() {
            return Err(is_masked(&masked.join(", ")));
        }
        let parts = parts.as_ref().clone();
        let port = parts.port.value().map(u16::try_from).transpose();
        let port = port.map_err(|_| {
            Failure::invalid_value("its port is not a whole number from 0 to 65535")
        })?;
        let fields = Fields {
            conn_type: parts.conn_type.value(),
            host: parts.host.value(),
            login: parts.login.value(),
            password: parts.password.value(),
            schema: parts.schema.value(),
            port,
            extra: parts.extra.value(),
            ..Fields::default()
        };
        Ok(Connection::from_fields(conn_id, fields, dialect)?)
    }

    /// The value.
    ///
    /// # Errors
    /// When it is masked.
    pub(super) fn value(&self) -> Result<Secret, Failure> {
        match &self.content {
            Content::Value(Part::Set(value)) => Ok(value.clone()),
            Content::Value(_) => Err(is_masked("the value")),
            Content::Connection(_) => Err(Failure::invalid_value("the object is not a variable")),
        }
    }
}

fn is_masked(what: &str) -> Failure {
    Failure::access_denied(format!(
        "Astro does not tell a secret of it ({what}): enable Environment Secrets Fetching in the \
         Organization's settings, under General, and give the token a role that may read it"
    ))
    .with_transient(false)
}

/// The objects of `kind` that Astro resolved for `deployment`, or that are seen without one.
pub(super) fn as_listed(
    deployment: Option<&str>,
    objects: Vec<Object>,
    kind: Kind,
) -> HashMap<String, Seen> {
    let mut seen: HashMap<String, Seen> = HashMap::new();
    for object in objects {
        let level = listed_level(deployment, &object);
        let key = object.key.clone();
        let Some(one) = alone(object, kind, level) else {
            continue;
        };
        // A Deployment's own comes before a linked one.
        let has_own = seen.get(&key).is_some_and(|other| !other.level.is_linked);
        if !has_own || !one.level.is_linked {
            seen.insert(key, one);
        }
    }
    seen
}

fn listed_level(deployment: Option<&str>, object: &Object) -> Level {
    let source = object
        .source_scope
        .as_deref()
        .filter(|scope| !scope.is_empty());
    let scope = source.unwrap_or(&object.scope);
    let is_linked = deployment.is_some() && scope != DEPLOYMENT;
    let id = match &object.source_scope_entity_id {
        Some(id) if source.is_some() => id,
        _ => &object.scope_entity_id,
    };
    let links = object.links.as_deref().unwrap_or_default();
    let link = links
        .iter()
        .find(|link| link.scope == DEPLOYMENT && Some(link.scope_entity_id.as_str()) == deployment);
    let overridden = link.filter(|_| is_linked).map(overridden_names);
    Level {
        scope: scope_name(scope),
        id: id.clone(),
        is_linked,
        overridden: overridden.unwrap_or_default(),
    }
}

/// The names of the fields that a link sets, of a part of the extra that of the whole.
fn overridden_names(link: &Link) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in SetFields(link.set_fields.as_deref()).names() {
        let name = name.split_once('.').map_or(name, |(whole, _)| whole);
        if !names.iter().any(|other| other == name) {
            names.push(name.to_owned());
        }
    }
    names
}

/// In Astro's own words; what is not known is not shown.
fn scope_name(scope: &str) -> &'static str {
    match scope {
        DEPLOYMENT => "Deployment",
        WORKSPACE => "Workspace",
        _ => "Astro",
    }
}

/// The object as it is.
fn alone(object: Object, kind: Kind, level: Level) -> Option<Seen> {
    let set = SetFields(object.set_fields.as_deref());
    let content = match kind {
        Kind::Connection => {
            let connection = object.connection?;
            Content::Connection(Box::new(Parts::of(connection, &set)))
        }
        Kind::AirflowVariable => Content::Value(own_value(object.airflow_variable?, &set)),
        Kind::EnvironmentVariable => Content::Value(own_value(object.environment_variable?, &set)),
    };
    Some(Seen { content, level })
}

/// What `deployment` sees of `objects` of its Workspace and its own, none of which is resolved.
pub(super) fn as_seen_by(
    deployment: &str,
    objects: Vec<Object>,
    kind: Kind,
) -> HashMap<String, Seen> {
    let mut seen: HashMap<String, Seen> = HashMap::new();
    for mut object in objects {
        let key = object.key.clone();
        let id = object.scope_entity_id.clone();
        if object.scope == DEPLOYMENT {
            let level = Level {
                scope: scope_name(DEPLOYMENT),
                id,
                is_linked: false,
                overridden: Vec::new(),
            };
            if object.scope_entity_id == deployment
                && let Some(own) = alone(object, kind, level)
            {
                seen.insert(key, own);
            }
            continue;
        }
        let Some(link) = link_to(deployment, &mut object) else {
            continue;
        };
        let level = Level {
            scope: scope_name(&object.scope),
            id,
            is_linked: true,
            overridden: Vec::new(),
        };
        let Some(linked) = alone(object, kind, level) else {
            continue;
        };
        if seen.get(&key).is_none_or(|other| other.level.is_linked) {
            seen.insert(key, linked.overridden_by(link, kind));
        }
    }
    seen
}

/// The link of a Workspace's object to `deployment`, which has no overrides where all Deployments are
/// linked; `None` where the Deployment does not see it.
fn link_to(deployment: &str, object: &mut Object) -> Option<Link> {
    let is_it = |scope: &str, id: &str| scope == DEPLOYMENT && id == deployment;
    let excluded = object.exclude_links.as_deref().unwrap_or_default();
    if excluded
        .iter()
        .any(|one| is_it(&one.scope, &one.scope_entity_id))
    {
        return None;
    }
    let links = object.links.take().unwrap_or_default();
    let link = links
        .into_iter()
        .find(|one| is_it(&one.scope, &one.scope_entity_id));
    let is_linked_to_all = object.auto_link_deployments == Some(true);
    link.or_else(|| is_linked_to_all.then(Link::default))
}

impl Seen {
    /// This object with what `link` sets in place of its own.
    fn overridden_by(mut self, link: Link, kind: Kind) -> Self {
        let set = SetFields(link.set_fields.as_deref());
        self.content = match (self.content, kind) {
            (Content::Connection(own), _) => {
                let overrides = link.connection_overrides.unwrap_or_default();
                let (parts, names) = own.overridden_by(Parts::of(overrides, &set));
                self.level.overridden = names;
                Content::Connection(Box::new(parts))
            }
            (Content::Value(own), kind) => {
                let overrides = match kind {
                    Kind::EnvironmentVariable => link.environment_variable_overrides,
                    _ => link.airflow_variable_overrides,
                };
                let (part, is_overridden) = link_value(overrides, &set).or(own);
                if is_overridden {
                    self.level.overridden.push("value".to_owned());
                }
                Content::Value(part)
            }
        };
        self
    }
}
