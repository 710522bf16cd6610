//! HTTP: headers and options as `reqwest` and its like take them.

use std::time::Duration;

use serde_json::Value;

use super::Pairs;
use crate::{
    Secret,
    clients::{ClientError, Http, error::Place, extra::int, pem},
    python::truth::is_truthy,
};

/// Headers by name, in clear, `Authorization` of basic authentication among them. `Debug` shows the names
/// alone.
pub type HttpHeaders = Pairs;

impl Http {
    /// The headers that every request has, with `Authorization: Basic …` where there is a login. A header
    /// that is `null` is left out.
    ///
    /// Mark each value as sensitive (`HeaderValue::set_sensitive`): else `reqwest`'s `Debug` of a client shows
    /// it.
    ///
    /// # Errors
    /// [`ClientError`] where a header is no text, or has a line break, as `requests` refuses it; and where
    /// login or password have characters beyond Latin-1.
    pub fn headers(&self) -> Result<HttpHeaders, ClientError> {
        let mut out = HttpHeaders::default();
        let headers = self.made.params.get("headers").and_then(Value::as_object);
        for (name, value) in headers.into_iter().flatten() {
            if value.is_null() {
                continue;
            }
            let text = self.made.text(name, value)?;
            let is_token = |c: char| c.is_ascii_graphic() && !"\"(),/:;<=>?@[\\]{}".contains(c);
            if name.is_empty() || !name.chars().all(is_token) {
                return Err(self.made.wrong(name, "is no name of a header"));
            }
            if text.contains(['\r', '\n', '\0']) || text.starts_with(char::is_whitespace) {
                let problem = "is no value of a header: it starts with a blank or has a line break";
                return Err(self.made.wrong(name, problem));
            }
            // Basic authentication replaces a header of that name, as in `requests`.
            if !(self.login().is_some() && name.eq_ignore_ascii_case("authorization")) {
                out.push(name.as_str(), text);
            }
        }
        if let Some(value) = self.authorization()? {
            out.push("Authorization", value.expose());
        }
        Ok(out)
    }

    /// `Basic …`, where there is a login: in Latin-1, as `requests` sends it.
    fn authorization(&self) -> Result<Option<Secret>, ClientError> {
        let Some(login) = self.login() else {
            return Ok(None);
        };
        let password = self.password().unwrap_or_default();
        let mut bytes = secrecy::zeroize::Zeroizing::new(Vec::new());
        for (field, text) in [("login", login), ("password", password.expose())] {
            for c in text.chars() {
                let byte = u8::try_from(u32::from(c)).map_err(|_| {
                    let problem =
                        "has characters beyond Latin-1, which basic authentication does not carry";
                    self.made.error(Place::Field(field), problem)
                })?;
                bytes.push(byte);
            }
            if field == "login" {
                bytes.push(b':');
            }
        }
        Ok(Some(Secret::from(format!("Basic {}", pem::encode(&bytes)))))
    }

    /// How long a request may take; `None` is for ever.
    ///
    /// # Errors
    /// [`ClientError`] where it is no number, such as a pair of two.
    pub fn timeout(&self) -> Result<Option<Duration>, ClientError> {
        let Some(timeout) = self.made.params.get("timeout") else {
            return Ok(None);
        };
        let seconds = timeout.as_f64().filter(|seconds| *seconds > 0.0);
        let timeout = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let problem = "must be a number of seconds above 0";
        timeout
            .map(Some)
            .ok_or_else(|| self.made.wrong("timeout", problem))
    }

    /// How many redirects are followed before a request fails; `None` where the answer is the redirect itself:
    /// `Policy::none()` of `reqwest`.
    ///
    /// # Errors
    /// [`ClientError`] where it is no number.
    pub fn redirects(&self) -> Result<Option<usize>, ClientError> {
        if !self
            .made
            .params
            .get("allow_redirects")
            .is_some_and(is_truthy)
        {
            return Ok(None);
        }
        let most = self.made.params.get("max_redirects").and_then(int);
        most.and_then(|most| usize::try_from(most).ok())
            .map(Some)
            .ok_or_else(|| self.made.wrong("max_redirects", "must be a number"))
    }

    /// The path of the authorities' certificates, where `verify` is a text.
    #[must_use]
    pub fn ca_bundle(&self) -> Option<&str> {
        self.made
            .params
            .text("verify")
            .filter(|path| !path.is_empty())
    }

    /// The paths of the client's certificate and of its key; a file may have both.
    ///
    /// # Errors
    /// [`ClientError`] where it is set, and neither a path nor a pair of them.
    pub fn client_certificate(&self) -> Result<Option<(&str, Option<&str>)>, ClientError> {
        let cert = self.made.params.get("cert").filter(|cert| is_truthy(cert));
        let problem = "must be a path, or a pair of the certificate's and the key's";
        match cert {
            None => Ok(None),
            Some(Value::String(path)) => Ok(Some((path, None))),
            Some(Value::Array(pair)) => match pair.as_slice() {
                [Value::String(cert), Value::String(key)] => Ok(Some((cert, Some(key)))),
                _ => Err(self.made.wrong("cert", problem)),
            },
            Some(_) => Err(self.made.wrong("cert", problem)),
        }
    }

    /// The proxy for each protocol, such as `https`. Their URLs may hold passwords.
    ///
    /// # Errors
    /// [`ClientError`] where they are no object of texts.
    pub fn proxies(&self) -> Result<Pairs, ClientError> {
        let mut out = Pairs::default();
        match self.made.params.get("proxies") {
            None => {}
            Some(Value::Object(proxies)) => {
                for (protocol, proxy) in proxies.iter().filter(|(_, proxy)| !proxy.is_null()) {
                    out.push(protocol.as_str(), self.made.text("proxies", proxy)?);
                }
            }
            Some(_) => return Err(self.made.wrong("proxies", "must be an object")),
        }
        Ok(out)
    }
}
