//! Options from the environment of the `vault` and `bao` commands.

use std::{path::PathBuf, time::Duration};

use super::{VaultCredential, builder::VaultBuilder};
use crate::{
    ConfigurationError, Environment, Secret,
    backends::http_options::{ClientCertificate, Roots, every_scheme},
    config::{HOME, Setting},
};

/// Where errors say that a variable came from.
const ORIGIN: &str = "the environment";

impl VaultBuilder {
    /// Reads the variables of the `vault` and `bao` commands, which Airflow's class does not read: the
    /// address, the token (else that in `~/.vault-token`), the namespace, the certificates and whether
    /// to check them, the time-out, the retries and the proxy. Each name begins with `BAO_` or
    /// `VAULT_`; `BAO_` wins. Later calls of this builder win over both.
    ///
    /// # Errors
    /// When a variable is invalid, or is not offered.
    pub fn cli_environment(
        mut self,
        environment: &Environment,
    ) -> Result<Self, ConfigurationError> {
        let cli = Cli(environment);
        if let Some(variable) = cli.get("TLS_SERVER_NAME") {
            return Err(variable
                .error("is not offered: use the name in the server's certificate in the URL"));
        }
        if let Some(address) = cli.get("ADDR") {
            self.url = Some(address.map(Secret::from));
        }
        if let Some(login) = cli.login() {
            self.credential = Some(login);
        }
        if let Some(namespace) = cli.get("NAMESPACE") {
            self.namespace = Some(namespace);
        }
        if let Some(authorities) = cli.get("CACERT").or_else(|| cli.get("CAPATH")) {
            self.http.roots = Some(authorities.map(|path| Roots::At(path.into())));
        }
        if let Some(variable) = cli.flag("SKIP_VERIFY")? {
            self.http.roots = Some(variable.map(|_| Roots::Unchecked));
        }
        if let Some(certificate) = cli.get("CLIENT_CERT") {
            let key = cli.get("CLIENT_KEY").map(|key| key.value.into());
            self.http.client_certificate = Some(certificate.map(|path| ClientCertificate::Files {
                certificate: path.into(),
                key,
            }));
        }
        if let Some(proxy) = cli.get("PROXY_ADDR").or_else(|| cli.get("HTTP_PROXY")) {
            self.http.proxies = Some(proxy.map(|url| every_scheme(&url.into())));
        }
        if let Some(seconds) = cli.seconds("CLIENT_TIMEOUT")? {
            self.http.timeout = Some(Duration::from_secs(seconds));
        }
        if let Some(retries) = cli.get("MAX_RETRIES") {
            let count = retries.value.parse();
            self.retries.max_retries = Some(count.map_err(|_| retries.error("must be a number"))?);
        }
        if cli.flag("DISABLE_REDIRECTS")?.is_some() {
            self.follow_redirects = false;
        }
        Ok(self)
    }
}

struct Cli<'a>(&'a Environment);

impl Cli<'_> {
    /// A variable that is set and not empty.
    fn get(&self, name: &str) -> Option<Setting<String>> {
        ["BAO", "VAULT"].iter().find_map(|prefix| {
            let name = format!("{prefix}_{name}");
            let value = self.0.non_empty(&name)?;
            Some(Setting::new(&name, ORIGIN, value.to_owned()))
        })
    }

    fn login(&self) -> Option<Setting<VaultCredential>> {
        if let Some(token) = self.get("TOKEN") {
            return Some(token.map(VaultCredential::token));
        }
        let home = self.0.non_empty(HOME)?;
        let file = PathBuf::from(home).join(".vault-token");
        Some(Setting::new(
            "~/.vault-token",
            HOME,
            VaultCredential::token_path(file),
        ))
    }

    /// A variable that is true.
    fn flag(&self, name: &str) -> Result<Option<Setting<String>>, ConfigurationError> {
        let Some(variable) = self.get(name) else {
            return Ok(None);
        };
        match variable.value.as_str() {
            "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(Some(variable)),
            "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(None),
            _ => Err(variable.error("must be true or false")),
        }
    }

    /// A number of seconds, with or without Go's unit.
    fn seconds(&self, name: &str) -> Result<Option<u64>, ConfigurationError> {
        let Some(variable) = self.get(name) else {
            return Ok(None);
        };
        match variable.value.trim_end_matches('s').parse() {
            Ok(seconds) if seconds > 0 => Ok(Some(seconds)),
            _ => Err(variable.error("must be a number of seconds, such as 60 or 60s")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backends::vault::VaultBackend;

    fn built(variables: &[(&str, &str)]) -> Result<VaultBuilder, String> {
        let environment = variables.iter().copied().collect::<Environment>();
        let builder = VaultBackend::builder().cli_environment(&environment);
        builder.map_err(|error| error.to_string())
    }

    #[test]
    fn the_variables_of_the_commands_are_read() {
        let builder = built(&[
            ("VAULT_ADDR", "https://vault:8200"),
            ("BAO_ADDR", "https://bao:8200"),
            ("VAULT_NAMESPACE", "team"),
            ("VAULT_CACERT", "/ca.pem"),
            ("VAULT_CLIENT_TIMEOUT", "7s"),
            ("VAULT_MAX_RETRIES", "9"),
            (HOME, "/home/me"),
        ])
        .unwrap();
        let url = builder.url.unwrap();
        assert_eq!(
            (url.name(), url.value.expose()),
            ("BAO_ADDR", "https://bao:8200")
        );
        assert_eq!(builder.namespace.unwrap().value, "team");
        let roots = builder.http.roots.as_ref().map(|roots| &roots.value);
        assert_eq!(roots, Some(&Roots::At("/ca.pem".into())));
        assert_eq!(builder.http.timeout(), Duration::from_secs(7));
        assert_eq!(builder.retries.max_retries(), 9);
        let credential = format!("{:?}", builder.credential.unwrap().value);
        assert!(credential.contains("/home/me/.vault-token"), "{credential}");
    }

    #[test]
    fn the_token_is_not_shown() {
        let builder = built(&[("VAULT_TOKEN", "s.marker")]).unwrap();
        let debug = format!("{:?}", builder.credential.unwrap().value);
        assert!(!debug.contains("s.marker"), "{debug}");
    }

    #[test]
    fn what_cannot_be_read_or_honoured_is_an_error_that_names_it() {
        for variable in [
            "VAULT_SKIP_VERIFY",
            "VAULT_CLIENT_TIMEOUT",
            "VAULT_MAX_RETRIES",
            "BAO_TLS_SERVER_NAME",
        ] {
            let error = built(&[(variable, "marker")]).unwrap_err();
            assert!(error.contains(variable), "{error}");
            assert!(!error.contains("marker"), "{error}");
        }
    }
}
