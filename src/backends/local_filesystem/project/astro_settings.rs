//! `airflow_settings.yaml` of an Astro project, as the Astro CLI loads it into a local Airflow.

use std::{collections::HashSet, ptr, rc::Rc, slice};

use crate::{
    Connection, Dialect, Failure, Fields, Secret,
    backends::local_filesystem::{
        file::{Entry, File, place},
        find::{Found, Refused, of_line},
        to_json::dumps,
        value::{Dict, Value},
        yaml::go_integer,
    },
};

/// The connections of the file.
pub(super) fn connections(file: &File, ids: &[String]) -> Result<Found<Connection>, Refused> {
    found(file, ids, "connections", "conn_id", |id, connection| {
        of_fields(id, connection).map(Some)
    })
}

/// The variables of the file.
pub(super) fn variables(file: &File, ids: &[String]) -> Result<Found<Secret>, Refused> {
    found(file, ids, "variables", "variable_name", |_, variable| {
        Ok(text(variable, "variable_value")?.map(Secret::from))
    })
}

/// What `make` makes of each entry in the list `kind` whose `name` is wanted; `None` is passed over.
fn found<T>(
    file: &File,
    ids: &[String],
    kind: &str,
    name: &str,
    make: impl Fn(&str, &Dict) -> Result<Option<T>, String>,
) -> Result<Found<T>, Refused> {
    let wanted: HashSet<&str> = ids.iter().map(String::as_str).collect();
    let mut found = Found::new();
    let objects = objects(file, kind)?;
    for object in objects.sound {
        // One without a name, or with one that is not text, is nobody's.
        let Some(id) = text(object, name).ok().flatten() else {
            continue;
        };
        if !wanted.contains(id.as_str()) {
            continue;
        }
        match make(&id, object) {
            Ok(None) => {}
            Ok(Some(value)) => {
                found.insert(id, Ok(value));
            }
            Err(problem) => {
                let failure = of_line(&file.path, object.line(), &id, &problem);
                found.insert(id, Err(failure));
            }
        }
    }
    if let Some((entry, problem)) = objects.problem {
        let place = place(&file.path, entry.line);
        for id in wanted {
            found.entry(id.to_owned()).or_insert_with(|| {
                let message = format!("{place}: {problem}, which may have been {id:?}; mend it");
                Err(Failure::unavailable(message).with_transient(false))
            });
        }
    }
    Ok(found)
}

/// The members of a list below `airflow`.
#[derive(Default)]
struct Objects<'f> {
    sound: Vec<&'f Dict>,
    /// One that is no mapping.
    problem: Option<(&'f Entry, String)>,
}

/// The objects in the list `kind` below `airflow`.
fn objects<'f>(file: &'f File, kind: &str) -> Result<Objects<'f>, Refused> {
    let mut objects = Objects::default();
    for (index, entry) in file.entries.iter().enumerate() {
        if !entry
            .name()
            .is_some_and(|name| name.eq_ignore_ascii_case("airflow"))
        {
            continue;
        }
        let refused = |problem: String| Refused { index, problem };
        let airflow = match &*entry.value {
            Value::Null => continue,
            Value::Dict(airflow) => airflow,
            _ => return Err(refused("(`airflow`) must be a mapping".to_owned())),
        };
        let Some(list) = field(airflow, kind) else {
            continue;
        };
        let list: &[Rc<Value>] = match &**list {
            Value::Null => continue,
            Value::List(list) => list,
            // One alone needs no list.
            Value::Dict(_) => slice::from_ref(list),
            _ => {
                let problem = format!("(`airflow`) has `{kind}` that are not a list");
                return Err(refused(problem));
            }
        };
        // Of what aliases repeat, the last counts: a short file can repeat a long mapping many times.
        let mut seen = HashSet::new();
        let mut sound = Vec::new();
        for (number, object) in list.iter().enumerate().rev() {
            match &**object {
                Value::Null => {}
                Value::Dict(object) => {
                    if seen.insert(ptr::from_ref(object)) {
                        sound.push(object);
                    }
                }
                _ => {
                    let number = number + 1;
                    let problem = format!("number {number} of `{kind}` is not a mapping");
                    objects.problem = Some((entry, problem));
                }
            }
        }
        objects.sound.extend(sound.into_iter().rev());
    }
    Ok(objects)
}

/// The field `name`, whatever the case of its letters: the Astro CLI does not tell them apart.
fn field<'d>(object: &'d Dict, name: &str) -> Option<&'d Rc<Value>> {
    let in_other_case = || {
        object.iter().find_map(|(key, value)| match &**key {
            Value::Text(key) if key.eq_ignore_ascii_case(name) => Some(value),
            _ => None,
        })
    };
    object.get(name).or_else(in_other_case)
}

/// A connection of its fields, or of its URI where it has no other.
fn of_fields(conn_id: &str, object: &Dict) -> Result<Connection, String> {
    let fields = Fields {
        conn_type: text(object, "conn_type")?,
        host: text(object, "conn_host")?,
        login: text(object, "conn_login")?,
        password: text(object, "conn_password")?.map(Secret::from),
        schema: text(object, "conn_schema")?,
        port: port(object)?,
        extra: extra(object)?,
        ..Fields::default()
    };
    let uri = text(object, "conn_uri")?;
    let has_others = fields.conn_type.is_some()
        || fields.host.is_some()
        || fields.login.is_some()
        || fields.password.is_some()
        || fields.schema.is_some()
        || fields.port.is_some();
    let connection = match uri {
        Some(uri) if !has_others => Connection::from_uri(conn_id, &uri, Dialect::Core),
        _ if fields.conn_type.is_none() => return Err("has no `conn_type`; set it".to_owned()),
        _ => Connection::from_fields(conn_id, fields, Dialect::Core),
    };
    connection.map_err(|error| error.to_string())
}

/// The text of field `name`; nothing where it is empty.
fn text(object: &Dict, name: &str) -> Result<Option<String>, String> {
    let text = match field(object, name).map(|value| &**value) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Text(text)) => text.to_string(),
        Some(Value::Int(digits)) => digits.clone(),
        Some(_) => {
            return Err(format!(
                "has a `{name}` that is not text; put it between quotes"
            ));
        }
    };
    Ok(Some(text).filter(|text| !text.is_empty()))
}

/// The port; 0 is none.
fn port(object: &Dict) -> Result<Option<u16>, String> {
    let Some(digits) = text(object, "conn_port")? else {
        return Ok(None);
    };
    match go_integer(&digits).and_then(|digits| digits.parse::<u16>().ok()) {
        Some(port) => Ok(Some(port).filter(|port| *port != 0)),
        None => Err("has a `conn_port` that is not a whole number from 0 to 65535".to_owned()),
    }
}

/// The extra: JSON text as it is, a mapping as JSON.
fn extra(object: &Dict) -> Result<Option<Secret>, String> {
    match field(object, "conn_extra") {
        Some(value) if matches!(**value, Value::Dict(_)) => {
            let json = dumps(value)
                .map_err(|error| format!("has a `conn_extra` that {}", error.problem()))?;
            Ok(Some(json))
        }
        Some(value) if !matches!(**value, Value::Null | Value::Text(_)) => {
            Err("has a `conn_extra` that is neither text nor a mapping".to_owned())
        }
        _ => Ok(text(object, "conn_extra")?.map(Secret::from)),
    }
}
