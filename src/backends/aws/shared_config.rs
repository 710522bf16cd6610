//! What settings say, and where they say nothing the shared configuration: the variables and the
//! profile.

use std::{collections::HashMap, path::PathBuf};

use aws_config::profile::{Profile, ProfileSet};
use aws_runtime::env_config::{
    EnvConfigValue,
    file::{EnvConfigFileKind, EnvConfigFiles},
    section::SsoSession,
};
use aws_smithy_types::retry::RetryConfig;
use aws_types::os_shim_internal::{Env, Fs};
use url::Url;

use super::{
    options::{RetryMode, SessionOptions},
    profile_files::{self, section_name},
    tls::Trust,
};
use crate::{Failure, Secret, backends::given::Given};

/// The options, and the profile they lead to.
pub(super) struct SharedConfig<'o> {
    pub(super) options: &'o SessionOptions,
    name: String,
    profiles: ProfileSet,
    /// What each file has, first that of credentials: the parts of a key are those of one file.
    keys: [ProfileSet; 2],
    env: Env,
}

impl<'o> SharedConfig<'o> {
    pub(super) async fn load(
        options: &'o SessionOptions,
        named: Option<Given<String>>,
    ) -> Result<Self, Failure> {
        let environment = &options.environment;
        // An empty endpoint is none.
        let variables = environment
            .iter()
            .filter(|(name, value)| !(name.starts_with("AWS_ENDPOINT_URL") && value.is_empty()))
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let env = Env::from(variables.collect::<HashMap<_, _>>());
        let [config, credentials] = profile_files::read(environment).await?;
        let name = named.as_ref().map(|profile| profile.value.clone());
        let name = name.unwrap_or_else(|| "default".to_owned());
        let parse = async |config: &str, credentials: &str| {
            let files = EnvConfigFiles::builder()
                .with_contents(EnvConfigFileKind::Config, config)
                .with_contents(EnvConfigFileKind::Credentials, credentials)
                .build();
            let selected = Some(section_name(&name).into());
            let parsed = aws_config::profile::load(&Fs::default(), &env, &files, selected).await;
            parsed.map_err(|_| {
                Failure::configuration(
                    "AWS's profile files (~/.aws/config and ~/.aws/credentials, or those that \
                     AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE name) cannot be parsed",
                )
            })
        };
        let profiles = parse(&config, &credentials).await?;
        let keys = [parse("", &credentials).await?, parse(&config, "").await?];
        if let Some(named) = named
            && profiles.get_profile(&section_name(&name)).is_none()
        {
            return Err(named.failure(&format!(
                "there is no AWS profile {name:?} in ~/.aws/config or ~/.aws/credentials"
            )));
        }
        Ok(Self {
            options,
            name,
            profiles,
            keys,
            env,
        })
    }

    pub(super) fn profile_name(&self) -> &str {
        &self.name
    }

    pub(super) fn in_profile(&self, key: &str) -> Option<&str> {
        self.profiles.get(key)
    }

    pub(super) fn profile(&self, name: &str) -> Option<&Profile> {
        self.profiles.get_profile(&section_name(name))
    }

    /// The same in the file of credentials alone, and in the other alone.
    pub(super) fn in_each_file(&self, name: &str) -> [Option<&Profile>; 2] {
        let name = section_name(name);
        self.keys.each_ref().map(|file| file.get_profile(&name))
    }

    pub(super) fn sso_session(&self, name: &str) -> Option<&SsoSession> {
        self.profiles.sso_session(&section_name(name))
    }

