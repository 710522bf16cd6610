//! The value of each option: from the settings, else from the shared configuration, which is the
//! variables and the profile.

use aws_smithy_types::retry::RetryConfig;
use url::Url;

use super::{
    options::{RetryMode, SessionOptions},
    profile_files::{IsText, ProfileFiles, Section},
};
use crate::{Failure, Secret, backends::http_options::Roots, config::Setting};

/// The options, and the profile that they select.
pub(super) struct SharedConfig<'o> {
    pub(super) options: &'o SessionOptions,
    pub(super) files: &'o ProfileFiles,
    profile_name: String,
}

impl<'o> SharedConfig<'o> {
    pub(super) fn new(
        options: &'o SessionOptions,
        files: &'o ProfileFiles,
        named: Option<Setting<String>>,
    ) -> Result<Self, Failure> {
        if let Some(named) = &named
            && files.profile(&named.value).is_none()
        {
            return Err(named.failure(format!(
                "there is no AWS profile {:?} in ~/.aws/config or ~/.aws/credentials",
                named.value
            )));
        }
        Ok(Self {
            options,
            files,
            profile_name: named.map_or_else(|| "default".to_owned(), |named| named.value),
        })
    }

    pub(super) fn profile_name(&self) -> &str {
        &self.profile_name
    }

