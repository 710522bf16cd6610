//! The token authority, Microsoft Entra ID: its address, and why it refuses.

use std::sync::Arc;

use azure_core::{
    Error,
    cloud::{CloudConfiguration, CustomConfiguration},
    error::ErrorKind,
    http::{ClientOptions, Url},
};

use crate::{
    ConfigurationError, Environment, Failure,
    backends::{
        azure::{
            answer,
            client::wire::{self, Wire},
        },
        causes::causes,
    },
};

const PUBLIC_CLOUD: &str = "https://login.microsoftonline.com";

/// Where tokens are asked for.
#[derive(Debug, Clone)]
pub(crate) struct Authority {
    host: String,
}

impl Authority {
    /// `AZURE_AUTHORITY_HOST`, with or without `https://`; else that of the public cloud.
    pub(crate) fn from_environment(environment: &Environment) -> Result<Self, ConfigurationError> {
        let given = environment.get("AZURE_AUTHORITY_HOST");
        Self::parse(given.unwrap_or(PUBLIC_CLOUD))
            .map_err(|why| ConfigurationError::new("AZURE_AUTHORITY_HOST", "the environment", why))
    }

    /// `https://login.example.com`, or the host alone.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim_end_matches([' ', '/']);
        let host = if text.contains("://") {
            text.to_owned()
        } else {
            format!("https://{text}")
        };
        match Url::parse(&host) {
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                Err("contains a user name or a password: remove it (AZURE-14)")
            }
            Ok(url) if url.scheme() == "https" && url.has_host() => Ok(Self { host }),
            _ => Err("must be a host or an https URL, such as login.microsoftonline.us"),
        }
    }

    /// Where `tenant_id`'s tokens come from.
    pub(super) fn token_endpoint(&self, tenant_id: &str) -> String {
        format!("{}/{tenant_id}/oauth2/v2.0/token", self.host)
    }

    /// Options for a credential of the SDK that asks here.
    pub(super) fn options(&self, wire: &Arc<Wire>) -> ClientOptions {
        let mut cloud = CustomConfiguration::default();
        cloud.authority_host.clone_from(&self.host);
        ClientOptions {
            cloud: Some(Arc::new(CloudConfiguration::Custom(cloud))),
            ..Wire::options(wire)
        }
    }

    fn name(&self) -> &str {
        self.host.trim_start_matches("https://")
    }

    /// The failure for an answer that cannot be read as a token.
    pub(super) fn unreadable(&self) -> Failure {
        Failure::unavailable(format!(
            "the answer of {} is not one of a token authority: check AZURE_AUTHORITY_HOST, \
                 and whether a proxy answered in its place",
            self.name()
        ))
    }

    /// Why there is no token, from the codes of
    /// <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>.
    pub(super) fn refusal(&self, error: &Error) -> Failure {
        if let Some(failure) = answer::own_failure(error) {
            return failure;
        }
        let host = self.name();
        let Some((status, codes)) = http_error(error) else {
            return self.unreadable();
        };
        if status == 429 {
            return wire::throttled(host, None);
        }
        if status >= 500 {
            let message = format!("{host} cannot answer (HTTP {status})");
            return Failure::unavailable(message);
        }
        let code = codes.split(',').next().unwrap_or_default();
        // OAuth 2.0 has no other refusals; this one is a gateway's.
        if code.is_empty() && !matches!(status, 400 | 401) {
            return self.unreadable();
        }
        let why = match code {
            "7000215" => {
                "the client secret is wrong: check AZURE_CLIENT_SECRET or \"client_secret\" (its value, not its id)"
            }
            "7000222" => "the client secret has expired: create a new one",
            "700016" => {
                "the tenant has no application with this client id: check the client id and the tenant id"
            }
            "90002" | "900023" => "the tenant does not exist: check the tenant id",
            "700024" => "the assertion is not valid now: check the clock of this machine",
            "700027" => "the certificate is not registered with the application, or has expired",
            "50027" => {
                "the assertion was refused: check the clock of this machine and the token file"
            }
            "70021" | "700211" | "700212" | "700213" => {
                "no federated identity of the application matches the token's issuer, subject and audience"
            }
            "500011" => {
                "the tenant has no such resource: check that the vault belongs to this tenant's cloud"
            }
            "53003" => "a conditional-access policy of the tenant blocks it",
            _ => "check the tenant id, the client id and the credential",
        };
        let code = if code.is_empty() {
            format!("HTTP {status}")
        } else {
            format!("AADSTS{code}")
        };
        Failure::access_denied(format!("{host} refused the token request ({code}): {why}"))
    }
}

/// The status and the codes of an answer of the authority, wherever in `error` they are.
fn http_error(error: &Error) -> Option<(u16, String)> {
    causes(error).find_map(|error| {
        let ErrorKind::HttpResponse {
            status, error_code, ..
        } = error.downcast_ref::<Error>()?.kind()
        else {
            return None;
        };
        let codes = error_code.clone().unwrap_or_default();
        // The codes are numbers; nothing else of an answer is shown.
        let is_numbers = codes.chars().all(|c| c.is_ascii_digit() || c == ',');
        let codes = if is_numbers { codes } else { String::new() };
        Some((u16::from(*status), codes))
    })
}
