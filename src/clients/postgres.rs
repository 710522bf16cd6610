//! PostgreSQL, as `PostgresHook.get_conn` (provider `postgres` 7.1.1, with psycopg 3).

use std::fmt;

use serde_json::{Value, json};

use super::{
    error::{ClientError, Place},
    extra::{Extra, Made, field, secret_field},
    macros::client,
};
use crate::{Connection, Secret};

/// What the hook reads itself and does not hand on.
const READ_BY_THE_HOOK: [&str; 10] = [
    "iam",
    "redshift",
    "redshift-serverless",
    "cursor",
    "cluster-identifier",
    "workgroup-name",
    "aws_conn_id",
    "azure_conn_id",
    "sqlalchemy_scheme",
    "sqlalchemy_query",
];

/// What psycopg reads itself, and libpq does not know.
pub(super) const PSYCOPG: [&str; 5] = [
    "autocommit",
    "context",
    "cursor_factory",
    "prepare_threshold",
    "row_factory",
];

/// libpq's options about TLS.
const TLS: [&str; 14] = [
    "sslmode",
    "sslnegotiation",
    "sslcompression",
    "sslcert",
    "sslkey",
    "sslkeylogfile",
    "sslpassword",
    "sslcertmode",
    "sslrootcert",
    "sslcrl",
    "sslcrldir",
    "sslsni",
    "ssl_min_protocol_version",
    "ssl_max_protocol_version",
];

const MODES: [&str; 6] = [
    "disable",
    "allow",
    "prefer",
    "require",
    "verify-ca",
    "verify-full",
];

/// A connection to PostgreSQL or Redshift: [`Connection::postgres`].
///
/// The parameters are libpq's. Each member of `extra` overrides the field of the same meaning; there is
/// no default port; an empty text and an absent one are not the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Postgres {
    pub(super) made: Made,
    iam: Option<IamToken>,
}

client!(Postgres, postgres);

/// A token that takes the place of the password, which the caller has to get. `Debug` shows which kind, and
/// whose connection to ask: host and user may hold a piece of a password that was written in a URI as it is.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum IamToken {
    /// `generate_db_auth_token(host, port, user)` of Amazon RDS.
    #[non_exhaustive]
    Rds {
        /// The connection to AWS; `None` is boto3's own chain of credentials.
        aws_conn_id: Option<String>,
        /// The database's host.
        host: Option<String>,
        /// The database's port.
        port: u16,
        /// The database's user.
        user: Option<String>,
    },
    /// `get_cluster_credentials` of Amazon Redshift, which also names the user.
    #[non_exhaustive]
    Redshift {
        /// The connection to AWS; `None` is boto3's own chain of credentials.
        aws_conn_id: Option<String>,
        /// `ClusterIdentifier`.
        cluster: String,
        /// `DbName`.
        dbname: Option<String>,
        /// `DbUser`.
        user: Option<String>,
    },
    /// `get_credentials` of Amazon Redshift Serverless, which also names the user.
    #[non_exhaustive]
    RedshiftServerless {
        /// The connection to AWS; `None` is boto3's own chain of credentials.
        aws_conn_id: Option<String>,
        /// `workgroupName`.
        workgroup: String,
        /// `dbName`.
        dbname: Option<String>,
    },
    /// A token of Microsoft Entra ID for `https://ossrdbms-aad.database.windows.net/.default`.
    #[non_exhaustive]
    Azure {
        /// The connection to Azure. Its login is the user where this connection has none.
        azure_conn_id: String,
    },
}

impl fmt::Debug for IamToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, field, conn_id): (_, _, &dyn fmt::Debug) = match self {
            Self::Rds { aws_conn_id, .. } => ("Rds", "aws_conn_id", aws_conn_id),
            Self::Redshift { aws_conn_id, .. } => ("Redshift", "aws_conn_id", aws_conn_id),
            Self::RedshiftServerless { aws_conn_id, .. } => {
                ("RedshiftServerless", "aws_conn_id", aws_conn_id)
            }
            Self::Azure { azure_conn_id } => ("Azure", "azure_conn_id", azure_conn_id),
        };
        f.debug_struct(name)
            .field(field, conn_id)
            .finish_non_exhaustive()
    }
}

