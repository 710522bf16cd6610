//! PostgreSQL: libpq's key-value text and URI, `sqlx` and `tokio-postgres`.

use std::borrow::Cow;

use serde_json::Value;

use super::{Form, Query, push_ipv6};
use crate::{
    Secret,
    clients::{
        ClientError,
        error::Place,
        extra::str_of,
        postgres::{PSYCOPG, Postgres},
    },
    python::percent,
};

/// What `tokio-postgres` does not know about TLS, for the TLS connector that the program gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PostgresTls {
    /// `sslmode`, as libpq knows it.
    pub sslmode: Option<String>,
    /// Whether the server's certificate must be checked: `verify-ca` and `verify-full`.
    pub checks_certificate: bool,
    /// Whether the certificate must also be the host's: `verify-full`.
    pub checks_host: bool,
    /// `sslrootcert`, the path of the authorities' certificates; `system` are those of the machine.
    pub root_cert: Option<String>,
    /// `sslcert`, the path of the client's certificate.
    pub cert: Option<String>,
    /// `sslkey`, the path of the client's key.
    pub key: Option<String>,
    /// `sslpassword`, the key's passphrase.
    pub password: Option<Secret>,
}

/// What `tokio-postgres` knows.
const TOKIO: [&str; 16] = [
    "user",
    "password",
    "dbname",
    "options",
    "application_name",
    "sslmode",
    "sslnegotiation",
    "host",
    "hostaddr",
    "port",
    "connect_timeout",
    "tcp_user_timeout",
    "keepalives",
    "keepalives_idle",
    "target_session_attrs",
    "load_balance_hosts",
];

/// What `sqlx` knows.
const SQLX: [&str; 11] = [
    "user",
    "password",
    "dbname",
    "host",
    "port",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "application_name",
    "options",
];

/// The files of TLS and the key's passphrase, which libpq takes as absent where they are empty.
const FILES: [&str; 4] = ["sslrootcert", "sslcert", "sslkey", "sslpassword"];

/// What changes neither TLS nor who logs in, so that a form may be without it.
const HARMLESS: [&str; 13] = [
    "application_name",
    "fallback_application_name",
    "client_encoding",
    "connect_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "keepalives_retries",
    "tcp_user_timeout",
    "load_balance_hosts",
    "sslcompression",
    "gssencmode",
];

impl Postgres {
    /// libpq's key-value text, for `psql` and every driver that is made with libpq:
    /// `host='db' user='app' …`.
    ///
    /// libpq fills in what is absent from `PG…` variables, `~/.pgpass` and service files, under Airflow too.
    ///
    /// # Errors
    /// [`ClientError`] where a token is to be got first, or a value is a list or an object.
    pub fn libpq(&self) -> Result<Form, ClientError> {
        let parts = self.parts(&[])?;
        let mut text = String::with_capacity(128);
        push_pairs(&mut text, &parts);
        Ok(Form::new(text, self.psycopg_alone()))
    }

    /// libpq's URI, for `psql` and every driver that is made with libpq: `postgresql://app@db/orders?…`.
    /// For `sqlx` and `tokio-postgres` there are forms of their own.
    ///
    /// # Errors
    /// As [`libpq`](Self::libpq).
    pub fn url(&self) -> Result<Form, ClientError> {
        let parts = self.parts(&[])?;
        Ok(Form::new(url_of(&parts), self.psycopg_alone()))
    }

