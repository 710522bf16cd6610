//! The credentials of a profile, in botocore's order: a role, a web identity, SSO, keys, or a program
//! that prints them.

use std::{path::PathBuf, time::Duration};

use aws_config::SdkConfig;
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};

use super::{
    EnvironmentKeys, StaticKeys,
    container::Container,
    instance::Instance,
    process::Process,
    role::{Caller, LentRole, Sts},
    source::{Source, shared},
    sso::SingleSignOn,
};
use crate::{
    Failure,
    backends::aws::{
        credential::assume_role::{AssumeRole, WebIdentityToken},
        profile_files::Section,
        shared_config::SharedConfig,
    },
    config::HOME,
    python::shlex,
};

/// Makes sources of credentials from profiles.
pub(super) struct Profiles<'a> {
    pub(super) shared: &'a SharedConfig<'a>,
    /// For the calls that a source makes.
    pub(super) sdk: &'a SdkConfig,
    pub(super) region: &'a str,
}

/// A source of credentials, or `None` where the profile has none.
type Provider = Result<Option<SharedCredentialsProvider>, Failure>;

impl<'a> Profiles<'a> {
    /// The source of the selected profile. What is wrong with the profile is an error of that source.
    pub(super) fn selected(&self) -> SharedCredentialsProvider {
        let name = self.shared.profile_name();
        // boto3 combines it with variables, unless settings name a profile.
        let with_variables = self.shared.options.profile_name.is_none();
        let source = if self.lends(name) {
            self.role(name, &mut vec![name.to_owned()]).map(Some)
        } else {
            self.own(name, with_variables)
        };
        match source {
            Ok(Some(source)) => source,
            Ok(None) => shared(Nothing(None)),
            Err(failure) => shared(Nothing(Some(failure))),
        }
    }

    fn profile(&self, name: &str) -> Option<&'a Section> {
        self.shared.files.profile(name)
    }

    fn get(&self, profile: &str, key: &str) -> Option<&'a str> {
        self.profile(profile)?.get(key)
    }

    /// Whether a profile is a role that is assumed with other credentials.
    fn lends(&self, name: &str) -> bool {
        self.get(name, "role_arn").is_some() && self.get(name, "web_identity_token_file").is_none()
    }

    /// The role of a profile; `visited` are the profiles that lead there, including itself.
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
            return wrong(
                "needs the code of an MFA device (mfa_serial), which a library cannot ask for: use \
                 another profile (AWS-19)",
            );
        }
        let caller = match (get("source_profile"), get("credential_source")) {
            (Some(_), Some(_)) => {
                return wrong("has both source_profile and credential_source: remove one");
            }
            (None, None) => {
                return wrong("has a role_arn, but neither source_profile nor credential_source");
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
        Ok(shared(LentRole {
            sts: Sts::new(self.shared, self.sdk, self.region, None, caller)?,
            role,
            default_session_name: None,
            environment: options.environment.clone(),
            wire: options.wire.clone(),
        }))
    }

    /// The source of the profile that `source_profile` names.
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

    /// The source that `credential_source` names.
    fn named(&self, name: &str, source: &str) -> Result<SharedCredentialsProvider, Failure> {
        let options = self.shared.options;
        let environment = options.environment.clone();
        Ok(match source.to_lowercase().as_str() {
            "environment" => shared(EnvironmentKeys(environment)),
            "ecscontainer" => shared(Container {
                environment,
                wire: options.wire.clone(),
            }),
            "ec2instancemetadata" => {
                let instance = Instance::new(self.shared)?;
                shared(instance.ok_or_else(|| {
                    Failure::configuration(format!(
                        "the AWS profile {name:?} uses the role of the machine \
                         (Ec2InstanceMetadata), which AWS_EC2_METADATA_DISABLED in the environment \
                         disables"
                    ))
                })?)
            }
            _ => {
                return Err(Failure::configuration(format!(
                    "the credential_source of the AWS profile {name:?} must be Environment, \
                     EcsContainer or Ec2InstanceMetadata"
                )));
            }
        })
    }

    /// The profile's own credentials.
    fn own(&self, name: &str, with_variables: bool) -> Provider {
        let get = |key| self.get(name, key);
        if let Some(lent) = self.web_identity(name, with_variables)? {
            return Ok(Some(lent));
        }
        if get("sso_role_name").is_some() || get("sso_account_id").is_some() {
            return self.single_sign_on(name).map(Some);
        }
        let [credentials, config] = self.shared.files.in_each_file(name);
        if let Some(keys) = keys(name, credentials)? {
            return Ok(Some(SharedCredentialsProvider::new(keys)));
        }
        if get("login_session").is_some() {
            return Err(Failure::configuration(format!(
                "the login_session of the AWS profile {name:?} is not supported: use SSO or keys \
                 (AWS-19)"
            )));
        }
        if let Some(command) = get("credential_process") {
            let words = shlex::split(command).map_err(|why| {
                let whose = format!("the credential_process of the AWS profile {name:?}");
                Failure::configuration(format!("{whose} is invalid: it {why}"))
            })?;
            return Ok(Some(shared(Process {
                profile: name.to_owned(),
                words,
                environment: self.shared.options.environment.clone(),
                timeout: self.shared.options.timeout,
            })));
        }
        Ok(keys(name, config)?.map(SharedCredentialsProvider::new))
    }

    /// A role for a web identity token file, from the environment or the profile.
    fn web_identity(&self, name: &str, with_variables: bool) -> Provider {
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
                 web_identity_token_file in the AWS profile, but AWS_ROLE_ARN or role_arn is not",
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
            self.shared.files.sso_session(session).ok_or_else(|| {
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
                    "the AWS profile {name:?} uses SSO, and {key} is not set in it"
                ))
            })
        };
        Ok(shared(SingleSignOn {
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
            home: options.environment.get(HOME).map(PathBuf::from),
            timeout: options.timeout,
        }))
    }
}

/// The access key that profile `name` has in one file.
fn keys(name: &str, profile: Option<&Section>) -> Result<Option<Credentials>, Failure> {
    let Some((profile, key)) = profile.and_then(|p| Some((p, p.get("aws_access_key_id")?))) else {
        return Ok(None);
    };
    let Some(secret) = profile.get("aws_secret_access_key") else {
        return Err(Failure::configuration(format!(
            "the AWS profile {name:?} has an aws_access_key_id, but no aws_secret_access_key in the \
             same file",
        )));
    };
    // boto3 reads the older name first.
    let token = profile.get("aws_security_token");
    let token = token.or_else(|| profile.get("aws_session_token"));
    let keys = StaticKeys {
        access_key_id: key.to_owned(),
        secret_access_key: secret.into(),
        session_token: token.map(Into::into),
    };
    Ok(Some(keys.credentials("profile")))
}

/// A profile without credentials, with the failure if it is invalid.
#[derive(Debug)]
struct Nothing(Option<Failure>);

impl Source for Nothing {
    async fn credentials(&self) -> Result<Option<Credentials>, Failure> {
        self.0.clone().map_or(Ok(None), Err)
    }
}
