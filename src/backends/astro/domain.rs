//! From `ASTRO_DOMAIN` to the addresses that a token may be sent to.

use crate::{ConfigurationError, config::Setting};

/// Astro's own.
pub(super) const DEFAULT: &str = "astronomer.io";

const LOCAL: &str = "localhost";

/// Where Astro is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Domain(String);

impl Domain {
    /// Reads a domain as people write it: without `https://`, `cloud.` and a slash at its end.
    ///
    /// # Errors
    /// When the rest is not a domain.
    pub(super) fn parse(given: &Setting<String>) -> Result<Self, ConfigurationError> {
        let text = given.value.trim();
        let text = text.strip_prefix("https://").unwrap_or(text);
        let text = text.strip_prefix("cloud.").unwrap_or(text);
        let text = text.trim_end_matches('/').to_ascii_lowercase();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        let is_domain = text == LOCAL || text.contains('.') && !text.contains("..");
        if !is_domain || !text.chars().all(is_plain) || text.starts_with('.') || text.ends_with('.')
        {
            return Err(given.error(
                "is not a domain: write the one of Astro's user interface, such as astronomer.io",
            ));
        }
        Ok(Self(text))
    }

    /// Whether this is the developer's own machine, which alone is asked without TLS.
    pub(super) fn is_local(&self) -> bool {
        self.0 == LOCAL
    }

    /// The URL of the API, without a slash at its end.
    pub(super) fn api(&self) -> String {
        if self.is_local() {
            format!("http://{LOCAL}:8888")
        } else {
            format!("https://api.{}", self.0)
        }
    }

    /// Whether `url` is this domain's or that of a host below it, over TLS but for the developer's
    /// machine.
    pub(super) fn holds(&self, url: &url::Url) -> bool {
        let Some(host) = url.host_str() else {
            return false;
        };
        let is_below = host
            .strip_suffix(&*self.0)
            .is_some_and(|below| below.ends_with('.'));
        let is_here = host == self.0 || is_below;
        let is_safe = url.scheme() == "https" || self.is_local() && url.scheme() == "http";
        is_here && is_safe && url.username().is_empty() && url.password().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String, String> {
        let given = Setting::new("ASTRO_DOMAIN", "the environment", text.to_owned());
        let domain = Domain::parse(&given);
        domain
            .map(|domain| domain.api())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn what_people_write_before_and_after_a_domain_is_taken_off() {
        for text in [
            "astronomer.io",
            "https://astronomer.io",
            "cloud.astronomer.io",
            "https://cloud.astronomer.io/",
            "Astronomer.io//",
        ] {
            assert_eq!(
                parse(text),
                Ok("https://api.astronomer.io".to_owned()),
                "{text}"
            );
        }
        assert_eq!(parse("localhost"), Ok("http://localhost:8888".to_owned()));
    }

    #[test]
    fn what_is_no_domain_is_refused() {
        for text in [
            "",
            "astro",
            "http://astronomer.io",
            "astronomer.io/v1",
            "me@astronomer.io",
            "astronomer.io:8080",
            "a..b",
            ".io",
            "io.",
            "localhost:1",
        ] {
            let expected = "ASTRO_DOMAIN (the environment): is not a domain: write the one of Astro's \
                            user interface, such as astronomer.io";
            assert_eq!(parse(text), Err(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_domain_holds_its_own_hosts_over_tls() {
        let given = Setting::new("ASTRO_DOMAIN", "the environment", DEFAULT.to_owned());
        let domain = Domain::parse(&given).unwrap();
        for (url, expected) in [
            ("https://auth.astronomer.io/", true),
            ("https://astronomer.io/", true),
            ("http://auth.astronomer.io/", false),
            ("https://astronomer.io.evil.com/", false),
            ("https://evilastronomer.io/", false),
            ("https://me:pw@auth.astronomer.io/", false),
        ] {
            assert_eq!(
                domain.holds(&url::Url::parse(url).unwrap()),
                expected,
                "{url}"
            );
        }
    }
}
