//! What the Environment Manager holds, in the words of its API:
//! <https://www.astronomer.io/docs/api/platform-api-reference/environment-object/list-environment-objects>.

use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::member::{self, Member, Odd, Shape};

/// The kinds that this crate asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Connection,
    AirflowVariable,
    EnvironmentVariable,
}

impl Kind {
    /// The parameter `objectType`.
    pub(super) fn object_type(self) -> &'static str {
        match self {
            Self::Connection => "CONNECTION",
            Self::AirflowVariable => "AIRFLOW_VARIABLE",
            Self::EnvironmentVariable => "ENVIRONMENT_VARIABLE",
        }
    }

    /// The member of an object that holds it.
    pub(super) fn member(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::AirflowVariable => "airflowVariable",
            Self::EnvironmentVariable => "environmentVariable",
        }
    }

    /// For native keys.
    pub(super) fn of_the_cli(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::AirflowVariable => "airflow-variable",
            Self::EnvironmentVariable => "variable",
        }
    }
}

/// A page of a listing.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page {
    pub(super) environment_objects: Vec<Member<Object>>,
    pub(super) total_count: u64,
}

/// An object, as it is kept or as Astro resolved it for a Deployment. What of it decides nothing is not
/// looked at, however odd it is.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Object {
    #[serde(rename = "objectKey")]
    pub(super) key: Member<String>,
    #[serde(rename = "objectType")]
    pub(super) kind: Member<String>,
    pub(super) scope: Member<String>,
    pub(super) scope_entity_id: Member<String>,
    /// Where a resolved object comes from.
    pub(super) source_scope: Member<String>,
    pub(super) source_scope_entity_id: Member<String>,
    pub(super) connection: Member<Connection>,
    pub(super) airflow_variable: Member<Value>,
    pub(super) environment_variable: Member<Value>,
    /// The names of the fields that have a value, which may be masked.
    pub(super) set_fields: Member<Vec<String>>,
    pub(super) links: Member<Vec<Member<Link>>>,
    pub(super) exclude_links: Member<Vec<Member<Place>>>,
    pub(super) auto_link_deployments: Member<bool>,
}

impl Object {
    /// Its key, where that can be read.
    pub(super) fn key(&self) -> Option<&str> {
        let key = self.key.readable().map(String::as_str);
        key.filter(|key| !key.is_empty())
    }

    /// Whether it is of `kind`.
    ///
    /// # Errors
    /// When it is of no kind that is known.
    pub(super) fn is_of(&self, kind: Kind) -> Result<bool, Odd> {
        let expected = kind.object_type();
        match self.kind.readable() {
            Some(one) if one == expected => Ok(true),
            Some(one) if OBJECT_TYPES.contains(&one.as_str()) => Ok(false),
            _ => Err(Odd::is_not("objectType", expected)),
        }
    }

    /// Whether `other` is this one. Resolved objects have no id.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.key == other.key
            && self.scope_entity_id == other.scope_entity_id
            && self.source_scope_entity_id == other.source_scope_entity_id
    }
}

/// The fields of a connection, and those that a link puts in their place.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Connection {
    #[serde(rename = "type")]
    pub(super) conn_type: Member<String>,
    pub(super) host: Member<String>,
    pub(super) login: Member<String>,
    pub(super) password: Member<String>,
    pub(super) schema: Member<String>,
    pub(super) port: Member<i64>,
    pub(super) extra: Member<Extra>,
}

/// A JSON object, as Astro wrote it, or an empty text.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Extra(pub(super) Box<RawValue>);

/// The value of a variable, and that which a link puts in its place.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Value {
    pub(super) value: Member<String>,
    pub(super) is_secret: Member<bool>,
}

/// A Deployment that sees an object of its Workspace.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Link {
    pub(super) scope: Member<String>,
    pub(super) scope_entity_id: Member<String>,
    pub(super) connection_overrides: Member<Connection>,
    pub(super) airflow_variable_overrides: Member<Value>,
    pub(super) environment_variable_overrides: Member<Value>,
    pub(super) set_fields: Member<Vec<String>>,
}

/// A Deployment that does not.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Place {
    pub(super) scope: Member<String>,
    pub(super) scope_entity_id: Member<String>,
}

/// Structures, which are objects.
macro_rules! objects {
    ($($name:ty),*) => {$(
        impl Shape for $name {
            const IS: &'static str = "an object";

            fn may_be(json: &str) -> bool {
                member::is_object(json)
            }
        }
    )*};
}
objects!(Page, Object, Connection, Value, Link, Place);

impl Shape for Extra {
    const IS: &'static str = "an object";

    fn may_be(json: &str) -> bool {
        member::is_object(json) || json == Self::EMPTY
    }
}

impl Extra {
    /// An empty text.
    pub(super) const EMPTY: &'static str = "\"\"";
}

/// The types of objects that Astro documents.
const OBJECT_TYPES: [&str; 4] = [
    "CONNECTION",
    "AIRFLOW_VARIABLE",
    "ENVIRONMENT_VARIABLE",
    "METRICS_EXPORT",
];

/// The scope of what belongs to a Deployment.
pub(super) const DEPLOYMENT: &str = "DEPLOYMENT";
/// The scope of what belongs to a Workspace.
pub(super) const WORKSPACE: &str = "WORKSPACE";

/// Shows no value.
impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Object");
        shown.field("key", &self.key()).finish_non_exhaustive()
    }
}
