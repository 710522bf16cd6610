//! The credentials of a container: ECS's and EKS Pod Identity's.

use std::net::IpAddr;

use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, error::CredentialsError, future},
};
use url::Url;

use super::ask::{self, Method, Question};
use crate::{
    Environment, Failure, Secret,
    backends::aws::{
        http::{self, Wire},
        proxy::Proxies,
        tls::{self, Trust},
    },
};

const RELATIVE_URI: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const FULL_URI: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";

/// Where ECS gives credentials.
const ECS: &str = "http://169.254.170.2";
/// Who may be asked over plain HTTP, besides this machine itself.
const HOSTS: &[&str] = &[
    "169.254.170.2",
    "169.254.170.23",
    "[fd00:ec2::23]",
    "localhost",
];

/// Asks the container's own endpoint, each time, and never through a proxy.
#[derive(Debug)]
pub(super) struct Container {
    pub(super) environment: Environment,
    pub(super) wire: Wire,
}

impl Container {
    /// Whether this is a container that has credentials.
    pub(super) fn is_one(environment: &Environment) -> bool {
        let is_set = |name| environment.get(name).is_some();
        is_set(RELATIVE_URI) || is_set(FULL_URI)
    }

    fn url(&self) -> Result<Url, Failure> {
        if let Some(path) = self.environment.get(RELATIVE_URI) {
            return ask::url(RELATIVE_URI, &format!("{ECS}{path}"));
        }
        let url = ask::url(FULL_URI, self.environment.get(FULL_URI).unwrap_or_default())?;
        let host = url.host_str().unwrap_or_default();
        let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
        let is_own = address.is_ok_and(|address| address.is_loopback());
        if url.scheme() == "https" || is_own || HOSTS.contains(&host) {
            return Ok(url);
        }
        Err(Failure::configuration(format!(
            "{FULL_URI} in the environment must be an https address, one of this machine's own, or \
             at one of {}",
            HOSTS.join(", ")
        )))
    }

    async fn token(&self) -> Result<Option<Secret>, Failure> {
        let token = match (
            self.environment.get(TOKEN_FILE),
            self.environment.get(TOKEN),
        ) {
            (Some(path), _) => {
                let token = tokio::fs::read_to_string(path).await;
                let unusable = |error| {
                    Failure::configuration(format!(
                        "the file {path}, which {TOKEN_FILE} names, cannot be read: {error}"
                    ))
                };
                Secret::from(token.map_err(unusable)?)
            }
            (None, Some(token)) => Secret::from(token),
            (None, None) => return Ok(None),
        };
        if token.expose().contains(['\r', '\n']) {
            return Err(Failure::configuration(format!(
                "the token that {TOKEN} or {TOKEN_FILE} gives has a line break in it"
            )));
        }
        Ok(Some(token))
    }

    async fn ask(&self) -> Result<Credentials, Failure> {
        let accept = ("accept", Secret::from("application/json"));
        let token = self.token().await?.map(|token| ("authorization", token));
        let question = Question {
            whom: "the endpoint for the container's AWS credentials",
            url: self.url()?,
            headers: [accept].into_iter().chain(token).collect(),
            method: Method::Get,
        };
        let wire = self.wire.through(Proxies::none());
        let http_client = http::client(&wire, tls::config(&Trust::Mozilla, None).await?);
        let answer = question.ask(http_client).await?;
        ask::credentials(&answer, "container").ok_or_else(|| {
            Failure::unavailable(
                "the endpoint for the container's AWS credentials answered with what are none",
            )
        })
    }
}

impl ProvideCredentials for Container {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let ask = async { self.ask().await.map_err(CredentialsError::provider_error) };
        future::ProvideCredentials::new(ask)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_relative_address_is_ecss_own_and_comes_before_a_full_one() {
        let url = |variables: &[(&str, &str)]| {
            let environment = variables.iter().copied().collect::<Environment>();
            assert!(Container::is_one(&environment));
            let wire = Wire {
                connect_timeout: Duration::ZERO,
                read_timeout: Duration::ZERO,
                proxies: Proxies::none(),
                most_idle_connections: 0,
                without_tls: false,
            };
            let container = Container { environment, wire };
            container.url().unwrap().to_string()
        };
        let full = (FULL_URI, "http://[fd00:ec2::23]/v1/credentials");
        let relative = (RELATIVE_URI, "/v2/credentials/task?a=1");
        assert_eq!(url(&[full]), full.1);
        assert_eq!(
            url(&[full, relative]),
            "http://169.254.170.2/v2/credentials/task?a=1"
        );
        assert!(!Container::is_one(&Environment::default()));
    }
}