impl Postgres {
    /// The host, a list of hosts with commas, or the folder of a socket.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.made.params.text("host")
    }

    /// The port, as a text, since `extra` may hold a list.
    #[must_use]
    pub fn port(&self) -> Option<String> {
        let port = self.made.params.get("port")?;
        Some(super::extra::str_of(port).into_owned())
    }

    /// The user.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.made.params.text("user")
    }

    /// The password; absent where a token takes its place.
    #[must_use]
    pub fn password(&self) -> Option<Secret> {
        self.made.params.secret("password")
    }

    /// The database.
    #[must_use]
    pub fn dbname(&self) -> Option<&str> {
        self.made.params.text("dbname")
    }

    /// `sslmode`, one of libpq's six; libpq's own default is `prefer`.
    #[must_use]
    pub fn sslmode(&self) -> Option<&str> {
        self.made.params.text("sslmode")
    }

    /// The token that takes the place of the password, where `extra` sets `iam`.
    #[must_use]
    pub fn iam(&self) -> Option<&IamToken> {
        self.iam.as_ref()
    }

    /// The same client with `token` as its password: what [`iam`](Self::iam) asks for.
    #[must_use]
    pub fn with_token(mut self, token: &Secret) -> Self {
        if self.made.params.get("password").is_none() {
            self.made.params.set("password", token.expose());
        }
        self.made.params.remove("iam");
        self.iam = None;
        self
    }
}

pub(super) fn read(connection: &Connection) -> Result<Postgres, ClientError> {
    let types = ["postgres", "postgresql", "pgvector", "redshift"];
    let mut made = Made::new(connection, "postgres", &types);
    let extra = made.extra(connection)?;
    let iam = iam(&mut made, connection, &extra)?;
    let port = match (&iam, connection.port()) {
        (None, port) => port,
        (Some(iam), port) => Some(port_for(iam, port)),
    };
    made.params.set("host", field(connection.host()));
    made.params.set("user", field(connection.login()));
    if iam.is_none() {
        made.params
            .set("password", secret_field(connection.password()));
    }
    made.params.set("dbname", field(connection.schema()));
    made.params.set_some("port", port);
    for (key, value) in extra.iter() {
        if !READ_BY_THE_HOOK.contains(&key) {
            made.params.set(key.to_owned(), value.clone());
        }
        if PSYCOPG.contains(&key) || !is_used(iam.as_ref(), key) {
            made.leave(key);
        }
        if let Some(field) = field_of(key) {
            made.leave_fields(connection, &[field]);
        }
    }
    if iam.is_some() {
        made.leave_fields(connection, &["password"]);
    }
    check_cursor(&mut made, &extra)?;
    check_tls(&mut made, &extra)?;
    if let Some(iam) = &iam {
        made.params.set("iam", described(iam, port));
    }
    Ok(Postgres { made, iam })
}

/// The field that a member of `extra` overrides.
fn field_of(key: &str) -> Option<&'static str> {
    match key {
        "host" => Some("host"),
        "port" => Some("port"),
        "user" => Some("login"),
        "password" => Some("password"),
        "dbname" => Some("schema"),
        _ => None,
    }
}

/// Whether a member that the hook reads itself has a part in what it gives the driver.
fn is_used(iam: Option<&IamToken>, key: &str) -> bool {
    let is_azure = matches!(iam, Some(IamToken::Azure { .. }));
    let is_aws = iam.is_some() && !is_azure;
    match key {
        "sqlalchemy_scheme" | "sqlalchemy_query" => false,
        "azure_conn_id" => is_azure,
        "aws_conn_id" | "redshift" => is_aws,
        "redshift-serverless" => is_aws && !matches!(iam, Some(IamToken::Redshift { .. })),
        "cluster-identifier" => matches!(iam, Some(IamToken::Redshift { .. })),
        "workgroup-name" => matches!(iam, Some(IamToken::RedshiftServerless { .. })),
        _ => true,
    }
}

/// Redshift listens on another port than PostgreSQL. A port 0 counts as absent.
fn port_for(iam: &IamToken, port: Option<u16>) -> u16 {
    let default = match iam {
        IamToken::Rds { .. } | IamToken::Azure { .. } => 5432,
        IamToken::Redshift { .. } | IamToken::RedshiftServerless { .. } => 5439,
    };
    port.filter(|port| *port != 0).unwrap_or(default)
}

