//! The credentials of a container: ECS's and EKS Pod Identity's.

use std::net::IpAddr;

use aws_credential_types::Credentials;
use url::Url;

use super::{
    ask::{self, Method, Question},
    source::Source,
};
use crate::{
    Environment, Failure, Secret,
    backends::{
        aws::client::http::{self, Wire},
        proxies::Proxies,
        tls::Tls,
    },
    files,
};

const RELATIVE_URI: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const FULL_URI: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";

/// The endpoint of ECS.
const ECS: &str = "http://169.254.170.2";
/// The hosts that may be asked over plain HTTP, besides loopback addresses.
const HOSTS: &[&str] = &[
    "169.254.170.2",
    "169.254.170.23",
    "[fd00:ec2::23]",
    "localhost",
];

/// Asks the container's endpoint, each time, and never through a proxy.
#[derive(Debug)]
pub(super) struct Container {
    pub(super) environment: Environment,
    pub(super) wire: Wire,
}

impl Container {
    /// Whether the environment names a container's endpoint.
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
            "{FULL_URI} in the environment must be an https URL, or an http URL of a loopback \
             address or of one of {}",
            HOSTS.join(", ")
        )))
    }

    async fn token(&self) -> Result<Option<Secret>, Failure> {
        let token = match (
            self.environment.get(TOKEN_FILE),
            self.environment.get(TOKEN),
        ) {
            (Some(path), _) => {
                let token = files::read_text_in_background(path).await;
                let unusable = |error| {
                    Failure::configuration(format!(
                        "the file {path}, which {TOKEN_FILE} names, cannot be read: {error}"
                    ))
                };
                token.map_err(unusable)?
            }
            (None, Some(token)) => Secret::from(token),
            (None, None) => return Ok(None),
        };
        if token.expose().contains(['\r', '\n']) {
            return Err(Failure::configuration(format!(
                "the token in {TOKEN}, or in the file that {TOKEN_FILE} names, contains a line break: \
                 remove it"
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
            remedy: "check AWS_CONTAINER_AUTHORIZATION_TOKEN or its file, and the role of the task or pod",
        };
        let wire = self.wire.through(Proxies::none());
        let http = http::client(&wire, Tls::default().config().await?);
        let answer = question.ask(http).await?;
        ask::credentials(&answer, "container").ok_or_else(|| {
            Failure::unavailable(
                "the endpoint for the container's AWS credentials answered without credentials",
            )
        })
    }
}

impl Source for Container {
    async fn credentials(&self) -> Result<Option<Credentials>, Failure> {
        self.ask().await.map(Some)
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
                max_requests: 0,
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
