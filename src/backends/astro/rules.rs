//! What a Deployment sees of the objects of its Workspace: pure functions, and the one place that knows.
//!
//! | the object | what the Deployment sees |
//! |---|---|
//! | is the Deployment's own | it, before any of the Workspace's with the same key |
//! | is the Workspace's, and excludes the Deployment | nothing |
//! | is the Workspace's, and has a link to the Deployment | it, with each field that the link sets in place of its own |
//! | is the Workspace's, and is linked to all Deployments | it |
//! | is the Workspace's otherwise | nothing |
//! | has an odd member that decides this, or the value | an error for its key, at the same place |
//!
//! `fields.rs` has the rules for each field.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
};

use super::{
    fields::{self, Part, Parts, SetFields, is_masked, link_value, own_value},
    member::{Member, Odd},
    objects::{DEPLOYMENT, Kind, Link, Object, WORKSPACE},
};
use crate::{Connection, Dialect, Failure, Fields, Secret};

/// What is seen of an object.
#[derive(Debug)]
pub(super) struct Seen {
    /// Or why it cannot be read.
    content: Result<Content, Odd>,
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
    rank: Rank,
    overridden: Vec<String>,
}

/// Which of several objects of one key is seen: the last of these, and of the same the last that is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// It may be of another kind.
    OfUnknownType,
    Linked,
    /// It may be the Deployment's own.
    OfUnknownScope,
    Own,
}

impl Level {
    /// Of an object that does not say where it is kept.
    fn unknown(rank: Rank) -> Self {
        Self {
            scope: scope_name(""),
            id: String::new(),
            rank,
            overridden: Vec::new(),
        }
    }
}

/// `Workspace cw1, linked, overridden: host, password`.
impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.scope)?;
        if !self.id.is_empty() {
            write!(f, " {}", self.id)?;
        }
        if self.rank == Rank::Linked {
            f.write_str(", linked")?;
        }
        if !self.overridden.is_empty() {
            write!(f, ", overridden: {}", self.overridden.join(", "))?;
        }
        Ok(())
    }
}

impl Seen {
    /// The connection.
    ///
    /// # Errors
    /// When the object cannot be read, a field of it is masked, or cannot be one of a connection.
    pub(super) fn connection(
        &self,
        conn_id: &str,
        dialect: Dialect,
    ) -> Result<Connection, Failure> {
        let Content::Connection(parts) = self.content()? else {
            return Err(Failure::invalid_value("the object is not a connection"));
        };
        let parts = parts.readable()?;
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
    /// When the object cannot be read, or its value is masked.
    pub(super) fn value(&self) -> Result<Secret, Failure> {
        match self.content()? {
            Content::Value(Part::Set(value)) => Ok(value.clone()),
            Content::Value(_) => Err(is_masked("the value")),
            Content::Connection(_) => Err(Failure::invalid_value("the object is not a variable")),
        }
    }

    fn content(&self) -> Result<&Content, Failure> {
        self.content.as_ref().map_err(Odd::failure)
    }

    /// An object that cannot be read.
    fn odd(odd: Odd, level: Level) -> Self {
        let content = Err(odd);
        Self { content, level }
    }
}

/// Under each key what is seen.
pub(super) type AllSeen = HashMap<String, Seen>;

fn add(seen: &mut AllSeen, key: &str, one: Seen) {
    match seen.entry(key.to_owned()) {
        Entry::Vacant(place) => {
            place.insert(one);
        }
        Entry::Occupied(mut other) => {
            if other.get().level.rank <= one.level.rank {
                other.insert(one);
            }
        }
    }
}

/// The objects of `kind` that Astro resolved for `deployment`, or that are seen without one.
pub(super) fn as_listed(deployment: Option<&str>, objects: Vec<Object>, kind: Kind) -> AllSeen {
    all_seen(objects, kind, |object| {
        let level = match listed_level(deployment, &object) {
            Ok(level) => level,
            Err(odd) => return Some(Seen::odd(odd, Level::unknown(Rank::OfUnknownScope))),
        };
        Some(alone(object, kind, level))
    })
}

/// What `deployment` sees of `objects` of its Workspace and its own, none of which is resolved.
pub(super) fn as_seen_by(deployment: &str, objects: Vec<Object>, kind: Kind) -> AllSeen {
    all_seen(objects, kind, |mut object| {
        let level = match level(&object) {
            Ok(level) => level,
            Err(odd) => return Some(Seen::odd(odd, Level::unknown(Rank::OfUnknownScope))),
        };
        if level.rank == Rank::Own {
            return (level.id == deployment).then(|| alone(object, kind, level));
        }
        match link_to(deployment, &mut object) {
            Ok(None) => None,
            Ok(Some(link)) => Some(alone(object, kind, level).overridden_by(link, kind)),
            Err(odd) => Some(Seen::odd(odd, level)),
        }
    })
}

/// What `see` makes of those of `objects` that are of `kind`.
fn all_seen(objects: Vec<Object>, kind: Kind, see: impl Fn(Object) -> Option<Seen>) -> AllSeen {
    let mut seen = AllSeen::new();
    for object in objects {
        let Some(key) = object.key().map(str::to_owned) else {
            continue;
        };
        let one = match object.is_of(kind) {
            Ok(true) => see(object),
            Ok(false) => None,
            Err(odd) => Some(Seen::odd(odd, Level::unknown(Rank::OfUnknownType))),
        };
        if let Some(one) = one {
            add(&mut seen, &key, one);
        }
    }
    seen
}

/// A member that is a text, which may be empty.
fn text<'o>(member: &'o Member<String>, name: &str) -> Result<&'o str, Odd> {
    Ok(member.read(name)?.map_or("", String::as_str))
}

