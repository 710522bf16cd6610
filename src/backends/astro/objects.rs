//! What the Environment Manager holds, in the words of its API:
//! <https://www.astronomer.io/docs/api/platform-api-reference/environment-object/list-environment-objects>.

use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

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
    pub(super) environment_objects: Vec<Object>,
    pub(super) total_count: u64,
}

/// An object, as it is kept or as Astro resolved it for a Deployment.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Object {
    #[serde(rename = "objectKey")]
    pub(super) key: String,
    #[serde(default, rename = "objectType")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) scope: String,
    #[serde(default)]
    pub(super) scope_entity_id: String,
    /// Where a resolved object comes from.
    pub(super) source_scope: Option<String>,
    pub(super) source_scope_entity_id: Option<String>,
    pub(super) connection: Option<Connection>,
    pub(super) airflow_variable: Option<Value>,
    pub(super) environment_variable: Option<Value>,
    /// The names of the fields that have a value, which may be masked.
    pub(super) set_fields: Option<Vec<String>>,
    pub(super) links: Option<Vec<Link>>,
    pub(super) exclude_links: Option<Vec<Excluded>>,
    pub(super) auto_link_deployments: Option<bool>,
}

impl Object {
    /// Whether `other` is this one. Resolved objects have no id.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.key == other.key
            && self.scope_entity_id == other.scope_entity_id
            && self.source_scope_entity_id == other.source_scope_entity_id
    }
}

/// The fields of a connection, and those that a link puts in their place.
#[derive(Clone, Default, Deserialize)]
pub(super) struct Connection {
    #[serde(rename = "type")]
    pub(super) conn_type: Option<String>,
    pub(super) host: Option<String>,
    pub(super) login: Option<String>,
    pub(super) password: Option<String>,
    pub(super) schema: Option<String>,
    pub(super) port: Option<i64>,
    /// A JSON object, as Astro wrote it.
    pub(super) extra: Option<Box<RawValue>>,
}

/// The value of a variable, and that which a link puts in its place.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Value {
    pub(super) value: Option<String>,
    #[serde(default)]
    pub(super) is_secret: bool,
}

/// A Deployment that sees an object of its Workspace.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Link {
    #[serde(default)]
    pub(super) scope: String,
    #[serde(default)]
    pub(super) scope_entity_id: String,
    pub(super) connection_overrides: Option<Connection>,
    pub(super) airflow_variable_overrides: Option<Value>,
    pub(super) environment_variable_overrides: Option<Value>,
    pub(super) set_fields: Option<Vec<String>>,
}

/// A Deployment that does not.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Excluded {
    #[serde(default)]
    pub(super) scope: String,
    #[serde(default)]
    pub(super) scope_entity_id: String,
}

/// The scope of what belongs to a Deployment.
pub(super) const DEPLOYMENT: &str = "DEPLOYMENT";
/// The scope of what belongs to a Workspace.
pub(super) const WORKSPACE: &str = "WORKSPACE";

/// Shows no value.
impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Object");
        shown.field("key", &self.key).finish_non_exhaustive()
    }
}
