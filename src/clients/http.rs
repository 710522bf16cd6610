//! HTTP, as `HttpHook.get_conn` and `run` (provider `http` 6.3.0).

use serde_json::{Map, Value};

use super::{
    error::{ClientError, Place},
    extra::{Extra, Made, to_boolean},
    macros::client,
};
use crate::{
    Connection, Secret,
    python::{text, truth::is_truthy, url},
};

/// The members of `extra` that are options; all others are headers.
const OPTIONS: [&str; 12] = [
    "stream",
    "cert",
    "proxies",
    "proxy",
    "timeout",
    "verify",
    "verify_ssl",
    "allow_redirects",
    "max_redirects",
    "trust_env",
    "check_response",
    "srv_lookup",
];

/// An HTTP service: [`Connection::http`].
///
/// The base URL is the host if it holds `://`, else `<schema or http>://<host>`; a port follows it, even
/// after a path. The type `https` changes nothing. Each member of `extra` that is no option is a header.
#[derive(Debug, Clone, PartialEq)]
pub struct Http {
    pub(super) made: Made,
}

client!(Http, http);

impl Http {
    /// What an endpoint is appended to, without a `/` between.
    #[must_use]
    pub fn base_url(&self) -> &str {
        self.made.params.text("base_url").unwrap_or_default()
    }

    /// The user of basic authentication.
    #[must_use]
    pub fn login(&self) -> Option<&str> {
        self.made.params.text("login")
    }

    /// The password of basic authentication. Where there is a login and no password, Python sends `None`.
    #[must_use]
    pub fn password(&self) -> Option<Secret> {
        let password = self.made.params.secret("password");
        self.login()
            .map(|_| password.unwrap_or_else(|| Secret::from("None")))
    }

    /// Whether certificates are checked: all but a `verify` that is false.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.made.params.get("verify").is_none_or(is_truthy)
    }
}

pub(super) fn read(connection: &Connection) -> Result<Http, ClientError> {
    let mut made = Made::new(connection, "http", &["http", "https"]);
    let mut extra = made.extra(connection)?;
    set_base_url(&mut made, connection)?;
    if let Some(login) = connection.login().filter(|login| !login.is_empty()) {
        made.params.set("login", login);
        let password = connection.password().map(Secret::expose);
        made.params.set_some("password", password);
        if password.is_none() {
            let problem = "is absent; beside a login Python sends the text `None` for it";
            made.warn(Place::Field("password"), problem);
        }
    } else {
        made.leave_fields(connection, &["password"]);
    }
    if connection.host().is_some_and(|host| host.contains("://")) {
        made.leave_fields(connection, &["schema"]);
    }
    set_options(&mut made, &mut extra);
    let mut headers = Map::new();
    for (key, value) in extra.iter() {
        // `requests` has one header of a name, in whatever case; the last one counts.
        let lower = text::lower(key);
        headers.retain(|name: &String, _| {
            let is_other = text::lower(name) != lower;
            if !is_other {
                made.leave(name.as_str());
            }
            is_other
        });
        headers.insert(key.to_owned(), value.clone());
    }
    made.params.set("headers", Value::Object(headers));
    Ok(Http { made })
}

fn set_base_url(made: &mut Made, connection: &Connection) -> Result<(), ClientError> {
    let host = connection.host().unwrap_or_default();
    let schema = connection.schema().filter(|schema| !schema.is_empty());
    let has_protocol = host.contains("://");
    let mut base_url = if has_protocol {
        host.to_owned()
    } else {
        [schema.unwrap_or("http"), "://", host].concat()
    };
    let port = connection.port().filter(|port| *port != 0);
    if let Some(port) = port {
        base_url = format!("{base_url}:{port}");
    }
    let cleaned = url::clean(&base_url);
    match url::split(&cleaned) {
        Err(problem) => return Err(made.error(Place::Field("host"), problem)),
        Ok(parts) if parts.scheme.is_empty() => {
            let place = if has_protocol { "host" } else { "schema" };
            let problem = "gives a base URL without a protocol such as `https`";
            return Err(made.error(Place::Field(place), problem));
        }
        Ok(_) => {}
    }
    if connection.conn_type() == Some("https") && !has_protocol && schema.is_none() {
        let problem = "is `https`, which is the type alone: the base URL begins with `http`; set the schema to `https`";
        made.warn(Place::Field("conn_type"), problem);
    }
    let path = base_url.split_once("://").map_or("", |(_, rest)| rest);
    if port.is_some() && path.contains('/') {
        made.warn(
            Place::Field("port"),
            "comes after the path of the host, where it is no port",
        );
    }
    made.params.set("base_url", base_url);
    Ok(())
}

/// `proxies` hides `proxy` and `verify` hides `verify_ssl` even where they are null.
fn set_options(made: &mut Made, extra: &mut Extra) {
    let mut options = OPTIONS.map(|key| (key, extra.take(key)));
    let mut option = |name: &str| {
        let found = options.iter_mut().find(|(key, _)| *key == name);
        found.and_then(|(_, value)| value.take())
    };
    let (proxy, verify_ssl) = (option("proxy"), option("verify_ssl"));
    let proxies = match option("proxies") {
        Some(proxies) => {
            if proxy.is_some() {
                made.leave("proxy");
            }
            Some(proxies)
        }
        None => proxy,
    };
    let (verify_key, verify) = match option("verify") {
        Some(verify) => {
            if verify_ssl.is_some() {
                made.leave("verify_ssl");
            }
            ("verify", Some(verify))
        }
        None => ("verify_ssl", verify_ssl),
    };
    let srv = option("srv_lookup");
    let defaults = [
        ("stream", Value::Bool(false)),
        ("cert", Value::Null),
        ("timeout", Value::Null),
        ("allow_redirects", Value::Bool(true)),
        ("max_redirects", Value::from(30)),
        ("trust_env", Value::Bool(true)),
        ("check_response", Value::Bool(true)),
    ];
    for (name, default) in defaults {
        let value = option(name).filter(|value| !value.is_null());
        if let Some(value) = &value
            && ["stream", "allow_redirects", "trust_env", "check_response"].contains(&name)
        {
            made.warn_of_no(name, value);
        }
        made.params.set(name, value.unwrap_or(default));
    }
    let verify = verify.filter(|value| !value.is_null());
    if let Some(verify) = &verify
        && super::extra::says_no(verify)
    {
        let problem =
            "is a text, which `requests` takes as the path of a CA bundle; write JSON's false";
        made.warn(Place::extra(verify_key), problem);
    }
    made.params
        .set("verify", verify.unwrap_or(Value::Bool(true)));
    if let Some(proxies) = proxies.filter(is_truthy) {
        made.params.set("proxies", proxies);
    }
    let srv_lookup = srv.is_some_and(|value| to_boolean(&value));
    if srv_lookup {
        let problem =
            "is true, so the host is the name of an SRV record, which the caller has to look up";
        made.warn(Place::extra("srv_lookup"), problem);
    }
    made.params.set("srv_lookup", srv_lookup);
}