fn listed_level(deployment: Option<&str>, object: &Object) -> Result<Level, Odd> {
    let source = text(&object.source_scope, "sourceScope")?;
    let (scope, id) = if source.is_empty() {
        let id = text(&object.scope_entity_id, "scopeEntityId")?;
        (text(&object.scope, "scope")?, id)
    } else {
        let id = text(&object.source_scope_entity_id, "sourceScopeEntityId")?;
        (source, id)
    };
    let is_linked = deployment.is_some() && scope != DEPLOYMENT;
    let overridden = match deployment {
        Some(deployment) if is_linked => overridden_names(deployment, object),
        _ => Vec::new(),
    };
    Ok(Level {
        scope: scope_name(scope),
        id: id.to_owned(),
        rank: if is_linked { Rank::Linked } else { Rank::Own },
        overridden,
    })
}

/// The names of the fields that the link to `deployment` sets, of a part of the extra that of the whole.
/// They are for the report alone, so that none is needed.
fn overridden_names(deployment: &str, object: &Object) -> Vec<String> {
    let mut links = object.links.readable().into_iter().flatten();
    let link = links.find_map(|link| {
        let link = link.readable()?;
        let is_it = is_deployment(&link.scope, &link.scope_entity_id, deployment);
        is_it.is_ok_and(|is_it| is_it).then_some(link)
    });
    let names = link.and_then(|link| link.set_fields.readable());
    let mut overridden: Vec<String> = Vec::new();
    for name in names.into_iter().flatten() {
        let name = fields::without_kind(name);
        let name = name.split_once('.').map_or(name, |(whole, _)| whole);
        if !overridden.iter().any(|other| other == name) {
            overridden.push(name.to_owned());
        }
    }
    overridden
}