fn iam(
    made: &mut Made,
    connection: &Connection,
    extra: &Extra,
) -> Result<Option<IamToken>, ClientError> {
    let Some(iam) = extra.truthy("iam") else {
        return Ok(None);
    };
    made.warn_of_no("iam", iam);
    if let Some(azure) = extra.truthy("azure_conn_id") {
        let azure_conn_id = made.text("azure_conn_id", azure)?.to_owned();
        return Ok(Some(IamToken::Azure { azure_conn_id }));
    }
    let aws_conn_id = match extra.present("aws_conn_id") {
        None => Some("aws_default".to_owned()),
        Some(Value::Null) => None,
        Some(id) => Some(made.text("aws_conn_id", id)?.to_owned()),
    };
    let dbname = connection.schema().map(str::to_owned);
    let user = connection.login().map(str::to_owned);
    for key in ["redshift", "redshift-serverless"] {
        if let Some(value) = extra.truthy(key) {
            made.warn_of_no(key, value);
        }
    }
    Ok(Some(if extra.truthy("redshift").is_some() {
        IamToken::Redshift {
            aws_conn_id,
            cluster: first_label(made, connection, extra, "cluster-identifier")?,
            dbname,
            user,
        }
    } else if extra.truthy("redshift-serverless").is_some() {
        IamToken::RedshiftServerless {
            aws_conn_id,
            workgroup: first_label(made, connection, extra, "workgroup-name")?,
            dbname,
        }
    } else {
        let port = connection.port().filter(|port| *port != 0).unwrap_or(5432);
        IamToken::Rds {
            aws_conn_id,
            host: connection.host().map(str::to_owned),
            port,
            user,
        }
    }))
}

/// The member `key`, else the first label of the host.
fn first_label(
    made: &Made,
    connection: &Connection,
    extra: &Extra,
    key: &str,
) -> Result<String, ClientError> {
    if let Some(value) = extra.get(key) {
        return Ok(made.text(key, value)?.to_owned());
    }
    let host = connection.host().unwrap_or_default();
    if host.is_empty() {
        let problem = format!("must be set for a token, or member {key:?} of `extra`");
        return Err(made.error(Place::Field("host"), problem));
    }
    Ok(host.split('.').next().unwrap_or_default().to_owned())
}

fn described(iam: &IamToken, port: Option<u16>) -> Value {
    match iam {
        IamToken::Rds {
            aws_conn_id,
            host,
            port,
            user,
        } => {
            json!({"service": "rds", "aws_conn_id": aws_conn_id, "host": host, "port": port, "user": user})
        }
        IamToken::Redshift {
            aws_conn_id,
            cluster,
            dbname,
            user,
        } => {
            json!({"service": "redshift", "aws_conn_id": aws_conn_id, "cluster_identifier": cluster, "dbname": dbname, "user": user, "port": port})
        }
        IamToken::RedshiftServerless {
            aws_conn_id,
            workgroup,
            dbname,
        } => {
            json!({"service": "redshift-serverless", "aws_conn_id": aws_conn_id, "workgroup_name": workgroup, "dbname": dbname, "port": port})
        }
        IamToken::Azure { azure_conn_id } => {
            json!({"service": "azure", "azure_conn_id": azure_conn_id})
        }
    }
}

fn check_cursor(made: &mut Made, extra: &Extra) -> Result<(), ClientError> {
    let Some(cursor) = extra.truthy("cursor") else {
        return Ok(());
    };
    let cursor = made.text("cursor", cursor)?.to_lowercase();
    if !["dictcursor", "namedtuplecursor"].contains(&&*cursor) {
        return Err(made.wrong("cursor", "must be `dictcursor` or `namedtuplecursor`"));
    }
    // The hook's own takes its place.
    made.params.remove("row_factory");
    made.leave("cursor");
    Ok(())
}

/// What libpq itself would refuse about TLS.
fn check_tls(made: &mut Made, extra: &Extra) -> Result<(), ClientError> {
    if let Some(mode) = extra.get("sslmode")
        && !mode.as_str().is_some_and(|mode| MODES.contains(&mode))
    {
        let problem =
            "must be one of libpq's modes: disable, allow, prefer, require, verify-ca, verify-full";
        return Err(made.wrong("sslmode", problem));
    }
    let is_system = extra.get("sslrootcert").and_then(Value::as_str) == Some("system");
    if is_system
        && extra
            .get("sslmode")
            .is_some_and(|mode| mode != "verify-full")
    {
        let problem =
            "must be `verify-full` or absent beside an `sslrootcert` of `system`, as libpq has it";
        return Err(made.wrong("sslmode", problem));
    }
    for (key, value) in extra.iter() {
        let is_known = TLS.contains(&key);
        if key.starts_with("ssl") && !is_known && !value.is_null() {
            return Err(made.wrong(
                key,
                "is no option of libpq's; it begins with `ssl`, so it is not left out",
            ));
        }
    }
    if extra.present("sslmode").is_some_and(Value::is_null) {
        made.warn(
            Place::extra("sslmode"),
            "is null, so libpq's own default counts: prefer",
        );
    }
    Ok(())
}