    /// The URL for `sqlx`'s `PgConnectOptions`. All is in the query, which `sqlx` decodes in every part.
    ///
    /// `sqlx` fills in what is absent from `PG…` variables, as libpq does. It logs parameters that it does not
    /// know, with their values: the form has none. Its `Debug` of `PgConnectOptions`, and of a pool's options
    /// with it, shows the password.
    ///
    /// Where `sslmode` is `require` beside an `sslrootcert`, the form says `verify-ca`: libpq checks the
    /// certificate then, and `sqlx` would not.
    ///
    /// # Errors
    /// [`ClientError`] where a token is to be got first, or `extra` sets what `sqlx` has no option for and
    /// TLS or who logs in depends on it, `sslrootcert` of `system` among it; for `verify-ca` without
    /// `sslrootcert`; and for a host that is empty or a list.
    pub fn sqlx_url(&self) -> Result<Form, ClientError> {
        let parts = self.parts(&[])?;
        let form = "sqlx";
        let mut left_out = self.psycopg_alone();
        let mut url = "postgres://".to_owned();
        let mut query = Query::of(&mut url);
        let has_authority = self.filled("sslrootcert").is_some();
        for (name, value) in &parts {
            match *name {
                "host" if value.is_empty() => {
                    let problem = "is empty; sqlx has no default host for that";
                    return Err(self.made.error(Place::Field("host"), problem));
                }
                "host" if value.contains(',') => {
                    let problem = "names more than one host; sqlx knows one";
                    return Err(self.made.error(Place::Field("host"), problem));
                }
                name if FILES.contains(&name) && value.is_empty() => {}
                // `sqlx` knows no authorities but Mozilla's and those of a file.
                "sslrootcert" if value == "system" => return Err(self.made.no_room(name, form)),
                // Without one, libpq refuses `verify-ca`; `sqlx` would let every host of Mozilla's pass.
                "sslmode" if value == "verify-ca" && !has_authority => {
                    let problem = "must be set beside `verify-ca`, in which sqlx would trust every public certificate";
                    return Err(self.made.wrong("sslrootcert", problem));
                }
                // With an authority, libpq checks the chain; under `require`, `sqlx` does not.
                "sslmode" if value == "require" && has_authority => query.push(name, "verify-ca"),
                name if SQLX.contains(&name) => query.push(name, value),
                _ => self.leave_out(name, form, &mut left_out)?,
            }
        }
        Ok(Form::new(url, left_out))
    }

    /// The text for `tokio-postgres`'s `Config`, which knows less of TLS than libpq.
    ///
    /// # Errors
    /// [`ClientError`] where a token is to be got first; where `sslmode` is `verify-ca` or `verify-full`, or
    /// certificates are set, for which [`tokio_postgres_and_tls`](Self::tokio_postgres_and_tls) is made; where
    /// `sslmode` is `allow`; and where TLS or who logs in depends on another option that it does not know.
    pub fn tokio_postgres(&self) -> Result<Form, ClientError> {
        for name in FILES {
            if self.filled(name).is_some() {
                return Err(self.made.no_room(name, "tokio-postgres"));
            }
        }
        if self
            .sslmode()
            .is_some_and(|mode| mode.starts_with("verify"))
        {
            return Err(self.made.no_room("sslmode", "tokio-postgres"));
        }
        self.tokio_text()
    }

    /// The text for `tokio-postgres`'s `Config`, and what the program's own TLS connector has to do: check
    /// the certificate, and against which authorities. Where it is to be checked, the text says
    /// `sslmode=require`.
    ///
    /// # Errors
    /// As [`tokio_postgres`](Self::tokio_postgres), but for certificates and their check.
    pub fn tokio_postgres_and_tls(&self) -> Result<(Form, PostgresTls), ClientError> {
        let text = |name: &str| self.filled(name).map(Cow::into_owned);
        let sslmode = text("sslmode");
        let root_cert = text("sslrootcert");
        let is = |mode: &str| sslmode.as_deref() == Some(mode);
        let is_system = root_cert.as_deref() == Some("system");
        // With a root certificate, libpq checks the chain under `require` too; `system` is always whole.
        let checks_host = is("verify-full") || is_system;
        let checks_certificate =
            checks_host || is("verify-ca") || is("require") && root_cert.is_some();
        let tls = PostgresTls {
            checks_certificate,
            checks_host,
            root_cert,
            cert: text("sslcert"),
            key: text("sslkey"),
            password: self.filled("sslpassword").map(Secret::from),
            sslmode,
        };
        Ok((self.tokio_text()?, tls))
    }