/// Where an object is kept that is not resolved.
fn level(object: &Object) -> Result<Level, Odd> {
    let scope = text(&object.scope, "scope")?;
    let id = text(&object.scope_entity_id, "scopeEntityId")?;
    let is_own = scope == DEPLOYMENT;
    Ok(Level {
        scope: scope_name(scope),
        id: id.to_owned(),
        rank: if is_own { Rank::Own } else { Rank::Linked },
        overridden: Vec::new(),
    })
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
fn alone(object: Object, kind: Kind, level: Level) -> Seen {
    let content = content(object, kind);
    Seen { content, level }
}

fn content(object: Object, kind: Kind) -> Result<Content, Odd> {
    let set = SetFields::read(object.set_fields)?;
    let name = kind.member();
    let value = match kind {
        Kind::Connection => {
            let connection = object.connection.get(name)?;
            let connection = connection.ok_or_else(|| Odd::is_not_set(name))?;
            let parts = Parts::of(connection, &set).map_err(|odd| odd.within(name))?;
            return Ok(Content::Connection(Box::new(parts)));
        }
        Kind::AirflowVariable => object.airflow_variable,
        Kind::EnvironmentVariable => object.environment_variable,
    };
    let value = value.get(name)?.ok_or_else(|| Odd::is_not_set(name))?;
    let value = own_value(value, &set).map_err(|odd| odd.within(name))?;
    Ok(Content::Value(value))
}

/// The link of a Workspace's object to `deployment`, which has no overrides where all Deployments are
/// linked; `None` where the Deployment does not see it.
///
/// # Errors
/// When a member that decides this is odd.
fn link_to(deployment: &str, object: &mut Object) -> Result<Option<Link>, Odd> {
    for place in object
        .exclude_links
        .read("excludeLinks")?
        .into_iter()
        .flatten()
    {
        let is_it = match place.read("excludeLinks")? {
            Some(place) => is_deployment(&place.scope, &place.scope_entity_id, deployment),
            None => Ok(false),
        };
        if is_it.map_err(|odd| odd.within("excludeLinks"))? {
            return Ok(None);
        }
    }
    let links = std::mem::take(&mut object.links).get("links")?;
    for link in links.into_iter().flatten() {
        let Some(link) = link.get("links")? else {
            continue;
        };
        let is_it = is_deployment(&link.scope, &link.scope_entity_id, deployment);
        if is_it.map_err(|odd| odd.within("links"))? {
            return Ok(Some(link));
        }
    }
    let is_linked_to_all = object.auto_link_deployments.read("autoLinkDeployments")?;
    Ok((is_linked_to_all == Some(&true)).then(Link::default))
}

/// Whether these name `deployment`.
fn is_deployment(
    scope: &Member<String>,
    id: &Member<String>,
    deployment: &str,
) -> Result<bool, Odd> {
    Ok(text(scope, "scope")? == DEPLOYMENT && text(id, "scopeEntityId")? == deployment)
}

impl Seen {
    /// This object with what `link` sets in place of its own.
    fn overridden_by(mut self, link: Link, kind: Kind) -> Self {
        let overridden = self.content.and_then(|own| overridden(own, link, kind));
        self.content = overridden.map(|(content, names)| {
            self.level.overridden = names;
            content
        });
        self
    }
}

/// `own` with what `link` sets in its place, and the names of that.
fn overridden(own: Content, link: Link, kind: Kind) -> Result<(Content, Vec<String>), Odd> {
    let in_link = |odd: Odd| odd.within("links");
    let set = SetFields::read(link.set_fields).map_err(in_link)?;
    let name = format!("{}Overrides", kind.member());
    let in_overrides = |odd: Odd| in_link(odd.within(&name));
    let value = match (own, kind) {
        (Content::Connection(own), _) => {
            let overrides = link.connection_overrides.get(&name).map_err(in_link)?;
            let overrides = Parts::of(overrides.unwrap_or_default(), &set);
            let (parts, names) = own.overridden_by(overrides.map_err(in_overrides)?);
            return Ok((Content::Connection(Box::new(parts)), names));
        }
        (Content::Value(own), Kind::EnvironmentVariable) => {
            (own, link.environment_variable_overrides)
        }
        (Content::Value(own), _) => (own, link.airflow_variable_overrides),
    };
    let (own, overrides) = value;
    let overrides = overrides.get(&name).map_err(in_link)?.unwrap_or_default();
    let link_value = link_value(overrides, &set).map_err(in_overrides)?;
    let (part, is_overridden) = link_value.or(own);
    let names = is_overridden.then(|| "value".to_owned());
    Ok((Content::Value(part), names.into_iter().collect()))
}
