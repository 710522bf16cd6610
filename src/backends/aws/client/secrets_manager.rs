//! AWS Secrets Manager: `GetSecretValue` and `BatchGetSecretValue`.

use async_trait::async_trait;
use aws_sdk_secretsmanager::{
    Client,
    config::{BehaviorVersion, Builder, retry::RetryConfig},
    error::SdkError,
    operation::get_secret_value::{GetSecretValueError, GetSecretValueOutput},
    types::SecretValueEntry,
};

use super::{
    Calls, Reading, Readings, Service, facts::Facts, session::Session, signing::SignedBelow,
};
use crate::{
    Failure, Secret,
    backends::aws::answer::{self, BatchError, CallError, Code},
};

/// AWS Secrets Manager, as a [`Service`].
#[derive(Debug)]
pub struct SecretsManager {
    client: Client,
    explain: answer::Explain,
}

impl Service for SecretsManager {}

#[async_trait]
impl Calls for SecretsManager {
    const FACTS: Facts = Facts {
        name: "aws_secrets_manager",
        class: "SecretsManagerBackend",
        service_id: "Secrets Manager",
        api_version: "2017-10-17",
        prefixes: ["airflow/connections", "airflow/variables", "airflow/config"],
        is_path: false,
        action: "secretsmanager:GetSecretValue",
        batch_action: "secretsmanager:BatchGetSecretValue",
        batch_size: 20,
        // AWS's quota is thousands a second.
        concurrent_requests: 64,
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
        let call = self.client.get_secret_value().secret_id(name);
        self.reading(call.send().await)
    }

    async fn read_once(&self, name: &str) -> Result<Reading, Failure> {
        let call = self.client.get_secret_value().secret_id(name).customize();
        let once = Builder::new().retry_config(RetryConfig::disabled());
        self.reading(call.config_override(once).send().await)
    }

    async fn read_batch(&self, names: &[&str]) -> Result<Readings, BatchError> {
        let ids = names.iter().map(|name| (*name).to_owned());
        let call = self.client.batch_get_secret_value();
        let answer = call.set_secret_id_list(Some(ids.collect())).send().await;
        let answer = answer.map_err(|error| self.explain.batch(&answer::call_error(&error)))?;
        let mut readings = Readings::new();
        for entry in answer.secret_values.unwrap_or_default() {
            let SecretValueEntry {
                arn,
                name,
                secret_string,
                secret_binary,
                ..
            } = entry;
            let Some(reading) = reading(secret_string, secret_binary.is_some()) else {
                continue;
            };
            // An id may also be an ARN, or an ARN without its last six characters.
            for id in names {
                let is_it = name.as_deref() == Some(id)
                    || arn.as_deref().is_some_and(|arn| is_arn_of(id, arn));
                if is_it {
                    readings.insert((*id).to_owned(), Ok(reading.clone()));
                }
            }
        }
        for error in answer.errors.unwrap_or_default() {
            if let Some(id) = error.secret_id {
                let code = Code::new(error.error_code.as_deref(), error.message.as_deref());
                let error = CallError::Service(code);
                // A read by itself is retried.
                if !error.is_transient() {
                    readings.insert(id, self.not_read(&error));
                }
            }
        }
        Ok(readings)
    }
}

impl SecretsManager {
    fn reading(
        &self,
        answer: Result<GetSecretValueOutput, SdkError<GetSecretValueError>>,
    ) -> Result<Reading, Failure> {
        match answer {
            Ok(answer) => {
                let reading = reading(answer.secret_string, answer.secret_binary.is_some());
                reading.ok_or_else(|| self.explain.failure(&CallError::NotUnderstood))
            }
            Err(error) => self.not_read(&answer::call_error(&error)),
        }
    }

    /// The reading for an error. Airflow treats five of them as absent.
    fn not_read(&self, trouble: &CallError) -> Result<Reading, Failure> {
        let failure = || self.explain.failure(trouble);
        let absent_with = |failure| {
            Ok(Reading::Absent {
                reason: None,
                failure: Some(failure),
            })
        };
        match trouble.code() {
            Some("ResourceNotFoundException") => Ok(Reading::absent(format!(
                "{} has no secret of this name",
                self.explain.whom
            ))),
            Some("InvalidRequestException") => Ok(Reading::absent(
                "the secret is scheduled for deletion, or has no current version",
            )),
            Some("InvalidParameterException") => Ok(Reading::absent(
                "AWS does not accept it as the name of a secret",
            )),
            Some("DecryptionFailure") => absent_with(Failure::access_denied(
                "the secret cannot be decrypted: check its KMS key, and allow kms:Decrypt on it \
                 (AWS-8)",
            )),
            Some("InternalServiceError") => absent_with(failure()),
            Some("ValidationException") => Ok(Reading::Skipped(answer::no_such_name())),
            _ => Err(failure()),
        }
    }
}

/// The reading of a secret; `None` where the answer holds none, and so is not the service's.
fn reading(text: Option<String>, is_binary: bool) -> Option<Reading> {
    let binary = || Reading::absent("the secret is binary; Airflow reads only text");
    let text = text.map(|text| Reading::Found(Secret::from(text)));
    text.or_else(|| is_binary.then(binary))
}

/// Whether `id` is `arn`, with or without the six characters that AWS adds to a name.
fn is_arn_of(id: &str, arn: &str) -> bool {
    arn.strip_prefix(id)
        .is_some_and(|rest| rest.is_empty() || rest.len() == 7 && rest.starts_with('-'))
}
