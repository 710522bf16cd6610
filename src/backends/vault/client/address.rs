//! Vault's address.

use std::fmt;

use url::Url;

use crate::{Secret, python::percent::unquote};

/// Where Vault is: scheme, host, port and a path before `v1`.
#[derive(Clone)]
pub(crate) struct Address(Url);

impl Address {
    /// Reads `http://…` or `https://…`.
    ///
    /// # Errors
    /// Why it cannot be used, without its text.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim_start();
        if !names_host(text) {
            return Err("must begin with http:// or https:// and a host, as \
                        https://vault.example.com:8200 does");
        }
        // Browsers pass over these, and Airflow's client does not.
        if text.contains(|c: char| c.is_control() || c.is_whitespace() || c == '\\') {
            return Err("contains a space, a line break or a backslash: remove it");
        }
        let url = Url::parse(text.trim_end_matches('/'))
            .map_err(|_| "is not a URL; one looks like https://vault.example.com:8200")?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err("has a query or a fragment, and Vault's address has neither: remove it");
        }
        Ok(Self(url))
    }

    pub(crate) fn url(&self) -> &Url {
        &self.0
    }

    /// The name and password that it holds, as `name:password`: for a proxy that stands before Vault.
    pub(super) fn user_info(&self) -> Option<Secret> {
        let (name, password) = (self.0.username(), self.0.password());
        let is_given = !name.is_empty() || password.is_some();
        let password = password.unwrap_or_default();
        is_given.then(|| format!("{}:{}", &*unquote(name), &*unquote(password)).into())
    }

    pub(crate) fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Whether it ends in the path that is added to each request.
    pub(crate) fn ends_in_v1(&self) -> bool {
        self.0.path().trim_end_matches('/').ends_with("/v1")
    }
}

/// Whether `text` begins with a scheme, exactly two slashes and something else.
fn names_host(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else {
        return false;
    };
    let is_http = ["http", "https"]
        .iter()
        .any(|http| scheme.eq_ignore_ascii_case(http));
    is_http && !rest.starts_with(['/', '\\', '?', '#']) && !rest.is_empty()
}

/// The address without what may be a password.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.0.host_str().unwrap_or_default();
        write!(f, "{}://{host}", self.0.scheme())?;
        if let Some(port) = self.0.port() {
            write!(f, ":{port}")?;
        }
        f.write_str(self.0.path().trim_end_matches('/'))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_user_info() {
        let address = Address::parse("https://user:p%40ss@[::1]:8200/prefix/").unwrap();
        assert_eq!(address.to_string(), "https://[::1]:8200/prefix");
        assert_eq!(address.user_info(), Some("user:p@ss".into()));
    }

    #[test]
    fn leading_white_space_and_the_schemes_case_do_not_matter() {
        let address = Address::parse("\n HTTP://h:8200").unwrap();
        assert_eq!(address.to_string(), "http://h:8200");
    }

    #[test]
    fn forms_that_only_browsers_accept_are_refused() {
        for text in [
            r"http:\\h",
            r"http://h\x",
            "http://h\n",
            "http://h\t.example",
            "http://h ",
            "http:/h",
            "http:h",
            "http:///h",
            "ftp://h",
            "h:8200",
            "",
            "http://",
            "http://h?a=b",
            "http://h/#a",
        ] {
            assert!(Address::parse(text).is_err(), "{text:?}");
        }
    }
}
