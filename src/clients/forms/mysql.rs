//! MySQL: the URL that `sqlx` reads.

use serde_json::Value;

use super::{Form, Query};
use crate::{
    clients::{ClientError, MySql, error::Place},
    python::{percent, truth::is_truthy},
};

impl MySql {
    /// The URL for `sqlx`'s `MySqlConnectOptions`.
    ///
    /// The mode of TLS is `ssl_mode`. Where that is absent, an `ssl` object with an authority means
    /// `VERIFY_CA`, or `VERIFY_IDENTITY` where it has a true `check_hostname`; an `ssl` without one means
    /// `REQUIRED`.
    ///
    /// `sqlx`'s `Debug` of `MySqlConnectOptions`, and of a pool's options with it, shows the password.
    ///
    /// # Errors
    /// [`ClientError`] where a token is to be got first, or TLS has options that `sqlx` does not know; for
    /// `VERIFY_CA` without an authority; and where there is no login, for which `sqlx` puts `root`.
    pub fn sqlx_url(&self) -> Result<Form, ClientError> {
        let form = "sqlx";
        if self.iam().is_some() {
            let problem = "asks for a token first: give it to `with_token`";
            return Err(self.made.wrong("iam", problem));
        }
        let mut url = "mysql://".to_owned();
        let user = self.user().filter(|user| !user.is_empty());
        let problem =
            "is not set; sqlx would log in as `root`, where the hook's driver asks the system";
        let user = user.ok_or_else(|| self.made.error(Place::Field("login"), problem))?;
        percent::quote(user, &mut url);
        if let Some(password) = self.password().filter(|password| !password.is_empty()) {
            url.push(':');
            percent::quote(password.expose(), &mut url);
        }
        url.push('@');
        self.made.push_host(self.host(), form, &mut url)?;
        url.push(':');
        url.push_str(&self.port().to_string());
        url.push('/');
        let database = self.database();
        if [".", ".."].contains(&database) {
            let problem = "is a step in a path, which no URL for sqlx has as a name";
            return Err(self.made.error(Place::Field("schema"), problem));
        }
        percent::quote(database, &mut url);
        let mut query = Query::of(&mut url);
        let mut left_out = Vec::new();
        let tls = self.tls(form)?;
        let has = |name: &str| tls.iter().find(|(option, _)| *option == name);
        if has("ssl-ca").is_none() && has("ssl-mode").is_some_and(|(_, mode)| mode == "VERIFY_CA") {
            let name = if self.is_connector() { "ssl_ca" } else { "ssl" };
            let problem = "must name the authority beside `VERIFY_CA`, in which sqlx would trust every public certificate";
            return Err(self.made.wrong(name, problem));
        }
        for (mode, value) in tls {
            query.push(mode, &value);
        }
        for (name, option) in [("charset", "charset"), ("unix_socket", "socket")] {
            if let Some(value) = self.made.params.get(name) {
                query.push(option, self.made.text(name, value)?);
            }
        }
        for name in ["use_unicode", "cursorclass", "read_default_group"] {
            if self.made.params.get(name).is_some() {
                left_out.push(name.to_owned());
            }
        }
        Ok(Form::new(url, left_out))
    }

    /// `sqlx`'s options of TLS.
    fn tls(&self, form: &str) -> Result<Vec<(&'static str, String)>, ClientError> {
        let params = &self.made.params;
        if self.is_connector() {
            return self.connector_tls(form);
        }
        let mut options = Vec::new();
        let (mut has_ca, mut checks_host) = (false, false);
        if let Some(ssl) = params.get("ssl") {
            let Value::Object(ssl) = ssl else {
                return Err(self
                    .made
                    .wrong("ssl", "must be an object to be written as a URL"));
            };
            for (name, value) in ssl.iter().filter(|(_, value)| !value.is_null()) {
                let option = match name.as_str() {
                    "ca" => "ssl-ca",
                    "cert" => "ssl-cert",
                    "key" => "ssl-key",
                    "check_hostname" => {
                        checks_host = is_truthy(value);
                        continue;
                    }
                    _ => return Err(self.made.no_room("ssl", form)),
                };
                has_ca |= name == "ca";
                options.push((option, self.made.text("ssl", value)?.to_owned()));
            }
        }
        let mode = match params.get("ssl_mode") {
            Some(mode) => Some(self.mode("ssl_mode", mode)?),
            None if has_ca && checks_host => Some("VERIFY_IDENTITY".to_owned()),
            None if has_ca => Some("VERIFY_CA".to_owned()),
            None if params.get("ssl").is_some() => Some("REQUIRED".to_owned()),
            None => None,
        };
        options.extend(mode.map(|mode| ("ssl-mode", mode)));
        Ok(options)
    }

    fn mode(&self, name: &str, mode: &Value) -> Result<String, ClientError> {
        let modes = [
            "DISABLED",
            "PREFERRED",
            "REQUIRED",
            "VERIFY_CA",
            "VERIFY_IDENTITY",
        ];
        let mode = self.made.text(name, mode)?.to_ascii_uppercase();
        if modes.contains(&mode.as_str()) {
            return Ok(mode);
        }
        let problem = "must be DISABLED, PREFERRED, REQUIRED, VERIFY_CA or VERIFY_IDENTITY";
        Err(self.made.wrong(name, problem))
    }

    /// The connector's names: `ssl_ca`, `ssl_verify_cert`, …
    fn connector_tls(&self, form: &str) -> Result<Vec<(&'static str, String)>, ClientError> {
        let params = &self.made.params;
        let mut options = Vec::new();
        for (name, _) in params.iter().filter(|(name, _)| name.starts_with("ssl_")) {
            let known = [
                "ssl_ca",
                "ssl_cert",
                "ssl_key",
                "ssl_disabled",
                "ssl_verify_cert",
                "ssl_verify_identity",
            ];
            if !known.contains(&name) {
                return Err(self.made.no_room(name, form));
            }
        }
        for (name, option) in [
            ("ssl_ca", "ssl-ca"),
            ("ssl_cert", "ssl-cert"),
            ("ssl_key", "ssl-key"),
        ] {
            if let Some(value) = params.get(name) {
                options.push((option, self.made.text(name, value)?.to_owned()));
            }
        }
        let is = |name: &str| params.get(name).is_some_and(is_truthy);
        let mode = if is("ssl_disabled") {
            "DISABLED"
        } else if is("ssl_verify_identity") {
            "VERIFY_IDENTITY"
        } else if is("ssl_verify_cert") || params.get("ssl_ca").is_some() {
            "VERIFY_CA"
        } else {
            "PREFERRED"
        };
        options.push(("ssl-mode", mode.to_owned()));
        Ok(options)
    }
}
