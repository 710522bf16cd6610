//! Systems Manager's Parameter Store: `GetParameter` and `GetParameters`, with decryption.

use async_trait::async_trait;
use aws_sdk_ssm::{
    Client,
    config::{BehaviorVersion, Builder, retry::RetryConfig},
    error::SdkError,
    operation::get_parameter::{GetParameterError, GetParameterOutput},
};

use super::{
    Calls, Reading, Readings, Service, facts::Facts, session::Session, signing::SignedBelow,
};
use crate::{
    Failure, Secret,
    backend::MAX_CONCURRENT_LOOKUPS,
    backends::aws::answer::{self, BatchError, CallError},
};

/// Systems Manager's Parameter Store, as a [`Service`].
#[derive(Debug)]
pub struct ParameterStore {
    client: Client,
    explain: answer::Explain,
}

impl Service for ParameterStore {}

#[async_trait]
impl Calls for ParameterStore {
    const FACTS: Facts = Facts {
        name: "aws_parameter_store",
        class: "SystemsManagerParameterStoreBackend",
        service_id: "SSM",
        api_version: "2014-11-06",
        prefixes: [
            "/airflow/connections",
            "/airflow/variables",
            "/airflow/config",
        ],
        is_path: true,
        action: "ssm:GetParameter",
        batch_action: "ssm:GetParameters",
        batch_size: 10,
        // AWS's default quota is 40 a second.
        concurrent_requests: MAX_CONCURRENT_LOOKUPS,
    };

    fn connect(session: Session) -> Self {
        let mut config = Builder::from(&session.sdk)
            .behavior_version(BehaviorVersion::latest())
            .retry_partition(session.retry_partition)
            .push_auth_scheme(SignedBelow);
        if let Some(url) = session.endpoint_url {
            config = config.endpoint_url(url);
        }
        Self {
            client: Client::from_conf(config.build()),
            explain: session.explain,
        }
    }

    async fn read(&self, name: &str) -> Result<Reading, Failure> {
        let call = self.client.get_parameter().name(name).with_decryption(true);
        self.reading(call.send().await)
    }

    async fn read_once(&self, name: &str) -> Result<Reading, Failure> {
        let call = self.client.get_parameter().name(name).with_decryption(true);
        let once = Builder::new().retry_config(RetryConfig::disabled());
        self.reading(call.customize().config_override(once).send().await)
    }

    async fn read_batch(&self, names: &[&str]) -> Result<Readings, BatchError> {
        // One with a version or a label is read by itself: the answers would look alike.
        let names = names.iter().filter(|name| !has_selector(name));
        let names = names.map(|name| (*name).to_owned()).collect::<Vec<_>>();
        if names.is_empty() {
            return Ok(Readings::new());
        }
        let call = self.client.get_parameters().with_decryption(true);
        let answer = call.set_names(Some(names)).send().await;
        let answer = answer.map_err(|error| self.explain.batch(&answer::call_error(&error)))?;
        let mut readings = Readings::new();
        for parameter in answer.parameters.unwrap_or_default() {
            let Some(value) = parameter.value.map(Secret::from) else {
                continue;
            };
            for name in [parameter.name, parameter.arn].into_iter().flatten() {
                readings.insert(name, Ok(Reading::Found(value.clone())));
            }
        }
        for name in answer.invalid_parameters.unwrap_or_default() {
            readings.insert(name, Ok(self.absent()));
        }
        Ok(readings)
    }
}

impl ParameterStore {
    fn reading(
        &self,
        answer: Result<GetParameterOutput, SdkError<GetParameterError>>,
    ) -> Result<Reading, Failure> {
        match answer {
            Ok(answer) => {
                let value = answer.parameter.and_then(|parameter| parameter.value);
                let found = value.map(|value| Reading::Found(Secret::from(value)));
                found.ok_or_else(|| self.explain.failure(&CallError::NotUnderstood))
            }
            Err(error) => self.not_read(&answer::call_error(&error)),
        }
    }

    fn absent(&self) -> Reading {
        Reading::absent(format!(
            "{} has no parameter of this name",
            self.explain.whom
        ))
    }

    /// The reading for an error. Airflow treats one of them as absent.
    fn not_read(&self, trouble: &CallError) -> Result<Reading, Failure> {
        match trouble.code() {
            Some("ParameterNotFound") => Ok(self.absent()),
            Some("ParameterVersionNotFound") => Err(Failure::invalid_value(
                "the parameter has no such version or label",
            )),
            Some("InvalidKeyId") => Err(Failure::access_denied(
                "the parameter cannot be decrypted: check its KMS key, and allow kms:Decrypt on it",
            )),
            Some("ValidationException") => Ok(Reading::Skipped(answer::no_such_name())),
            _ => Err(self.explain.failure(trouble)),
        }
    }
}

/// Whether a name, or an ARN, ends in a version or a label.
fn has_selector(name: &str) -> bool {
    let own = if name.starts_with("arn:") { 5 } else { 0 };
    name.matches(':').count() > own
}
