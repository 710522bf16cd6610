//! Options from the keyword arguments of Airflow's classes, and of the AWS connection whose extras
//! they take.

mod nested;

use std::{path::PathBuf, time::Duration};

use serde_json::{Map, Value};

use self::nested::{take_retries, take_role_option};
use super::{
    Service,
    assume_role::{AssumeRole, WebIdentityToken},
    builder::{AwsBuilder, Kind},
    options::StaticKeys,
    tls::{ClientCertificate, Trust},
};
use crate::{
    BackendSetup, ConfigurationError, GivenKwarg, Kwargs, Secret, Warning, backends::given::Given,
    config::is_truthy,
};

/// Names that Airflow's classes once had, or that users take for one: what to do instead.
const FORMER: &[(&str, &str)] = &[
    (
        "full_url_mode",
        "Airflow took it out: a secret that is a JSON object is read as one, others as a URI; \
         leave it out",
    ),
    (
        "are_secret_values_urlencoded",
        "Airflow took it out: the values of a JSON secret are taken as they are; leave it out, and \
         decode the secrets that are percent-encoded",
    ),
    ("profile", "do you mean \"profile_name\"?"),
    ("region", "do you mean \"region_name\"?"),
    ("aws_account_id", "Airflow took it out: give \"role_arn\""),
    ("aws_iam_role", "Airflow took it out: give \"role_arn\""),
    (
        "external_id",
        "give it as \"ExternalId\" in \"assume_role_kwargs\"",
    ),
    ("variable_prefix", "do you mean \"variables_prefix\"?"),
    ("connection_prefix", "do you mean \"connections_prefix\"?"),
];

/// All that is known, for the warning about what is not.
const KNOWN: &[&str] = &[
    "connections_prefix",
    "connections_lookup_pattern",
    "variables_prefix",
    "variables_lookup_pattern",
    "config_prefix",
    "config_lookup_pattern",
    "sep and extra_conn_words (Secrets Manager)",
    "region_name",
    "profile_name",
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "session_kwargs",
    "endpoint_url",
    "verify",
    "use_ssl",
    "api_version",
    "config_kwargs",
    "service_config",
    "role_arn",
    "assume_role_method",
    "assume_role_kwargs",
    "assume_role_with_web_identity_federation",
    "assume_role_with_web_identity_token_file",
    "assume_role_with_web_identity_federation_audience",
];

/// Options of botocore's `Config` that change nothing about what is read here.
const CONFIG_NOT_USED: &[&str] = &[
    "signature_version",
    "user_agent",
    "user_agent_extra",
    "user_agent_appid",
    "parameter_validation",
    "s3",
    "s3_disable_express_session_auth",
    "inject_host_prefix",
    "endpoint_discovery_enabled",
    "defaults_mode",
    "tcp_keepalive",
    "request_min_compression_size_bytes",
    "disable_request_compression",
    "client_context_params",
    "sigv4a_signing_region_set",
    "request_checksum_calculation",
    "response_checksum_validation",
    "account_id_endpoint_mode",
    "auth_scheme_preference",
];

/// The builder that `setup` describes.
pub(super) fn builder<S: Service>(
    setup: BackendSetup<'_>,
) -> Result<AwsBuilder<S>, ConfigurationError> {
    let BackendSetup {
        kwargs,
        environment,
        multi_team,
        warnings,
    } = setup;
    let builder = AwsBuilder::default()
        .environment(environment)
        .multi_team(multi_team);
    let mut taker = Taker {
        kwargs,
        warnings,
        builder,
    };
    taker.names()?;
    taker.session()?;
    taker.wire()?;
    taker.config_kwargs()?;
    taker.role()?;
    taker.warn_of_the_rest();
    Ok(taker.builder)
}

/// Takes the arguments out, one by one.
struct Taker<'w, S: Service> {
    kwargs: Kwargs,
    warnings: &'w mut Vec<Warning>,
    builder: AwsBuilder<S>,
}

