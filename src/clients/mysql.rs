//! MySQL and MariaDB, as `MySqlHook.get_conn` (provider `mysql` 6.7.1).

use serde_json::{Value, json};

use super::{
    error::ClientError,
    extra::{Extra, Made, field, str_of},
    macros::client,
};
use crate::{
    Connection, Secret,
    python::{text, truth::is_truthy},
};

/// A connection to MySQL or MariaDB: [`Connection::mysql`].
///
/// The parameters are those of `mysqlclient`, or of `mysql-connector-python` where `extra` names it as its
/// `client`. The hook drops every other member of `extra`: [`not_carried`](Self::not_carried) names them.
#[derive(Debug, Clone, PartialEq)]
pub struct MySql {
    pub(super) made: Made,
    iam: Option<super::postgres::IamToken>,
    is_connector: bool,
}

client!(MySql, mysql);

impl MySql {
    /// The host; `localhost` where there is none.
    #[must_use]
    pub fn host(&self) -> &str {
        self.made.params.text("host").unwrap_or("localhost")
    }

    /// The port; 3306 where there is none.
    #[must_use]
    pub fn port(&self) -> u16 {
        let port = self.made.params.get("port").and_then(Value::as_u64);
        port.and_then(|port| u16::try_from(port).ok())
            .unwrap_or(3306)
    }

    /// The user.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.made.params.text("user")
    }

    /// The password, which may be empty; absent where a token takes its place.
    #[must_use]
    pub fn password(&self) -> Option<Secret> {
        let name = if self.is_connector {
            "password"
        } else {
            "passwd"
        };
        self.made.params.secret(name)
    }

    /// The database, which may be empty.
    #[must_use]
    pub fn database(&self) -> &str {
        let name = if self.is_connector { "database" } else { "db" };
        self.made.params.text(name).unwrap_or_default()
    }

    /// The token that takes the place of the password, where `extra` sets `iam`.
    #[must_use]
    pub fn iam(&self) -> Option<&super::postgres::IamToken> {
        self.iam.as_ref()
    }

    /// The same client with `token` as its password: what [`iam`](Self::iam) asks for.
    #[must_use]
    pub fn with_token(mut self, token: &Secret) -> Self {
        if self.iam.take().is_some() {
            self.made.params.set("passwd", token.expose());
            self.made.params.remove("iam");
        }
        self
    }

    pub(super) fn is_connector(&self) -> bool {
        self.is_connector
    }
}

pub(super) fn read(connection: &Connection) -> Result<MySql, ClientError> {
    let made = Made::new(connection, "mysql", &["mysql"]);
    let extra = made.extra(connection)?;
    match extra.present("client") {
        None => mysql_client(made, connection, &extra),
        Some(Value::String(client)) if client == "mysqlclient" => {
            mysql_client(made, connection, &extra)
        }
        Some(Value::String(client)) if client == "mysql-connector-python" => {
            Ok(connector(made, connection, &extra))
        }
        Some(_) => Err(made.wrong(
            "client",
            "must be `mysqlclient` or `mysql-connector-python`",
        )),
    }
}

/// `text or default`.
fn or<'t>(text: Option<&'t str>, default: &'t str) -> &'t str {
    text.filter(|text| !text.is_empty()).unwrap_or(default)
}

fn port(connection: &Connection) -> u16 {
    connection.port().filter(|port| *port != 0).unwrap_or(3306)
}

