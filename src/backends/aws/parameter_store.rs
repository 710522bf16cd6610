//! Systems Manager's Parameter Store: `GetParameter` and `GetParameters`, decrypted.

use async_trait::async_trait;
use aws_sdk_ssm::{
    Client,
    config::{BehaviorVersion, Builder},
};

use super::{
    Service,
    facts::Facts,
    service::{Calls, Reading, Readings},
    session::Session,
    trouble::{self, BatchTrouble, Trouble},
};
use crate::{Failure, Secret};

/// Systems Manager's Parameter Store, as a [`Service`].
#[derive(Debug)]
pub struct ParameterStore {
    client: Client,
    explain: trouble::Explain,
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
        let call = self.client.get_parameter().name(name).with_decryption(true);
        match call.send().await {
            Ok(answer) => Ok(reading(answer.parameter.and_then(|found| found.value))),
            Err(error) => self.not_read(&trouble::trouble(&error)),
        }
    }

    async fn read_batch(&self, names: &[&str]) -> Result<Readings, BatchTrouble> {
        let all = names.iter().map(|name| (*name).to_owned());
        let call = self.client.get_parameters().with_decryption(true);
        let answer = call.set_names(Some(all.collect())).send().await;
        let answer = answer.map_err(|error| self.explain.batch(&trouble::trouble(&error)))?;
        let mut readings = Readings::new();
        for parameter in answer.parameters.unwrap_or_default() {
            // A name may end in a selector: a version, or a label.
            let selector = parameter.selector.unwrap_or_default();
            let name = format!("{}{selector}", parameter.name.unwrap_or_default());
            readings.insert(name, Ok(reading(parameter.value)));
        }
        for name in answer.invalid_parameters.unwrap_or_default() {
            // Whether it is the parameter or its version that is not there, a read by itself tells.
            if !name.contains(':') {
                readings.insert(name, Ok(Reading::absent()));
            }
        }
        if names.iter().any(|name| !readings.contains_key(*name)) {
            return Err(BatchTrouble::NotAsBatch);
        }
        Ok(readings)
    }
}

impl ParameterStore {
    /// What an error comes to: one of them Airflow takes for "absent".
    fn not_read(&self, trouble: &Trouble) -> Result<Reading, Failure> {
        match trouble.code() {
            Some("ParameterNotFound") => Ok(Reading::absent()),
            Some("ParameterVersionNotFound") => Err(Failure::invalid_value(
                "the parameter has no such version or label",
            )),
            Some("InvalidKeyId") => Err(Failure::access_denied(
                "the parameter cannot be decrypted: see to its KMS key, and to kms:Decrypt for it",
            )),
            Some("ValidationException") => Ok(Reading::Skipped(trouble::no_such_name())),
            _ => Err(self.explain.failure(trouble)),
        }
    }
}

fn reading(text: Option<String>) -> Reading {
    match text {
        Some(text) => Reading::Found(Secret::from(text)),
        None => Reading::absent_because("the parameter has no value"),
    }
}
