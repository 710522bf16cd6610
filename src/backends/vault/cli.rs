//! The environment of the `vault` and `bao` commands, for programs that want it.

use std::{path::PathBuf, time::Duration};

use super::{
    Login,
    builder::VaultBuilder,
    tls::{ClientCertificate, Roots},
};
use crate::{ConfigurationError, Environment, backends::given::Given};

/// Where errors say that a variable came from.
const ORIGIN: &str = "the environment";

impl VaultBuilder {
    /// Takes its options from the variables of the `vault` and `bao` commands, which Airflow's
    /// class does not read: the address, the token (else that in `~/.vault-token`), the namespace,
    /// the certificates, whether to check them, the time-out, the retries, the proxy. Each may
    /// begin with `BAO_` or `VAULT_`; the former wins. What is set in code after this call wins
    /// over both.
    ///
    /// # Errors
    /// When a variable cannot be read, or honoured.
    pub fn cli_environment(
        mut self,
        environment: &Environment,
    ) -> Result<Self, ConfigurationError> {
        let cli = Cli(environment);
        if let Some(variable) = cli.get("TLS_SERVER_NAME") {
            return Err(variable.error("cannot be honoured: use the server's own name in the URL"));
        }
        if let Some(address) = cli.get("ADDR") {
            let Given {
                value,
                setting,
                origin,
            } = address;
            self.url = Some(Given {
                value: value.into(),
                setting,
                origin,
            });
        }
        if let Some(login) = cli.login() {
            self.login = Some(login);
        }
        if let Some(namespace) = cli.get("NAMESPACE") {
            self.namespace = Some(namespace);
        }
        if let Some(authorities) = cli.get("CACERT").or_else(|| cli.get("CAPATH")) {
            self.tls.roots = Roots::At(authorities.value.into());
        }
        if cli.flag("SKIP_VERIFY")? {
            self.tls.roots = Roots::Unchecked;
        }
        if let Some(certificate) = cli.get("CLIENT_CERT") {
            let key = cli.get("CLIENT_KEY").map(|key| key.value.into());
            let certificate = certificate.value.into();
            self.tls.identity = Some(ClientCertificate { certificate, key });
        }
        if let Some(proxy) = cli.get("PROXY_ADDR").or_else(|| cli.get("HTTP_PROXY")) {
            self = self.proxy(proxy.value);
        }
        if let Some(seconds) = cli.seconds("CLIENT_TIMEOUT")? {
            self = self.timeout(Duration::from_secs(seconds));
        }
        if let Some(retries) = cli.get("MAX_RETRIES") {
            let count = retries.value.parse();
            self = self.max_retries(count.map_err(|_| retries.error("must be a number"))?);
        }
        if cli.flag("DISABLE_REDIRECTS")? {
            self = self.follow_redirects(false);
        }
        Ok(self)
    }
}

struct Cli<'a>(&'a Environment);

impl Cli<'_> {
    /// A variable that is set and not empty.
    fn get(&self, name: &str) -> Option<Given<String>> {
        ["BAO", "VAULT"].iter().find_map(|prefix| {
            let name = format!("{prefix}_{name}");
            let value = self.0.non_empty(&name)?;
            Some(Given::new(&name, ORIGIN, value.to_owned()))
        })
    }

    fn login(&self) -> Option<Given<Login>> {
        if let Some(Given {
            value,
            setting,
            origin,
        }) = self.get("TOKEN")
        {
            return Some(Given {
                value: Login::token(value),
                setting,
                origin,
            });
        }
        let home = self.0.non_empty("HOME")?;
        let file = PathBuf::from(home).join(".vault-token");
        Some(Given::new(
            "~/.vault-token",
            "HOME",
            Login::token_path(file),
        ))
    }

    fn flag(&self, name: &str) -> Result<bool, ConfigurationError> {
        let Some(variable) = self.get(name) else {
            return Ok(false);
        };
        match variable.value.as_str() {
            "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
            "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
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

    fn built(variables: &[(&str, &str)]) -> Result<String, String> {
        let environment = variables.iter().copied().collect::<Environment>();
        let builder = VaultBackend::builder().cli_environment(&environment);
        let builder = builder.map_err(|error| error.to_string())?;
        Ok(format!("{builder:?}"))
    }

    #[test]
    fn the_variables_of_the_commands_are_read() {
        let debug = built(&[
            ("VAULT_ADDR", "https://vault:8200"),
            ("BAO_ADDR", "https://bao:8200"),
            ("VAULT_NAMESPACE", "team"),
            ("VAULT_CACERT", "/ca.pem"),
            ("VAULT_CLIENT_TIMEOUT", "7s"),
            ("VAULT_MAX_RETRIES", "9"),
            ("HOME", "/home/me"),
        ])
        .unwrap();
        for part in [
            "setting: \"BAO_ADDR\"",
            "\"team\"",
            "At(\"/ca.pem\")",
            "timeout: 7s",
            "max_retries: 9",
            "/home/me/.vault-token",
        ] {
            assert!(debug.contains(part), "{part} in {debug}");
        }
    }

    #[test]
    fn the_token_is_not_shown() {
        let debug = built(&[("VAULT_TOKEN", "s.marker")]).unwrap();
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