fn mysql_client(
    mut made: Made,
    connection: &Connection,
    extra: &Extra,
) -> Result<MySql, ClientError> {
    made.params.set("user", field(connection.login()));
    made.params.set("host", or(connection.host(), "localhost"));
    made.params.set("db", or(connection.schema(), ""));
    made.params.set("port", port(connection));
    let iam = iam(&mut made, connection, extra)?;
    if let Some(iam) = &iam {
        made.params.set("iam", iam.1.clone());
        made.params
            .set("read_default_group", "enable-cleartext-plugin");
    } else {
        let password = connection.password().map_or("", Secret::expose);
        made.params.set("passwd", password);
    }
    if let Some(charset) = extra.truthy("charset") {
        made.params.set("charset", charset.clone());
        if ["utf8", "utf-8"].contains(&&*text::lower(&str_of(charset))) {
            made.params.set("use_unicode", true);
        }
    }
    if let Some(cursor) = extra.truthy("cursor") {
        let class = match &*text::lower(made.text("cursor", cursor)?) {
            "sscursor" => Some("SSCursor"),
            "dictcursor" => Some("DictCursor"),
            "ssdictcursor" => Some("SSDictCursor"),
            _ => None,
        };
        made.params.set_some("cursorclass", class);
        made.leave("cursor");
    }
    if let Some(ssl) = extra.truthy("ssl") {
        made.params.set("ssl", json_of(&made, ssl)?);
    }
    for key in ["ssl_mode", "unix_socket"] {
        if let Some(value) = extra.truthy(key) {
            made.params.set(key, value.clone());
        }
    }
    let read = [
        "client",
        "charset",
        "cursor",
        "ssl",
        "ssl_mode",
        "unix_socket",
        "iam",
    ];
    let is_aws = |key: &str| key == "aws_conn_id" && iam.is_some();
    leave_all_but(&mut made, extra, |key| read.contains(&key) || is_aws(key));
    if iam.is_some() {
        made.leave_fields(connection, &["password"]);
    }
    Ok(MySql {
        made,
        iam: iam.map(|(token, _)| token),
        is_connector: false,
    })
}

/// A text is read as JSON.
fn json_of(made: &Made, ssl: &Value) -> Result<Value, ClientError> {
    let ssl = match ssl {
        Value::String(text) => serde_json::from_str(text)
            .map_err(|_| made.wrong("ssl", "must be a JSON object, or a text that is one"))?,
        other => other.clone(),
    };
    Ok(ssl)
}

fn iam(
    made: &mut Made,
    connection: &Connection,
    extra: &Extra,
) -> Result<Option<(super::postgres::IamToken, Value)>, ClientError> {
    let Some(iam) = extra.truthy("iam") else {
        return Ok(None);
    };
    made.warn_of_no("iam", iam);
    let aws_conn_id = match extra.present("aws_conn_id") {
        None => Some("aws_default".to_owned()),
        Some(Value::Null) => None,
        Some(id) => Some(made.text("aws_conn_id", id)?.to_owned()),
    };
    let (host, user) = (connection.host(), connection.login());
    let port = connection.port().unwrap_or(3306);
    let described = json!({"service": "rds", "aws_conn_id": aws_conn_id, "host": host, "port": port, "user": user});
    let token = super::postgres::IamToken::Rds {
        aws_conn_id,
        host: host.map(str::to_owned),
        port,
        user: user.map(str::to_owned),
    };
    Ok(Some((token, described)))
}

fn connector(mut made: Made, connection: &Connection, extra: &Extra) -> MySql {
    made.params.set("user", field(connection.login()));
    let password = connection.password().map_or("", Secret::expose);
    made.params.set("password", password);
    made.params.set("host", or(connection.host(), "localhost"));
    made.params.set("database", or(connection.schema(), ""));
    made.params.set("port", port(connection));
    for (key, value) in extra.iter() {
        if key.starts_with("ssl_") {
            made.params.set(key.to_owned(), value.clone());
        }
    }
    leave_all_but(&mut made, extra, |key| {
        key == "client" || key.starts_with("ssl_")
    });
    MySql {
        made,
        iam: None,
        is_connector: true,
    }
}

/// Names what the hook drops. Of TLS, that is worth a warning.
fn leave_all_but(made: &mut Made, extra: &Extra, is_read: impl Fn(&str) -> bool) {
    for (key, value) in extra.iter().filter(|(key, _)| !is_read(key)) {
        made.leave(key);
        let is_of_tls = key.starts_with("ssl") || key.starts_with("tls");
        if is_truthy(value) && (is_of_tls || key == "iam") {
            made.warn(
                super::error::Place::extra(key),
                "is dropped by the hook, which knows it for the other `client` alone",
            );
        }
    }
}
