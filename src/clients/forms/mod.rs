//! The forms that drivers read.

mod http;
mod mysql;
mod object_store;
mod pairs;
mod postgres;
mod redis;

use std::fmt;

pub use self::{http::HttpHeaders, postgres::PostgresTls, redis::RedisTls};

use super::{
    error::{ClientError, Place, shown},
    extra::Made,
};
use crate::{
    Secret,
    python::{Sink, percent, url::is_ipv6},
};

/// A text that a driver reads, such as a URL. It holds the password, in clear; `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Form {
    text: Secret,
    left_out: Vec<String>,
}

impl Form {
    fn new(text: String, left_out: Vec<String>) -> Self {
        Self {
            text: Secret::from(text),
            left_out,
        }
    }

    /// The text, in clear: what the driver is given.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.text.expose()
    }

    /// The text, as a secret.
    #[must_use]
    pub fn into_secret(self) -> Secret {
        self.text
    }

    /// The parameters that this form has no room for, and that change neither TLS nor who logs in.
    #[must_use]
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.left_out.iter().map(|name| shown(name)).collect();
        f.debug_struct("Form")
            .field("text", &self.text)
            .field("left_out", &names)
            .finish()
    }
}

/// Options by name, such as those of `object_store`. `Debug` shows the names alone.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Pairs {
    pairs: Vec<(String, Secret)>,
    left_out: Vec<String>,
}

impl Pairs {
    /// Names and values, in clear.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs
            .iter()
            .map(|(name, value)| (&**name, value.expose()))
    }

    /// The value of `name`, in clear.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter()
            .find_map(|(key, value)| (key == name).then_some(value))
    }

    /// The parameters that there is no option for, and that change neither TLS nor who logs in.
    #[must_use]
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    fn push(&mut self, name: impl Into<String>, value: impl AsRef<str>) {
        self.pairs.push((name.into(), Secret::from(value.as_ref())));
    }

    fn push_some(&mut self, name: &str, value: Option<impl AsRef<str>>) {
        if let Some(value) = value {
            self.push(name, value);
        }
    }
}

impl fmt::Debug for Pairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.pairs.iter().map(|(name, value)| (shown(name), value)))
            .finish()
    }
}

/// A URL's query, piece by piece.
struct Query<'u> {
    url: &'u mut String,
    is_first: bool,
}

impl<'u> Query<'u> {
    fn of(url: &'u mut String) -> Self {
        Self {
            url,
            is_first: true,
        }
    }

    fn push(&mut self, name: &str, value: &str) {
        let before = if self.is_first { "?" } else { "&" };
        self.is_first = false;
        self.url.push_str(before);
        percent::quote(name, self.url);
        Sink::push(self.url, "=");
        percent::quote(value, self.url);
    }
}

/// Writes `host` between brackets, if it is an IPv6 address without a zone, which no URL has.
fn push_ipv6(host: &str, url: &mut String) -> bool {
    let is_written = is_ipv6(host) && !host.contains('%');
    if is_written {
        url.push('[');
        url.push_str(host);
        url.push(']');
    }
    is_written
}

impl Made {
    /// `name` has no place in `form`, and what it says may not be lost.
    fn no_room(&self, name: &str, form: &str) -> ClientError {
        let problem = format!(
            "has no place in the form for {form}, which would be weaker without it; give it to the driver by its own means"
        );
        self.wrong(name, problem)
    }

    /// Writes `host` where a URL has it, for a parser that decodes nothing there.
    ///
    /// # Errors
    /// Where it is neither a name nor an address that such a URL can hold.
    fn push_host(&self, host: &str, reader: &str, url: &mut String) -> Result<(), ClientError> {
        if push_ipv6(host, url) {
            return Ok(());
        }
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        if !host.chars().all(is_name) {
            let problem = format!("has characters that no host's name has in a URL for {reader}");
            return Err(self.error(Place::Field("host"), problem));
        }
        url.push_str(host);
        Ok(())
    }

    /// An error where a text has a NUL character, which would end it early in a driver in C.
    fn check_nul(&self, name: &str, value: &str) -> Result<(), ClientError> {
        if value.contains('\0') {
            return Err(self.wrong(name, "contains a NUL character"));
        }
        Ok(())
    }
}