impl<S: Service> Taker<'_, S> {
    /// An argument that is not `null`.
    fn take(&mut self, name: &str) -> Option<GivenKwarg> {
        self.kwargs
            .take(name)
            .filter(|kwarg| !kwarg.value().is_null())
    }

    fn text(&mut self, name: &str) -> Result<Option<Given<String>>, ConfigurationError> {
        self.take(name).map(|kwarg| text(&kwarg)).transpose()
    }

    fn names(&mut self) -> Result<(), ConfigurationError> {
        if !S::FACTS.is_path {
            self.sep()?;
        }
        for kind in ["connections", "variables", "config"] {
            let prefix = self.kwargs.take(&format!("{kind}_prefix"));
            let pattern = self.take(&format!("{kind}_lookup_pattern"));
            let place = self.kind(kind);
            if let Some(kwarg) = prefix {
                place.prefix = match kwarg.value() {
                    Value::Null => None,
                    Value::String(prefix) => Some(prefix.clone()),
                    value if !S::FACTS.is_path && !is_truthy(value) => Some(String::new()),
                    _ => return Err(kwarg.error("must be a text or null")),
                };
            }
            if let Some(kwarg) = pattern {
                place.pattern = match kwarg.value() {
                    value if !is_truthy(value) => None,
                    _ => Some(text(&kwarg)?),
                };
            }
        }
        Ok(())
    }

    fn kind(&mut self, kind: &str) -> &mut Kind {
        match kind {
            "connections" => &mut self.builder.connections,
            "variables" => &mut self.builder.variables,
            _ => &mut self.builder.config,
        }
    }

    fn sep(&mut self) -> Result<(), ConfigurationError> {
        if let Some(kwarg) = self.kwargs.take("sep") {
            let sep = kwarg.value().as_str();
            let sep = sep.ok_or_else(|| kwarg.error("must be a text"))?;
            sep.clone_into(&mut self.builder.sep);
        }
        let Some(kwarg) = self.kwargs.take("extra_conn_words") else {
            return Ok(());
        };
        let added = self.builder.words.add_all(kwarg.value());
        added.map_err(|why| kwarg.error(why))
    }

    fn session(&mut self) -> Result<(), ConfigurationError> {
        let session_kwargs = self.object("session_kwargs")?;
        let (given_key, given_secret, given_token) = (
            self.take("aws_access_key_id"),
            self.take("aws_secret_access_key"),
            self.take("aws_session_token"),
        );
        let own = |kwarg: &Option<GivenKwarg>| -> Result<Option<String>, ConfigurationError> {
            let text = kwarg.as_ref().map(text).transpose()?;
            Ok(text.map(|text| text.value).filter(|text| !text.is_empty()))
        };
        let (mut key, mut secret) = (own(&given_key)?, own(&given_secret)?);
        let mut token = own(&given_token)?;
        let mut blamed = given_key.or(given_secret).or(given_token);
        if let Some(kwarg) = session_kwargs {
            let nested = |name: &str| {
                let text = kwarg.value().get(name).and_then(Value::as_str);
                text.filter(|text| !text.is_empty()).map(str::to_owned)
            };
            let pair = nested("aws_access_key_id").zip(nested("aws_secret_access_key"));
            if let (Some((nested_key, nested_secret)), true) =
                (pair, key.is_none() || secret.is_none())
            {
                (key, secret) = (Some(nested_key), Some(nested_secret));
            }
            token = token.or_else(|| nested("aws_session_token"));
            blamed = blamed.or(Some(kwarg));
        }
        self.builder.session.keys = match (key, secret, blamed) {
            (None, None, Some(kwarg)) if token.is_some() => {
                return Err(kwarg.error(
                    "a session token needs \"aws_access_key_id\" and \"aws_secret_access_key\"",
                ));
            }
            (Some(access_key_id), Some(secret), _) => Some(StaticKeys {
                access_key_id,
                secret_access_key: secret.into(),
                session_token: token.map(Secret::from),
            }),
            (None, None, _) | (_, _, None) => None,
            (_, _, Some(kwarg)) => {
                return Err(kwarg.error(
                    "\"aws_access_key_id\" and \"aws_secret_access_key\" must be given together",
                ));
            }
        };
        self.builder.session.region_name = self.text("region_name")?;
        self.builder.session.profile_name = self.text("profile_name")?;
        Ok(())
    }

    fn wire(&mut self) -> Result<(), ConfigurationError> {
        if let Some(url) = self.text("endpoint_url")? {
            self.builder.session.endpoint_url = Some(checked_url(url)?);
        }
        if let Some(kwarg) = self.object("service_config")? {
            let url = kwarg
                .value()
                .get("sts")
                .and_then(|sts| sts.get("endpoint_url"));
            let url = url.filter(|url| !url.is_null());
            if let Some(url) = url {
                let url = url
                    .as_str()
                    .ok_or_else(|| kwarg.error("the \"endpoint_url\" of \"sts\" must be a text"))?;
                let url = Given::by(&kwarg, url.to_owned());
                self.builder.session.sts_endpoint_url = Some(checked_url(url)?);
            }
        }
        if let Some(kwarg) = self.take("verify") {
            self.builder.session.trust = Some(match kwarg.value() {
                Value::Bool(true) => Trust::Mozilla,
                Value::Bool(false) => Trust::Unchecked,
                Value::Number(number) if number.as_f64() == Some(0.0) => Trust::Unchecked,
                Value::String(path) if !path.is_empty() => {
                    Trust::Bundle(Given::by(&kwarg, PathBuf::from(path)))
                }
                _ => return Err(kwarg.error("must be true, false, or the path of a CA bundle")),
            });
        }
        if let Some(kwarg) = self.take("use_ssl") {
            self.builder.session.wire.without_tls = !is_truthy(kwarg.value());
        }
        if let Some(version) = self.text("api_version")?
            && version.value != S::FACTS.api_version
        {
            let message = format!(
                "there is no such version, there is {}",
                S::FACTS.api_version
            );
            return Err(version.error(&message));
        }
        Ok(())
    }

    /// An argument that is an object; an empty one, or what Python takes for false, is none.
    fn object(&mut self, name: &str) -> Result<Option<GivenKwarg>, ConfigurationError> {
        let kwarg = self.take(name).filter(|kwarg| is_truthy(kwarg.value()));
        match kwarg {
            Some(kwarg) if !kwarg.value().is_object() => {
                Err(kwarg.error("must be an object, and not a text that holds one"))
            }
            kwarg => Ok(kwarg),
        }
    }

    fn config_kwargs(&mut self) -> Result<(), ConfigurationError> {
        let Some(kwarg) = self.object("config_kwargs")? else {
            return Ok(());
        };
        let empty = Map::new();
        let session = &mut self.builder.session;
        for (name, value) in kwarg.value().as_object().unwrap_or(&empty) {
            let wrong = |what: &str| Err(kwarg.error(format!("{name:?} {what}")));
            match (name.as_str(), value) {
                (_, Value::Null) => {}
                ("connect_timeout" | "read_timeout", value) => {
                    let seconds = value.as_f64().filter(|seconds| *seconds > 0.0);
                    let time = seconds.and_then(|s| Duration::try_from_secs_f64(s).ok());
                    let Some(time) = time else {
                        return wrong("must be a number of seconds above 0");
                    };
                    if name == "connect_timeout" {
                        session.wire.connect_timeout = time;
                    } else {
                        session.wire.read_timeout = time;
                    }
                    // A call that may take longer than all of them together would never do so.
                    let wire = &session.wire;
                    let both = wire.connect_timeout.saturating_add(wire.read_timeout);
                    session.timeout = session.timeout.max(both);
                }
                ("retries", Value::Object(retries)) => {
                    if let Err(why) = take_retries(retries, session) {
                        return wrong(why);
                    }
                }
                ("proxies", Value::Object(proxies)) => {
                    let proxies = proxies.iter().map(|(scheme, url)| {
                        let url = url.as_str().map(Secret::from);
                        url.map(|url| (scheme.clone(), url))
                    });
                    let Some(proxies) = proxies.collect::<Option<_>>() else {
                        return wrong("must be an object from a scheme to a proxy's URL");
                    };
                    self.builder.proxies = Some(Given::by(&kwarg, proxies));
                }
                ("max_pool_connections", value) => match value.as_u64().map(usize::try_from) {
                    Some(Ok(calls)) if calls > 0 => self.builder.max_concurrent_requests = calls,
                    _ => return wrong("must be a number above 0"),
                },
                ("client_cert", value) => match client_certificate(value) {
                    Some(files) => session.client_certificate = Some(Given::by(&kwarg, files)),
                    None => return wrong("must be a PEM file, or those of certificate and key"),
                },
                ("region_name", Value::String(region)) => {
                    session.sts_region = Some(region.clone());
                }
                ("use_dualstack_endpoint", Value::Bool(on)) => session.use_dual_stack = Some(*on),
                ("use_fips_endpoint", Value::Bool(on)) => session.use_fips = Some(*on),
                ("ignore_configured_endpoint_urls", Value::Bool(on)) => {
                    session.ignore_configured_endpoint_urls = *on;
                }
                (name, _) if CONFIG_NOT_USED.contains(&name) => {
                    let error = kwarg.error(format!("{name:?} is passed over: nothing uses it"));
                    self.warnings.push(warning(&error));
                }
                ("proxies_config", value) if !is_truthy(value) => {}
                ("proxies_config", _) => {
                    return wrong(
                        "is not offered: leave it out, and put the authority of an https proxy into \
                     the PEM file that AWS_CA_BUNDLE names",
                    );
                }
                (
                    "retries"
                    | "proxies"
                    | "region_name"
                    | "use_dualstack_endpoint"
                    | "use_fips_endpoint"
                    | "ignore_configured_endpoint_urls",
                    _,
                ) => return wrong("has a value of a wrong type"),
                _ => return wrong("is no option of botocore's Config"),
            }
        }
        Ok(())
    }

    fn role(&mut self) -> Result<(), ConfigurationError> {
        let method = self.kwargs.take("assume_role_method");
        let role_kwargs = self.take("assume_role_kwargs");
        let federation = self.take("assume_role_with_web_identity_federation");
        let token_file = self.text("assume_role_with_web_identity_token_file")?;
        let audience = self.text("assume_role_with_web_identity_federation_audience")?;
        let saml = self.kwargs.take("assume_role_with_saml");
        let arn = self.take("role_arn");
        let Some(arn) = arn.filter(|arn| is_truthy(arn.value())) else {
            return Ok(());
        };
        let origin = arn;
        let mut role = AssumeRole::new(text(&origin)?.value);
        // Shorter ones STS refuses.
        if role.arn.chars().count() < 20 {
            return Err(origin.error(
                "this is no ARN of a role; one looks like arn:aws:iam::123456789012:role/reader",
            ));
        }
        let is_web_identity = match &method {
            None => false,
            Some(kwarg) => match kwarg.value().as_str() {
                Some("assume_role") => false,
                Some("assume_role_with_web_identity") => true,
                Some("assume_role_with_saml") => {
                    return Err(kwarg.error(
                        "SAML is not offered: use assume_role or assume_role_with_web_identity",
                    ));
                }
                _ => {
                    return Err(kwarg.error(
                        "must be assume_role or assume_role_with_web_identity; to leave it out is \
                         assume_role",
                    ));
                }
            },
        };
        drop(saml);
        if is_web_identity {
            let named = federation.as_ref().and_then(|kwarg| kwarg.value().as_str());
            let blamed = federation.as_ref().unwrap_or(&origin);
            role.web_identity = Some(match named {
                Some("file") => WebIdentityToken::File(self.token_file(token_file, blamed)?),
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
        if let Some(kwarg) = role_kwargs.filter(|kwarg| is_truthy(kwarg.value())) {
            let options = kwarg.value().as_object();
            let options = options.ok_or_else(|| kwarg.error("must be an object"))?;
            for (name, value) in options {
                let taken = take_role_option(&mut role, name, value);
                taken.map_err(|why| kwarg.error(format!("{name:?} {why}")))?;
            }
        }
        self.builder.session.role = Some(Given::by(&origin, role));
        Ok(())
    }

    fn token_file(
        &self,
        given: Option<Given<String>>,
        blamed: &GivenKwarg,
    ) -> Result<PathBuf, ConfigurationError> {
        let path = given.map(|path| path.value).filter(|path| !path.is_empty());
        let environment = &self.builder.session.environment;
        let variable = || {
            environment
                .get("AWS_WEB_IDENTITY_TOKEN_FILE")
                .map(str::to_owned)
        };
        let path = path.or_else(variable).filter(|path| !path.is_empty());
        path.map(PathBuf::from).ok_or_else(|| {
            blamed.error(
                "needs \"assume_role_with_web_identity_token_file\", or \
                 AWS_WEB_IDENTITY_TOKEN_FILE in the environment",
            )
        })
    }

    fn warn_of_the_rest(&mut self) {
        for (name, what) in FORMER {
            if let Some(kwarg) = self.kwargs.take(name) {
                self.warnings.push(warning(&kwarg.error(*what)));
            }
        }
        for error in self.kwargs.unknown(KNOWN) {
            self.warnings.push(warning(&error));
        }
    }
}

fn warning(error: &ConfigurationError) -> Warning {
    Warning::new(error.setting(), error.origin(), error.message())
}

fn text(kwarg: &GivenKwarg) -> Result<Given<String>, ConfigurationError> {
    match kwarg.value() {
        Value::String(text) => Ok(Given::by(kwarg, text.clone())),
        _ => Err(kwarg.error("must be a text or null")),
    }
}

fn checked_url(url: Given<String>) -> Result<Given<Secret>, ConfigurationError> {
    super::shared_config::check_endpoint(&url.value).map_err(|why| url.error(why))?;
    Ok(url.map(Secret::from))
}

fn client_certificate(value: &Value) -> Option<ClientCertificate> {
    let path = |value: &Value| value.as_str().map(PathBuf::from);
    match value {
        Value::Array(files) => match files.as_slice() {
            [certificate, key] => Some(ClientCertificate {
                certificate: path(certificate)?,
                key: Some(path(key)?),
            }),
            _ => None,
        },
        value => Some(ClientCertificate {
            certificate: path(value)?,
            key: None,
        }),
    }
}
