//! Arguments within arguments: `retries` in `config_kwargs`, and `assume_role_kwargs`.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::backends::aws::{assume_role::AssumeRole, options::RetryMode, options::SessionOptions};

/// `retries` of botocore's `Config`.
pub(super) fn take_retries(
    retries: &Map<String, Value>,
    session: &mut SessionOptions,
) -> Result<(), &'static str> {
    for (name, value) in retries {
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
        match (name.as_str(), number) {
            // botocore counts the first attempt in one of them, and takes that one before the other.
            ("max_attempts", Some(_)) if retries.contains_key("total_max_attempts") => {}
            ("max_attempts", Some(repetitions)) => {
                session.max_attempts = Some(repetitions.saturating_add(1));
            }
            ("total_max_attempts", Some(attempts)) if attempts > 0 => {
                session.max_attempts = Some(attempts);
            }
            ("max_attempts" | "total_max_attempts", _) => {
                return Err("has a number of attempts that is none");
            }
            ("mode", _) => {
                session.retry_mode = Some(match value.as_str() {
                    Some("standard") => RetryMode::Standard,
                    Some("legacy" | "adaptive") => RetryMode::Adaptive,
                    _ => return Err("has a mode that is none of legacy, standard and adaptive"),
                });
            }
            _ => return Err("takes max_attempts, total_max_attempts and mode"),
        }
    }
    Ok(())
}

/// One of `assume_role_kwargs`.
pub(super) fn take_role_option(
    role: &mut AssumeRole,
    name: &str,
    value: &Value,
) -> Result<(), String> {
    let text = |least: usize| match value.as_str() {
        Some(text) if text.chars().count() >= least => Ok(Some(text.to_owned())),
        _ => Err(format!("must be a text of at least {least} characters")),
    };
    let pairs = |key: &str, other: &str| {
        let field = |pair: &Value, name: &str| pair.get(name)?.as_str().map(str::to_owned);
        let pairs = value.as_array().and_then(|pairs| {
            let pairs = pairs.iter();
            pairs
                .map(|pair| Some((field(pair, key)?, field(pair, other)?)))
                .collect::<Option<Vec<_>>>()
        });
        pairs.ok_or_else(|| format!("must be a list of objects with {key:?} and {other:?}"))
    };
    let is_web_identity = role.web_identity.is_some();
    match name {
        // That of "role_arn" counts.
        "RoleArn" => {}
        "RoleSessionName" => role.session_name = text(2)?,
        "DurationSeconds" => {
            let seconds = value.as_u64().filter(|seconds| *seconds >= 900);
            let seconds = seconds.ok_or("must be a whole number of seconds, 900 at least")?;
            role.duration = Some(Duration::from_secs(seconds));
        }
        "Policy" => role.policy = text(1)?,
        "PolicyArns" => {
            let arns = value.as_array().and_then(|arns| {
                let arns = arns.iter().map(|arn| arn.get("arn")?.as_str());
                arns.map(|arn| arn.map(str::to_owned)).collect()
            });
            role.policy_arns = arns.ok_or("must be a list of objects with an \"arn\"")?;
        }
        "ProviderId" if is_web_identity => role.provider_id = text(4)?,
        _ if is_web_identity => {
            return Err(
                "is nothing that assume_role_with_web_identity takes: it takes RoleSessionName, \
                 DurationSeconds, Policy, PolicyArns and ProviderId"
                    .to_owned(),
            );
        }
        "ExternalId" => role.external_id = text(2)?,
        "Tags" => role.tags = pairs("Key", "Value")?,
        "TransitiveTagKeys" => {
            let keys = value.as_array().and_then(|keys| {
                let keys = keys.iter().map(|key| key.as_str().map(str::to_owned));
                keys.collect()
            });
            role.transitive_tag_keys = keys.ok_or("must be a list of texts")?;
        }
        "SerialNumber" => role.serial_number = text(9)?,
        "TokenCode" => role.token_code = text(6)?,
        "SourceIdentity" => role.source_identity = text(2)?,
        "ProvidedContexts" => role.provided_contexts = pairs("ProviderArn", "ContextAssertion")?,
        _ => return Err("is nothing that assume_role takes".to_owned()),
    }
    Ok(())
}
