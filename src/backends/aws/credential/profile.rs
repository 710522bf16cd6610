//! What a profile of AWS's two files gives, in botocore's order: a role, a web identity, a login in
//! a browser, keys, or what a program prints.

use std::{path::PathBuf, time::Duration};

use aws_config::{SdkConfig, profile::Profile};
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future},
};

use super::{
    EnvironmentKeys, StaticKeys,
    container::Container,
    instance::Instance,
    process::Process,
    role::{Caller, LentRole, Sts},
    sso::SingleSignOn,
};
use crate::{
    Failure,
    backends::aws::{
        assume_role::{AssumeRole, WebIdentityToken},
        profile_files::command_words,
        shared_config::SharedConfig,
    },
};

/// What is needed to make something of profiles.
pub(super) struct Profiles<'a> {
    pub(super) shared: &'a SharedConfig<'a>,
    /// For the calls that this takes.
    pub(super) sdk: &'a SdkConfig,
    pub(super) region: &'a str,
}

/// What gives credentials, or `None` where a profile has none.
type Source = Result<Option<SharedCredentialsProvider>, Failure>;

impl<'a> Profiles<'a> {
    /// What the selected profile gives. What is wrong with it is said when it is asked.
    pub(super) fn selected(&self) -> SharedCredentialsProvider {
        let name = self.shared.profile_name();
        // boto3 mixes the environment's with it, unless settings name a profile.
        let with_variables = self.shared.options.profile_name.is_none();
        let source = if self.lends(name) {
            self.role(name, &mut vec![name.to_owned()]).map(Some)
        } else {
            self.own(name, with_variables)
        };
        match source {
            Ok(Some(source)) => source,
            Ok(None) => SharedCredentialsProvider::new(Nothing(None)),
            Err(failure) => SharedCredentialsProvider::new(Nothing(Some(failure))),
        }
    }

