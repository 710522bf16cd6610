//! Options from the keyword arguments of Airflow's classes, which are also the extras of an AWS
//! connection.

mod config;
pub(crate) mod role;

use super::{Service, builder::AwsBuilder, credential::StaticKeys};
use crate::{
    ConfigurationError, Secret,
    backends::registry::BackendSetup,
    config::{Kwargs, Setting, set},
};

/// Names that Airflow's classes once had, and common mistakes, each with its replacement.
const FORMER: &[(&str, &str)] = &[
    (
        "full_url_mode",
        "Airflow removed it: a secret that is a JSON object is read as one, others as a URI; \
         remove it",
    ),
    (
        "are_secret_values_urlencoded",
        "Airflow removed it: the values of a JSON secret are not decoded; remove it, and store the \
         values without percent-encoding",
    ),
    ("profile", "do you mean \"profile_name\"?"),
    ("region", "do you mean \"region_name\"?"),
    ("aws_account_id", "Airflow removed it: use \"role_arn\""),
    ("aws_iam_role", "Airflow removed it: use \"role_arn\""),
    (
        "external_id",
        "set \"ExternalId\" in \"assume_role_kwargs\"",
    ),
    ("variable_prefix", "do you mean \"variables_prefix\"?"),
    ("connection_prefix", "do you mean \"connections_prefix\"?"),
];

/// The builder that `setup` describes.
pub(super) fn builder<S: Service>(
    setup: BackendSetup<'_>,
) -> Result<AwsBuilder<S>, ConfigurationError> {
    let BackendSetup {
        mut kwargs,
        environment,
        multi_team,
        ..
    } = setup;
    let mut builder = AwsBuilder::default()
        .environment(environment)
        .multi_team(multi_team);
    names(&mut kwargs, &mut builder)?;
    session(&mut kwargs, &mut builder)?;
    wire(&mut kwargs, &mut builder)?;
    config::take(&mut kwargs, &mut builder)?;
    let role = role::take(&mut kwargs, environment)?;
    builder.session.credential.role = role.map(|role| role.value);
    for (name, instead) in FORMER {
        let former = kwargs.ignore_with_warning(name, instead);
        builder.warnings.extend(former);
    }
    builder.warnings.extend(kwargs.unknown_as_warnings());
    Ok(builder)
}

fn names<S: Service>(
    kwargs: &mut Kwargs,
    builder: &mut AwsBuilder<S>,
) -> Result<(), ConfigurationError> {
    for (kind, place) in [
        ("connections", &mut builder.connections),
        ("variables", &mut builder.variables),
        ("config", &mut builder.config),
    ] {
        if let Some(prefix) = kwargs.take(&format!("{kind}_prefix")) {
            let is_empty = !S::FACTS.is_path && !prefix.value.is_null() && !prefix.is_truthy();
            place.prefix = if is_empty {
                Some(String::new())
            } else {
                prefix.text_or_null()?.value
            };
        }
        if let Some(pattern) = kwargs.truthy(&format!("{kind}_lookup_pattern")) {
            place.pattern = pattern.text_or_null()?.transpose();
        }
    }
    if S::FACTS.is_path {
        return Ok(());
    }
    let sep = kwargs.take("sep").map(Setting::text).transpose()?;
    set(&mut builder.sep, sep);
    if let Some(words) = kwargs.take("extra_conn_words") {
        let added = builder.words.add_all(&words.value);
        added.map_err(|why| words.error(why))?;
    }
    Ok(())
}

fn session<S: Service>(
    kwargs: &mut Kwargs,
    builder: &mut AwsBuilder<S>,
) -> Result<(), ConfigurationError> {
    let mut key = kwargs.non_empty("aws_access_key_id")?;
    let mut secret = kwargs.non_empty("aws_secret_access_key")?;
    let mut token = kwargs.non_empty("aws_session_token")?;
    if let Some(given) = kwargs.truthy("session_kwargs") {
        let mut session = given.object()?;
        let nested_key = session.non_empty("aws_access_key_id")?;
        let nested_secret = session.non_empty("aws_secret_access_key")?;
        if (key.is_none() || secret.is_none()) && nested_key.is_some() && nested_secret.is_some() {
            (key, secret) = (nested_key, nested_secret);
        }
        token = token.or(session.non_empty("aws_session_token")?);
        builder.warnings.extend(session.unknown_as_warnings());
    }
    builder.session.credential.keys = match (key, secret, token) {
        (None, None, None) => None,
        (None, None, Some(token)) => {
            return Err(token.error(
                "a session token needs \"aws_access_key_id\" and \"aws_secret_access_key\" (AWS-1)",
            ));
        }
        (Some(key), Some(secret), token) => Some(StaticKeys {
            access_key_id: key.value,
            secret_access_key: secret.value.into(),
            session_token: token.map(|token| token.value.into()),
        }),
        (Some(half), None, _) | (None, Some(half), _) => {
            return Err(half.error(
                "\"aws_access_key_id\" and \"aws_secret_access_key\" must be set together (AWS-1)",
            ));
        }
    };
    builder.session.region_name = kwargs.text("region_name")?;
    builder.session.profile_name = kwargs.text("profile_name")?;
    Ok(())
}

fn wire<S: Service>(
    kwargs: &mut Kwargs,
    builder: &mut AwsBuilder<S>,
) -> Result<(), ConfigurationError> {
    let session = &mut builder.session;
    session.endpoint_url = endpoint(kwargs)?;
    // An object with a member for each service, of which only STS is used here.
    if let Some(services) = kwargs.truthy("service_config")
        && let Some(mut sts) = services.object()?.object("sts")?
    {
        session.sts_endpoint_url = endpoint(&mut sts)?;
    }
    if let Some(verify) = kwargs.any("verify") {
        let is_zero = verify.value.as_f64() == Some(0.0);
        let verify = verify.map(|value| if is_zero { false.into() } else { value });
        builder.http.roots = Some(verify.roots()?);
    }
    if let Some(use_ssl) = kwargs.any("use_ssl") {
        session.wire.without_tls = !use_ssl.is_truthy();
    }
    if let Some(version) = kwargs.text("api_version")?
        && version.value != S::FACTS.api_version
    {
        let offered = S::FACTS.api_version;
        return Err(version.error(format!("must be {offered}, the only version (AWS-1)")));
    }
    Ok(())
}

/// `endpoint_url`.
fn endpoint(kwargs: &mut Kwargs) -> Result<Option<Setting<Secret>>, ConfigurationError> {
    let Some(url) = kwargs.text("endpoint_url")? else {
        return Ok(None);
    };
    super::shared_config::check_endpoint(&url.value).map_err(|why| url.error(why))?;
    Ok(Some(url.map(Secret::from)))
}