    fn profile(&self) -> Option<&'o Section> {
        self.files.profile(&self.profile_name)
    }

    pub(super) fn in_profile(&self, option: &str) -> Option<&'o str> {
        self.profile()?.get(option)
    }

    pub(super) fn variable(&self, name: &str) -> Option<&'o str> {
        self.options.environment.non_empty(name)
    }

    /// The value of a variable, else of a key in the profile.
    pub(super) fn setting(&self, variable: &str, key: &str) -> Option<&str> {
        self.variable(variable).or_else(|| self.in_profile(key))
    }

    pub(super) fn region(&self) -> Result<String, Failure> {
        let variable = |name: &str| {
            let region = self.options.environment.get(name)?;
            Some(Setting::new(name, "the environment", region.to_owned()))
        };
        let profile = || {
            let region = self.in_profile("region")?.to_owned();
            let profile = format!("the AWS profile {}", self.profile_name());
            Some(Setting::new("region", &profile, region))
        };
        let region = self.options.region_name.clone();
        let region = region
            .or_else(|| variable("AWS_DEFAULT_REGION"))
            .or_else(profile)
            .or_else(|| variable("AWS_REGION").filter(|region| !region.value.is_empty()))
            .or_else(|| self.options.default_region.clone());
        let Some(region) = region else {
            return Err(Failure::configuration(
                "the AWS region is not set: give \"region_name\" in backend_kwargs, \
                 AWS_DEFAULT_REGION in the environment, or a region in the AWS profile",
            ));
        };
        let is_label = !region.value.is_empty()
            && region
                .value
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-');
        if !is_label {
            return Err(region.failure("is not an AWS region; write it like eu-west-1"));
        }
        Ok(region.value)
    }

    /// The URL of a service, where a setting names one in place of AWS's own.
    pub(super) fn endpoint(
        &self,
        given: Option<&Setting<Secret>>,
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
        // As variables and profiles spell it.
        let name = service_id.to_lowercase().replace(' ', "_");
        let variable = format!("AWS_ENDPOINT_URL_{}", name.to_uppercase());
        let in_environment = self
            .variable(&variable)
            .or_else(|| self.variable("AWS_ENDPOINT_URL"));
        let configured = match in_environment {
            Some(url) => Some(url),
            None => self.endpoint_in_profile(&name)?,
        };
        let Some(url) = configured else {
            return Ok(None);
        };
        check_endpoint(url).map_err(|why| {
            Failure::configuration(format!(
                "the endpoint for {service_id} ({variable} or AWS_ENDPOINT_URL in the environment, \
                 or endpoint_url in the AWS profile): {why}"
            ))
        })?;
        Ok(Some(url.to_owned()))
    }

    /// The endpoint in the `services` section that the profile names, else in the profile itself.
    fn endpoint_in_profile(&self, service: &str) -> Result<Option<&'o str>, Failure> {
        let is_set = |url: &&str| !url.is_empty();
        let own = self.in_profile("endpoint_url").filter(is_set);
        let Some(name) = self.in_profile("services") else {
            return Ok(own);
        };
        let wrong = |what: &str| {
            Failure::configuration(format!(
                "the AWS profile {:?} names services = {name}, {what}",
                self.profile_name
            ))
        };
        let services = self.files.services(name).ok_or_else(|| {
            wrong(&format!(
                "but ~/.aws/config has no section [services {name}], or it is empty"
            ))
        })?;
        let url = services.nested(service, "endpoint_url").map_err(|IsText| {
            wrong(&format!(
                "where {service} must have its endpoint_url on an indented line below it"
            ))
        })?;
        Ok(url.filter(is_set).or(own))
    }

    /// The CA bundle that a variable or the profile names.
    pub(super) fn roots(&self) -> Option<Setting<Roots>> {
        let environment = &self.options.environment;
        let variable = |name| Roots::in_variable(environment, name);
        let profile = || {
            let path = self.in_profile("ca_bundle")?;
            let profile = format!("the AWS profile {}", self.profile_name());
            Some(Setting::new("ca_bundle", &profile, Roots::At(path.into())))
        };
        variable("AWS_CA_BUNDLE")
            .or_else(profile)
            .or_else(|| variable("REQUESTS_CA_BUNDLE"))
    }

    /// A boolean: as given, else in a variable, else in the profile.
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
                    "AWS_RETRY_MODE in the environment, or retry_mode in the AWS profile, must be \
                     legacy, standard or adaptive",
                ));
            }
        };
        let config = match mode {
            RetryMode::Adaptive => RetryConfig::adaptive(),
            RetryMode::Standard => RetryConfig::standard(),
        };
        let retries = &options.retries;
        let attempts = match (
            retries.max_retries.map(|retries| retries.saturating_add(1)),
            self.setting("AWS_MAX_ATTEMPTS", "max_attempts")
                .map(|text| text.trim().parse()),
        ) {
            (Some(attempts), _) | (None, Some(Ok(attempts @ 1..))) => Some(attempts),
            (None, Some(_)) => {
                return Err(Failure::configuration(
                    "AWS_MAX_ATTEMPTS in the environment, or max_attempts in the AWS profile, must \
                     be a number above 0",
                ));
            }
            (None, None) => None,
        };
        let config = match retries.first_pause {
            Some(pause) => config.with_initial_backoff(pause),
            None => config,
        };
        let config = match retries.longest_pause {
            Some(pause) => config.with_max_backoff(pause),
            None => config,
        };
        Ok(match attempts {
            Some(attempts) => config.with_max_attempts(attempts),
            None => config,
        })
    }
}

/// The name of the profile: from an argument, else from a variable.
pub(super) fn named_profile(options: &SessionOptions) -> Option<Setting<String>> {
    let given = options.profile_name.clone();
    given.or_else(|| profile_variable(options))
}

/// The name of the profile in `AWS_DEFAULT_PROFILE`, else in `AWS_PROFILE`.
pub(super) fn profile_variable(options: &SessionOptions) -> Option<Setting<String>> {
    let variable = |name: &str| {
        let profile = options.environment.get(name)?;
        Some(Setting::new(name, "the environment", profile.to_owned()))
    };
    variable("AWS_DEFAULT_PROFILE").or_else(|| variable("AWS_PROFILE"))
}

/// Checks that `url` is a valid endpoint.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check_endpoint(url: &str) -> Result<(), &'static str> {
    let wrong = "is not an endpoint; write it like https://vpce-1.ssm.eu-west-1.vpce.amazonaws.com";
    let url = Url::parse(url).map_err(|_| wrong)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("an endpoint must not contain a user name or a password (AWS-17)");
    }
    let is_one = matches!(url.scheme(), "http" | "https") && url.has_host();
    is_one.then_some(()).ok_or(wrong)
}
