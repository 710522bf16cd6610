//! The arguments of the logins for which a cloud vouches.

use super::LoginArguments;
use crate::{ConfigurationError, backends::vault::VaultCredential, config::Kwargs};
#[cfg(feature = "_aws")]
use crate::{
    backends::{
        aws::{AwsCredential, kwargs::role},
        vault::AwsIamLogin,
    },
    config::Setting,
};

/// `aws_iam`: an access key, else a role for boto3's default chain, else that chain.
#[cfg(feature = "_aws")]
pub(super) fn aws_iam(
    kwargs: &mut Kwargs,
    arguments: LoginArguments,
    auth_type: &Setting<String>,
) -> Result<VaultCredential, ConfigurationError> {
    let key_id = super::text(kwargs, "key_id")?;
    let role = kwargs.truthy("assume_role_kwargs");
    let credential = match (key_id, arguments.secret_id) {
        (Some(key_id), Some(secret)) => AwsCredential::access_key(key_id, secret, None),
        (None, None) => match role {
            Some(role) => {
                AwsCredential::default_chain().assume_role(role::of_boto3(role.object()?)?)
            }
            None => AwsCredential::default_chain(),
        },
        _ => {
            return Err(auth_type.error(
                "the login \"aws_iam\" needs \"key_id\" and \"secret_id\" together, or neither \
                 for boto3's default chain",
            ));
        }
    };
    let mut login = AwsIamLogin::new(credential);
    if let Some(role) = arguments.role_id {
        login = login.role(role.expose());
    }
    if let Some(region) = super::text(kwargs, "region")? {
        login = login.region(region);
    }
    Ok(VaultCredential::aws_iam(login))
}

/// `azure`: a service principal's secret, else the default chain.
#[cfg(feature = "azure")]
pub(super) fn azure(
    kwargs: &mut Kwargs,
    arguments: LoginArguments,
) -> Result<Result<VaultCredential, &'static str>, ConfigurationError> {
    use crate::backends::azure::AzureCredential;

    let (resource, tenant) = (
        super::text(kwargs, "azure_resource")?,
        super::text(kwargs, "azure_tenant_id")?,
    );
    let client_id = super::text(kwargs, "key_id")?;
    let (Some(role), Some(resource), Some(tenant)) = (arguments.role_id, resource, tenant) else {
        return Ok(Err(
            "\"role_id\", \"azure_resource\" and \"azure_tenant_id\"",
        ));
    };
    let credential = match (client_id, arguments.secret_id) {
        (Some(client_id), Some(secret)) => {
            AzureCredential::client_secret(tenant, client_id, secret)
        }
        (None, None) => AzureCredential::default_chain(),
        _ => return Ok(Err("\"key_id\" and \"secret_id\" together, or neither")),
    };
    Ok(Ok(VaultCredential::azure(
        role.expose(),
        resource,
        credential,
    )))
}

/// `gcp`: the key of a service account, else the default credentials.
#[cfg(feature = "gcp")]
pub(super) fn gcp(
    kwargs: &mut Kwargs,
    arguments: LoginArguments,
) -> Result<Result<VaultCredential, &'static str>, ConfigurationError> {
    use crate::backends::{gcp::kwargs as google, vault::credential::login::GcpLogin};

    let (credential, scopes) = (google::key(kwargs)?, google::scopes(kwargs)?);
    Ok(match (arguments.role_id, scopes) {
        (Some(role), Some(scopes)) => Ok(VaultCredential::gcp_of(GcpLogin {
            role: role.expose().to_owned(),
            credential,
            scopes,
        })),
        _ => Err("\"role_id\" and \"gcp_scopes\""),
    })
}