    /// A parameter as libpq is given it. For those of TLS, an empty one is an absent one.
    fn filled(&self, name: &str) -> Option<Cow<'_, str>> {
        let text = self.made.params.get(name).map(str_of);
        text.filter(|text| !text.is_empty())
    }

    fn tokio_text(&self) -> Result<Form, ClientError> {
        let form = "tokio-postgres";
        let mut parts = self.parts(&FILES)?;
        let mut left_out = self.psycopg_alone();
        let is_system = self.made.params.text("sslrootcert") == Some("system");
        let mode = match self.sslmode() {
            Some("allow") => {
                let problem =
                    "is `allow`, which tokio-postgres does not know; use prefer or disable";
                return Err(self.made.wrong("sslmode", problem));
            }
            Some("verify-ca" | "verify-full") => Some("require"),
            Some(mode) => Some(mode),
            None => is_system.then_some("require"),
        };
        if let Some((_, host)) = parts.iter().find(|(name, _)| *name == "host")
            && host.is_empty()
        {
            return Err(self.made.error(
                Place::Field("host"),
                "is empty; tokio-postgres has no default host",
            ));
        }
        let mut kept = Vec::with_capacity(parts.len());
        for (name, value) in parts.drain(..) {
            match name {
                "sslmode" => {}
                "keepalives_interval" | "keepalives_count" => left_out.push(name.to_owned()),
                "channel_binding" => kept.push((name, value)),
                name if TOKIO.contains(&name) => kept.push((name, value)),
                name => self.leave_out(name, form, &mut left_out)?,
            }
        }
        if let Some(mode) = mode {
            kept.push(("sslmode", Cow::Borrowed(mode)));
        }
        let mut text = String::with_capacity(128);
        push_pairs(&mut text, &kept);
        Ok(Form::new(text, left_out))
    }

    /// The parameters as text, but for psycopg's own and `without`.
    fn parts(&self, without: &[&str]) -> Result<Vec<(&str, Cow<'_, str>)>, ClientError> {
        if self.iam().is_some() {
            let problem = "asks for a token first: give it to `with_token`";
            return Err(self.made.wrong("iam", problem));
        }
        let mut parts = Vec::new();
        for (name, value) in self.made.params.iter() {
            if PSYCOPG.contains(&name) || without.contains(&name) {
                continue;
            }
            if name == "conninfo" {
                let problem =
                    "is psycopg's own text of parameters; write them as members of `extra`";
                return Err(self.made.wrong(name, problem));
            }
            if matches!(value, Value::Array(_) | Value::Object(_)) {
                return Err(self
                    .made
                    .wrong(name, "must be a text, a number or a truth value"));
            }
            let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || !name.chars().all(is_word) {
                return Err(self.made.wrong(name, "is no option of libpq's"));
            }
            let value = str_of(value);
            self.made.check_nul(name, &value)?;
            parts.push((name, value));
        }
        Ok(parts)
    }

    fn psycopg_alone(&self) -> Vec<String> {
        let names = self.made.params.iter().map(|(name, _)| name);
        names
            .filter(|name| PSYCOPG.contains(name))
            .map(str::to_owned)
            .collect()
    }

    /// A form is without `name`, if nothing that matters is lost.
    fn leave_out(
        &self,
        name: &str,
        form: &str,
        left_out: &mut Vec<String>,
    ) -> Result<(), ClientError> {
        let is_off = matches!(
            (name, self.made.params.text(name)),
            ("gssencmode", Some("require"))
        );
        if is_off || !HARMLESS.contains(&name) {
            return Err(self.made.no_room(name, form));
        }
        left_out.push(name.to_owned());
        Ok(())
    }
}

fn push_pairs(text: &mut String, parts: &[(&str, Cow<'_, str>)]) {
    for (name, value) in parts {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(name);
        text.push_str("='");
        for c in value.chars() {
            if matches!(c, '\'' | '\\') {
                text.push('\\');
            }
            text.push(c);
        }
        text.push('\'');
    }
}

/// Host, port, user, password and database where a URL has them, if there is one host with a name; else in
/// the query.
fn url_of(parts: &[(&str, Cow<'_, str>)]) -> String {
    let get = |wanted: &str| {
        let found = parts.iter().find(|(name, _)| *name == wanted);
        found
            .map(|(_, value)| &**value)
            .filter(|value| !value.is_empty())
    };
    let host = get("host").filter(|host| !host.contains(','));
    let mut url = "postgresql://".to_owned();
    let mut in_front = Vec::new();
    if let Some(host) = host {
        if let Some(user) = get("user") {
            percent::quote(user, &mut url);
            in_front.push("user");
            if let Some(password) = get("password") {
                url.push(':');
                percent::quote(password, &mut url);
                in_front.push("password");
            }
            url.push('@');
        }
        in_front.push("host");
        if !push_ipv6(host, &mut url) {
            percent::quote(host, &mut url);
        }
        if let Some(port) =
            get("port").filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
        {
            url.push(':');
            url.push_str(port);
            in_front.push("port");
        }
        if let Some(dbname) = get("dbname") {
            url.push('/');
            percent::quote(dbname, &mut url);
            in_front.push("dbname");
        }
    }
    let mut query = Query::of(&mut url);
    for (name, value) in parts.iter().filter(|(name, _)| !in_front.contains(name)) {
        query.push(name, value);
    }
    url
}