    fn profile(&self, name: &str) -> Option<&'a Profile> {
        self.shared.profile(name)
    }

    fn get(&self, profile: &str, key: &str) -> Option<&'a str> {
        self.profile(profile)?.get(key)
    }

    /// Whether a profile is a role that another's credentials are needed for.
    fn lends(&self, name: &str) -> bool {
        self.get(name, "role_arn").is_some() && self.get(name, "web_identity_token_file").is_none()
    }

    /// The role of a profile; `visited` are those that lead there, and itself.
    fn role(
        &self,
        name: &str,
        visited: &mut Vec<String>,
    ) -> Result<SharedCredentialsProvider, Failure> {
        let get = |key| self.get(name, key);
        let wrong = |what: &str| {
            Err(Failure::configuration(format!(
                "the AWS profile {name:?} {what}"
            )))
        };
        if get("mfa_serial").is_some() {
            return wrong("asks for the code of an MFA device (mfa_serial), which nobody can type");
        }
        let caller = match (get("source_profile"), get("credential_source")) {
            (Some(_), Some(_)) => return wrong("has both source_profile and credential_source"),
            (None, None) => {
                return wrong(
                    "has a role_arn, but no source_profile and no credential_source for it",
                );
            }
            (Some(source), None) => self.source(name, source, visited)?,
            (None, Some(named)) => self.named(name, named)?,
        };
        let mut role = AssumeRole::new(get("role_arn").unwrap_or_default());
        role.session_name = get("role_session_name").map(str::to_owned);
        role.external_id = get("external_id").map(str::to_owned);
        let seconds = get("duration_seconds").and_then(|seconds| seconds.trim().parse().ok());
        role.duration = seconds.map(Duration::from_secs);
        self.lent(Caller::Credentials(caller), role)
    }

    fn lent(&self, caller: Caller, role: AssumeRole) -> Result<SharedCredentialsProvider, Failure> {
        let options = self.shared.options;
        Ok(SharedCredentialsProvider::new(LentRole {
            sts: Sts::new(self.shared, self.sdk, self.region, None, caller)?,
            role,
            default_session_name: None,
            environment: options.environment.clone(),
            wire: options.wire.clone(),
        }))
    }

    /// What the profile that `source_profile` names gives.
    fn source(
        &self,
        name: &str,
        source: &str,
        visited: &mut Vec<String>,
    ) -> Result<SharedCredentialsProvider, Failure> {
        let wrong = |what: &str| {
            let parent = format!("the source_profile {source:?} of the AWS profile {name:?}");
            Failure::configuration(format!("{parent} {what}"))
        };
        if self.profile(source).is_none() {
            return Err(wrong("does not exist"));
        }
        let has_keys = ["aws_access_key_id", "aws_secret_access_key"]
            .iter()
            .any(|key| self.get(source, key).is_some());
        let was_visited = visited.iter().any(|visited| visited == source);
        if was_visited && !(has_keys && source == name) {
            return Err(wrong("leads back to itself"));
        }
        visited.push(source.to_owned());
        if self.lends(source) && !has_keys {
            return self.role(source, visited);
        }
        self.own(source, false)?
            .ok_or_else(|| wrong("has no credentials"))
    }

    /// What `credential_source` names.
    fn named(&self, name: &str, source: &str) -> Result<SharedCredentialsProvider, Failure> {
        let options = self.shared.options;
        let environment = options.environment.clone();
        Ok(match source.to_lowercase().as_str() {
            "environment" => SharedCredentialsProvider::new(EnvironmentKeys(environment)),
            "ecscontainer" => SharedCredentialsProvider::new(Container {
                environment,
                wire: options.wire.clone(),
            }),
            "ec2instancemetadata" => {
                let instance = Instance::new(self.shared)?;
                SharedCredentialsProvider::new(instance.ok_or_else(|| {
                    Failure::configuration(format!(
                        "the AWS profile {name:?} is for a machine's own role, and \
                         AWS_EC2_METADATA_DISABLED in the environment forbids to ask for it"
                    ))
                })?)
            }
            _ => {
                return Err(Failure::configuration(format!(
                    "the credential_source of the AWS profile {name:?} is none of Environment, \
                     EcsContainer and Ec2InstanceMetadata"
                )));
            }
        })
    }

    /// What a profile gives by itself.
    fn own(&self, name: &str, with_variables: bool) -> Source {
        let get = |key| self.get(name, key);
        if let Some(lent) = self.web_identity(name, with_variables)? {
            return Ok(Some(lent));
        }
        if get("sso_role_name").is_some() || get("sso_account_id").is_some() {
            return self.single_sign_on(name).map(Some);
        }
        let [first, last] = self.shared.in_each_file(name);
        if let Some(keys) = keys(first)? {
            return Ok(Some(SharedCredentialsProvider::new(keys)));
        }
        if get("login_session").is_some() {
            return Err(Failure::configuration(format!(
                "the login_session of the AWS profile {name:?} is not offered: use SSO, or keys"
            )));
        }
        if let Some(command) = get("credential_process") {
            let words = command_words(command).map_err(|why| {
                let whose = format!("the credential_process of the AWS profile {name:?}");
                Failure::configuration(format!("{whose} cannot be run: {why}"))
            })?;
            return Ok(Some(SharedCredentialsProvider::new(Process {
                profile: name.to_owned(),
                words,
            })));
        }
        Ok(keys(last)?.map(SharedCredentialsProvider::new))
    }

    /// A role for a token in a file, of the profile's or of the environment's.
    fn web_identity(&self, name: &str, with_variables: bool) -> Source {
        let get = |key: &str, variable: &str| {
            let variable = self.shared.options.environment.get(variable);
            let variable = variable.filter(|_| with_variables);
            variable.or_else(|| self.get(name, key))
        };
        let file = get("web_identity_token_file", "AWS_WEB_IDENTITY_TOKEN_FILE");
        let Some(file) = file.filter(|file| !file.is_empty()) else {
            return Ok(None);
        };
        let arn = get("role_arn", "AWS_ROLE_ARN").filter(|arn| !arn.is_empty());
        let Some(arn) = arn else {
            return Err(Failure::configuration(
                "AWS_WEB_IDENTITY_TOKEN_FILE is set in the environment, or \
                 web_identity_token_file in the AWS profile, but not AWS_ROLE_ARN, or role_arn",
            ));
        };
        let mut role = AssumeRole::new(arn).web_identity(WebIdentityToken::File(file.into()));
        if let Some(name) = get("role_session_name", "AWS_ROLE_SESSION_NAME") {
            role = role.session_name(name);
        }
        self.lent(Caller::WebIdentity, role).map(Some)
    }

    fn single_sign_on(&self, name: &str) -> Result<SharedCredentialsProvider, Failure> {
        let options = self.shared.options;
        let session = self.get(name, "sso_session");
        let section = session.map(|session| {
            self.shared.sso_session(session).ok_or_else(|| {
                Failure::configuration(format!(
                    "the sso_session {session:?} of the AWS profile {name:?} does not exist"
                ))
            })
        });
        let section = section.transpose()?;
        let get = |key: &str| {
            let of_session = section.and_then(|section| section.get(key));
            let value = of_session.or_else(|| self.get(name, key));
            value.map(str::to_owned).ok_or_else(|| {
                Failure::configuration(format!(
                    "the AWS profile {name:?} is for SSO, but has no {key}"
                ))
            })
        };
        Ok(SharedCredentialsProvider::new(SingleSignOn {
            profile: name.to_owned(),
            sdk: self.sdk.clone(),
            endpoints: [
                self.shared.endpoint(None, "SSO")?,
                self.shared.endpoint(None, "SSO OIDC")?,
            ],
            region: get("sso_region")?,
            start_url: get("sso_start_url")?,
            session: session.map(str::to_owned),
            account_id: get("sso_account_id")?,
            role_name: get("sso_role_name")?,
            home: options.environment.get("HOME").map(PathBuf::from),
            timeout: options.timeout,
        }))
    }
}

/// The key that a profile has in one file.
fn keys(profile: Option<&Profile>) -> Result<Option<Credentials>, Failure> {
    let Some((profile, key)) = profile.and_then(|p| Some((p, p.get("aws_access_key_id")?))) else {
        return Ok(None);
    };
    let Some(secret) = profile.get("aws_secret_access_key") else {
        return Err(Failure::configuration(format!(
            "the AWS profile {:?} has an aws_access_key_id, but no aws_secret_access_key beside it",
            profile.name()
        )));
    };
    // boto3's older name for it comes first there.
    let token = profile.get("aws_security_token");
    let token = token.or_else(|| profile.get("aws_session_token"));
    let keys = StaticKeys {
        access_key_id: key.to_owned(),
        secret_access_key: secret.into(),
        session_token: token.map(Into::into),
    };
    Ok(Some(keys.credentials("profile")))
}

/// A profile without credentials, and what is wrong with it, if anything is.
#[derive(Debug)]
struct Nothing(Option<Failure>);

impl ProvideCredentials for Nothing {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err(match &self.0 {
            Some(failure) => CredentialsError::provider_error(failure.clone()),
            None => CredentialsError::not_loaded_no_source(),
        }))
    }
}
