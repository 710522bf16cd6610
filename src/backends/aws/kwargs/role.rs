//! The role to assume: `role_arn`, `assume_role_method`, `assume_role_kwargs` and the arguments for
//! a web identity.

use std::{path::PathBuf, time::Duration};

use serde_json::Value;

use crate::{
    ConfigurationError, Environment,
    backends::aws::credential::assume_role::{AssumeRole, WebIdentityToken},
    config::{Kwargs, Setting},
};

/// The role, if `role_arn` names one; without it the other arguments have no effect.
pub(super) fn take(
    kwargs: &mut Kwargs,
    environment: &Environment,
) -> Result<Option<Setting<AssumeRole>>, ConfigurationError> {
    let arn = kwargs.truthy("role_arn").map(Setting::text).transpose()?;
    let method = kwargs.take("assume_role_method");
    let options = kwargs.truthy("assume_role_kwargs");
    let federation = kwargs.any("assume_role_with_web_identity_federation");
    let token_file = kwargs.non_empty("assume_role_with_web_identity_token_file")?;
    let audience = kwargs.text("assume_role_with_web_identity_federation_audience")?;
    kwargs.ignore(&["assume_role_with_saml"]);
    let Some(arn) = arn else {
        return Ok(None);
    };
    let mut role = new(&arn)?;
    if is_web_identity(method)? {
        let blamed = federation.as_ref().map(|given| given.with(()));
        let blamed = blamed.unwrap_or_else(|| arn.with(()));
        let named = federation.as_ref().and_then(|given| given.value.as_str());
        role.web_identity = Some(match named {
            Some("file") => WebIdentityToken::File(token_path(token_file, environment, &blamed)?),
            Some("google") => WebIdentityToken::Google {
                audience: audience.map(|audience| audience.value),
            },
            _ => {
                return Err(blamed.error(
                    "assume_role_with_web_identity needs \
                     \"assume_role_with_web_identity_federation\": \"file\" or \"google\"",
                ));
            }
        });
    }
    if let Some(options) = options {
        role_options(options.object()?, &mut role)?;
    }
    Ok(Some(arn.with(role)))
}

/// The role that the arguments of boto3's `assume_role` describe.
///
/// # Errors
/// When boto3 refuses one, or the role or the name of the session is missing.
#[cfg(feature = "vault")]
pub(crate) fn of_boto3(mut kwargs: Kwargs) -> Result<AssumeRole, ConfigurationError> {
    let mut role = new(&kwargs.required("RoleArn")?)?;
    let session_name = kwargs.required("RoleSessionName")?;
    role_options(kwargs, &mut role)?;
    Ok(role.session_name(session_name.value))
}

fn new(arn: &Setting<String>) -> Result<AssumeRole, ConfigurationError> {
    // STS refuses shorter ones.
    if arn.value.chars().count() < 20 {
        return Err(arn.error(
            "is not the ARN of a role, which looks like arn:aws:iam::123456789012:role/reader",
        ));
    }
    Ok(AssumeRole::new(&*arn.value))
}

fn is_web_identity(method: Option<Setting<Value>>) -> Result<bool, ConfigurationError> {
    let Some(method) = method else {
        return Ok(false);
    };
    match method.value.as_str() {
        Some("assume_role") => Ok(false),
        Some("assume_role_with_web_identity") => Ok(true),
        Some("assume_role_with_saml") => Err(method.error(
            "SAML is not supported: use assume_role or assume_role_with_web_identity (AWS-25)",
        )),
        _ => Err(method
            .error("must be assume_role, which is the default, or assume_role_with_web_identity")),
    }
}

fn token_path(
    given: Option<Setting<String>>,
    environment: &Environment,
    blamed: &Setting<()>,
) -> Result<PathBuf, ConfigurationError> {
    let variable = || environment.non_empty("AWS_WEB_IDENTITY_TOKEN_FILE");
    let path = given.map(|path| path.value.into());
    path.or_else(|| variable().map(PathBuf::from))
        .ok_or_else(|| {
            blamed.error(
            "needs \"assume_role_with_web_identity_token_file\", or AWS_WEB_IDENTITY_TOKEN_FILE \
             in the environment",
        )
        })
}

/// `assume_role_kwargs`. As in boto3, `null` is refused.
fn role_options(mut kwargs: Kwargs, role: &mut AssumeRole) -> Result<(), ConfigurationError> {
    // "role_arn" replaces it.
    kwargs.ignore(&["RoleArn"]);
    role.session_name = text(&mut kwargs, "RoleSessionName", 2)?;
    if let Some(seconds) = kwargs.take("DurationSeconds") {
        role.duration = Some(Duration::from_secs(seconds.count(900)?.value.into()));
    }
    role.policy = text(&mut kwargs, "Policy", 1)?;
    role.policy_arns = each(
        &mut kwargs,
        "PolicyArns",
        "objects with an \"arn\"",
        |arn| field(arn, "arn"),
    )?;
    if role.web_identity.is_some() {
        role.provider_id = text(&mut kwargs, "ProviderId", 4)?;
        return kwargs.deny_unknown();
    }
    role.external_id = text(&mut kwargs, "ExternalId", 2)?;
    let expected = "objects with \"Key\" and \"Value\"";
    role.tags = each(&mut kwargs, "Tags", expected, |tag| {
        Some((field(tag, "Key")?, field(tag, "Value")?))
    })?;
    role.transitive_tag_keys = each(&mut kwargs, "TransitiveTagKeys", "texts", |key| {
        key.as_str().map(str::to_owned)
    })?;
    role.serial_number = text(&mut kwargs, "SerialNumber", 9)?;
    role.token_code = text(&mut kwargs, "TokenCode", 6)?;
    role.source_identity = text(&mut kwargs, "SourceIdentity", 2)?;
    let expected = "objects with \"ProviderArn\" and \"ContextAssertion\"";
    role.provided_contexts = each(&mut kwargs, "ProvidedContexts", expected, |context| {
        let arn = field(context, "ProviderArn")?;
        Some((arn, field(context, "ContextAssertion")?))
    })?;
    kwargs.deny_unknown()
}

fn text(
    kwargs: &mut Kwargs,
    name: &str,
    least: usize,
) -> Result<Option<String>, ConfigurationError> {
    let Some(given) = kwargs.take(name) else {
        return Ok(None);
    };
    match given.value.as_str() {
        Some(text) if text.chars().count() >= least => Ok(Some(text.to_owned())),
        _ => Err(given.error(format!("must be a text of at least {least} characters"))),
    }
}

/// The values of a list, each read by `read`.
fn each<T>(
    kwargs: &mut Kwargs,
    name: &str,
    expected: &str,
    read: impl Fn(&Value) -> Option<T>,
) -> Result<Vec<T>, ConfigurationError> {
    let Some(given) = kwargs.take(name) else {
        return Ok(Vec::new());
    };
    let list = given.value.as_array();
    let list = list.and_then(|list| list.iter().map(read).collect());
    list.ok_or_else(|| given.error(format!("must be a list of {expected}")))
}

fn field(object: &Value, name: &str) -> Option<String> {
    object.get(name)?.as_str().map(str::to_owned)
}
