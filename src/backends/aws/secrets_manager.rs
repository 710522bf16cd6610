//! AWS Secrets Manager: `GetSecretValue` and `BatchGetSecretValue`.

use async_trait::async_trait;
use aws_sdk_secretsmanager::{
    Client,
    config::{BehaviorVersion, Builder},
    types::SecretValueEntry,
};

use super::{
    Service,
    facts::Facts,
    service::{Calls, Reading, Readings},
    session::Session,
    trouble::{self, BatchTrouble, Code, Trouble},
};
use crate::{Failure, Secret};

/// AWS Secrets Manager, as a [`Service`].
#[derive(Debug)]
pub struct SecretsManager {
    client: Client,
    explain: trouble::Explain,
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
    };

    fn connect(session: Session) -> Self {
        let mut config = Builder::from(&session.sdk)
            .behavior_version(BehaviorVersion::latest())
            .retry_partition(session.retry_partition);
        if let Some(url) = session.endpoint_url {
            config = config.endpoint_url(url);
        }
        Self {
            client: Client::from_conf(config.build()),
            explain: session.explain,
        }
    }

    async fn read(&self, name: &str) -> Result<Reading, Failure> {
        match self.client.get_secret_value().secret_id(name).send().await {
            Ok(answer) => Ok(reading(answer.secret_string)),
            Err(error) => self.not_read(&trouble::trouble(&error)),
        }
    }

    async fn read_batch(&self, names: &[&str]) -> Result<Readings, BatchTrouble> {
        let ids = names.iter().map(|name| (*name).to_owned());
        let call = self.client.batch_get_secret_value();
        let answer = call.set_secret_id_list(Some(ids.collect())).send().await;
        let answer = answer.map_err(|error| self.explain.batch(&trouble::trouble(&error)))?;
        let mut readings = Readings::new();
        for entry in answer.secret_values.unwrap_or_default() {
            let SecretValueEntry {
                arn,
                name,
                secret_string,
                ..
            } = entry;
            let reading = reading(secret_string);
            // An id may also be an ARN, or the beginning of one.
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
                readings.insert(id, self.not_read(&Trouble::Service(code)));
            }
        }
        if names.iter().any(|name| !readings.contains_key(*name)) {
            return Err(BatchTrouble::NotAsBatch);
        }
        Ok(readings)
    }
}

impl SecretsManager {
    /// What an error comes to: five of them Airflow takes for "absent".
    fn not_read(&self, trouble: &Trouble) -> Result<Reading, Failure> {
        let failure = || self.explain.failure(trouble);
        let absent_with = |failure| {
            Ok(Reading::Absent {
                reason: None,
                failure: Some(failure),
            })
        };
        match trouble.code() {
            Some("ResourceNotFoundException") => Ok(Reading::absent()),
            Some("InvalidRequestException") => Ok(Reading::absent_because(
                "AWS does not give it: it is marked for deletion, or has no current version",
            )),
            Some("InvalidParameterException") => Ok(Reading::absent_because(
                "AWS takes it for no name of a secret",
            )),
            Some("DecryptionFailure") => absent_with(Failure::access_denied(
                "the secret cannot be decrypted: see to its KMS key, and to kms:Decrypt for it",
            )),
            Some("InternalServiceError") => absent_with(failure()),
            Some("ValidationException") => Ok(Reading::Skipped(trouble::no_such_name())),
            _ => Err(failure()),
        }
    }
}

fn reading(text: Option<String>) -> Reading {
    match text {
        Some(text) => Reading::Found(Secret::from(text)),
        None => Reading::absent_because("it is a binary secret, and Airflow reads texts alone"),
    }
}

/// Whether `id` is `arn`, with or without the six characters that AWS adds to a name.
fn is_arn_of(id: &str, arn: &str) -> bool {
    arn.strip_prefix(id)
        .is_some_and(|rest| rest.is_empty() || rest.len() == 7 && rest.starts_with('-'))
}
