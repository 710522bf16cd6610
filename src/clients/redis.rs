//! Redis, as `RedisHook.get_conn` (provider `redis` 4.7.1).

use serde_json::Value;

use super::{
    error::{ClientError, Place},
    extra::{Extra, Made, field},
    macros::client,
};
use crate::{
    Connection, Secret,
    python::{number, text, truth::is_truthy},
};

const TLS: [&str; 6] = [
    "ssl",
    "ssl_cert_reqs",
    "ssl_ca_certs",
    "ssl_keyfile",
    "ssl_certfile",
    "ssl_check_hostname",
];

/// A connection to Redis: [`Connection::redis`].
///
/// The database is `db` of `extra` alone, TLS is `ssl` of `extra` alone: `rediss://` and a path mean
/// nothing to the hook. There is no default port, which is an error, as it is for redis-py.
#[derive(Debug, Clone, PartialEq)]
pub struct Redis {
    pub(super) made: Made,
}

client!(Redis, redis);

impl Redis {
    /// The host.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.made.params.text("host")
    }

    /// The port; only a cluster can be without one.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        let port = self.made.params.get("port")?.as_u64()?;
        u16::try_from(port).ok()
    }

    /// The user.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        self.made.params.text("username")
    }

    /// The password; `None`, `false` and the empty text, in any case, are no password.
    #[must_use]
    pub fn password(&self) -> Option<Secret> {
        self.made.params.secret("password")
    }

    /// Whether it is a cluster.
    #[must_use]
    pub fn is_cluster(&self) -> bool {
        self.made.params.get("cluster") == Some(&Value::Bool(true))
    }

    /// Whether TLS is on: any true value of `ssl`, the text `"false"` among them.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.made.params.get("ssl").is_some_and(is_truthy)
    }
}

pub(super) fn read(connection: &Connection) -> Result<Redis, ClientError> {
    let mut made = Made::new(connection, "redis", &["redis"]);
    let extra = made.extra(connection)?;
    let cluster = extra.truthy("cluster");
    if let Some(cluster) = cluster {
        made.warn_of_no("cluster", cluster);
    }
    let is_cluster = cluster.is_some();
    made.params.set("cluster", is_cluster);
    made.params.set("host", field(connection.host()));
    made.params.set_some("port", connection.port());
    made.params.set("username", field(connection.login()));
    let password = connection.password().map(Secret::expose);
    let password = password.filter(|text| !["none", "false", ""].contains(&&*text::lower(text)));
    made.params.set("password", field(password));
    set_database(&mut made, &extra, is_cluster)?;
    if connection.port().is_none() && !is_cluster {
        let problem =
            "must be set: the hook has no default, and its driver none for a port that is `None`";
        return Err(made.error(Place::Field("port"), problem));
    }
    for key in TLS {
        if let Some(value) = extra.present(key) {
            made.params.set(key, value.clone());
        }
    }
    for key in ["ssl", "ssl_check_hostname"] {
        if let Some(value) = extra.present(key) {
            made.warn_of_no(key, value);
        }
    }
    for key in ["ssl_cert_reqs", "ssl_check_hostname"] {
        if extra.present(key).is_some_and(Value::is_null) && extra.truthy("ssl").is_some() {
            let problem = "is null, which turns the check off in redis-py and counts as absent here (CLIENTS-11)";
            made.warn(Place::extra(key), problem);
        }
    }
    made.leave_unread(&extra, |_, key| match key {
        "cluster" | "db" => true,
        "startup_nodes" => is_cluster,
        key => TLS.contains(&key),
    });
    warn_of_what_means_nothing(&mut made, connection, &extra);
    Ok(Redis { made })
}

fn set_database(made: &mut Made, extra: &Extra, is_cluster: bool) -> Result<(), ClientError> {
    let database = extra.get("db");
    if !is_cluster {
        made.params.set("db", database.cloned().unwrap_or_default());
        return Ok(());
    }
    let is_first = match database {
        None | Some(Value::Bool(false)) => true,
        Some(Value::Number(number)) => number.as_f64() == Some(0.0),
        Some(_) => false,
    };
    if !is_first {
        return Err(made.wrong("db", "must be 0 or absent: a cluster has no other database"));
    }
    let mut nodes = Vec::new();
    if let Some(given) = extra.truthy("startup_nodes") {
        for node in made.text("startup_nodes", given)?.split(',') {
            nodes.push(Value::from(node_of(made, node)?));
        }
    }
    made.params.set("startup_nodes", nodes);
    Ok(())
}

fn node_of(made: &Made, node: &str) -> Result<String, ClientError> {
    let node = text::strip(node);
    let (host, port) = node.split_once(':').unwrap_or((node, ""));
    if host.is_empty() {
        let problem = "must be `host:port` for each node; one has no host";
        return Err(made.wrong("startup_nodes", problem));
    }
    let port = match port {
        "" => Some(6379),
        port => number::int(port),
    };
    let problem = "must be `host:port` for each node; one port is not a number";
    let port = port.ok_or_else(|| made.wrong("startup_nodes", problem))?;
    Ok(format!("{host}:{port}"))
}

fn warn_of_what_means_nothing(made: &mut Made, connection: &Connection, extra: &Extra) {
    if connection.conn_type() == Some("rediss") {
        let problem =
            "is `rediss`, which is the type alone: there is no TLS without `ssl` in `extra`";
        made.warn(Place::Field("conn_type"), problem);
    }
    if connection.schema().is_some_and(|schema| !schema.is_empty()) {
        made.leave("schema");
        made.warn(
            Place::Field("schema"),
            "means nothing to the hook; the database is `db` in `extra`",
        );
    }
    let is_tls = extra.truthy("ssl").is_some();
    for key in TLS.iter().skip(1) {
        if !is_tls && extra.truthy(key).is_some() {
            made.warn(Place::extra(key), "means nothing without a true `ssl`");
        }
    }
}