    pub(super) fn variable(&self, name: &str) -> Option<&'o str> {
        self.options.environment.non_empty(name)
    }

    /// In a variable, else in the profile.
    pub(super) fn setting(&self, variable: &str, key: &str) -> Option<&str> {
        self.variable(variable).or_else(|| self.in_profile(key))
    }

    pub(super) fn region(&self) -> Result<String, Failure> {
        let variable = |name: &str| {
            let region = self.options.environment.get(name)?;
            Some(Given::new(name, "the environment", region.to_owned()))
        };
        let profile = || {
            let region = self.in_profile("region")?.to_owned();
            let profile = format!("the AWS profile {}", self.profile_name());
            Some(Given::new("region", &profile, region))
        };
        let region = self.options.region_name.clone();
        let region = region
            .or_else(|| variable("AWS_DEFAULT_REGION"))
            .or_else(profile)
            .or_else(|| variable("AWS_REGION").filter(|region| !region.value.is_empty()));
        let Some(region) = region else {
            return Err(Failure::configuration(
                "there is no AWS region: give \"region_name\" in backend_kwargs, \
                 AWS_DEFAULT_REGION in the environment, or a region in the AWS profile",
            ));
        };
        let is_label = !region.value.is_empty()
            && region
                .value
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-');
        if !is_label {
            return Err(region.failure("this is no AWS region; one looks like eu-west-1"));
        }
        Ok(region.value)
    }

    /// The address of a service, where it is not AWS's own.
    pub(super) fn endpoint(
        &self,
        given: Option<&Given<Secret>>,
        service_id: &'static str,
    ) -> Result<Option<String>, Failure> {
        if let Some(given) = given {
            let url = given.value.expose();
            check_endpoint(url).map_err(|why| given.failure(why))?;
            return Ok(Some(url.to_owned()));
        }
        let is_ignored = self.options.ignore_configured_endpoint_urls
            || self.switch(
                None,
                "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
                "ignore_configured_endpoint_urls",
            ) == Some(true);
        if is_ignored {
            return Ok(None);
        }
        // As variables and profiles have it.
        let name = service_id.to_lowercase().replace(' ', "_");
        let configured = EnvConfigValue::new()
            .env("AWS_ENDPOINT_URL")
            .profile("endpoint_url")
            .service_id(&name);
        let Some((url, _)) = configured.load(&self.env, Some(&self.profiles)) else {
            return Ok(None);
        };
        check_endpoint(&url).map_err(|why| {
            let variable = name.to_uppercase();
            Failure::configuration(format!(
                "the endpoint for {service_id} (AWS_ENDPOINT_URL_{variable} or AWS_ENDPOINT_URL in \
                 the environment, or endpoint_url in the AWS profile): {why}"
            ))
        })?;
        Ok(Some(url.into_owned()))
    }

    pub(super) fn trust_unless_given(&self, given: Option<&Trust>) -> Trust {
        if let Some(trust) = given {
            return trust.clone();
        }
        let variable = |name: &str| {
            let path = self.variable(name)?.to_owned();
            Some(Given::new(name, "the environment", path))
        };
        let profile = || {
            let path = self.in_profile("ca_bundle").map(str::to_owned)?;
            let profile = format!("the AWS profile {}", self.profile_name());
            Some(Given::new("ca_bundle", &profile, path))
        };
        let bundle = variable("AWS_CA_BUNDLE")
            .or_else(profile)
            .or_else(|| variable("REQUESTS_CA_BUNDLE"));
        match bundle {
            Some(path) => Trust::Bundle(path.map(PathBuf::from)),
            None => Trust::Mozilla,
        }
    }

    /// `true` or `false`, as given, else in a variable, else in the profile.
    pub(super) fn switch(&self, given: Option<bool>, variable: &str, key: &str) -> Option<bool> {
        let text = self.setting(variable, key);
        given.or_else(|| text.map(|text| text.trim().eq_ignore_ascii_case("true")))
    }

    pub(super) fn retry_config(&self) -> Result<RetryConfig, Failure> {
        let options = self.options;
        let mode = match (
            options.retry_mode,
            self.setting("AWS_RETRY_MODE", "retry_mode"),
        ) {
            (Some(mode), _) => mode,
            (None, None | Some("legacy" | "adaptive")) => RetryMode::Adaptive,
            (None, Some("standard")) => RetryMode::Standard,
            (None, Some(_)) => {
                return Err(Failure::configuration(
                    "AWS_RETRY_MODE, or retry_mode in the AWS profile, must be legacy, standard \
                     or adaptive",
                ));
            }
        };
        let config = match mode {
            RetryMode::Adaptive => RetryConfig::adaptive(),
            RetryMode::Standard => RetryConfig::standard(),
        };
        let attempts = match (
            options.max_attempts,
            self.setting("AWS_MAX_ATTEMPTS", "max_attempts")
                .map(|text| text.trim().parse()),
        ) {
            (Some(attempts), _) | (None, Some(Ok(attempts @ 1..))) => Some(attempts),
            (None, Some(_)) => {
                return Err(Failure::configuration(
                    "AWS_MAX_ATTEMPTS, or max_attempts in the AWS profile, must be a number above 0",
                ));
            }
            (None, None) => None,
        };
        let config = config.with_initial_backoff(options.initial_backoff);
        Ok(match attempts {
            Some(attempts) => config.with_max_attempts(attempts.max(1)),
            None => config,
        })
    }
}

/// The profile that a setting names: an argument, else a variable.
pub(super) fn named_profile(options: &SessionOptions) -> Option<Given<String>> {
    let given = options.profile_name.clone();
    given.or_else(|| profile_variable(options))
}

/// The profile that `AWS_DEFAULT_PROFILE`, else `AWS_PROFILE` names.
pub(super) fn profile_variable(options: &SessionOptions) -> Option<Given<String>> {
    let variable = |name: &str| {
        let profile = options.environment.get(name)?;
        Some(Given::new(name, "the environment", profile.to_owned()))
    };
    variable("AWS_DEFAULT_PROFILE").or_else(|| variable("AWS_PROFILE"))
}

/// Whether `url` can be an endpoint.
///
/// # Errors
/// Why it cannot.
pub(super) fn check_endpoint(url: &str) -> Result<(), &'static str> {
    let wrong =
        "this is no endpoint; one looks like https://vpce-1.ssm.eu-west-1.vpce.amazonaws.com";
    let url = Url::parse(url).map_err(|_| wrong)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("an endpoint has no user name and no password");
    }
    let is_one = matches!(url.scheme(), "http" | "https") && url.has_host();
    is_one.then_some(()).ok_or(wrong)
}
